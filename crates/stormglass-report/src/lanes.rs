//! The lanes of pictures of a run: one for each node. A host of another name than its node, such as that
//! of a client, shares the lane of the node. Events of no node have none; the page puts what a
//! kernel sends for an ended process into the lane of its host.

use std::collections::BTreeMap;
use stormglass_core::{Kind, Symbol, Trace};

/// The node of the scenario's own tasks, whose lane comes last.
const HARNESS: &str = "harness";

/// The lanes, from top to bottom.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) names: Vec<String>,
    /// The lane of each node's symbol.
    pub(crate) of_symbol: BTreeMap<Symbol, usize>,
}

impl Lanes {
    pub(crate) fn of(trace: &Trace) -> Lanes {
        // Nodes with how many events their tasks have.
        let mut counts: BTreeMap<Symbol, usize> = BTreeMap::new();
        for event in &trace.events {
            *counts.entry(event.node).or_default() += usize::from(event.task != Symbol::NONE);
        }
        let aliases = hosts(trace);
        let is_lane = |node: Symbol, tasks: usize| {
            node != Symbol::NONE && (tasks > 0 || !aliases.contains_key(trace.text(node)))
        };
        let mut own: Vec<Symbol> =
            counts.iter().filter(|&(&node, &tasks)| is_lane(node, tasks)).map(|(node, _)| *node).collect();
        own.sort_by(|a, b| natural(trace.text(*a)).cmp(&natural(trace.text(*b))));
        let lane = |name: &str| own.iter().position(|node| trace.text(*node) == name);
        let of_symbol = counts
            .keys()
            .filter_map(|&node| {
                let name = trace.text(node);
                Some((node, lane(name).or_else(|| lane(aliases.get(name)?))?))
            })
            .collect();
        Lanes { names: own.iter().map(|&node| trace.text(node).to_string()).collect(), of_symbol }
    }

    /// Returns the lane of this name.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|lane| lane == name)
    }
}

/// Returns the nodes of hosts that have another name: who connects from a host is its node.
fn hosts(trace: &Trace) -> BTreeMap<&str, &str> {
    let connects = trace.events.iter().filter(|event| matches!(event.kind, Kind::Connect | Kind::Refuse));
    connects
        .filter_map(|event| {
            let (from, _) = trace.text(event.subject).split_once(" -> ")?;
            let node = trace.text(event.node);
            (from != node && !node.is_empty()).then_some((from, node))
        })
        .collect()
}

/// Returns what orders names of nodes: the harness last, `node-2` before `node-10`.
fn natural(name: &str) -> (bool, &str, u64) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (name == HARNESS, stem, name[stem.len()..].parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use stormglass_core::{Keep, Recorder, Scope, SimTime};

    #[test]
    fn hosts_share_the_lane_of_their_node_and_numbers_are_in_order() {
        let recorder = Recorder::new(Keep::Events);
        let record = |node: &str, task: &str, kind, subject: &str| {
            let scope =
                Scope { node: recorder.symbol(node), task: recorder.symbol(task), ..Scope::default() };
            let subject = recorder.symbol(subject);
            recorder.record_in(scope, SimTime::ZERO, kind, subject, Duration::ZERO, 0);
        };
        record("harness", "client", Kind::Connect, "runner -> node-10");
        record("runner", "", Kind::Deliver, "node-10 -> runner");
        record("node-10", "main", Kind::Note, "up");
        record("node-2", "main", Kind::Note, "up");
        record("", "", Kind::Send, "node-2 -> node-10");
        let trace = recorder.finish();
        let lanes = Lanes::of(&trace);
        assert_eq!(lanes.names, ["node-2", "node-10", "harness"]);
        let lane = |event: usize| lanes.of_symbol.get(&trace.events[event].node).copied();
        assert_eq!([0, 1, 2, 3, 4].map(lane), [Some(2), Some(2), Some(1), Some(0), None]);
    }
}
