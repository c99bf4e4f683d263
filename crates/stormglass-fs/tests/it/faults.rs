//! Every fault affects the disk on which it is installed, and only that one; without a fault the
//! run is the same.

use madsim::runtime::Runtime;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;
use stormglass_core::trace::TraceHash;
use stormglass_core::{Keep, Kind, Latency, Recorder, Seed, SimTime};
use stormglass_fs::fault::{Corruption, DiskEffect, DiskError, DiskRule};
use stormglass_fs::{Disk, DiskProfile, File, FileExt, Loss, OpenOptions, Slowdown};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

const SYNCS: [Kind; 2] = [Kind::Fsync, Kind::Fdatasync];
const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

fn disk() -> Disk {
    let mut profile = DiskProfile::instant();
    profile.sync.latency = Latency::from_millis(10);
    Disk::new("disk", profile, Seed(1))
}

async fn bytes(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().await.unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).await.unwrap();
    bytes
}

async fn sync(disk: &Disk, path: &str) {
    disk.open(path).await.unwrap().sync_all().await.unwrap();
}

async fn read_write(disk: &Disk, path: &str) -> File {
    disk.open_with(OpenOptions::new().read(true).write(true).create(true), path).await.unwrap()
}

/// Creates names, and writes, syncs and reads two files. Returns the hash of the trace, and how
/// many operations the last rule was applied to.
fn play(faults: Vec<DiskRule>) -> (TraceHash, u64) {
    let recorder = Recorder::new(Keep::Nothing);
    let spread = Latency::Uniform { min: Duration::from_millis(1), max: Duration::from_millis(9) };
    let mut profile = DiskProfile::instant();
    (profile.sync.latency, profile.write.latency, profile.read.latency) =
        (spread.clone(), spread.clone(), spread);
    let disk = Disk::recorded("disk", profile, Seed(1), &recorder);
    let affected = Runtime::new().block_on(async {
        let guards: Vec<_> = faults.into_iter().map(|fault| disk.inject(fault).unwrap()).collect();
        let _ = disk.create_dir("d").await;
        for path in ["a.log", "b"] {
            let Ok(file) = disk.open_with(OpenOptions::new().read(true).write(true).create(true), path).await
            else {
                continue;
            };
            for offset in 0..5 {
                let _ = file.write_at(b"xyz", offset).await;
                let _ = file.sync_data().await;
                let _ = file.read_at(&mut [0; 3], offset).await;
            }
        }
        let _ = disk.read_dir("/").await;
        let _ = disk.rename("b", "d/b").await;
        disk.power_loss(Loss::Everything);
        // The events contain the size of the remaining file.
        for entry in disk.snapshot().entries {
            recorder.symbol(&format!("{entry:?}"));
        }
        guards.last().map_or(0, stormglass_fs::FaultGuard::applied)
    });
    (recorder.finish().hash, affected)
}

/// Returns a rule for every effect, on operations that it can affect.
fn every_effect() -> Vec<DiskRule> {
    let fail = |error| DiskRule::new(DiskEffect::Fail(error));
    vec![
        fail(DiskError::Io).on([Kind::Read]),
        fail(DiskError::Io).on([Kind::Write]),
        fail(DiskError::Io).on(SYNCS),
        fail(DiskError::NoSpace).on([Kind::Write]),
        fail(DiskError::ReadOnly).on([Kind::Rename]),
        fail(DiskError::TooManyFiles).on([Kind::Create]),
        DiskRule::new(DiskEffect::Delay(Latency::from_millis(1))).on(SYNCS),
        DiskRule::new(DiskEffect::Slow(Slowdown::new(2.0).unwrap())).on(SYNCS),
        DiskRule::new(DiskEffect::Short),
        DiskRule::new(DiskEffect::ShortDirectory),
        DiskRule::new(DiskEffect::Corrupt(Corruption::Phantom)),
        DiskRule::new(DiskEffect::Corrupt(Corruption::Torn)),
        DiskRule::new(DiskEffect::Corrupt(Corruption::Misdirected)),
        DiskRule::new(DiskEffect::Corrupt(Corruption::BitFlip)),
        DiskRule::new(DiskEffect::Corrupt(Corruption::LostName)),
    ]
}

