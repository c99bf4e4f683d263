//! The faults of a run's plan: the rules installed on its links and disks, and what the end of
//! each one-shot fault undoes.
//!
//! Rules are installed when disks and links are created, and are active in their time; an inactive
//! rule changes nothing. Nothing here draws random numbers, so until its first fault a run is the
//! same as without the plan.

use crate::node::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use stormglass_core::SimTime;
use stormglass_core::fault::{ClockFault, FaultKind, LinkRule};
use stormglass_fs as fs;
use stormglass_net::{self as net, PowerOff};
use stormglass_plan::Fault;

/// The faults of a run.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) all: Vec<Fault>,
    /// The guards of the rules on links, which are installed when the first node is created:
    /// before that there are no links.
    on_links: Vec<net::FaultGuard>,
    on_disks: Vec<fs::FaultGuard>,
    /// The devices that each fault has already slowed, by the fault's index: nodes may share a
    /// device.
    slowed: BTreeSet<(usize, String)>,
    /// What the end of each active one-shot fault undoes, by the fault's index.
    pub(crate) undo: BTreeMap<usize, Vec<Undo>>,
}

impl Faults {
    pub(crate) fn new(all: Vec<Fault>) -> Faults {
        Faults { all, ..Faults::default() }
    }

    /// Installs the rules for a newly created node, whose disk is on the device of this name.
    pub(crate) fn concern(&mut self, node: &Node, device: &str, network: &net::Network) {
        if self.on_links.is_empty() {
            for fault in &self.all {
                let rules = if let FaultKind::Link(link) = &fault.kind { link.rules() } else { Vec::new() };
                let install =
                    |rule: LinkRule| network.inject_planned(rule.during(time(fault))).expect(CHECKED);
                self.on_links.extend(rules.into_iter().map(install));
            }
        }
        for fault in &self.all {
            let FaultKind::Clock(clock) = &fault.kind else { continue };
            if clock.node().matches(&node.name) {
                let during = time(fault);
                match clock {
                    ClockFault::ClockSkew { offset, .. } => node.clock.skew(during, *offset),
                    ClockFault::ClockDrift { ppm, .. } => node.clock.drift(during, *ppm),
                    ClockFault::ClockJump { offset, .. } => node.clock.skew(during.start..EVER, *offset),
                }
            }
        }
        for (place, fault) in self.all.iter().enumerate() {
            let FaultKind::Disk(kind) = &fault.kind else { continue };
            if !kind.node().matches(&node.name) {
                continue;
            }
            if let Some(rule) = kind.rule() {
                self.on_disks.push(node.disk().inject_planned(rule.during(time(fault))).expect(CHECKED));
            } else if let Some(factor) = kind.device_slowdown()
                && self.slowed.insert((place, device.to_string()))
            {
                node.disk().device().stall(time(fault), factor);
            }
        }
    }
}

pub(crate) const CHECKED: &str = "a plan is checked when settings are resolved";

const EVER: SimTime = SimTime::from_nanos(u64::MAX);

/// Returns the time in which a fault is active.
fn time(fault: &Fault) -> Range<SimTime> {
    let end = fault.end().map_or(EVER, SimTime::from);
    SimTime::from(fault.at)..end
}

/// What the end of a one-shot fault undoes.
pub(crate) enum Undo {
    /// Ends a fault that keeps the process down, and switches on the power that it switched off.
    Start(Node, Option<PowerOff>),
    /// Ends a fault that keeps the node paused.
    Resume(Node),
}
