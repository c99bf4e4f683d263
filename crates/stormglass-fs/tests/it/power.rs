//! The effects of a power loss: what is lost and what survives.

use expect_test::expect;
use madsim::runtime::Runtime;
use proptest::prelude::*;
use std::io::{self, ErrorKind};
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_fs::disk::EntryKind;
use stormglass_fs::{Disk, DiskProfile, FileExt, Loss, NamesDurable};

const EIO: Option<i32> = Some(5);

fn disk(seed: u64) -> Disk {
    Disk::new("disk", DiskProfile::instant(), Seed(seed))
}

async fn names(disk: &Disk) -> Vec<String> {
    disk.read_dir("/").await.unwrap().names()
}

async fn sync(disk: &Disk, path: &str) {
    disk.open(path).await.unwrap().sync_all().await.unwrap();
}

/// Without a power loss all data is there; after one, only synced data under synced names.
#[test]
fn only_synced_data_survives() {
    Runtime::new().block_on(async {
        let disk = disk(1);
        disk.write("kept", b"old").await.unwrap();
        sync(&disk, "kept").await;
        sync(&disk, "/").await;
        disk.write("kept", b"new").await.unwrap();
        disk.write("unnamed", b"synced, but not its name").await.unwrap();
        sync(&disk, "unnamed").await;
        assert_eq!(disk.read("kept").await.unwrap(), b"new");
        assert_eq!(names(&disk).await, ["kept", "unnamed"]);
        disk.power_loss(Loss::Everything);
        assert_eq!(disk.read("kept").await.unwrap(), b"old");
        assert_eq!(names(&disk).await, ["kept"]);
    });
}

/// ext4 makes a file's name durable with a sync of the file, and with it every older change of
/// names.
#[test]
fn an_ext4_file_sync_makes_the_name_durable() {
    Runtime::new().block_on(async {
        for (names_durable, expected) in
            [(NamesDurable::DirectorySync, &[][..]), (NamesDurable::FileSync, &["a", "b"][..])]
        {
            let disk = Disk::new("disk", DiskProfile { names_durable, ..DiskProfile::instant() }, Seed(1));
            for name in ["a", "b", "c"] {
                disk.write(name, b"x").await.unwrap();
            }
            sync(&disk, "b").await;
            disk.power_loss(Loss::Everything);
            assert_eq!(names(&disk).await, expected, "{names_durable:?}");
        }
    });
}

/// A durable replacement writes a temporary file, syncs it, renames it, and syncs the directory.
/// Whatever a power loss in between takes, the file has the old contents or the new ones.
#[test]
fn a_durable_replacement_is_all_or_nothing() {
    let replace = async |disk: &Disk| -> io::Result<()> {
        let aside = disk.create("d/new").await?;
        aside.write_all_at(b"new", 0).await?;
        aside.sync_all().await?;
        disk.rename("d/new", "d/file").await?;
        disk.open("d").await?.sync_all().await
    };
    let (mut old, mut new) = (0, 0);
    Runtime::new().block_on(async {
        for loss in Loss::ALL {
            for seed in 0..20 {
                let mut after = 0;
                loop {
                    let disk = disk(seed);
                    disk.create_dir("d").await.unwrap();
                    disk.write("d/file", b"old").await.unwrap();
                    sync(&disk, "d/file").await;
                    sync(&disk, "d").await;
                    sync(&disk, "/").await;
                    disk.stop_before(disk.operations() + after);
                    let done = replace(&disk).await;
                    disk.power_loss(loss);
                    let found = disk.read("d/file").await.unwrap();
                    assert!(found == b"old" || found == b"new", "{loss:?} after {after}: {found:?}");
                    *if found == b"old" { &mut old } else { &mut new } += 1;
                    if done.is_ok() {
                        assert_eq!(found, b"new", "acknowledged under {loss:?}");
                        break;
                    }
                    assert_eq!(done.unwrap_err().raw_os_error(), EIO);
                    after += 1;
                }
            }
        }
    });
    assert!(old > 100 && new > 100, "both ends are seen: {old} {new}");
}

/// Without the sync before the rename, the new name can refer to an empty or torn file: the test
/// detects this bug.
#[test]
fn a_replacement_without_sync_is_detected() {
    let mut broken = 0;
    Runtime::new().block_on(async {
        for seed in 0..200 {
            let disk = disk(seed);
            disk.write("file", b"old").await.unwrap();
            sync(&disk, "file").await;
            sync(&disk, "/").await;
            disk.write("new", b"new").await.unwrap();
            disk.rename("new", "file").await.unwrap();
            disk.power_loss(Loss::Suffix);
            let found = disk.read("file").await.unwrap();
            broken += usize::from(found != b"old" && found != b"new");
        }
    });
    // The rename survives in one of three losses, the write in one of two: 33 expected of 200.
    assert!((15..55).contains(&broken), "{broken}");
}

