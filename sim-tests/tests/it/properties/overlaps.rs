//! Faults that overlap: a state is over when the last fault that asks for it is over. Random plans
//! are compared with a model that knows intervals only.

use crate::properties::{record, record_planted};
use madsim::net::Endpoint;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stormglass_core::fault::{FaultKind, LinkFault, Loss, OneShot, Pattern};
use stormglass_core::{Keep, Seed, SimTime};
use stormglass_net::{TcpListener, TcpStream, UdpSocket};
use stormglass_plan::Fault;
use stormglass_rt as rt;
use stormglass_sim::{Node, Run, Scenario, Settings, World, scenario};
use tokio::io::AsyncWriteExt;

const MS: fn(u64) -> Duration = Duration::from_millis;
/// A scenario that plays this function.
struct Story<F>(F);

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

#[scenario(about = "a test's function")]
impl<F: Fn(World) -> Boxed + Send + Sync> Scenario for Story<F> {
    async fn play(&self, world: World) {
        (self.0)(world).await;
    }
}

const NODES: [&str; 3] = ["node-0", "node-1", "node-2"];

/// Faults begin and end at multiples of 50 ms, the scenario's signals are sent 25 ms later, so the
/// state is constant for each 25 ms.
const STEP: u64 = 25;
const STEPS: usize = 48;

/// What a fault asks for.
#[derive(Clone, Copy, Debug)]
enum What {
    Down(usize),
    Off(usize),
    Paused(usize),
    Cut { from: usize, to: usize, one_way: bool },
    Isolated(usize),
    Reset(usize),
}

/// A fault that asks for a state from the step `from` until before the step `until`.
#[derive(Clone, Copy, Debug)]
struct Asked {
    what: What,
    from: usize,
    until: usize,
}

impl Asked {
    fn fault(self) -> Fault {
        let node = |index: usize| Pattern::from(NODES[index]);
        let kind: FaultKind = match self.what {
            What::Down(index) => OneShot::Kill { node: node(index) }.into(),
            What::Off(index) => OneShot::PowerLoss { node: node(index), loss: Loss::Everything }.into(),
            What::Paused(index) => OneShot::Pause { node: node(index) }.into(),
            What::Cut { from, to, one_way } => {
                LinkFault::Cut { from: node(from), to: node(to), one_way }.into()
            }
            What::Isolated(index) => {
                let others = (0..NODES.len()).filter(|other| *other != index).map(node).collect();
                LinkFault::Partition { groups: vec![vec![node(index)], others] }.into()
            }
            What::Reset(index) => OneShot::Reset { from: node(index), to: "*".into() }.into(),
        };
        Fault::new(at(self.from), at(self.until - self.from), kind)
    }

    fn covers(self, step: usize) -> bool {
        (self.from..self.until).contains(&step)
    }
}

fn at(step: usize) -> Duration {
    MS(step as u64 * STEP)
}

/// A signal that the scenario sends in an odd step: SIGSTOP or SIGCONT.
#[derive(Clone, Copy, Debug)]
struct Signal {
    node: usize,
    step: usize,
    stops: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    let node = || 0..NODES.len();
    let what = prop_oneof![
        3 => node().prop_map(What::Down),
        3 => node().prop_map(What::Off),
        3 => node().prop_map(What::Paused),
        2 => (node(), 1..NODES.len(), any::<bool>()).prop_map(|(from, other, one_way)| {
            What::Cut { from, to: (from + other) % NODES.len(), one_way }
        }),
        1 => node().prop_map(What::Isolated),
        1 => node().prop_map(What::Reset),
    ];
    (what, 1..STEPS / 2 - 2, 0..8usize).prop_map(|(what, from, length)| {
        let is_instant = matches!(what, What::Down(_) | What::Off(_) | What::Reset(_));
        let length = if is_instant { length } else { length.max(1) };
        Asked { what, from: 2 * from, until: (2 * (from + length)).min(STEPS - 2) }
    })
}

fn signal() -> impl Strategy<Value = Signal> {
    let step = (1..STEPS / 2 - 2).prop_map(|step| 2 * step + 1);
    (0..NODES.len(), step, any::<bool>()).prop_map(|(node, step, stops)| Signal { node, step, stops })
}