/// An active rule has its effect, and is counted and recorded; an inactive one, for any reason,
/// leaves the run as it is without the rule.
#[test]
fn every_effect_applies_only_while_its_rule_is_active() {
    let (without, _) = play(vec![]);
    for fault in every_effect() {
        let (hash, affected) = play(vec![fault.clone().times(1)]);
        assert!(hash != without && affected == 1, "{fault:?}");
        let off = vec![
            fault.clone().path("c*"),
            fault.clone().disk("another-*"),
            fault.clone().during(AT(60_000)..AT(61_000)),
            fault.clone().after(1_000),
            fault.clone().times(0),
            fault.clone().on([Kind::Readlink]),
        ];
        assert_eq!(play(off), (without, 0), "{fault:?}");
    }
    assert_eq!(
        play(vec![DiskRule::new(DiskEffect::Corrupt(Corruption::Phantom)).on(SYNCS)]),
        (without, 0),
        "a sync is no phantom write"
    );
}

#[test]
fn invalid_rules_are_rejected() {
    let refused = |fault: DiskRule| disk().inject(fault).map(drop).unwrap_err().to_string();
    let fail = || DiskRule::new(DiskEffect::Fail(DiskError::Io));
    assert_eq!(refused(fail().with_probability(1.5)), "`probability`: is 1.5, the range is 0 to 1");
    assert_eq!(refused(fail().with_probability(f64::NAN)), "`probability`: is NaN, the range is 0 to 1");
    assert!(refused(fail().path("a[")).starts_with("`path`: \"a[\" is no pattern: "));
    assert!(refused(fail().disk("[")).starts_with("`disk`: \"[\" is no pattern: "));
    let still = DiskEffect::Slow(Slowdown::new(f64::INFINITY).unwrap());
    assert!(
        refused(DiskRule::new(still)).starts_with("`factor`: is inf, and an operation cannot stall for ever")
    );
}

#[test]
fn injected_errors_are_those_of_linux() {
    Runtime::new().block_on(async {
        let disk = disk();
        let file = read_write(&disk, "a").await;
        for (error, kind) in [
            (DiskError::NoSpace, ErrorKind::StorageFull),
            (DiskError::ReadOnly, ErrorKind::ReadOnlyFilesystem),
        ] {
            let guard = disk.inject(DiskRule::new(DiskEffect::Fail(error)).on([Kind::Write])).unwrap();
            assert_eq!(file.write_all_at(b"x", 0).await.unwrap_err().kind(), kind);
            file.sync_all().await.unwrap();
            drop(guard);
            file.write_all_at(b"x", 0).await.unwrap();
        }
        let _guard =
            disk.inject(DiskRule::new(DiskEffect::Fail(DiskError::TooManyFiles)).on([Kind::Open])).unwrap();
        assert_eq!(disk.open("a").await.unwrap_err().raw_os_error(), Some(24));
        assert_eq!(disk.counters().affected, 3);
    });
}

/// A rule matches by path, time and count: here the second and third sync of the log, in the first
/// 35 ms.
#[test]
fn rule_affects_only_matching_operations() {
    Runtime::new().block_on(async {
        let disk = disk();
        let (log, other) = (read_write(&disk, "/db.log").await, read_write(&disk, "other").await);
        let fault = DiskRule::new(DiskEffect::Fail(DiskError::Io)).on(SYNCS).path("*.log");
        let _guard = disk.inject(fault.during(AT(0)..AT(35)).after(1).times(2));
        let mut affected = Vec::new();
        for sync in 0..5 {
            // 10 ms each: the syncs begin at 0, 10, 20, 30 and 40 ms.
            if log.sync_all().await.is_err() {
                affected.push(sync);
            }
        }
        assert_eq!(affected, [1, 2]);
        other.sync_all().await.unwrap();
    });
}

