//! The host time of fault rules among 3, 30 and 100 nodes, with 0, 10 and 100 rules: what idle rules
//! cost a message, and what it costs to apply a cut to madsim's own network.

use madsim::runtime::{NodeHandle, Runtime};
use std::time::Duration;
use stormglass_bench::{Case, Ratios, in_turn, timed};
use stormglass_core::{Latency, Seed};
use stormglass_net::fault::{LinkEffect, LinkRule};
use stormglass_net::{FaultGuard, Host, LinkProfile, Mount, NetProfile, Network};

const ROUNDS: usize = 12;
/// Messages of one execution.
const MESSAGES: u64 = 30_000;
/// Cuts of one execution.
const CUTS: u64 = 200;
const NODES: [usize; 3] = [3, 30, 100];
const RULES: [usize; 3] = [0, 10, 100];

struct World {
    runtime: Runtime,
    network: Network,
    nodes: Vec<(NodeHandle, Host, Mount)>,
    _rules: Vec<FaultGuard>,
}

impl World {
    /// Creates nodes, and rules that lose everything between two of them: idle ones, whose time
    /// begins after the measurement, or active ones.
    fn new(nodes: usize, rules: usize, are_active: bool) -> World {
        let runtime = Runtime::new();
        let latency = Latency::Constant(Duration::from_millis(1));
        let link = LinkProfile { latency, ..LinkProfile::default() };
        let network = Network::new(NetProfile { link, ..NetProfile::instant() }, Seed(1));
        let node = |number| {
            let host = network.host(&name(number));
            let node = runtime.create_node().ip(host.ip()).build();
            let mount = host.mount_on(node.id());
            (node, host, mount)
        };
        let nodes: Vec<_> = (0..nodes).map(node).collect();
        let begin = Duration::from_secs(if are_active { 0 } else { 10_000 });
        let rules = (0..rules).map(|number| {
            let rule = cut(number, nodes.len()).during(begin.into()..Duration::from_secs(20_000).into());
            network.inject(rule).expect("the rule is valid")
        });
        let rules = runtime.block_on(async { rules.collect::<Vec<_>>() });
        World { runtime, network, nodes, _rules: rules }
    }
}

fn name(number: usize) -> String {
    format!("node-{number}")
}

fn cut(number: usize, nodes: usize) -> LinkRule {
    let (one, other) = (name(number % nodes), name((number + 1) % nodes));
    LinkRule::new(LinkEffect::Lose).from(&one).to(&other).both_ways()
}

/// Each node sends its share of the messages to one peer after the other.
fn messages(nodes: usize, rules: usize) -> Duration {
    let world = World::new(nodes, rules, false);
    world.runtime.block_on(async {
        let endpoints: Vec<_> =
            world.nodes.iter().map(|(_, host, _)| host.bind::<u64>(1).expect("the port is free")).collect();
        let send = |round: u64| {
            for (me, endpoint) in endpoints.iter().enumerate() {
                let peer = (me + 1 + round as usize % (nodes - 1)) % nodes;
                endpoint.send_to(endpoints[peer].address(), round);
            }
        };
        // Creates the links.
        (0..nodes as u64).for_each(send);
        timed(|| (0..MESSAGES / nodes as u64).for_each(send))
    })
}

/// Installs and removes a cut between two nodes, again and again, beside active rules.
fn cuts(nodes: usize, rules: usize) -> Duration {
    let world = World::new(nodes, rules, true);
    world.runtime.block_on(async {
        timed(|| {
            for number in 0..CUTS {
                drop(world.network.inject(cut(number as usize, nodes)).expect("the rule is valid"));
            }
        })
    })
}

pub fn measure(ratios: &mut Ratios) {
    measure_each(ratios, "message, idle rules", MESSAGES, messages);
    measure_each(ratios, "cut and heal, active rules", CUTS, cuts);
}

/// Measures each number of nodes and of rules; the reference is the smallest of both.
fn measure_each(ratios: &mut Ratios, what: &str, units: u64, run: fn(usize, usize) -> Duration) {
    let all: Vec<_> = NODES.into_iter().flat_map(|nodes| RULES.map(|rules| (nodes, rules))).collect();
    let names: Vec<String> =
        all.iter().map(|(nodes, rules)| format!("{nodes} nodes, {rules} rules")).collect();
    let case = |(&(nodes, rules), name)| Case::with_setup(name, units, move || run(nodes, rules));
    let cases: Vec<Case> = all.iter().zip(names.iter().map(String::as_str)).map(case).collect();
    let samples = in_turn(ROUNDS, &cases);
    for name in &names {
        ratios.add(&format!("{what}: {name}"), samples.of(name), &names[0], samples.of(&names[0]));
    }
}