/// The state of each node in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    is_up: bool,
    is_paused: bool,
    has_power: bool,
}

impl State {
    fn runs(self) -> bool {
        self.is_up && !self.is_paused
    }
}

/// The expected states of a node in all steps, and how often its process is started.
fn model(node: usize, asked: &[Asked], signals: &[Signal]) -> (Vec<State>, usize) {
    let (mut was_up, mut is_stopped, mut starts) = (true, false, 1);
    let ends_process = |what: What| matches!(what, What::Down(it) | What::Off(it) if it == node);
    let mut states = Vec::new();
    for step in 0..STEPS {
        let any = |is: &dyn Fn(What) -> bool| asked.iter().any(|it| is(it.what) && it.covers(step));
        let is_up = !any(&ends_process);
        let is_killed = asked.iter().any(|it| ends_process(it.what) && it.from == step) && was_up;
        is_stopped &= !is_killed;
        starts += usize::from(is_up && (is_killed || !was_up));
        for signal in signals.iter().filter(|signal| signal.node == node && signal.step == step) {
            is_stopped = signal.stops && is_up;
        }
        states.push(State {
            is_up,
            is_paused: is_stopped || any(&|what| matches!(what, What::Paused(it) if it == node)),
            has_power: !any(&|what| matches!(what, What::Off(it) if it == node)),
        });
        was_up = is_up;
    }
    (states, starts)
}

/// Whether messages from one node to another are lost in a step.
fn is_cut(asked: &[Asked], from: usize, to: usize, step: usize) -> bool {
    asked.iter().filter(|it| it.covers(step)).any(|it| match it.what {
        What::Cut { from: one, to: other, one_way } => {
            (one, other) == (from, to) || !one_way && (one, other) == (to, from)
        }
        What::Isolated(node) => node == from || node == to,
        _ => false,
    })
}

/// The steps in the middle of which something was observed, with what and by which nodes.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Observed>>);

