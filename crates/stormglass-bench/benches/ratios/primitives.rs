//! The host time of the simulation's primitives, as ratios to madsim's: a disk operation to a bare
//! `madsim::time::sleep`, a one-way message to one of `madsim::net::Endpoint`.

use madsim::net::Endpoint;
use madsim::runtime::Runtime;
use std::time::Duration;
use stormglass_bench::{Case, Ratios, in_turn};
use stormglass_core::{Keep, Latency, Recorder, Seed};
use stormglass_fs::{Disk, DiskProfile};
use stormglass_net::{LinkProfile, NetProfile, Network};

const ROUNDS: usize = 40;
/// The number of operations in one execution: so many that creating the runtime does not matter.
const COUNT: u64 = 10_000;
const LATENCY: Duration = Duration::from_millis(1);
/// Sleeps of one execution of [`sleeps`].
pub const SLEEPS: u64 = COUNT;

/// Sleeps 1 ms by madsim's own timer, one after the other.
#[expect(clippy::disallowed_methods, reason = "the reference is madsim's own sleep")]
pub fn sleeps() {
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

/// Measures the senders' pauses between messages alone.
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

pub fn measure(ratios: &mut Ratios) {
    let samples = in_turn(
        ROUNDS,
        &[
            Case::new("sleep", COUNT, sleeps),
            Case::new("disk", COUNT, disk_operations),
            Case::new("pause", COUNT, pauses),
            Case::new("endpoint", COUNT, messages_of_madsim),
            Case::new("message", COUNT, messages_of_ours),
        ],
    );
    ratios.add("disk operation", samples.of("disk"), "madsim sleep", samples.of("sleep"));
    let without_pauses = |name| samples.of(name).minus(samples.of("pause"));
    ratios.add("one-way message", &without_pauses("message"), "madsim Endpoint", &without_pauses("endpoint"));
}
