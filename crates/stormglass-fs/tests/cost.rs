//! Every operation costs what the profile says, is recorded, and draws from its own stream.

use std::io;
use std::time::Duration;
use stormglass_core::{Keep, Kind, Latency, Recorder, Seed};
use stormglass_fs::{Disk, DiskProfile, OpCost, OpenOptions};

fn costing(micros: u64) -> OpCost {
    OpCost { latency: Latency::from_micros(micros), ..OpCost::default() }
}

/// Each operation once, with another price each: the events list the prices.
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
        ..DiskProfile::instant()
    };
    let recorder = Recorder::new(Keep::Events);
    let disk = Disk::recorded("disk", profile, Seed(1), &recorder);
    let elapsed = madsim::runtime::Runtime::new().block_on(async {
        disk.create_dir("d").await?;
        let file = disk.create("d/a").await?;
        file.allocate(4096).await?;
        file.write_at(b"abc", 0).await?;
        file.sync_data().await?;
        file.set_len(1).await?;
        disk.open("d").await?.sync_all().await?;
        disk.rename("d/a", "d/b").await?;
        assert_eq!(disk.read("d/b").await?, b"a");
        assert_eq!(disk.read_dir("d").await?, ["b"]);
        disk.remove_file("d/b").await?;
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
    ];
    assert_eq!(seen, expected);
    // The sum of the prices, and at most 150 ns of madsim's own a poll.
    let sum: u64 = expected.iter().map(|(_, micros)| micros * 1_000).sum();
    let elapsed = elapsed.unwrap().as_nanos();
    assert!((sum..sum + 14 * 150).contains(&elapsed), "{elapsed} {sum}");
    // Each had to wait for the one before it.
    for (index, event) in trace.events.iter().enumerate() {
        assert_eq!(event.cause.index(), index.checked_sub(1));
    }
}

/// The fsyncs of a disk keep their latencies when reads are added between them.
#[test]
fn a_new_draw_in_one_place_moves_nothing_in_another() {
    let spread = Latency::Uniform { min: Duration::from_millis(1), max: Duration::from_millis(9) };
    let fsyncs = |reads: usize| -> Vec<u64> {
        let mut profile = DiskProfile::instant();
        profile.sync.latency = spread.clone();
        profile.read.latency = spread.clone();
        let recorder = Recorder::new(Keep::Events);
        let disk = Disk::recorded("disk", profile, Seed(4), &recorder);
        madsim::runtime::Runtime::new().block_on(async {
            let file = OpenOptions::new().read(true).write(true).create(true).open(&disk, "a").await.unwrap();
            for _ in 0..5 {
                for _ in 0..reads {
                    file.read_at(1, 0).await.unwrap();
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

/// An injected delay comes on top of the drawn latency, and without it the run is unchanged.
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

/// Three syncs of 10 ms at once: without a limit all are done at 10 ms; a device that serves one at a time takes 30 ms, one
/// that serves two takes 20 ms. An injected delay passes before the device and holds nobody else up.
#[test]
fn syncs_queue_for_their_device() {
    let all_done = |queue_depth: u16, delay_millis: u64| {
        let mut profile = DiskProfile { queue_depth, ..DiskProfile::instant() };
        profile.sync.latency = Latency::from_millis(10);
        profile.sync.delay = Duration::from_millis(delay_millis);
        let device = stormglass_fs::Device::new(queue_depth);
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
            // Polls of 50 to 100 ns come on top.
            stormglass_rt::now().as_nanos() / 1_000_000
        })
    };
    assert_eq!([0, 1, 2].map(|depth| all_done(depth, 0)), [10, 30, 20]);
    assert_eq!([0, 1].map(|depth| all_done(depth, 100)), [110, 130]);
}