type Observed = BTreeMap<(&'static str, usize, usize), Vec<SimTime>>;

impl Seen {
    fn add(&self, what: &'static str, from: usize, to: usize, time: SimTime) {
        self.0.lock().unwrap().entry((what, from, to)).or_default().push(time);
    }

    /// Whether it happened from 6 ms to 14 ms after the step's begin: what a change takes is over,
    /// and a message of madsim's network, which takes up to 10 ms, arrives within the step.
    fn happened(&self, what: &'static str, from: usize, to: usize, step: usize) -> bool {
        let begin = SimTime::ZERO + at(step);
        let window = begin + MS(6)..begin + MS(14);
        let seen = self.0.lock().unwrap();
        seen.get(&(what, from, to)).is_some_and(|times| times.iter().any(|time| window.contains(time)))
    }

    fn count(&self, what: &'static str, node: usize) -> usize {
        self.0.lock().unwrap().get(&(what, node, node)).map_or(0, Vec::len)
    }
}

fn address(node: usize, port: u16) -> SocketAddr {
    (IpAddr::from([10, 0, 0, node as u8 + 1]), port).into()
}

/// Everything that a node does. Messages contain the sender and the time at which they were sent.
async fn run_node(me: usize, node: Node, seen: Seen) {
    node.spawn("ticks", {
        let seen = seen.clone();
        async move {
            loop {
                seen.add("tick", me, me, rt::now());
                rt::sleep(MS(2)).await;
            }
        }
    });
    let server = node.clone();
    node.spawn("server", async move {
        let listener = bound(|| TcpListener::bind("0.0.0.0:80")).await;
        while let Ok((stream, _)) = listener.accept().await {
            server.spawn("connection", async move {
                while stream.readable().await.is_ok()
                    && stream.try_read(&mut [0; 64]).is_ok_and(|read| read > 0)
                {}
            });
        }
    });
    node.spawn("client", async move {
        loop {
            if let Some(Ok(mut stream)) =
                rt::timeout(MS(20), TcpStream::connect(address((me + 1) % NODES.len(), 80))).await
            {
                while stream.write_all(b"x").await.is_ok() {
                    rt::sleep(MS(2)).await;
                }
            }
            rt::sleep(MS(2)).await;
        }
    });
    let socket = Arc::new(bound(|| UdpSocket::bind("0.0.0.0:9")).await);
    let endpoint = Arc::new(Endpoint::bind("0.0.0.0:5").await.unwrap());
    node.spawn("senders", {
        let (socket, endpoint) = (socket.clone(), endpoint.clone());
        async move {
            loop {
                let mut message = rt::now().as_nanos().to_le_bytes().to_vec();
                message.push(me as u8);
                for other in (0..NODES.len()).filter(|other| *other != me) {
                    drop(socket.send_to(&message, address(other, 9)).await);
                    drop(endpoint.send_to(address(other, 5), 1, &message).await);
                }
                rt::sleep(MS(2)).await;
            }
        }
    });
    let received = move |seen: &Seen, what, message: &[u8]| {
        let sent = SimTime::from_nanos(u64::from_le_bytes(message[..8].try_into().unwrap()));
        seen.add(what, message[8].into(), me, sent);
    };
    node.spawn("madsim's receiver", {
        let seen = seen.clone();
        async move {
            let mut message = [0; 9];
            while endpoint.recv_from(1, &mut message).await.is_ok() {
                received(&seen, "endpoint", &message);
            }
        }
    });
    let mut message = [0; 9];
    while socket.recv_from(&mut message).await.is_ok() {
        received(&seen, "datagram", &message);
    }
}

/// Binds; tries again while the process before has the port.
async fn bound<T, F: Future<Output = std::io::Result<T>>>(bind: impl Fn() -> F) -> T {
    loop {
        if let Ok(bound) = bind().await {
            return bound;
        }
        rt::sleep(Duration::from_micros(100)).await;
    }
}

/// Connects to a port of each node on which nothing listens: the kernel of a machine with power
/// refuses it.
async fn probe(seen: Seen) {
    loop {
        for node in 0..NODES.len() {
            let began = rt::now();
            let connected =
                rt::timeout(Duration::from_micros(500), TcpStream::connect(address(node, 81))).await;
            if connected.is_some_and(|result| result.is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused))
            {
                seen.add("refusal", node, node, began);
            }
        }
        rt::sleep(MS(2)).await;
    }
}

fn play(asked: &[Asked], signals: &[Signal], seed: u64) -> Seen {
    let seen = Seen::default();
    let (observed, mut signals) = (seen.clone(), signals.to_vec());
    signals.sort_by_key(|signal| signal.step);
    let story = Story(move |world: World| -> Boxed {
        let (seen, signals) = (observed.clone(), signals.clone());
        Box::pin(async move {
            let nodes = NODES.map(|name| world.node_on(name, name));
            for (me, node) in nodes.iter().enumerate() {
                let (node, seen) = (node.clone(), seen.clone());
                node.clone().run("main", move || {
                    seen.add("start", me, me, rt::now());
                    run_node(me, node.clone(), seen.clone())
                });
            }
            world.node_on("probe", "probe").run("probe", move || probe(seen.clone()));
            for signal in signals {
                rt::sleep_until(SimTime::ZERO + at(signal.step)).await;
                let node = &nodes[signal.node];
                if signal.stops { node.pause() } else { node.resume() }
            }
            rt::sleep_until(SimTime::ZERO + at(STEPS)).await;
        })
    });
    let settings = Settings::resolve(&story, None, "quiet", &[("net.link.latency", "50us")]).unwrap();
    let faults = asked.iter().map(|asked| asked.fault()).collect();
    let played = Run::new(&story, settings, Seed(seed)).with_faults(faults).play(Keep::Nothing);
    assert!(played.outcome.verdict.is_passed(), "{}", played.outcome.verdict);
    seen
}

/// Plays the plan, and compares what was observed in each step with the model.
fn compare(asked: &[Asked], signals: &[Signal], seed: u64) -> Result<(), TestCaseError> {
    compare_with(&play(asked, signals, seed), asked, signals)
}