/// A torn write loses some sectors of 512 bytes and keeps others; each sector survives whole or
/// not at all.
#[test]
fn writes_are_torn_between_sectors() {
    let mut torn = 0;
    Runtime::new().block_on(async {
        for seed in 0..40 {
            let disk = disk(seed);
            let file = disk.create("a").await.unwrap();
            file.write_all_at(&[1; 2_048], 0).await.unwrap();
            file.sync_all().await.unwrap();
            sync(&disk, "/").await;
            file.write_all_at(&[2; 2_048], 0).await.unwrap();
            disk.power_loss(Loss::Torn);
            let bytes = disk.read("a").await.unwrap();
            let sectors: Vec<u8> = bytes.chunks(512).map(|sector| sector[0]).collect();
            assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
            torn += usize::from(sectors.contains(&1) && sectors.contains(&2));
        }
    });
    // Of 16 outcomes for four sectors 14 are mixed: 35 expected of 40.
    assert!((25..=40).contains(&torn), "{torn}");
}

/// Of two writes to a sector the disk may keep none, the first or both, and of a truncation the new
/// length or the old one.
#[test]
fn a_write_survives_with_the_earlier_ones_to_its_sector() {
    let mut seen = std::collections::BTreeSet::new();
    Runtime::new().block_on(async {
        for seed in 0..60 {
            let disk = disk(seed);
            let file = disk.create("a").await.unwrap();
            file.write_all_at(b"0000", 0).await.unwrap();
            file.sync_all().await.unwrap();
            sync(&disk, "/").await;
            file.write_all_at(b"11", 0).await.unwrap();
            file.write_all_at(b"2", 1).await.unwrap();
            file.set_len(3).await.unwrap();
            disk.power_loss(Loss::Subset);
            seen.insert(String::from_utf8(disk.read("a").await.unwrap()).unwrap());
        }
    });
    let all = ["000", "0000", "110", "1100", "120", "1200"];
    assert_eq!(seen, all.map(String::from).into());
}

/// A page of the page cache has every write to it, so its sectors on the device do: a record that
/// is written in two parts, as SQLite writes the header of its journal, never has the second part
/// alone. Writes to different sectors do survive without each other.
#[test]
fn a_sector_is_that_of_the_page_cache_at_some_time() {
    for loss in [Loss::Subset, Loss::Torn] {
        let mut seen = std::collections::BTreeSet::new();
        Runtime::new().block_on(async {
            for seed in 0..200 {
                let disk = disk(seed);
                let file = disk.create("a").await.unwrap();
                file.sync_all().await.unwrap();
                sync(&disk, "/").await;
                file.write_all_at(&[1; 512], 0).await.unwrap();
                file.write_all_at(&[2; 12], 0).await.unwrap();
                file.write_all_at(&[3; 512], 512).await.unwrap();
                disk.power_loss(loss);
                let bytes = disk.read("a").await.unwrap();
                seen.insert([0, 12, 512].map(|at| bytes.get(at).copied().unwrap_or(9)));
            }
        });
        // 9: the file ends before. A sector that was not written is a hole.
        let all = [[0, 0, 3], [1, 1, 3], [1, 1, 9], [2, 1, 3], [2, 1, 9], [9, 9, 9]];
        assert_eq!(seen, all.into(), "{loss:?}");
    }
}

/// A truncated file that is written again has its old bytes, or new ones, and never both.
#[test]
fn a_lost_truncation_takes_what_was_written_after_it() {
    let mut seen = std::collections::BTreeSet::new();
    Runtime::new().block_on(async {
        for seed in 0..60 {
            let disk = disk(seed);
            let file = disk.create("a").await.unwrap();
            file.write_all_at(b"old bytes", 0).await.unwrap();
            file.sync_all().await.unwrap();
            sync(&disk, "/").await;
            file.set_len(0).await.unwrap();
            file.write_all_at(b"new", 0).await.unwrap();
            disk.power_loss(Loss::Subset);
            seen.insert(disk.read("a").await.unwrap());
        }
    });
    let all = [&b""[..], b"new", b"old bytes"].map(<[u8]>::to_vec);
    assert_eq!(seen, all.into());
}

/// The page cache has zeros beyond the end of a truncated file, and a write-back of the end's sector
/// has them too. A write to it survived a lost truncation next to old bytes that it had overwritten.
#[test]
fn a_write_after_a_lost_truncation_has_zeros_to_the_end_of_its_sector() {
    let mut seen = std::collections::BTreeSet::new();
    Runtime::new().block_on(async {
        for seed in 0..200 {
            let disk = disk(seed);
            let file = disk.create("a").await.unwrap();
            file.write_all_at(&[1; 600], 0).await.unwrap();
            file.sync_all().await.unwrap();
            sync(&disk, "/").await;
            file.set_len(550).await.unwrap();
            file.write_all_at(&[2; 10], 512).await.unwrap();
            disk.power_loss(Loss::Subset);
            let bytes = disk.read("a").await.unwrap();
            seen.insert((bytes.len(), bytes[512], bytes[549], bytes.get(550).copied()));
        }
    });
    // With the truncation or without, and with the write or without.
    let all = [(550, 1, 1, None), (550, 2, 1, None), (600, 1, 1, Some(1)), (600, 2, 1, Some(0))];
    assert_eq!(seen, all.into());
}