/// A rule with probability one half applies to about half of the operations: of 1,000 within five
/// standard deviations, 421 to 579.
#[test]
fn probability_is_drawn_from_the_disks_own_stream() {
    let affected = |seed: u64| {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(seed));
        Runtime::new().block_on(async {
            let file = read_write(&disk, "a").await;
            let _guard = disk
                .inject(DiskRule::new(DiskEffect::Fail(DiskError::Io)).on([Kind::Read]).with_probability(0.5))
                .unwrap();
            for _ in 0..1_000 {
                let _ = file.read_at(&mut [0], 0).await;
            }
            disk.counters().affected
        })
    };
    assert!((421..=579).contains(&affected(1)));
    assert_eq!(affected(1), affected(1));
    assert_ne!(affected(1), affected(2));
}

/// A sync of 10 ms that is three times as slow and 7 ms late takes 37 ms.
#[test]
fn slow_multiplies_and_delay_adds() {
    Runtime::new().block_on(async {
        let disk = disk();
        let file = read_write(&disk, "a").await;
        let _slow =
            disk.inject(DiskRule::new(DiskEffect::Slow(Slowdown::new(3.0).unwrap())).on(SYNCS)).unwrap();
        let _late = disk.inject(DiskRule::new(DiskEffect::Delay(Latency::from_millis(7))).on(SYNCS)).unwrap();
        let began = stormglass_rt::now();
        file.sync_all().await.unwrap();
        assert_eq!((stormglass_rt::now() - began).as_millis(), 37);
    });
}

/// After a failed sync the bytes are readable and a second sync succeeds, but a power loss shows
/// that they never reached the disk, as on Linux. Data that is written and synced later is
/// durable.
#[test]
fn failed_sync_loses_the_writes_it_covers() {
    Runtime::new().block_on(async {
        let disk = disk();
        let file = read_write(&disk, "a").await;
        file.write_all_at(b"old.....", 0).await.unwrap();
        file.sync_all().await.unwrap();
        disk.open("/").await.unwrap().sync_all().await.unwrap();
        file.write_all_at(b"new", 0).await.unwrap();
        let guard = disk.inject(DiskRule::new(DiskEffect::Fail(DiskError::Io)).on(SYNCS).times(1)).unwrap();
        assert_eq!(file.sync_all().await.unwrap_err().raw_os_error(), Some(5));
        drop(guard);
        file.sync_all().await.unwrap();
        file.write_all_at(b"end", 5).await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(disk.read("a").await.unwrap(), b"new..end");
        disk.power_loss(Loss::Everything);
        assert_eq!(disk.read("a").await.unwrap(), b"old..end");
    });
}

/// A phantom write can be read and synced, and is lost with a power loss.
#[test]
fn phantom_write_is_lost_by_a_power_loss() {
    Runtime::new().block_on(async {
        for phantom in [false, true] {
            let disk = disk();
            let file = read_write(&disk, "a").await;
            file.write_all_at(b"11111", 0).await.unwrap();
            let guard = phantom
                .then(|| disk.inject(DiskRule::new(DiskEffect::Corrupt(Corruption::Phantom))).unwrap());
            file.write_all_at(b"22", 1).await.unwrap();
            drop(guard);
            file.write_all_at(b"3", 4).await.unwrap();
            file.sync_all().await.unwrap();
            disk.open("/").await.unwrap().sync_all().await.unwrap();
            assert_eq!(disk.read("a").await.unwrap(), b"12213");
            disk.power_loss(Loss::Everything);
            assert_eq!(disk.read("a").await.unwrap(), if phantom { b"11113" } else { b"12213" });
        }
    });
}

