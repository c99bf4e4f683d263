//! Reads the phases of simulated starts from traces.

use super::mapping::{Mapping, Start};
use std::collections::BTreeMap;
use stormglass_core::{Kind, SimTime, Trace};

/// Returns the first start of each node of a run.
pub fn simulated(trace: &Trace, mapping: &Mapping) -> Vec<Start> {
    let mut starts: BTreeMap<&str, (SimTime, Start, bool)> = BTreeMap::new();
    let is_moment = |event: &&stormglass_core::Event| matches!(event.kind, Kind::Step | Kind::Note);
    for event in trace.events.iter().filter(is_moment) {
        let (subject, node) = (trace.text(event.subject), trace.text(event.node));
        let at = SimTime::from_nanos(event.at_nanos);
        if mapping.start.event.0.is_match(subject) {
            match starts.get_mut(node) {
                // Later events belong to the node's second start.
                Some((_, _, over)) => *over = true,
                None => drop(starts.insert(node, (at, Start::new(), false))),
            }
            continue;
        }
        let Some((began, start, false)) = starts.get_mut(node) else { continue };
        for phase in mapping.phases.iter().filter(|phase| phase.event.0.is_match(subject)) {
            start.entry(phase.name.clone()).or_insert(at.saturating_since(*began));
        }
    }
    starts.into_values().map(|(_, start, _)| start).collect()
}