/// After a power loss, operations on handles opened before it fail, and so do the operations in
/// flight.
#[test]
fn open_files_fail_after_a_power_loss() {
    Runtime::new().block_on(async {
        let mut profile = DiskProfile::instant();
        profile.write.latency = Latency::from_millis(10);
        let disk = Disk::new("disk", profile, Seed(1));
        let file = disk.create("a").await.unwrap();
        let writing = file.try_clone().await.unwrap();
        let under_way = madsim::task::spawn_local(async move { writing.write_all_at(b"x", 0).await });
        stormglass_rt::sleep(Duration::from_millis(5)).await;
        disk.power_loss(Loss::Everything);
        assert_eq!(under_way.await.unwrap().unwrap_err().raw_os_error(), EIO);
        assert_eq!(file.sync_all().await.unwrap_err().raw_os_error(), EIO);
        assert_eq!(disk.open("a").await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_snapshot_shows_what_a_power_loss_could_take() {
    Runtime::new().block_on(async {
        let disk = disk(1);
        disk.create_dir("db").await.unwrap();
        disk.write("db/1.log", &[0; 100]).await.unwrap();
        sync(&disk, "db/1.log").await;
        sync(&disk, "db").await;
        disk.write("db/2.log", &[0; 40]).await.unwrap();
        expect![[r#"
            db/
              1.log 100
              2.log 40, 40 not synced, name not synced
        "#]]
        .assert_eq(&disk.snapshot().to_string());
    });
}

/// An action on a disk.
#[derive(Clone, Debug)]
enum Action {
    Write(&'static str, Vec<u8>),
    Append(&'static str, Vec<u8>),
    Mkdir(&'static str),
    Rename(&'static str, &'static str),
    RemoveFile(&'static str),
    RemoveDir(&'static str),
    Cut(&'static str, u8),
}

const PATHS: [&str; 7] = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a"];

fn action() -> impl Strategy<Value = Action> {
    let path = || prop::sample::select(&PATHS[..]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..600);
    prop_oneof![
        3 => (path(), bytes()).prop_map(|(path, bytes)| Action::Write(path, bytes)),
        2 => (path(), bytes()).prop_map(|(path, bytes)| Action::Append(path, bytes)),
        2 => path().prop_map(Action::Mkdir),
        2 => (path(), path()).prop_map(|(from, to)| Action::Rename(from, to)),
        1 => path().prop_map(Action::RemoveFile),
        1 => path().prop_map(Action::RemoveDir),
        1 => (path(), any::<u8>()).prop_map(|(path, len)| Action::Cut(path, len)),
    ]
}

async fn act(disk: &Disk, action: &Action) -> io::Result<()> {
    let writing =
        |append: bool| *stormglass_fs::OpenOptions::new().write(!append).append(append).create(append);
    match action {
        Action::Write(path, bytes) => disk.write(path, bytes).await,
        Action::Append(path, bytes) => {
            disk.open_with(&writing(true), path).await?.write_all_at(bytes, 0).await
        }
        Action::Mkdir(path) => disk.create_dir(path).await,
        Action::Rename(from, to) => disk.rename(from, to).await,
        Action::RemoveFile(path) => disk.remove_file(path).await,
        Action::RemoveDir(path) => disk.remove_dir(path).await,
        Action::Cut(path, len) => disk.open_with(&writing(false), path).await?.set_len(u64::from(*len)).await,
    }
}

/// Returns every path with its contents, `None` for a directory.
async fn contents(disk: &Disk) -> Vec<(String, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    for entry in disk.snapshot().entries {
        let bytes = match entry.kind {
            EntryKind::File { .. } => Some(disk.read(&entry.path).await.unwrap()),
            _ => None,
        };
        all.push((entry.path, bytes));
    }
    all
}

async fn sync_everything(disk: &Disk) {
    sync(disk, "/").await;
    for entry in disk.snapshot().entries {
        sync(disk, &entry.path).await;
    }
}

proptest! {
    /// A total loss restores the state of the last full sync.
    #[test]
    fn a_total_loss_restores_the_last_sync(
        before in prop::collection::vec(action(), 0..20),
        after in prop::collection::vec(action(), 0..20),
    ) {
        Runtime::new().block_on(async {
            let disk = disk(1);
            for action in &before {
                let _ = act(&disk, action).await;
            }
            sync_everything(&disk).await;
            let kept = contents(&disk).await;
            for action in &after {
                let _ = act(&disk, action).await;
            }
            disk.power_loss(Loss::Everything);
            assert_eq!(contents(&disk).await, kept);
        });
    }

    /// After a full sync no kind of loss loses data.
    #[test]
    fn synced_data_survives_every_loss(actions in prop::collection::vec(action(), 0..25), seed: u64) {
        Runtime::new().block_on(async {
            for loss in Loss::ALL {
                let disk = disk(seed);
                for action in &actions {
                    let _ = act(&disk, action).await;
                }
                sync_everything(&disk).await;
                let kept = contents(&disk).await;
                disk.power_loss(loss);
                assert_eq!(contents(&disk).await, kept);
            }
        });
    }
}
