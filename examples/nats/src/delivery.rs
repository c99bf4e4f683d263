//! A run in which a publisher sends messages to a subscriber, while connections break.

use crate::client::{Calls, publish, subscribe};
use crate::record::{Messages, Record};
use crate::server::serve;
use futures_util::future::join;
use std::sync::{Mutex, PoisonError};
use stormglass::prelude::*;

/// How many messages a run has.
pub const MESSAGES: u64 = 1_000;

/// The time between two messages.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a run waits for the last message after the last call.
const REST: Duration = Duration::from_secs(60);

/// What breaks connections, again and again for the first 20 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaks {
    /// Nothing does.
    Nothing,
    /// The server is killed, and starts again after 0.1 to 5 s.
    Kill,
    /// The server's connections are reset.
    Reset,
    /// For 0.1 to 5 s two of the three nodes, or one and the others, cannot communicate.
    Partition,
    /// For 0.1 to 5 s all messages of one node wait until the end of it.
    Hold,
    /// For 0.1 to 5 s the server's process is paused.
    Pause,
    /// As `Kill`; and for 0.1 to 5 s the server's messages, in both directions, take up to 300 ms.
    SlowKill,
}

impl Breaks {
    /// All of them.
    pub const ALL: [Breaks; 7] = [
        Breaks::Nothing,
        Breaks::Hold,
        Breaks::Pause,
        Breaks::Partition,
        Breaks::Reset,
        Breaks::Kill,
        Breaks::SlowKill,
    ];

    /// Returns the name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Breaks::Nothing => "nothing",
            Breaks::Kill => "server killed",
            Breaks::Reset => "connections reset",
            Breaks::Partition => "partition",
            Breaks::Hold => "messages held",
            Breaks::Pause => "server paused",
            Breaks::SlowKill => "slow link, server killed",
        }
    }

    /// Returns the kinds of faults of a plan; `Hold` is made by the run itself.
    fn kinds(self) -> &'static str {
        match self {
            Breaks::Nothing | Breaks::Hold => "[]",
            Breaks::Kill => "['kill']",
            Breaks::Reset => "['reset']",
            Breaks::Partition => "['cut', 'one-way-cut', 'isolate']",
            Breaks::Pause => "['pause']",
            Breaks::SlowKill => "['kill', 'slow-link']",
        }
    }

    fn nodes(self) -> Vec<String> {
        let nodes: &[&str] = match self {
            Breaks::Partition => &["server", "publisher", "subscriber"],
            _ => &["server"],
        };
        nodes.iter().map(ToString::to_string).collect()
    }
}

/// A run of a table.
#[derive(Debug)]
struct Delivery {
    calls: Calls,
    breaks: Breaks,
    messages: Mutex<Messages>,
}

/// A publisher sends messages to a subscriber, while connections break.
#[stormglass::sim::scenario]
impl Scenario for Delivery {
    fn nodes(&self, _settings: &()) -> Vec<String> {
        self.breaks.nodes()
    }

    async fn play(&self, world: World) {
        let delivered = deliver(&world, self.calls, MESSAGES);
        let messages = match self.breaks {
            Breaks::Hold => join(delivered, hold(&world)).await.0,
            _ => delivered.await,
        };
        *self.messages.lock().unwrap_or_else(PoisonError::into_inner) = messages;
    }
}

/// Publishes messages, and returns what is known of them at the end.
pub async fn deliver(world: &World, calls: Calls, count: u64) -> Messages {
    let record = Record::default();
    let known = record.clone();
    world.node("server").run("serve", move || serve(known.clone()));
    let known = record.clone();
    world.node("subscriber").run("subscribe", move || subscribe(known.clone()));
    let (known, publisher) = (record.clone(), world.client("publisher"));
    let publishing = publisher.run(async move |_| {
        // The subscriber comes first: NATS keeps no messages.
        tokio::time::sleep(Duration::from_secs(1)).await;
        publish(known, calls, count, PAUSE).await;
    });
    let longest = Duration::from_secs(3_600);
    world.wait("publishes", "publisher", longest, publishing).await;
    sleep(REST).await;
    record.messages()
}

/// Holds the messages of a node three times.
async fn hold(world: &World) {
    let mut stream = world.seed().stream("hold");
    let nodes = ["server", "publisher", "subscriber"];
    for _ in 0..3 {
        let node = nodes[stream.below(nodes.len() as u64) as usize];
        sleep(Duration::from_millis(stream.below(7_000))).await;
        let hold = world.network().hold(node, "*").expect("it is a pattern");
        sleep(Duration::from_millis(100 + stream.below(4_900))).await;
        drop(hold);
    }
}

/// Plays a run.
///
/// # Panics
///
/// If the run does not pass: a node panics, or leaves the simulation.
pub fn play(calls: Calls, breaks: Breaks, seed: u64) -> Messages {
    let scenario = Delivery { calls, breaks, messages: Mutex::default() };
    let count = match breaks {
        Breaks::Nothing | Breaks::Hold => "0",
        Breaks::SlowKill => "12",
        _ => "6",
    };
    let assignments = [
        ("plan.generate.count", count),
        ("plan.generate.kinds", breaks.kinds()),
        ("plan.generate.swarm", "false"),
        ("plan.generate.from", "2s"),
        ("plan.generate.until", "20s"),
        ("run.tick", "10ms"),
    ];
    let settings = Settings::resolve(&scenario, None, "quiet", &assignments).expect("the settings are valid");
    let played = Run::new(&scenario, settings, Seed(seed)).play(Keep::Nothing);
    let verdict = &played.outcome.verdict;
    assert!(verdict.is_passed(), "{calls:?}, {breaks:?}, seed {seed}: {verdict}");
    scenario.messages.into_inner().unwrap_or_else(PoisonError::into_inner)
}