/// Exactly one bit is flipped, in the read data; or in the stored data, which the page cache hides
/// until it is dropped.
#[test]
fn bit_flip_changes_one_bit() {
    let differing = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
    Runtime::new().block_on(async {
        let disk = disk();
        let file = read_write(&disk, "a").await;
        let written = [0x5a; 64];
        file.write_all_at(&written, 0).await.unwrap();
        let guard =
            disk.inject(DiskRule::new(DiskEffect::Corrupt(Corruption::BitFlip)).on([Kind::Read])).unwrap();
        assert_eq!(differing(&bytes(&file).await, &written), 1);
        drop(guard);
        assert_eq!(bytes(&file).await, written);
        let guard =
            disk.inject(DiskRule::new(DiskEffect::Corrupt(Corruption::BitFlip)).on([Kind::Write])).unwrap();
        file.write_all_at(&written, 0).await.unwrap();
        drop(guard);
        file.sync_all().await.unwrap();
        assert_eq!(bytes(&file).await, written);
        disk.drop_caches();
        assert_eq!(differing(&bytes(&file).await, &written), 1);
    });
}

/// A write of four sectors: some of the first sectors are stored, the last never is, and the size
/// is.
#[test]
fn torn_write_loses_its_last_sectors() {
    let mut kept = BTreeSet::new();
    for seed in 0..60 {
        Runtime::new().block_on(async {
            let disk = Disk::new("disk", DiskProfile::instant(), Seed(seed));
            let file = read_write(&disk, "a").await;
            let guard = disk.inject(DiskRule::new(DiskEffect::Corrupt(Corruption::Torn))).unwrap();
            file.write_all_at(&[7; 2_048], 0).await.unwrap();
            drop(guard);
            file.sync_all().await.unwrap();
            assert_eq!(bytes(&file).await, [7; 2_048]);
            disk.drop_caches();
            let after = bytes(&file).await;
            let sectors = after.iter().take_while(|&&byte| byte == 7).count();
            assert!(after.len() == 2_048 && after[sectors..].iter().all(|&byte| byte == 0));
            kept.insert(sectors);
        });
    }
    assert_eq!(kept, [0, 512, 1_024, 1_536].into());
}

/// The second of four sectors is overwritten: the device writes the first, third or fourth
/// instead.
#[test]
fn misdirected_write_goes_to_another_sector() {
    let mut hit = BTreeSet::new();
    for seed in 0..40 {
        Runtime::new().block_on(async {
            let disk = Disk::new("disk", DiskProfile::instant(), Seed(seed));
            let file = read_write(&disk, "a").await;
            file.write_all_at(&[1; 2_048], 0).await.unwrap();
            let guard = disk.inject(DiskRule::new(DiskEffect::Corrupt(Corruption::Misdirected))).unwrap();
            file.write_all_at(&[2; 512], 512).await.unwrap();
            drop(guard);
            file.sync_all().await.unwrap();
            assert_eq!(bytes(&file).await[512..1_024], [2; 512]);
            disk.drop_caches();
            let after = bytes(&file).await;
            let sectors: Vec<u8> = after.chunks(512).map(|sector| sector[0]).collect();
            assert_eq!(sectors.iter().filter(|&&sector| sector == 2).count(), 1);
            hit.insert(sectors.iter().position(|&sector| sector == 2).unwrap());
        });
    }
    assert_eq!(hit, [0, 2, 3].into());
    // A file of one sector has no other sector.
    Runtime::new().block_on(async {
        let disk = disk();
        let file = read_write(&disk, "a").await;
        let _guard = disk.inject(DiskRule::new(DiskEffect::Corrupt(Corruption::Misdirected))).unwrap();
        file.write_all_at(b"x", 0).await.unwrap();
        file.sync_all().await.unwrap();
        disk.drop_caches();
        assert_eq!(bytes(&file).await, [0]);
    });
}

/// A short write or read does a part, and the next call does the rest.
#[test]
fn short_reads_and_writes_are_continued_by_the_next_call() {
    Runtime::new().block_on(async {
        let disk = disk();
        let mut file = read_write(&disk, "a").await;
        let _guard = disk.inject(DiskRule::new(DiskEffect::Short)).unwrap();
        let text = b"a line that is written in parts";
        let first = file.write_at(text, 0).await.unwrap();
        assert!(0 < first && first < text.len());
        file.write_all_at(text, 0).await.unwrap();
        assert!(file.read_at(&mut [0; 31], 0).await.unwrap() < text.len());
        let mut exact = [0; 31];
        file.read_exact_at(&mut exact, 0).await.unwrap();
        assert_eq!(&exact, text);
        assert_eq!(disk.read("a").await.unwrap(), text);
        // The stream continues by itself.
        file.write_all(text).await.unwrap();
        file.flush().await.unwrap();
        file.rewind().await.unwrap();
        let mut all = Vec::new();
        file.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, text);
    });
}

