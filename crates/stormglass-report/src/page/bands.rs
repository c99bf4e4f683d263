//! Faults as bands: when each is active, and the lanes of the nodes that it affects.

use crate::lanes::Lanes;
use serde::Serialize;
use stormglass_core::fault::{FaultKind, LinkFault, OneShot, Pattern};
use stormglass_core::{Injected, SimTime};

/// A fault of the run's plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedFault {
    /// When it starts.
    pub at: SimTime,
    /// When it ends; `None` for the end of the run.
    pub end: Option<SimTime>,
    /// What it does.
    pub kind: FaultKind,
}

/// A fault in the picture.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Band {
    pub(super) text: String,
    pub(super) from: u64,
    pub(super) to: u64,
    /// The lanes of the nodes that it affects.
    pub(super) lanes: Vec<usize>,
    /// Whether it cuts the nodes off from others.
    pub(super) cuts_off: bool,
}

impl Band {
    /// Whether the fault is active at a moment of a run that ended at `ended`.
    pub(super) fn is_active(&self, at: u64, ended: SimTime) -> bool {
        self.from <= at && (at < self.to || self.to >= ended.as_nanos())
    }

    /// Whether the fault is active in a part of this time, on this lane.
    pub(super) fn overlaps(&self, from: u64, to: u64, lane: usize) -> bool {
        self.from < to && from < self.to && self.lanes.contains(&lane)
    }

    /// Returns the bands of rules that a scenario installed itself. Those with the same times are one:
    /// a partition is many cuts.
    pub(super) fn of_injected(injected: &[Injected], lanes: &Lanes, ended: SimTime) -> Vec<Band> {
        let mut bands: Vec<Band> = Vec::new();
        for rule in injected {
            let pattern = |end: &Option<String>| end.as_deref().map(Pattern::from);
            let is_hit = ends(vec![(pattern(&rule.from), pattern(&rule.to))]);
            let band = Band {
                text: rule.text.clone(),
                from: rule.at.min(ended).as_nanos(),
                to: rule.end.unwrap_or(ended).min(ended).max(rule.at.min(ended)).as_nanos(),
                lanes: (0..lanes.names.len()).filter(|&lane| is_hit(&lanes.names[lane])).collect(),
                cuts_off: rule.cuts,
            };
            let same = bands
                .iter_mut()
                .find(|other| (other.from, other.to, other.cuts_off) == (band.from, band.to, band.cuts_off));
            match same {
                Some(other) => {
                    other.text += &format!(", {}", band.text.strip_prefix("cut ").unwrap_or(&band.text));
                    other.lanes.extend(band.lanes);
                    other.lanes.sort_unstable();
                    other.lanes.dedup();
                }
                None => bands.push(band),
            }
        }
        bands
    }

    pub(super) fn of(fault: &PlannedFault, lanes: &Lanes, ended: SimTime) -> Band {
        let is_hit = affected(&fault.kind);
        let end = fault.end.unwrap_or(ended).min(ended);
        Band {
            text: fault.kind.to_string(),
            from: fault.at.min(ended).as_nanos(),
            to: end.max(fault.at.min(ended)).as_nanos(),
            lanes: (0..lanes.names.len()).filter(|&lane| is_hit(&lanes.names[lane])).collect(),
            cuts_off: matches!(
                fault.kind,
                FaultKind::Link(LinkFault::Cut { .. } | LinkFault::Partition { .. } | LinkFault::Flap { .. })
            ),
        }
    }
}

/// Returns whether a fault affects the node of a name.
fn affected(kind: &FaultKind) -> Box<dyn Fn(&str) -> bool + '_> {
    let of_pattern = |pattern: &'_ Pattern| {
        let pattern = pattern.clone();
        Box::new(move |name: &str| pattern.matches(name)) as Box<dyn Fn(&str) -> bool>
    };
    match kind {
        FaultKind::Disk(fault) => of_pattern(fault.node()),
        FaultKind::Clock(fault) => of_pattern(fault.node()),
        FaultKind::OneShot(
            OneShot::Kill { node }
            | OneShot::PowerLoss { node, .. }
            | OneShot::Terminate { node, .. }
            | OneShot::Pause { node }
            | OneShot::NewAddress { node, .. },
        ) => of_pattern(node),
        FaultKind::OneShot(OneShot::Reset { from, to }) => {
            let one = |pattern: &Pattern| (pattern.as_str() != "*").then(|| pattern.clone());
            ends(vec![(one(from), one(to))])
        }
        FaultKind::Link(fault) => {
            ends(fault.rules().into_iter().map(|rule| (rule.target.from, rule.target.to)).collect())
        }
    }
}