/// Compares what was observed with the model.
fn compare_with(seen: &Seen, asked: &[Asked], signals: &[Signal]) -> Result<(), TestCaseError> {
    let models: Vec<_> = (0..NODES.len()).map(|node| model(node, asked, signals)).collect();
    for (node, (states, starts)) in models.iter().enumerate() {
        prop_assert_eq!(seen.count("start", node), *starts, "starts of {}", NODES[node]);
        for (step, state) in states.iter().enumerate() {
            let place = format!("{} in step {step}, {state:?}", NODES[node]);
            prop_assert_eq!(seen.happened("tick", node, node, step), state.runs(), "ticks of {}", place);
            prop_assert_eq!(
                seen.happened("refusal", node, node, step),
                state.has_power,
                "power of {}",
                place
            );
        }
    }
    for (from, to) in (0..NODES.len()).flat_map(|from| (0..NODES.len()).map(move |to| (from, to))) {
        for step in (0..STEPS).filter(|_| from != to) {
            let (sender, receiver) = (models[from].0[step], models[to].0[step]);
            let arrives = sender.runs() && receiver.is_up && !is_cut(asked, from, to, step);
            // A paused process may read it later, or be killed before.
            if !receiver.runs() && arrives {
                continue;
            }
            for what in ["datagram", "endpoint"] {
                let place = format!("{what}s {} -> {} in step {step}", NODES[from], NODES[to]);
                prop_assert_eq!(seen.happened(what, from, to, step), arrives, "{}", place);
            }
        }
    }
    Ok(())
}

const PROPERTY: &str = "incarnations of nodes and overlapping faults: the states of the model";

type Drawn = (Vec<Asked>, Vec<Signal>, u64);

fn drawn() -> impl Strategy<Value = Drawn> {
    (vec(asked(), 0..14), vec(signal(), 0..6), 0u64..1_000)
}

/// Returns what differs from the model.
fn reason(error: TestCaseError) -> String {
    let (TestCaseError::Fail(reason) | TestCaseError::Reject(reason)) = error;
    reason.message().into()
}

/// Returns whether two faults overlap that ask for a state of the same node.
fn overlap(asked: &[Asked]) -> bool {
    let node = |what| match what {
        What::Down(node) | What::Off(node) | What::Paused(node) | What::Isolated(node) => Some(node),
        What::Cut { .. } | What::Reset(_) => None,
    };
    asked.iter().enumerate().any(|(index, one)| {
        asked[..index].iter().any(|other| {
            node(one.what).is_some()
                && node(one.what) == node(other.what)
                && one.from < other.until
                && other.from < one.until
        })
    })
}

#[test]
fn any_overlapping_faults_have_the_states_of_the_model() {
    let tally = stormglass::property!().cases(24).at_least(0.4).check(drawn(), |(asked, signals, seed)| {
        compare(asked, signals, *seed).map_err(reason)?;
        Ok(overlap(asked))
    });
    record(PROPERTY, &tally);
}

/// The plan without what makes states nest: of two faults that ask for the same state of a node, the
/// end of the first ends it. The model has the longer fault, the run the shorter ones.
#[test]
fn states_that_end_too_early_are_found() {
    let found = stormglass::property!().cases(30).find_shallow(drawn(), |(asked, signals, seed)| {
        let early = |it: &Asked| {
            let same = |other: &&Asked| {
                std::mem::discriminant(&other.what) == std::mem::discriminant(&it.what)
                    && other.until > it.from
                    && other.until < it.until
                    && other.from < it.from
                    && format!("{:?}", other.what) == format!("{:?}", it.what)
            };
            let end = asked.iter().filter(same).map(|other| other.until).min();
            Asked { until: end.unwrap_or(it.until), ..*it }
        };
        let played: Vec<Asked> = asked.iter().map(early).collect();
        let seen = play(&played, signals, *seed);
        compare_with(&seen, asked, signals).map_err(reason)?;
        Ok(true)
    });
    record_planted("incarnations", "states that end with the first of two faults", &found, 30);
}

#[track_caller]
fn assert_states(asked: &[(What, usize, usize)], signals: &[(usize, bool)]) {
    let asked: Vec<_> = asked.iter().map(|&(what, from, until)| Asked { what, from, until }).collect();
    let signals: Vec<_> = signals.iter().map(|&(step, stops)| Signal { node: 0, step, stops }).collect();
    for seed in 0..4 {
        compare(&asked, &signals, seed).unwrap();
    }
}

