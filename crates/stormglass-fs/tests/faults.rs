//! Every fault bites where it is installed, and only there; without one the run is the same.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

use madsim::runtime::Runtime;
use std::io::{self, ErrorKind};
use std::time::Duration;
use stormglass_core::trace::TraceHash;
use stormglass_core::{Keep, Kind, Latency, Recorder, Seed, SimTime};
use stormglass_fs::fault::{Effect, Error, Fault};
use stormglass_fs::{Disk, DiskProfile, Loss, OpenOptions};

const SYNCS: [Kind; 2] = [Kind::Fsync, Kind::Fdatasync];
const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

fn disk() -> Disk {
    let mut profile = DiskProfile::instant();
    profile.sync.latency = Latency::from_millis(10);
    Disk::new("disk", profile, Seed(1))
}

async fn read_write(disk: &Disk, path: &str) -> stormglass_fs::File {
    OpenOptions::new().read(true).write(true).create(true).open(disk, path).await.unwrap()
}

/// Two files are written and synced; the hash tells everything that happened.
fn hash_with(faults: Vec<Fault>) -> TraceHash {
    let recorder = Recorder::new(Keep::Nothing);
    let spread = Latency::Uniform { min: Duration::from_millis(1), max: Duration::from_millis(9) };
    let mut profile = DiskProfile::instant();
    (profile.sync.latency, profile.write.latency) = (spread.clone(), spread);
    let disk = Disk::recorded("disk", profile, Seed(1), &recorder);
    Runtime::new().block_on(async {
        let _guards: Vec<_> = faults.into_iter().map(|fault| disk.inject(fault)).collect();
        for path in ["a.log", "b"] {
            let file = read_write(&disk, path).await;
            for offset in 0..5 {
                let _ = file.write_at(b"x", offset).await;
                let _ = file.sync_data().await;
            }
        }
    });
    recorder.finish().hash
}

/// Faults that match nothing draw nothing and change nothing; one that strikes once changes the run.
#[test]
fn a_fault_that_does_not_strike_changes_nothing() {
    let fail = || Fault::new(Effect::Fail(Error::Io));
    let idle = vec![
        fail().on([Kind::Rename]),
        fail().path("c*").unwrap(),
        fail().during(AT(60_000)..AT(61_000)),
        fail().after(100),
        fail().times(0),
        Fault::new(Effect::Phantom).on(SYNCS),
    ];
    assert_eq!(hash_with(idle), hash_with(vec![]));
    assert_ne!(hash_with(vec![fail().on(SYNCS).times(1)]), hash_with(vec![]));
}

#[test]
fn errors_are_those_of_the_kernel() {
    Runtime::new().block_on(async {
        let disk = disk();
        let file = read_write(&disk, "a").await;
        for (error, kind) in
            [(Error::NoSpace, ErrorKind::StorageFull), (Error::ReadOnly, ErrorKind::ReadOnlyFilesystem)]
        {
            let guard = disk.inject(Fault::new(Effect::Fail(error)).on([Kind::Write]));
            assert_eq!(file.write_at(b"x", 0).await.unwrap_err().kind(), kind);
            file.sync_all().await.unwrap();
            drop(guard);
            file.write_at(b"x", 0).await.unwrap();
        }
        let _guard = disk.inject(Fault::new(Effect::Fail(Error::TooManyFiles)).on([Kind::Open]));
        assert_eq!(disk.open("a").await.unwrap_err().raw_os_error(), Some(24));
        assert_eq!(disk.struck(), 3);
    });
}

/// Matching is by path, time and count: of the log's syncs the second and third, in the first 35 ms.
#[test]
fn a_rule_strikes_what_it_says() {
    Runtime::new().block_on(async {
        let disk = disk();
        let (log, other) = (read_write(&disk, "/db.log").await, read_write(&disk, "other").await);
        let fault = Fault::new(Effect::Fail(Error::Io)).on(SYNCS).path("*.log").unwrap();
        let _guard = disk.inject(fault.during(AT(0)..AT(35)).after(1).times(2));
        let mut struck = Vec::new();
        for sync in 0..5 {
            // 10 ms each: the syncs begin at 0, 10, 20, 30 and 40 ms.
            if log.sync_all().await.is_err() {
                struck.push(sync);
            }
        }
        assert_eq!(struck, [1, 2]);
        other.sync_all().await.unwrap();
    });
}

