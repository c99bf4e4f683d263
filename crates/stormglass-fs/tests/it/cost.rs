//! Every operation costs what the profile says, is recorded, and draws from its own random
//! stream.

use std::io;
use std::time::Duration;
use stormglass_core::{Keep, Kind, Latency, Recorder, Seed};
use stormglass_fs::profile::{DeviceProfile, Episode, StallProfile, WriteBackProfile};
use stormglass_fs::{Device, Disk, DiskProfile, FileExt, Loss, OpCost, OpenOptions, Slowdown};

fn costing(micros: u64) -> OpCost {
    OpCost { latency: Latency::from_micros(micros), ..OpCost::default() }
}

/// Runs each operation once, each with a different cost: the events list the costs.
#[test]
fn every_operation_costs_its_latency_and_is_recorded() {
    let profile = DiskProfile {
        open: costing(10),
        create: costing(20),
        read: costing(30),
        write: costing(40),
        sync: costing(50),
        rename: costing(60),
        unlink: costing(70),
        mkdir: costing(80),
        readdir: costing(90),
        truncate: costing(100),
        allocate: costing(110),
        stat: costing(120),
        link: costing(130),
        readlink: costing(140),
        ..DiskProfile::instant()
    };
    let recorder = Recorder::new(Keep::Events);
    let disk = Disk::recorded("disk", profile, Seed(1), &recorder);
    let elapsed = madsim::runtime::Runtime::new().block_on(async {
        disk.create_dir("d").await?;
        let file = disk.create("d/a").await?;
        file.allocate(4096).await?;
        file.write_all_at(b"abc", 0).await?;
        file.sync_data().await?;
        file.set_len(1).await?;
        disk.open("d").await?.sync_all().await?;
        disk.rename("d/a", "d/b").await?;
        assert_eq!(disk.read("d/b").await?, b"a");
        assert_eq!(disk.read_dir("d").await?.names(), ["b"]);
        disk.remove_file("d/b").await?;
        disk.symlink("d", "soft").await?;
        disk.read_link("soft").await?;
        disk.hard_link("soft", "hard").await?;
        disk.canonicalize("hard").await?;
        disk.metadata("soft").await?;
        disk.remove_dir("d").await?;
        Ok::<_, io::Error>(stormglass_rt::now())
    });
    let trace = recorder.finish();
    let seen: Vec<(Kind, u64)> =
        trace.events.iter().map(|event| (event.kind, event.took_nanos / 1_000)).collect();
    let expected = [
        (Kind::Mkdir, 80),
        (Kind::Create, 20),
        (Kind::Allocate, 110),
        (Kind::Write, 40),
        (Kind::Fdatasync, 50),
        (Kind::Truncate, 100),
        (Kind::Open, 10),
        (Kind::Fsync, 50),
        (Kind::Rename, 60),
        (Kind::Open, 10),
        (Kind::Read, 30),
        (Kind::Readdir, 90),
        (Kind::Unlink, 70),
        (Kind::Symlink, 130),
        (Kind::Readlink, 140),
        (Kind::Link, 130),
        (Kind::Stat, 120),
        (Kind::Stat, 120),
        (Kind::Unlink, 70),
    ];
    assert_eq!(seen, expected);
    // The sum of the costs, and at most 150 ns of madsim's own for each poll.
    let sum: u64 = expected.iter().map(|(_, micros)| micros * 1_000).sum();
    let elapsed = elapsed.unwrap().as_nanos();
    assert!((sum..sum + 20 * 150).contains(&elapsed), "{elapsed} {sum}");
    // Each operation waits for the one before it.
    for (index, event) in trace.events.iter().enumerate() {
        assert_eq!(event.cause.index(), index.checked_sub(1));
    }
}

/// The fsyncs of a disk keep their latencies when reads are added between them.
#[test]
fn added_reads_leave_sync_latencies_unchanged() {
    let spread = Latency::Uniform { min: Duration::from_millis(1), max: Duration::from_millis(9) };
    let fsyncs = |reads: usize| -> Vec<u64> {
        let mut profile = DiskProfile::instant();
        profile.sync.latency = spread.clone();
        profile.read.latency = spread.clone();
        let recorder = Recorder::new(Keep::Events);
        let disk = Disk::recorded("disk", profile, Seed(4), &recorder);
        madsim::runtime::Runtime::new().block_on(async {
            let options = *OpenOptions::new().read(true).write(true).create(true);
            let file = disk.open_with(&options, "a").await.unwrap();
            for _ in 0..5 {
                for _ in 0..reads {
                    file.read_at(&mut [0], 0).await.unwrap();
                }
                file.sync_all().await.unwrap();
            }
        });
        let events = recorder.finish().events;
        events.iter().filter(|event| event.kind == Kind::Fsync).map(|event| event.took_nanos).collect()
    };
    assert_eq!(fsyncs(0), fsyncs(3));
    assert_eq!(fsyncs(0).len(), 5);
}

