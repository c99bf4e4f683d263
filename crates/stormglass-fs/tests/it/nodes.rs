//! Disks and the nodes that use them: mounts, kills, locks, files as streams, counters.

use expect_test::expect;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use std::io::ErrorKind;
use std::time::Duration;
use stormglass_core::{Keep, Kind, Latency, Recorder, Seed};
use stormglass_fs::{self as fs, Disk, DiskProfile, FileExt, Loss, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn node(name: &str) -> NodeHandle {
    Handle::current().create_node().name(name).build()
}

fn slow(name: &str, write: u64) -> Disk {
    let mut profile = DiskProfile::instant();
    profile.write.latency = Latency::from_millis(write);
    Disk::new(name, profile, Seed(1))
}

/// Each node uses its own disk, in all its incarnations, while the disk is mounted; without a
/// disk every function returns an error that names the remedy.
#[test]
fn a_node_uses_the_disk_that_is_mounted_on_it() {
    Runtime::new().block_on(async {
        let (one, two) = (node("one"), node("two"));
        let disks = [slow("1", 0), slow("2", 0)];
        let mounts = [disks[0].mount_on(one.id()), disks[1].mount_on(two.id())];
        one.spawn(async { fs::write("a", "first").await.unwrap() }).await.unwrap();
        two.spawn(async { assert_eq!(fs::read("a").await.unwrap_err().kind(), ErrorKind::NotFound) })
            .await
            .unwrap();
        Handle::current().kill(one.id());
        Handle::current().restart(one.id());
        let one = Handle::current().get_node(one.id()).unwrap();
        let read = one.spawn(async { fs::read_to_string("a").await.unwrap() }).await.unwrap();
        assert_eq!(read, "first");
        assert_eq!(disks[0].read("a").await.unwrap(), b"first");

        let error = fs::read("a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("call Disk::mount there"), "{error}");
        drop(mounts);
        let gone = one.spawn(async { fs::File::open("a").await.map(drop) }).await.unwrap();
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::Unsupported);

        // Mounts nest: dropping one restores the mount before it.
        let outer = disks[0].mount();
        let inner = disks[1].mount();
        assert!(!fs::try_exists("a").await.unwrap());
        drop(inner);
        assert!(fs::try_exists("a").await.unwrap());
        drop(outer);
    });
}

/// A kill ends the tasks and keeps the page cache; a power loss loses the page cache too.
#[test]
fn a_kill_keeps_written_data() {
    Runtime::new().block_on(async {
        let (writer, disk) = (node("writer"), slow("disk", 0));
        let _mounted = disk.mount_on(writer.id());
        writer.spawn(async {
            fs::write("a", "never synced").await.unwrap();
            std::future::pending::<()>().await;
        });
        stormglass_rt::sleep(MS(1)).await;
        Handle::current().kill(writer.id());
        assert_eq!(disk.read("a").await.unwrap(), b"never synced");
        disk.power_loss(Loss::Everything);
        assert!(!disk.try_exists("a").await.unwrap());
    });
}

/// A write to a stream starts an operation: until the flush a reader reads the old contents, and
/// a kill may lose a write in flight. A write at an offset is complete when it returns.
#[test]
fn a_stream_write_completes_at_the_flush() {
    Runtime::new().block_on(async {
        let (writer, disk) = (node("writer"), slow("disk", 10));
        let _mounted = disk.mount_on(writer.id());
        let seen = |flushes: bool| {
            writer.spawn(async move {
                let mut file = fs::File::create("a").await.unwrap();
                file.write_all(b"begun").await.unwrap();
                if flushes {
                    file.flush().await.unwrap();
                }
                fs::read("a").await.unwrap()
            })
        };
        assert_eq!(seen(false).await.unwrap(), b"");
        assert_eq!(seen(true).await.unwrap(), b"begun");

        let begun = writer.spawn(async {
            let mut file = fs::File::create("b").await.unwrap();
            file.write_all(b"begun").await.unwrap();
            std::future::pending::<()>().await;
        });
        stormglass_rt::sleep(MS(5)).await;
        Handle::current().kill(writer.id());
        drop(begun);
        stormglass_rt::sleep(MS(20)).await;
        assert_eq!(disk.read("b").await.unwrap(), b"");
    });
}

/// A sync waits for the write in flight, and the write is the cause of the sync's event.
#[test]
fn a_sync_waits_for_the_streams_write() {
    let recorder = Recorder::new(Keep::Events);
    let mut profile = DiskProfile::instant();
    (profile.write.latency, profile.sync.latency) = (Latency::from_millis(10), Latency::from_millis(5));
    Runtime::new().block_on(async {
        let disk = Disk::recorded("disk", profile, Seed(1), &recorder);
        let mut file = disk.create("a").await.unwrap();
        file.write_all(b"x").await.unwrap();
        assert_eq!(stormglass_rt::now().as_nanos() / 1_000_000, 0);
        file.sync_all().await.unwrap();
        assert_eq!(stormglass_rt::now().as_nanos() / 1_000_000, 15);
    });
    let events = recorder.finish().events;
    let place = |kind| events.iter().position(|event| event.kind == kind).unwrap();
    assert_eq!(events[place(Kind::Fsync)].cause.index(), Some(place(Kind::Write)));
}

/// A sync does not make durable a write that starts while the sync is in flight.
#[test]
fn a_sync_covers_only_earlier_writes() {
    Runtime::new().block_on(async {
        let mut profile = DiskProfile::instant();
        profile.sync.latency = Latency::from_millis(10);
        let disk = Disk::new("disk", profile, Seed(1));
        let file = disk.create("a").await.unwrap();
        disk.open("/").await.unwrap().sync_all().await.unwrap();
        file.write_all_at(b"before", 0).await.unwrap();
        let syncing = file.try_clone().await.unwrap();
        let sync = madsim::task::spawn_local(async move { syncing.sync_all().await });
        stormglass_rt::sleep(MS(5)).await;
        file.write_all_at(b"AFTER", 0).await.unwrap();
        sync.await.unwrap().unwrap();
        assert_eq!(disk.read("a").await.unwrap(), b"AFTERe");
        disk.power_loss(Loss::Everything);
        assert_eq!(disk.read("a").await.unwrap(), b"before");
    });
}

/// flock: exclusive or shared, per open file description; a wait ends when the holder closes the
/// file, is killed, or loses power.
#[test]
fn locks_belong_to_open_files() {
    let recorder = Recorder::new(Keep::Events);
    Runtime::new().block_on(async {
        let disk = Disk::recorded("disk", DiskProfile::instant(), Seed(1), &recorder);
        disk.write("a", "").await.unwrap();
        let (one, two, three) =
            (disk.open("a").await.unwrap(), disk.open("a").await.unwrap(), disk.open("a").await.unwrap());
        one.lock_shared().await.unwrap();
        two.try_lock_shared().unwrap();
        assert!(one.try_lock().is_err(), "two reads");
        two.unlock().await.unwrap();
        one.try_lock().unwrap();
        assert!(three.try_lock_shared().is_err());
        let clone = one.try_clone().await.unwrap();
        drop(one);
        assert!(two.try_lock().is_err(), "a clone is the same open file");

        // `two` waits until the clone is closed, after 7 ms.
        let waiting = madsim::task::spawn_local(async move {
            two.lock().await.unwrap();
            two
        });
        stormglass_rt::sleep(MS(7)).await;
        drop(clone);
        let two = waiting.await.unwrap();

        // A killed process holds no lock.
        let holder = node("holder");
        let theirs = disk.clone();
        drop(two);
        holder.spawn(async move {
            let file = theirs.open("a").await.unwrap();
            file.lock().await.unwrap();
            std::future::pending::<()>().await;
        });
        stormglass_rt::sleep(MS(1)).await;
        assert!(three.try_lock().is_err());
        Handle::current().kill(holder.id());
        stormglass_rt::sleep(MS(1)).await;
        three.try_lock().unwrap();

        let other = disk.open("a").await.unwrap();
        let waiting = madsim::task::spawn_local(async move { other.lock().await });
        stormglass_rt::sleep(MS(1)).await;
        disk.power_loss(Loss::Suffix);
        assert_eq!(waiting.await.unwrap().unwrap_err().raw_os_error(), Some(5));
    });
    let events = recorder.finish().events;
    let waited = events.iter().find(|event| event.kind == Kind::Lock && event.took_nanos > 0).unwrap();
    assert_eq!(waited.took_nanos / 1_000_000, 7);
    assert_eq!(events[waited.cause.index().unwrap()].kind, Kind::Unlock, "it waited for the unlock");
}

/// A blocking file implements the traits of `std::io`; a blocking disk has every operation of a
/// disk, without await.
#[test]
fn blocking_callers_have_the_whole_filesystem() {
    use std::io::{Read, Seek, Write};
    use stormglass_fs::blocking::{BlockingDisk, DeferredLatency};
    Runtime::new().block_on(async {
        let disk = slow("disk", 10);
        let deferred = DeferredLatency::new(&disk);
        let blocking = BlockingDisk::new(&disk, &deferred);
        blocking.create_dir_all("d/e").unwrap();
        let options = *OpenOptions::new().read(true).write(true).create(true);
        let mut file = blocking.open_with(&options, "d/e/a").unwrap();
        file.write_all(b"one two").unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
        blocking.rename("d/e/a", "b").unwrap();
        blocking.remove_dir_all("d").unwrap();
        assert_eq!(blocking.read_dir("/").unwrap().names(), ["b"]);
        assert_eq!((stormglass_rt::now().as_nanos(), deferred.pending()), (0, MS(10)));
        deferred.sleep().await;
        assert_eq!(stormglass_rt::now().as_nanos() / 1_000_000, 10);
    });
}

#[test]
fn counters_print_as_a_table() {
    Runtime::new().block_on(async {
        let disk = slow("disk", 10);
        disk.write("a", "12345").await.unwrap();
        let _ = disk.read("zz").await;
        let mut bytes = Vec::new();
        disk.open("a").await.unwrap().read_to_end(&mut bytes).await.unwrap();
        expect![[r#"
                          times  failed         bytes         time
            open              2       1             0   0.000000 s
            create            1       0             0   0.000000 s
            read              2       0             5   0.000000 s
            write             1       0             5   0.010000 s
        "#]]
        .assert_eq(&disk.counters().to_string());
        assert_eq!(disk.counters().of(Kind::Write).bytes, 5);
        assert_eq!(disk.counters().of(Kind::Send).times, 0);
    });
}

/// A process's locks end with it, before anything else runs: the first task of the next one takes
/// the lock of either mode, in each of 100 seeds, and the file that the killed one drops later
/// releases nothing.
#[test]
fn a_new_process_takes_the_lock_of_a_killed_one() {
    for (seed, tracked) in (0..100).flat_map(|seed| [(seed, false), (seed, true)]) {
        let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        let _tracker = tracked.then(|| stormglass_rt::ProcessTracker::new(&runtime));
        runtime.block_on(async {
            let id = node("node").id();
            let _mounted = slow("disk", 0).mount_on(id);
            let current = || Handle::current().get_node(id).unwrap();
            for exclusive in [true, false] {
                let lives = |exclusive: bool| async move {
                    let file = fs::File::create("lock").await.unwrap();
                    let result = if exclusive { file.try_lock() } else { file.try_lock_shared() };
                    result.unwrap();
                    std::future::pending::<()>().await;
                };
                current().spawn(lives(exclusive));
                stormglass_rt::sleep(MS(1)).await;
                Handle::current().kill(id);
                Handle::current().restart(id);
                current().spawn(lives(true));
                stormglass_rt::sleep(MS(1)).await;
                let file = current().spawn(fs::File::open("lock")).await.unwrap().unwrap();
                assert!(matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
                assert!(matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)));
                Handle::current().kill(id);
                Handle::current().restart(id);
            }
        });
    }
}