/// A fault of one half strikes about half: of 1,000 within five standard deviations, 421 to 579.
#[test]
fn a_probability_is_drawn_from_the_disks_own_stream() {
    let struck = |seed: u64| {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(seed));
        Runtime::new().block_on(async {
            let file = read_write(&disk, "a").await;
            let _guard =
                disk.inject(Fault::new(Effect::Fail(Error::Io)).on([Kind::Read]).with_probability(0.5));
            for _ in 0..1_000 {
                let _ = file.read_at(1, 0).await;
            }
            disk.struck()
        })
    };
    assert!((421..=579).contains(&struck(1)));
    assert_eq!(struck(1), struck(1));
    assert_ne!(struck(1), struck(2));
}

/// A sync of 10 ms: three times as slow and 7 ms late, 37 ms.
#[test]
fn slowness_adds_and_multiplies() {
    Runtime::new().block_on(async {
        let disk = disk();
        let file = read_write(&disk, "a").await;
        let _slow = disk.inject(Fault::new(Effect::Slow(3.0)).on(SYNCS));
        let _late = disk.inject(Fault::new(Effect::Delay(Latency::from_millis(7))).on(SYNCS));
        let began = stormglass_rt::now();
        file.sync_all().await.unwrap();
        assert_eq!((stormglass_rt::now() - began).as_millis(), 37);
    });
}

/// After a failed sync the bytes are there and a second sync succeeds, but a power loss shows that they never got to the
/// disk: what Linux does. What is written and synced later is safe.
#[test]
fn a_failed_sync_drops_what_it_should_have_kept() {
    Runtime::new().block_on(async {
        let disk = disk();
        let file = read_write(&disk, "a").await;
        file.write_at(b"old.....", 0).await.unwrap();
        file.sync_all().await.unwrap();
        disk.open("/").await.unwrap().sync_all().await.unwrap();
        file.write_at(b"new", 0).await.unwrap();
        let guard = disk.inject(Fault::new(Effect::Fail(Error::Io)).on(SYNCS).times(1));
        assert_eq!(file.sync_all().await.unwrap_err().raw_os_error(), Some(5));
        drop(guard);
        file.sync_all().await.unwrap();
        file.write_at(b"end", 5).await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(disk.read("a").await.unwrap(), b"new..end");
        disk.power_loss(Loss::Everything);
        assert_eq!(disk.read("a").await.unwrap(), b"old..end");
    });
}

/// A phantom write is read back and synced, and gone with the power.
#[test]
fn a_phantom_write_is_found_out_by_a_power_loss() {
    Runtime::new().block_on(async {
        for phantom in [false, true] {
            let disk = disk();
            let file = read_write(&disk, "a").await;
            file.write_at(b"11111", 0).await.unwrap();
            let guard = phantom.then(|| disk.inject(Fault::new(Effect::Phantom)));
            file.write_at(b"22", 1).await.unwrap();
            drop(guard);
            file.write_at(b"3", 4).await.unwrap();
            file.sync_all().await.unwrap();
            disk.open("/").await.unwrap().sync_all().await.unwrap();
            assert_eq!(disk.read("a").await.unwrap(), b"12213");
            disk.power_loss(Loss::Everything);
            assert_eq!(disk.read("a").await.unwrap(), if phantom { b"11113" } else { b"12213" });
        }
    });
}

/// One bit and one only, in what is read or in what is stored.
#[test]
fn bit_rot_flips_one_bit() {
    let differing = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
    Runtime::new()
        .block_on(async {
            let disk = disk();
            let file = read_write(&disk, "a").await;
            let written = [0x5a; 64];
            file.write_at(&written, 0).await.unwrap();
            let guard = disk.inject(Fault::new(Effect::BitFlip).on([Kind::Read]));
            assert_eq!(differing(&file.read_at(64, 0).await.unwrap(), &written), 1);
            drop(guard);
            assert_eq!(file.read_at(64, 0).await.unwrap(), written);
            let guard = disk.inject(Fault::new(Effect::BitFlip).on([Kind::Write]));
            file.write_at(&written, 0).await.unwrap();
            drop(guard);
            assert_eq!(differing(&file.read_at(64, 0).await.unwrap(), &written), 1);
            Ok::<(), io::Error>(())
        })
        .unwrap();
}
