//! What the simulation's own primitives cost, as ratios to madsim's in the same run: a disk operation to a bare
//! `madsim::time::sleep`, a one-way message to one of `madsim::net::Endpoint`.

use criterion::{Criterion, Throughput};
use madsim::net::Endpoint;
use madsim::runtime::Runtime;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stormglass_core::{Keep, Latency, Recorder, Seed};
use stormglass_fs::{Disk, DiskProfile};
use stormglass_net::{LinkProfile, NetProfile, Network};

/// Operations of one measured iteration, so that building the runtime does not count.
const COUNT: u64 = 10_000;
const LATENCY: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "the reference is madsim's own sleep")]
fn sleeps() {
    Runtime::new().block_on(async {
        for _ in 0..COUNT {
            madsim::time::sleep(LATENCY).await;
        }
    });
}

fn disk_operations() {
    let mut profile = DiskProfile::instant();
    profile.sync.latency = Latency::Constant(LATENCY);
    let disk = Disk::recorded("disk", profile, Seed(1), &Recorder::new(Keep::Nothing));
    Runtime::new().block_on(async {
        let file = disk.create("wal").await.expect("the disk is empty");
        for _ in 0..COUNT {
            file.sync_data().await.expect("the disk works");
        }
    });
}

fn messages_of_madsim() {
    let runtime = Runtime::new();
    let receiver = runtime.create_node().name("receiver").ip([10, 0, 0, 2].into()).build();
    let sender = runtime.create_node().name("sender").ip([10, 0, 0, 1].into()).build();
    runtime.block_on(async {
        let received = receiver.spawn(async {
            let endpoint = Endpoint::bind("10.0.0.2:1").await.expect("the port is free");
            let mut buffer = [0; 8];
            for _ in 0..COUNT {
                endpoint.recv_from(1, &mut buffer).await.expect("it arrives");
            }
        });
        stormglass_rt::sleep(LATENCY).await;
        sender.spawn(async {
            let endpoint = Endpoint::bind("10.0.0.1:1").await.expect("the port is free");
            for number in 0..COUNT {
                endpoint.send_to("10.0.0.2:1", 1, &number.to_le_bytes()).await.expect("it is sent");
                stormglass_rt::sleep(LATENCY).await;
            }
        });
        received.await.expect("the receiver ends");
    });
}

fn messages_of_ours() {
    let link = LinkProfile { latency: Latency::Constant(LATENCY), ..LinkProfile::default() };
    let profile = NetProfile { link, ..NetProfile::instant() };
    let network = Network::recorded(profile, Seed(1), &Recorder::new(Keep::Nothing));
    let runtime = Runtime::new();
    let receiver = runtime.create_node().name("receiver").build();
    let sender = runtime.create_node().name("sender").build();
    runtime.block_on(async {
        let mut inbox = network.host("receiver").bind::<u64>(1).expect("the port is free");
        let to = inbox.address();
        let received = receiver.spawn(async move {
            for _ in 0..COUNT {
                inbox.recv_from().await;
            }
        });
        let endpoint = network.host("sender").bind::<u64>(1).expect("the port is free");
        sender.spawn(async move {
            for number in 0..COUNT {
                endpoint.send_to(to, number);
                stormglass_rt::sleep(LATENCY).await;
            }
        });
        received.await.expect("the receiver ends");
    });
}

/// The senders pause between messages; this is what the pauses alone cost.
fn pauses() {
    let runtime = Runtime::new();
    let sender = runtime.create_node().name("sender").build();
    runtime.block_on(async {
        let pausing = sender.spawn(async {
            for _ in 0..COUNT {
                stormglass_rt::sleep(LATENCY).await;
            }
        });
        pausing.await.expect("it ends");
    });
}

fn main() {
    let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    let mut criterion = Criterion::default().output_directory(&output).configure_from_args();
    let cases: [(&str, fn()); 5] = [
        ("sleep", sleeps),
        ("disk", disk_operations),
        ("pause", pauses),
        ("endpoint", messages_of_madsim),
        ("message", messages_of_ours),
    ];
    let mut group = criterion.benchmark_group("cost");
    group.throughput(Throughput::Elements(COUNT)).sample_size(20);
    for (name, case) in cases {
        group.bench_function(name, |bencher| bencher.iter(case));
    }
    group.finish();
    criterion.final_summary();
    ratios(&output);
}

/// Prints the ratios, if the measurements are there; `--list` and `--test` make none.
fn ratios(output: &Path) {
    let nanos = |name: &str| -> Option<f64> {
        let file = output.join("cost").join(name).join("new/estimates.json");
        let estimates: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
        Some(estimates["median"]["point_estimate"].as_f64()? / COUNT as f64)
    };
    let all: Option<Vec<f64>> =
        ["sleep", "disk", "pause", "endpoint", "message"].into_iter().map(nanos).collect();
    let Some([sleep, disk, pause, endpoint, message]) = all.as_deref() else { return };
    let (endpoint, message) = (endpoint - pause, message - pause);
    println!("disk operation / madsim sleep        {:.2}   ({disk:.0} ns / {sleep:.0} ns)", disk / sleep);
    println!(
        "one-way message / madsim Endpoint    {:.2}   ({message:.0} ns / {endpoint:.0} ns)",
        message / endpoint
    );
}