/// An injected delay is added to the drawn latency, and without it the run is unchanged.
#[test]
fn a_delay_is_added_to_every_operation_of_its_kind() {
    let sync_nanos = |delay: Duration| {
        let mut profile = DiskProfile::instant();
        profile.sync.latency =
            Latency::Uniform { min: Duration::from_millis(1), max: Duration::from_millis(9) };
        profile.sync.delay = delay;
        let recorder = Recorder::new(Keep::Events);
        let disk = Disk::recorded("disk", profile, Seed(4), &recorder);
        madsim::runtime::Runtime::new().block_on(async {
            disk.create("a").await.unwrap().sync_all().await.unwrap();
        });
        recorder.finish().events[1].took_nanos
    };
    assert_eq!(sync_nanos(Duration::from_millis(200)), sync_nanos(Duration::ZERO) + 200_000_000);
}

/// Three concurrent syncs of 10 ms: without a limit all are done at 10 ms; a device that serves
/// one at a time takes 30 ms, one that serves two takes 20 ms. An injected delay elapses before
/// the request reaches the device, and delays no other request.
#[test]
fn syncs_queue_for_their_device() {
    let all_done = |queue_depth: u16, delay_millis: u64| {
        let mut profile = DiskProfile::instant();
        profile.device.queue_depth = queue_depth;
        profile.sync.latency = Latency::from_millis(10);
        profile.sync.delay = Duration::from_millis(delay_millis);
        let device = Device::new("shared", &profile.device, Seed(1));
        let recorder = Recorder::new(Keep::Nothing);
        madsim::runtime::Runtime::new().block_on(async {
            let mut tasks = Vec::new();
            for name in ["disk-1", "disk-2", "disk-3"] {
                let disk = Disk::on(device.clone(), name, profile.clone(), Seed(1), &recorder);
                tasks.push(madsim::task::spawn_local(async move {
                    disk.create("a").await.unwrap().sync_all().await.unwrap();
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            // Polls add 50 to 100 ns each.
            stormglass_rt::now().as_nanos() / 1_000_000
        })
    };
    assert_eq!([0, 1, 2].map(|depth| all_done(depth, 0)), [10, 30, 20]);
    assert_eq!([0, 1].map(|depth| all_done(depth, 100)), [110, 130]);
}

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Returns how long each step of a sequence takes on a disk of this profile, in ms.
fn step_times(profile: DiskProfile, steps: impl AsyncFnOnce(&Disk, &mut dyn FnMut())) -> Vec<u128> {
    madsim::runtime::Runtime::new().block_on(async {
        let disk = Disk::new("disk", profile, Seed(1));
        let (mut began, mut step_times) = (stormglass_rt::now(), Vec::new());
        steps(&disk, &mut || {
            step_times.push(((stormglass_rt::now() - began).as_micros() + 500) / 1_000);
            began = stormglass_rt::now();
        })
        .await;
        step_times
    })
}

fn syncing(latency: Duration, per_mib: Duration) -> DiskProfile {
    let mut profile = DiskProfile::instant();
    (profile.sync.latency, profile.sync.per_mib) = (Latency::Constant(latency), per_mib);
    profile
}

/// A sync costs 2 ms, and 10 ms for each dirty MiB: a sync of 3 MiB takes 32 ms, and the next
/// one, with nothing to write, 2 ms. The device writes overwritten data twice, and data that was
/// truncated in between not at all.
#[test]
fn a_sync_takes_time_for_each_dirty_mib() {
    let step_times = step_times(syncing(MS(2), MS(10)), async |disk, end_step| {
        let file = disk.create("a").await.unwrap();
        file.write_all_at(&vec![0; 3 << 20], 0).await.unwrap();
        disk.write("b", vec![0; 1 << 20]).await.unwrap();
        file.sync_all().await.unwrap();
        end_step();
        file.sync_data().await.unwrap();
        end_step();
        disk.open("b").await.unwrap().sync_all().await.unwrap();
        end_step();
    });
    assert_eq!(step_times, [32, 2, 12]);
}

/// At most 8 MiB may be dirty, and writing a MiB takes 10 ms. The 9th, 13th, 17th and 21st MiB,
/// the last of which belongs to another file, each start write-back of a batch of 4 MiB. The sync
/// of that other file waits behind all four batches on a device that serves one request at a
/// time: 160 + 12 ms. The sync of the first file then has 4 MiB left: 42 ms.
#[test]
fn a_sync_waits_behind_write_back() {
    let mut profile = syncing(MS(2), MS(10));
    profile.write_back = WriteBackProfile { background_bytes: 8 << 20, ..WriteBackProfile::default() };
    profile.device.queue_depth = 1;
    let step_times = step_times(profile, async |disk, end_step| {
        let file = disk.create("a").await.unwrap();
        for number in 0..20 {
            file.write_all_at(&vec![0; 1 << 20], number << 20).await.unwrap();
        }
        let other = disk.create("b").await.unwrap();
        other.write_all_at(&vec![0; 1 << 20], 0).await.unwrap();
        end_step();
        other.sync_all().await.unwrap();
        end_step();
        file.sync_all().await.unwrap();
        end_step();
    });
    assert_eq!(step_times, [0, 4 * 40 + 12, 4 * 10 + 2]);
}

/// With a limit of 16 MiB of dirty pages, and write-back in the background above 8 MiB, a writer
/// of 40 MiB is throttled to the speed of the device.
#[test]
fn a_writer_is_throttled_above_the_dirty_limit() {
    let mut profile = syncing(MS(2), MS(10));
    profile.write_back =
        WriteBackProfile { background_bytes: 8 << 20, limit_bytes: 16 << 20, ..WriteBackProfile::default() };
    profile.device.queue_depth = 1;
    let written = async |disk: &Disk, end_step: &mut dyn FnMut()| {
        let file = disk.create("a").await.unwrap();
        for number in 0..40 {
            file.write_all_at(&vec![0; 1 << 20], number << 20).await.unwrap();
        }
        end_step();
    };
    // The device has to write 24 MiB before the last MiB is accepted, in batches of 4: 240 ms.
    assert_eq!(step_times(profile.clone(), written), [240]);
    profile.write_back.limit_bytes = 0;
    assert_eq!(step_times(profile, written), [0]);
}

/// The kernel writes back pages that have been dirty for 30 s, and its journal makes names
/// durable after 5 s.
#[test]
fn expired_dirty_pages_survive_a_power_loss() {
    let left_after = |seconds: u64| {
        let mut profile = syncing(MS(2), MS(10));
        profile.write_back = WriteBackProfile {
            expire: Duration::from_secs(30),
            commit: Duration::from_secs(5),
            ..WriteBackProfile::default()
        };
        madsim::runtime::Runtime::new().block_on(async {
            let disk = Disk::new("disk", profile, Seed(1));
            disk.write("a", "old").await.unwrap();
            stormglass_rt::sleep(Duration::from_secs(seconds)).await;
            disk.write("b", "new").await.unwrap();
            disk.power_loss(Loss::Everything);
            (disk.read_dir("/").await.unwrap().names().join(" "), disk.read("a").await.ok())
        })
    };
    assert_eq!(left_after(4), (String::new(), None));
    assert_eq!(left_after(6), ("a".into(), Some(b"".to_vec())));
    assert_eq!(left_after(29), ("a".into(), Some(b"".to_vec())));
    assert_eq!(left_after(31), ("a".into(), Some(b"old".to_vec())));
}

/// After a power loss, or after the cache was dropped, the first read of data goes to the device:
/// 3 ms for each read and 8 ms for each MiB.
#[test]
fn uncached_reads_go_to_the_device() {
    let mut profile = DiskProfile::instant();
    profile.miss.latency = Latency::from_millis(3);
    profile.device.per_mib = MS(8);
    let step_times = step_times(profile, async |disk, end_step| {
        disk.write("a", vec![0; 2 << 20]).await.unwrap();
        disk.open("a").await.unwrap().sync_all().await.unwrap();
        disk.open("/").await.unwrap().sync_all().await.unwrap();
        end_step();
        for cold in [false, true, false] {
            if cold {
                disk.drop_caches();
            }
            disk.read("a").await.unwrap();
            end_step();
        }
        disk.power_loss(Loss::Everything);
        let file = disk.open("a").await.unwrap();
        file.read_exact_at(&mut vec![0; 1 << 20], 0).await.unwrap();
        end_step();
        disk.read("a").await.unwrap();
        end_step();
    });
    assert_eq!(step_times, [16, 0, 19, 0, 11, 11]);
}

/// Three nodes repeatedly sync for 10 ms on one device that stalls from 100 to 400 ms: the stall
/// delays all of them.
#[test]
fn a_stall_delays_every_disk_on_the_device() {
    let longest = |stalled: fn(&Device)| {
        let mut profile = syncing(MS(10), Duration::ZERO);
        profile.device.queue_depth = 8;
        let device = Device::new("shared", &profile.device, Seed(1));
        stalled(&device);
        let recorder = Recorder::new(Keep::Events);
        madsim::runtime::Runtime::new().block_on(async {
            let mut tasks = Vec::new();
            for name in ["1", "2", "3"] {
                let disk = Disk::on(device.clone(), name, profile.clone(), Seed(1), &recorder);
                tasks.push(madsim::task::spawn_local(async move {
                    let file = disk.create("a").await.unwrap();
                    for _ in 0..30 {
                        file.sync_all().await.unwrap();
                    }
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
        let trace = recorder.finish();
        let syncs = trace.events.iter().filter(|event| event.kind == Kind::Fsync);
        let mut slow: Vec<u64> =
            syncs.map(|event| event.took_nanos / 1_000_000).filter(|&ms| ms > 10).collect();
        slow.sort_unstable();
        slow
    };
    assert_eq!(longest(|_| {}), [] as [u64; 0]);
    let slow = longest(|device| {
        let at = |ms: u64| stormglass_core::SimTime::from_nanos(ms * 1_000_000);
        device.stall(at(105)..at(405), Slowdown::new(f64::INFINITY).unwrap());
    });
    assert_eq!(slow, [310, 310, 310]);
}

/// Stalls by rate: about one in 2 s, each of 500 ms with a factor of 20. Syncs of 10 ms that
/// overlap one take longer, and the seed decides which; without stalls none does.
#[test]
fn random_stalls_follow_their_rate() {
    let slow = |seed: u64, stalls: bool| {
        let mut profile = syncing(MS(10), Duration::ZERO);
        profile.device.stall = StallProfile {
            every: Latency::Exponential { mean: MS(2_000), max: MS(20_000) },
            length: if stalls { Latency::from_millis(500) } else { Latency::ZERO },
            factor: Slowdown::new(20.0).unwrap(),
        };
        let recorder = Recorder::new(Keep::Events);
        madsim::runtime::Runtime::new().block_on(async {
            let disk = Disk::recorded("disk", profile, Seed(seed), &recorder);
            let file = disk.create("a").await.unwrap();
            while stormglass_rt::now().as_secs_f64() < 60.0 {
                file.sync_all().await.unwrap();
            }
        });
        let trace = recorder.finish();
        let syncs = trace.events.iter().filter(|event| event.kind == Kind::Fsync);
        syncs.map(|event| event.took_nanos / 1_000_000).filter(|&ms| ms > 100).collect::<Vec<_>>()
    };
    assert_eq!(slow(1, false), [] as [u64; 0]);
    // 24 episodes are expected in 60 s, each with two or three syncs of 200 ms.
    let count = slow(1, true).len();
    assert!((25..100).contains(&count), "{count}");
    assert_ne!(slow(1, true), slow(2, true));
}

/// A warm-up is an episode at the beginning: 100 ms at factor 4, then full speed.
#[test]
fn a_warm_up_slows_the_first_operations() {
    let mut profile = syncing(MS(10), Duration::ZERO);
    profile.device = DeviceProfile {
        episodes: vec![Episode { at: MS(0), length: MS(100), factor: Slowdown::new(4.0).unwrap() }],
        ..DeviceProfile::default()
    };
    let step_times = step_times(profile, async |disk, end_step| {
        let file = disk.create("a").await.unwrap();
        for _ in 0..5 {
            file.sync_all().await.unwrap();
            end_step();
        }
    });
    // The third step begins at 80 ms: in 20 ms it does 5 ms of its work, then the other 5.
    assert_eq!(step_times, [40, 40, 25, 10, 10]);
}