/// A directory with eight names, each call 10 ms: with the rule on, a read takes several calls,
/// each of which returns one or more names; all names are returned, once. A name created behind
/// the last one returned is returned, a name created before it is not.
#[test]
fn short_directory_read_is_continued_by_the_next_call() {
    let names = ["b", "c", "d", "e", "f", "g", "h", "i"];
    let mut counts = BTreeSet::new();
    for seed in 0..40 {
        Runtime::new().block_on(async {
            let mut profile = DiskProfile::instant();
            profile.readdir.latency = Latency::from_millis(10);
            let disk = Disk::new("disk", profile, Seed(seed));
            disk.create_dir("d").await.unwrap();
            disk.create_dir("alone").await.unwrap();
            disk.write("alone/x", "").await.unwrap();
            for name in names {
                disk.write(format!("d/{name}"), "").await.unwrap();
            }
            let calls = || disk.counters().of(Kind::Readdir).times;
            assert_eq!(disk.read_dir("d").await.unwrap().names(), names);
            assert_eq!(calls(), 1, "off: one call");
            let guard = disk.inject(DiskRule::new(DiskEffect::ShortDirectory)).unwrap();
            assert_eq!(disk.read_dir("alone").await.unwrap().names(), ["x"]);
            assert_eq!(calls(), 2, "one entry cannot be read in part");
            let began = stormglass_rt::now();
            assert_eq!(disk.read_dir("d").await.unwrap().names(), names);
            let more = calls() - 2;
            assert_eq!((stormglass_rt::now() - began).as_millis(), u128::from(10 * more));
            assert!((2..=8).contains(&more) && guard.applied() == more + 1);
            counts.insert(more);
            let other = disk.clone();
            let meanwhile = madsim::task::spawn_local(async move {
                stormglass_rt::sleep(Duration::from_millis(15)).await;
                other.write("d/a", "").await.unwrap();
                other.write("d/z", "").await.unwrap();
            });
            let seen = disk.read_dir("d").await.unwrap().names();
            meanwhile.await.unwrap();
            assert!(seen[..8] == names && seen[8..] == ["z"], "{seen:?}");
            drop(guard);
            assert_eq!(disk.read_dir("d").await.unwrap().names().len(), 10);
        });
    }
    assert!(counts.len() > 2, "{counts:?}");
}

/// The number of calls is drawn from the disk's stream of faults.
#[test]
fn short_directory_read_is_equal_for_equal_seeds() {
    let took = |seed: u64| {
        Runtime::new().block_on(async {
            let disk = Disk::new("disk", DiskProfile::instant(), Seed(seed));
            for name in 0..200 {
                disk.write(format!("{name}"), "").await.unwrap();
            }
            let rule = DiskRule::new(DiskEffect::ShortDirectory).with_probability(0.9);
            let _guard = disk.inject(rule).unwrap();
            for _ in 0..20 {
                disk.read_dir("/").await.unwrap();
            }
            disk.counters().of(Kind::Readdir).times
        })
    };
    assert_eq!(took(1), took(1));
    assert_ne!(took(1), took(2));
}