/// Returns whether a name is one of the named ends of some links: an end that is all hosts says
/// nothing, unless both are.
fn ends(links: Vec<(Option<Pattern>, Option<Pattern>)>) -> Box<dyn Fn(&str) -> bool> {
    Box::new(move |name| {
        links.iter().any(|(from, to)| {
            let is_end = |end: &Option<Pattern>| end.as_ref().is_some_and(|end| end.matches(name));
            (from.is_none() && to.is_none()) || is_end(from) || is_end(to)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn lanes_of(kind: FaultKind) -> Vec<usize> {
        let names = ["node-1", "node-2", "node-3"].map(String::from).to_vec();
        let lanes = Lanes { names, of_symbol: BTreeMap::new() };
        let fault = PlannedFault { at: SimTime::from_nanos(3), end: None, kind };
        let band = Band::of(&fault, &lanes, SimTime::from_nanos(9));
        assert_eq!((band.from, band.to), (3, 9));
        band.lanes
    }

    /// A partition of three nodes at 3 ns, healed at 5 ns; and a slow link until the end.
    #[test]
    fn rules_of_a_scenario_are_bands_and_those_of_one_partition_are_one() {
        let names = ["node-1", "node-2", "node-3"].map(String::from).to_vec();
        let lanes = Lanes { names, of_symbol: BTreeMap::new() };
        let record = |from: &str, to: &str, end: Option<u64>| Injected {
            at: SimTime::from_nanos(3),
            end: end.map(SimTime::from_nanos),
            text: format!("{} {from} ↔ {to}", if end.is_some() { "cut" } else { "slow" }),
            from: Some(from.into()),
            to: Some(to.into()),
            cuts: end.is_some(),
        };
        let injected = [
            record("node-1", "node-2", Some(5)),
            record("node-1", "node-3", Some(5)),
            record("node-2", "node-3", None),
        ];
        let bands = Band::of_injected(&injected, &lanes, SimTime::from_nanos(9));
        let shown: Vec<_> =
            bands.iter().map(|band| (&*band.text, band.from, band.to, &*band.lanes, band.cuts_off)).collect();
        let expected: [(&str, u64, u64, &[usize], bool); 2] = [
            ("cut node-1 ↔ node-2, node-1 ↔ node-3", 3, 5, &[0, 1, 2], true),
            ("slow node-2 ↔ node-3", 3, 9, &[1, 2], false),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_rule_on_a_disk_is_a_band_on_the_lane_of_its_node() {
        let names = ["node-1", "node-2", "node-3"].map(String::from).to_vec();
        let lanes = Lanes { names, of_symbol: BTreeMap::new() };
        let slow = Injected {
            at: SimTime::from_nanos(3),
            end: Some(SimTime::from_nanos(5)),
            text: "slow fsync on node-2".into(),
            from: Some("node-2".into()),
            to: None,
            cuts: false,
        };
        let bands = Band::of_injected(&[slow], &lanes, SimTime::from_nanos(9));
        let shown: Vec<_> =
            bands.iter().map(|band| (&*band.text, band.from, band.to, &*band.lanes, band.cuts_off)).collect();
        let expected: [(&str, u64, u64, &[usize], bool); 1] = [("slow fsync on node-2", 3, 5, &[1], false)];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_band_is_on_the_lanes_of_the_nodes_that_the_fault_names() {
        let any = || Pattern::from("*");
        let cut = |from: &str, to: Pattern| LinkFault::Cut { from: from.into(), to, one_way: false };
        assert_eq!(lanes_of(FaultKind::OneShot(OneShot::Kill { node: "node-[23]".into() })), [1, 2]);
        assert_eq!(lanes_of(FaultKind::Link(cut("node-1", "node-3".into()))), [0, 2]);
        assert_eq!(lanes_of(FaultKind::Link(cut("node-1", any()))), [0]);
        assert_eq!(lanes_of(FaultKind::Link(cut("*", any()))), [0, 1, 2]);
        assert_eq!(lanes_of(FaultKind::OneShot(OneShot::Reset { from: any(), to: "node-2".into() })), [1]);
    }
}
