//! The host's memory that a disk uses.

use stormglass_core::{Keep, Recorder, Seed};
use stormglass_fs::{self as fs, Disk, DiskProfile, FileExt};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn allocated() -> usize {
    dhat::HeapStats::get().curr_bytes
}

/// The only test of this binary: the memory of a concurrent test would be counted too.
#[test]
fn memory_use_follows_the_contents_of_a_disk() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let recorder = Recorder::new(Keep::Nothing);
    let profile = DiskProfile::named("cloud-volume").unwrap();
    let before = allocated();
    let disks: Vec<Disk> = (0..100)
        .map(|number| Disk::recorded(&format!("node-{number}"), profile.clone(), Seed(1), &recorder))
        .collect();
    let idle = (allocated() - before) / disks.len();
    assert!(idle < 10 << 10, "an idle disk takes {idle} bytes");

    madsim::runtime::Runtime::new().block_on(async {
        let disk = &disks[0];
        let file = disk.create("holes").await.unwrap();
        let before = allocated();
        file.set_len(1 << 30).await.unwrap();
        file.sync_all().await.unwrap();
        disk.drop_caches();
        let holes = allocated().saturating_sub(before);
        assert!(holes < 1 << 10, "a GiB of holes takes {holes} bytes");
        // A thousand synced writes at one offset leave one page behind, not a history.
        for _ in 0..1_000 {
            file.write_all_at(&[1; 512], 4_096).await.unwrap();
            file.sync_data().await.unwrap();
        }
        let written = allocated().saturating_sub(before);
        assert!(written < 16 << 10, "{written} bytes for one page");

        // An operation on the mounted disk allocates no more often than on the disk itself, however
        // many nodes have one.
        disk.write("f", [1; 100]).await.unwrap();
        let _mounts: Vec<_> = disks.iter().map(Disk::mount).collect();
        let _mounted = disk.mount();
        let blocks = || dhat::HeapStats::get().total_blocks;
        let before = blocks();
        for _ in 0..100 {
            disk.metadata("f").await.unwrap();
            disk.read("f").await.unwrap();
        }
        let direct = blocks() - before;
        for _ in 0..100 {
            fs::metadata("f").await.unwrap();
            fs::read("f").await.unwrap();
        }
        let mounted = blocks() - before - direct;
        assert!(mounted <= direct, "{mounted} on the mounted disk, {direct} on the disk");
    });
}
