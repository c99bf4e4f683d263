//! Permission bits, owners and times: who may do what, and what a power loss leaves.

use madsim::runtime::Runtime;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;
use stormglass_core::fault::{DiskEffect, DiskError, DiskRule};
use stormglass_core::{Keep, Kind, Latency, Recorder, Seed};
use stormglass_fs::{Disk, DiskProfile, FileExt, FileTimes, Loss, OpenOptions};

const EPERM: Result<(), Option<i32>> = Err(Some(1));
const EACCES: Result<(), Option<i32>> = Err(Some(13));
const EROFS: Result<(), Option<i32>> = Err(Some(30));

fn disk() -> Disk {
    Disk::new("disk", DiskProfile::instant(), Seed(1))
}

fn number<T>(result: io::Result<T>) -> Result<(), Option<i32>> {
    result.map(drop).map_err(|error| error.raw_os_error())
}

async fn chmod(disk: &Disk, path: &str, mode: u32) {
    disk.set_permissions(path, PermissionsExt::from_mode(mode)).await.unwrap();
}

/// Root owns a file and directories; a user who is not root gets what the bits for others allow,
/// and root gets everything.
#[test]
fn permission_bits_refuse_users_and_not_root() {
    Runtime::new().block_on(async {
        let root = disk();
        root.write("/f", "x").await.unwrap();
        for (name, mode) in [("/closed", 0o700), ("/listed", 0o744), ("/passed", 0o711), ("/open", 0o777)] {
            root.create_dir(name).await.unwrap();
            chmod(&root, name, mode).await;
            root.write(format!("{name}/f"), "x").await.unwrap();
        }
        let user = root.as_user(1000, 1000);
        assert_eq!(number(user.read("/f").await), Ok(()), "0o644");
        assert_eq!(number(user.write("/f", "y").await), EACCES);
        assert_eq!(number(user.write("/new", "y").await), EACCES, "the root directory is 0o755");
        for (name, listed, reached, changed) in [
            ("/closed", EACCES, EACCES, EACCES),
            ("/listed", Ok(()), EACCES, EACCES),
            ("/passed", EACCES, Ok(()), EACCES),
            ("/open", Ok(()), Ok(()), Ok(())),
        ] {
            assert_eq!(number(user.read_dir(name).await), listed, "{name}");
            assert_eq!(number(user.metadata(format!("{name}/f")).await), reached, "{name}");
            assert_eq!(number(user.try_exists(format!("{name}/zz")).await), reached, "{name}");
            assert_eq!(number(user.write(format!("{name}/new"), "").await), changed, "{name}");
            assert_eq!(number(user.create_dir(format!("{name}/d")).await), changed, "{name}");
            assert_eq!(number(user.symlink("x", format!("{name}/l")).await), changed, "{name}");
            assert_eq!(
                number(user.rename(format!("{name}/f"), format!("{name}/g")).await),
                changed,
                "{name}"
            );
            let left = if changed.is_ok() { "g" } else { "f" };
            assert_eq!(number(user.remove_file(format!("{name}/{left}")).await), changed, "{name}");
        }
        chmod(&root, "/f", 0).await;
        assert_eq!(number(user.read("/f").await), EACCES);
        assert_eq!(number(root.read("/f").await), Ok(()));
        let new = user.metadata("/open/new").await.unwrap();
        assert_eq!((new.uid(), new.gid(), new.mode()), (1000, 1000, 0o100_644));
    });
}

/// Attributes belong to the owner (EPERM), and so do the entries of a sticky directory.
#[test]
#[expect(clippy::disallowed_types, reason = "times that a test sets")]
fn only_owners_change_attributes_and_sticky_entries() {
    Runtime::new().block_on(async {
        let root = disk();
        root.create_dir("/tmp").await.unwrap();
        chmod(&root, "/tmp", 0o1777).await;
        let (one, two) = (root.as_user(1, 1), root.as_user(2, 2));
        one.write("/tmp/f", "x").await.unwrap();
        chmod(&one, "/tmp/f", 0o666).await;
        assert_eq!(number(two.set_permissions("/tmp/f", PermissionsExt::from_mode(0o777)).await), EPERM);
        let theirs = two.open_with(OpenOptions::new().write(true), "/tmp/f").await.unwrap();
        let new_times = FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
        assert_eq!(number(theirs.set_times(new_times).await), EPERM);
        assert_eq!(number(two.remove_file("/tmp/f").await), EPERM);
        assert_eq!(number(two.rename("/tmp/f", "/tmp/g").await), EPERM);
        let no_access_time = *OpenOptions::new().read(true).custom_flags(libc::O_NOATIME);
        assert_eq!(number(two.open_with(&no_access_time, "/tmp/f").await), EPERM);
        assert_eq!(number(one.open_with(&no_access_time, "/tmp/f").await), Ok(()));
        // A write by who is not root takes the set-user-ID bit away.
        chmod(&one, "/tmp/f", 0o4777).await;
        theirs.write_all_at(b"y", 0).await.unwrap();
        assert_eq!(root.metadata("/tmp/f").await.unwrap().mode(), 0o100_777);
        assert_eq!(number(one.remove_file("/tmp/f").await), Ok(()));
    });
}