/// A name that the journal loses exists until the power fails, even if it was synced.
#[test]
fn lost_name_is_missing_after_a_power_loss() {
    Runtime::new().block_on(async {
        for lost in [false, true] {
            let disk = disk();
            disk.write("old", "x").await.unwrap();
            sync(&disk, "old").await;
            sync(&disk, "/").await;
            let guard =
                lost.then(|| disk.inject(DiskRule::new(DiskEffect::Corrupt(Corruption::LostName))).unwrap());
            disk.write("new", "x").await.unwrap();
            disk.rename("old", "moved").await.unwrap();
            drop(guard);
            disk.create_dir("later").await.unwrap();
            sync(&disk, "new").await;
            sync(&disk, "/").await;
            assert_eq!(disk.read_dir("/").await.unwrap().names(), ["later", "moved", "new"]);
            disk.power_loss(Loss::Everything);
            let left: &[&str] = if lost { &["later"] } else { &["later", "moved", "new"] };
            assert_eq!(disk.read_dir("/").await.unwrap().names(), left);
        }
    });
}

/// 3 pages of 4 KiB fit: a write that fits in part writes that part, the next one fails, and a
/// removed file frees its space once no process has it open.
#[test]
fn full_disk_rejects_writes_that_do_not_fit() {
    Runtime::new().block_on(async {
        let disk =
            Disk::new("disk", DiskProfile { capacity_bytes: 12_288, ..DiskProfile::instant() }, Seed(1));
        let file = read_write(&disk, "a").await;
        assert_eq!(file.write_at(&[1; 10_000], 0).await.unwrap(), 10_000);
        assert_eq!(disk.used_bytes(), 12_288);
        let other = read_write(&disk, "b").await;
        assert_eq!(other.write_all_at(b"x", 0).await.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(file.write_at(&[2; 10_000], 5_000).await.unwrap(), 7_288, "up to the third page's end");
        assert_eq!(file.write_at(&[3; 100], 12_288).await.unwrap_err().raw_os_error(), Some(28));
        file.write_all_at(b"what is there can be written over", 0).await.unwrap();
        file.set_len(1 << 30).await.unwrap();
        assert_eq!(file.allocate(1 << 20).await.unwrap_err().kind(), ErrorKind::StorageFull);
        disk.remove_file("a").await.unwrap();
        assert_eq!(other.write_at(b"x", 0).await.unwrap_err().kind(), ErrorKind::StorageFull);
        drop(file);
        other.write_all_at(b"x", 0).await.unwrap();
        disk.set_capacity(0);
        other.write_all_at(&[0; 100_000], 0).await.unwrap();
        other.allocate(1 << 20).await.unwrap();
        assert_eq!(disk.used_bytes(), 1 << 20);
    });
}

/// On a read-only filesystem every change fails, and reads and syncs succeed; read-write again,
/// everything works as before.
#[test]
fn read_only_filesystem_rejects_only_changes() {
    Runtime::new().block_on(async {
        let disk = disk();
        let file = read_write(&disk, "a").await;
        file.write_all_at(b"x", 0).await.unwrap();
        disk.remount(true);
        let refused = [
            file.write_all_at(b"y", 0).await,
            file.set_len(0).await,
            file.allocate(1).await,
            disk.create("a").await.map(drop),
            disk.create("b").await.map(drop),
            disk.create_dir("d").await,
            disk.rename("a", "b").await,
            disk.remove_file("a").await,
            disk.hard_link("a", "b").await,
            disk.symlink("a", "b").await,
        ];
        for (place, result) in refused.into_iter().enumerate() {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem, "{place}");
        }
        file.sync_all().await.unwrap();
        assert_eq!(disk.read("a").await.unwrap(), b"x");
        disk.remount(false);
        file.write_all_at(b"y", 0).await.unwrap();
        assert_eq!(disk.read("a").await.unwrap(), b"y");
    });
}

/// A wiped disk is a new, empty disk.
#[test]
fn wiped_disk_is_empty_and_works() {
    Runtime::new().block_on(async {
        let disk = disk();
        let file = read_write(&disk, "a").await;
        file.sync_all().await.unwrap();
        disk.wipe();
        assert_eq!(file.sync_all().await.unwrap_err().raw_os_error(), Some(5));
        assert_eq!(disk.read_dir("/").await.unwrap().names(), [] as [&str; 0]);
        disk.write("b", "x").await.unwrap();
    });
}