#[test]
fn shorter_fault_within_a_longer_one_does_not_end_it() {
    for what in [
        What::Down(0),
        What::Off(0),
        What::Paused(0),
        What::Cut { from: 0, to: 1, one_way: false },
        What::Isolated(0),
    ] {
        // Within it, across its end, and from its end on.
        assert_states(&[(what, 4, 24), (what, 8, 12)], &[]);
        assert_states(&[(what, 4, 16), (what, 8, 24)], &[]);
        assert_states(&[(what, 4, 12), (what, 12, 24)], &[]);
    }
}

#[test]
fn node_that_is_killed_and_without_power_starts_after_the_last() {
    assert_states(&[(What::Down(0), 4, 24), (What::Off(0), 8, 12)], &[]);
    assert_states(&[(What::Off(0), 4, 24), (What::Down(0), 8, 12)], &[]);
    assert_states(&[(What::Off(0), 4, 12), (What::Down(0), 12, 24)], &[]);
}

#[test]
fn process_that_is_started_on_a_paused_node_is_paused() {
    assert_states(&[(What::Paused(0), 4, 24), (What::Down(0), 8, 12)], &[]);
    assert_states(&[(What::Paused(0), 4, 24), (What::Down(0), 8, 8)], &[]);
    assert_states(&[(What::Down(0), 4, 12), (What::Paused(0), 8, 24)], &[]);
}

#[test]
fn kill_ends_what_a_signal_of_the_scenario_stopped() {
    assert_states(&[(What::Down(0), 8, 12)], &[(5, true)]);
    // A signal to a process that is down does nothing.
    assert_states(&[(What::Down(0), 4, 12)], &[(7, true)]);
    // It neither ends a fault's pause nor is ended by it.
    assert_states(&[(What::Paused(0), 4, 12)], &[(7, false)]);
    assert_states(&[(What::Paused(0), 4, 12)], &[(7, true), (21, false)]);
}

#[test]
fn kill_and_power_loss_of_zero_length_restart_at_once() {
    assert_states(&[(What::Down(0), 8, 8)], &[]);
    assert_states(&[(What::Off(0), 8, 8)], &[]);
    assert_states(&[(What::Down(0), 8, 8), (What::Down(0), 8, 8), (What::Off(0), 8, 8)], &[]);
    assert_states(&[(What::Down(0), 4, 8), (What::Down(0), 8, 8)], &[]);
    assert_states(&[(What::Down(0), 8, 8), (What::Down(0), 8, 12)], &[]);
}

/// A process is killed from 100 to 500 ms. If its machine loses power meanwhile, what the process
/// had written and not synced is lost; otherwise the disk keeps it.
#[test]
fn power_loss_of_a_killed_process_discards_unsynced_writes() {
    let found = |faults: &[Asked]| {
        let found = Arc::new(Mutex::new(Vec::new()));
        let kept = found.clone();
        let story = Story(move |world: World| -> Boxed {
            let kept = kept.clone();
            Box::pin(async move {
                let node = world.node("node-0");
                let disk = node.disk().clone();
                node.run("main", move || {
                    let (disk, kept) = (disk.clone(), kept.clone());
                    async move {
                        let is_kept = disk.read("unsynced").await.is_ok_and(|it| !it.is_empty());
                        kept.lock().unwrap().push(is_kept);
                        disk.write("unsynced", b"x").await.unwrap();
                    }
                });
                rt::sleep(MS(1_000)).await;
            })
        });
        let settings = Settings::resolve(&story, None, "quiet", &[]).unwrap();
        let faults = faults.iter().map(|asked| asked.fault()).collect();
        Run::new(&story, settings, Seed(1)).with_faults(faults).play(Keep::Nothing);
        std::mem::take(&mut *found.lock().unwrap())
    };
    let killed = Asked { what: What::Down(0), from: 4, until: 20 };
    assert_eq!(found(&[killed]), [false, true]);
    assert_eq!(found(&[killed, Asked { what: What::Off(0), from: 8, until: 12 }]), [false, false]);
}
