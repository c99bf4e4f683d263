//! Flags of `open(2)` that mean something to a disk: direct I/O, synchronous writes, files without
//! a name.

use madsim::runtime::Runtime;
use std::time::Duration;
use stormglass_core::fault::{Corruption, DiskEffect, DiskError, DiskRule};
use stormglass_core::{Keep, Kind, Latency, Recorder, Seed};
use stormglass_fs::{Disk, DiskProfile, File, FileExt, Loss, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

const MS: fn(u64) -> Duration = Duration::from_millis;
const EINVAL: Option<i32> = Some(22);

async fn open(disk: &Disk, path: &str, flags: i32) -> File {
    let options = *OpenOptions::new().read(true).write(true).create(true).custom_flags(flags);
    disk.open_with(&options, path).await.unwrap()
}

/// Returns how long an operation takes, in ms.
async fn took<T>(operation: impl Future<Output = std::io::Result<T>>) -> u128 {
    let began = stormglass_rt::now();
    operation.await.unwrap();
    (stormglass_rt::now() - began).as_millis()
}

/// A request of the device takes 3 ms, its transfer 8 ms a MiB, and writing 10 ms a MiB: a direct
/// write of 2 MiB takes 3 + 16 + 20 ms, and the sync after it only the 5 ms of a flush. Through the
/// page cache the write takes nothing, and the sync 5 + 16 + 20 ms. A direct read of 1 MiB takes 3
/// + 8 ms each time.
#[test]
fn direct_io_takes_the_time_of_the_device() {
    Runtime::new().block_on(async {
        let mut profile = DiskProfile::instant();
        profile.miss.latency = Latency::from_millis(3);
        profile.device.per_mib = MS(8);
        (profile.sync.latency, profile.sync.per_mib) = (Latency::from_millis(5), MS(10));
        let disk = Disk::new("disk", profile, Seed(1));
        for (flags, [write, sync, read]) in [(libc::O_DIRECT, [39, 5, 11]), (0, [0, 41, 0])] {
            let file = open(&disk, &format!("/{flags}"), flags).await;
            assert_eq!(took(file.write_all_at(&vec![1; 2 << 20], 0)).await, write);
            assert_eq!(took(file.sync_data()).await, sync);
            for _ in 0..2 {
                assert_eq!(took(file.read_exact_at(&mut vec![0; 1 << 20], 0)).await, read);
            }
        }
        // What was written directly is not in the page cache: the first buffered read of 1 MiB
        // fetches it.
        let buffered = disk.open(format!("/{}", libc::O_DIRECT)).await.unwrap();
        assert_eq!(took(buffered.read_exact_at(&mut vec![0; 1 << 20], 0)).await, 11);
        assert_eq!(took(buffered.read_exact_at(&mut vec![0; 1 << 20], 0)).await, 0);
    });
}

/// The offset and the length of direct I/O are multiples of a sector, 512 bytes. At the end of the
/// file a read is short.
#[test]
fn direct_io_transfers_whole_sectors() {
    Runtime::new().block_on(async {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        let file = open(&disk, "/f", libc::O_DIRECT).await;
        file.write_all_at(&[7; 1_024], 512).await.unwrap();
        for (offset, len) in [(0, 100), (100, 512), (512, 513)] {
            assert_eq!(file.write_at(&vec![0; len], offset).await.unwrap_err().raw_os_error(), EINVAL);
            assert_eq!(file.read_at(&mut vec![0; len], offset).await.unwrap_err().raw_os_error(), EINVAL);
        }
        assert_eq!(file.read_at(&mut [0; 4_096], 0).await.unwrap(), 1_536);
        assert_eq!(file.read_at(&mut [0; 100], 1_600).await.unwrap(), 0, "at the end nothing is transferred");
        file.set_len(1_000).await.unwrap();
        assert_eq!(file.read_at(&mut [0; 512], 512).await.unwrap(), 488);
        // An append begins at the end of the file.
        let options = *OpenOptions::new().append(true).custom_flags(libc::O_DIRECT);
        let appending = disk.open_with(&options, "/f").await.unwrap();
        assert_eq!(appending.write_at(&[8; 512], 0).await.unwrap_err().raw_os_error(), EINVAL);
        // So it is with the stream: its write fails at the flush.
        let mut file = file;
        file.set_len(1_024).await.unwrap();
        file.write_all(&[9; 512]).await.unwrap();
        file.flush().await.unwrap();
        file.write_all(&[9; 100]).await.unwrap();
        assert_eq!(file.flush().await.unwrap_err().raw_os_error(), EINVAL);
        file.rewind().await.unwrap();
        let mut sector = [0; 512];
        file.read_exact(&mut sector).await.unwrap();
        assert_eq!(sector, [9; 512]);
    });
}

/// A direct write is in the device's cache: a power loss may take it until a sync flushes the
/// cache.
#[test]
fn direct_write_is_durable_after_a_sync() {
    Runtime::new().block_on(async {
        for synced in [false, true] {
            let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
            let file = open(&disk, "/f", libc::O_DIRECT).await;
            file.write_all_at(&[1; 512], 0).await.unwrap();
            file.sync_all().await.unwrap();
            disk.open("/").await.unwrap().sync_all().await.unwrap();
            file.write_all_at(&[2; 512], 0).await.unwrap();
            if synced {
                file.sync_data().await.unwrap();
            }
            disk.power_loss(Loss::Everything);
            assert_eq!(disk.read("/f").await.unwrap(), [if synced { 2 } else { 1 }; 512]);
        }
    });
}

/// A direct read returns what the device has: a phantom write shows at once, without a power loss.
#[test]
fn direct_read_shows_what_the_page_cache_hides() {
    Runtime::new().block_on(async {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        let file = open(&disk, "/f", 0).await;
        file.write_all_at(&[1; 512], 0).await.unwrap();
        let guard = disk.inject(DiskRule::new(DiskEffect::Corrupt(Corruption::Phantom))).unwrap();
        file.write_all_at(&[2; 512], 0).await.unwrap();
        drop(guard);
        file.sync_all().await.unwrap();
        for (flags, found) in [(0, 2), (libc::O_DIRECT, 1)] {
            let mut sector = [0; 512];
            open(&disk, "/f", flags).await.read_exact_at(&mut sector, 0).await.unwrap();
            assert_eq!(sector, [found; 512]);
        }
    });
}

/// With `O_DSYNC` or `O_SYNC` each write waits for its sync, whose failure is the write's, and is
/// durable when it returns.
#[test]
fn synchronous_writes_are_durable_when_they_return() {
    for (flags, kind) in
        [(libc::O_DSYNC, Some(Kind::Fdatasync)), (libc::O_SYNC, Some(Kind::Fsync)), (0, None)]
    {
        let recorder = Recorder::new(Keep::Events);
        Runtime::new().block_on(async {
            let mut profile = DiskProfile::instant();
            profile.sync.latency = Latency::from_millis(5);
            let disk = Disk::recorded("disk", profile, Seed(1), &recorder);
            let mut file = open(&disk, "/f", flags).await;
            disk.open("/").await.unwrap().sync_all().await.unwrap();
            let expected = if kind.is_some() { 5 } else { 0 };
            assert_eq!(took(file.write_all_at(b"at", 0)).await, expected);
            file.seek(std::io::SeekFrom::End(0)).await.unwrap();
            assert_eq!(took(async { file.write_all(b"next").await.and(file.flush().await) }).await, expected);
            assert_eq!(took(file.write_at(b"", 0)).await, 0, "no write, no sync");
            if let Some(kind) = kind {
                let rule = DiskRule::new(DiskEffect::Fail(DiskError::Io)).on([kind]);
                let _guard = disk.inject(rule).unwrap();
                assert_eq!(file.write_at(b"x", 0).await.unwrap_err().raw_os_error(), Some(5));
            }
            disk.power_loss(Loss::Everything);
            let left: &[u8] = if kind.is_some() { b"atnext" } else { b"" };
            assert_eq!(disk.read("/f").await.unwrap(), left);
        });
        let events = recorder.finish().events;
        let syncs = events.iter().filter(|event| Some(event.kind) == kind).count();
        // The directory was synced with fsync.
        assert_eq!(
            syncs,
            match kind {
                Some(Kind::Fsync) => 4,
                Some(_) => 3,
                None => 0,
            }
        );
    }
}

/// A file without a name takes space until it is closed, and its directory does not list it.
#[test]
fn unnamed_file_is_gone_when_it_is_closed() {
    Runtime::new().block_on(async {
        let disk =
            Disk::new("disk", DiskProfile { capacity_bytes: 8_192, ..DiskProfile::instant() }, Seed(1));
        disk.create_dir("/tmp").await.unwrap();
        let options = *OpenOptions::new().read(true).write(true).custom_flags(libc::O_TMPFILE);
        let file = disk.open_with(&options, "/tmp").await.unwrap();
        file.write_all_at(&[1; 8_192], 0).await.unwrap();
        assert_eq!(disk.read_dir("/tmp").await.unwrap().names(), [] as [&str; 0]);
        assert_eq!(disk.write("/f", "x").await.unwrap_err().raw_os_error(), Some(28));
        let mut back = [0; 3];
        file.read_exact_at(&mut back, 8_000).await.unwrap();
        assert_eq!((back, disk.used_bytes()), ([1; 3], 8_192));
        drop(file);
        assert_eq!(disk.used_bytes(), 0);
        let reading = *OpenOptions::new().read(true).custom_flags(libc::O_TMPFILE);
        assert_eq!(disk.open_with(&reading, "/tmp").await.unwrap_err().raw_os_error(), EINVAL);
        assert_eq!(disk.open_with(&options, "/zz").await.unwrap_err().raw_os_error(), Some(2));
        assert_eq!(disk.open_with(&options, "/f").await.unwrap_err().raw_os_error(), Some(20));
    });
}
