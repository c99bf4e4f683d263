//! Who leads, and in which term: from the notes that Raft servers write.
//!
//! The note `COMPONENT: won leadership` begins a role; its value is the term. The role ends with
//! `COMPONENT: lost leadership` or `COMPONENT: failed` of the same node, with another leader of the
//! component in a later term, and when the process ends.

use super::lives::{Life, State};
use crate::lanes::Lanes;
use indexmap::IndexMap;
use serde::Serialize;
use stormglass_core::{Kind, SimTime, Trace};

/// The time in which a node leads.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Role {
    pub(super) lane: usize,
    pub(super) component: String,
    pub(super) term: u64,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Role {
    pub(super) fn of(trace: &Trace, lanes: &Lanes, lives: &[Life], ended: SimTime) -> Vec<Role> {
        let mut roles: Vec<Role> = Vec::new();
        // The open role of each component.
        let mut open: IndexMap<String, usize> = IndexMap::new();
        for event in trace.events.iter().filter(|event| event.kind == Kind::Note) {
            let (Some(&lane), Some((component, what))) =
                (lanes.of_symbol.get(&event.node), trace.text(event.subject).split_once(": "))
            else {
                continue;
            };
            let before = open.get(component).copied();
            match what {
                "won leadership" => {
                    if let Some(before) = before {
                        roles[before].to = event.at_nanos;
                    }
                    open.insert(component.to_string(), roles.len());
                    let (term, from, to) = (event.value, event.at_nanos, ended.as_nanos());
                    roles.push(Role { lane, component: component.into(), term, from, to });
                }
                "lost leadership" | "failed" => {
                    if let Some(before) = before.filter(|&before| roles[before].lane == lane) {
                        roles[before].to = event.at_nanos;
                        open.shift_remove(component);
                    }
                }
                _ => {}
            }
        }
        for role in &mut roles {
            let ends = lives.iter().filter(|life| life.state == State::Down && life.lane == role.lane);
            let ends = ends.map(|life| life.from).filter(|&at| at >= role.from);
            role.to = role.to.min(ends.min().unwrap_or(u64::MAX));
        }
        roles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use stormglass_core::{Keep, Recorder, Scope};

    #[test]
    fn a_role_ends_when_it_is_lost_taken_over_or_its_process_ends() {
        let recorder = Recorder::new(Keep::Events);
        let note = |at, node: &str, what: &str, term| {
            let scope =
                Scope { node: recorder.symbol(node), task: recorder.symbol("main"), ..Scope::default() };
            let subject = recorder.symbol(&format!("raft: {what}"));
            recorder.record_in(scope, SimTime::from_nanos(at), Kind::Note, subject, Duration::ZERO, term);
        };
        note(10, "a", "won leadership", 2);
        note(20, "b", "lost leadership", 2);
        note(30, "b", "won leadership", 3);
        note(40, "b", "lost leadership", 3);
        note(50, "a", "won leadership", 4);
        let trace = recorder.finish();
        let lanes = Lanes::of(&trace);
        let down = Life { lane: 0, from: 55, to: 60, state: State::Down, why: String::new() };
        let roles = Role::of(&trace, &lanes, &[down], SimTime::from_nanos(99));
        let shown: Vec<_> = roles.iter().map(|role| (role.lane, role.term, role.from, role.to)).collect();
        assert_eq!(shown, [(0, 2, 10, 30), (1, 3, 30, 40), (0, 4, 50, 55)]);
    }
}