/// New permission bits are lost with the power until the file was synced, or the journal committed
/// them.
#[test]
fn permission_bits_are_durable_after_a_sync() {
    Runtime::new().block_on(async {
        let disk = disk();
        disk.write("/f", "").await.unwrap();
        disk.open("/").await.unwrap().sync_all().await.unwrap();
        let mode = async || disk.metadata("/f").await.unwrap().mode() & 0o777;
        chmod(&disk, "/f", 0o600).await;
        disk.power_loss(Loss::Everything);
        assert_eq!(mode().await, 0o644);
        chmod(&disk, "/f", 0o600).await;
        disk.open("/f").await.unwrap().sync_all().await.unwrap();
        chmod(&disk, "/f", 0o400).await;
        disk.power_loss(Loss::Everything);
        assert_eq!(mode().await, 0o600);
    });
}

/// A change of attributes costs what the profile says for `truncate`, is recorded as `setattr`, can
/// fail, and is refused on a read-only filesystem.
#[test]
fn attributes_cost_an_operation_that_can_fail() {
    let recorder = Recorder::new(Keep::Events);
    Runtime::new().block_on(async {
        let mut profile = DiskProfile::instant();
        profile.truncate.latency = Latency::from_micros(100);
        let disk = Disk::recorded("disk", profile, Seed(1), &recorder);
        disk.write("/f", "").await.unwrap();
        let file = disk.open("/f").await.unwrap();
        chmod(&disk, "/f", 0o600).await;
        file.set_permissions(PermissionsExt::from_mode(0o644)).await.unwrap();
        file.set_times(FileTimes::new()).await.unwrap();
        assert_eq!(disk.counters().of(Kind::SetAttributes).times, 3);
        assert_eq!(disk.counters().of(Kind::SetAttributes).took, Duration::from_micros(300));
        let failing = DiskRule::new(DiskEffect::Fail(DiskError::Io)).on([Kind::SetAttributes]);
        let guard = disk.inject(failing).unwrap();
        assert_eq!(number(file.set_permissions(PermissionsExt::from_mode(0o000)).await), Err(Some(5)));
        drop(guard);
        disk.remount(true);
        assert_eq!(number(file.set_permissions(PermissionsExt::from_mode(0o000)).await), EROFS);
        assert_eq!(number(file.set_times(FileTimes::new()).await), EROFS);
        assert_eq!(file.metadata().await.unwrap().mode(), 0o100_644);
    });
    let events = recorder.finish().events;
    assert_eq!(events.iter().filter(|event| event.kind == Kind::SetAttributes).count(), 6);
}

/// A read after a change updates the access time, a second one does not (`relatime`), nor does one
/// with `O_NOATIME`.
#[test]
fn access_time_follows_relatime() {
    const MS: fn(u64) -> Duration = Duration::from_millis;
    Runtime::new().block_on(async {
        let disk = disk();
        disk.write("/f", "x").await.unwrap();
        let quiet = *OpenOptions::new().read(true).custom_flags(libc::O_NOATIME);
        let accessed = async || disk.metadata("/f").await.unwrap().accessed().unwrap();
        let new = accessed().await;
        stormglass_rt::sleep(MS(10)).await;
        disk.open_with(&quiet, "/f").await.unwrap().read_at(&mut [0], 0).await.unwrap();
        assert_eq!(accessed().await, new);
        disk.read("/f").await.unwrap();
        let first = accessed().await;
        assert_eq!(first.duration_since(new).unwrap().as_millis(), 10);
        stormglass_rt::sleep(MS(10)).await;
        disk.read("/f").await.unwrap();
        assert_eq!(accessed().await, first);
        stormglass_rt::sleep(Duration::from_secs(24 * 3_600)).await;
        disk.read("/f").await.unwrap();
        assert_eq!(accessed().await.duration_since(first).unwrap().as_secs(), 24 * 3_600);
    });
}
