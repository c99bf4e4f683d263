//! A plan at work.
//!
//! Rules on disks and links are installed when these are made and are active in their time; rules that are off change nothing. One-shot faults kill, stop and
//! start processes in tasks that exist only when it is time. Nothing here draws chance: until its first fault a run is the run that it
//! was.

use crate::node::Node;
use crate::world::World;
use madsim::runtime::{Handle, NodeHandle};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;
use stormglass_core::fault::{FaultKind, LinkRule, OneShot, Pattern};
use stormglass_core::{Kind, Scope, SimTime};
use stormglass_fs as fs;
use stormglass_net::{self as net, PowerOff};
use stormglass_plan::Fault;
use stormglass_rt as rt;

/// The faults of a run, and what of them is installed.
#[derive(Default)]
pub(crate) struct Faults {
    all: Vec<Fault>,
    /// Installed when the first node is there: until then nobody's network can suffer.
    on_links: Vec<net::FaultGuard>,
    on_disks: Vec<fs::FaultGuard>,
    /// Which devices are slowed by which fault already: nodes may share one.
    slowed: BTreeSet<(usize, String)>,
    /// How those end that were begun.
    undo: BTreeMap<usize, Vec<Undo>>,
}

impl Faults {
    pub(crate) fn new(all: Vec<Fault>) -> Faults {
        Faults { all, ..Faults::default() }
    }

    /// Installs what concerns a node that was made just now, with a disk on the device of this name.
    pub(crate) fn concern(&mut self, node: &Node, device: &str, network: &net::Network) {
        if self.on_links.is_empty() {
            for fault in &self.all {
                let rules = if let FaultKind::Link(link) = &fault.kind { link.rules() } else { Vec::new() };
                let install = |rule: LinkRule| network.inject(rule.during(time(fault))).expect(CHECKED);
                self.on_links.extend(rules.into_iter().map(install));
            }
        }
        for (place, fault) in self.all.iter().enumerate() {
            let FaultKind::Disk(kind) = &fault.kind else { continue };
            if !kind.node().matches(&node.name) {
                continue;
            }
            if let Some(rule) = kind.rule() {
                self.on_disks.push(node.disk().inject(rule.during(time(fault))).expect(CHECKED));
            } else if let Some(factor) = kind.device_slowdown()
                && self.slowed.insert((place, device.to_string()))
            {
                node.disk().device().stall(time(fault), factor);
            }
        }
    }
}

const CHECKED: &str = "a plan is checked when settings are resolved";

/// When it is on.
fn time(fault: &Fault) -> Range<SimTime> {
    let end = fault.end().map_or(SimTime::from_nanos(u64::MAX), SimTime::from);
    SimTime::from(fault.at)..end
}

impl World {
    /// Has the plan's faults happen in their time, and told.
    pub(crate) fn break_by_plan(&self) {
        let faults = self.with_faults(|faults| faults.all.clone());
        for (place, fault) in faults.iter().enumerate() {
            let due = |at: Duration, ends| {
                let due = Due { world: self.clone(), harness: harness(), place, ends, at: at.into() };
                rt::wake_at(at.into(), &Waker::from(Arc::new(due)));
            };
            due(fault.at, false);
            if let Some(end) = fault.end() {
                due(end, true);
            }
        }
    }

    fn matching(&self, pattern: &Pattern) -> Vec<Node> {
        self.all_nodes().into_iter().filter(|node| pattern.matches(&node.name)).collect()
    }

    fn begin(&self, place: usize, fault: &OneShot) {
        let begun = begin(self, fault);
        let nobody = if begun.is_none() { " (nobody)" } else { "" };
        self.note(&format!("{fault}{nobody}"));
        self.with_faults(|faults| faults.undo.insert(place, begun.unwrap_or_default()));
    }

    fn end(&self, place: usize) {
        let undo = self.with_faults(|faults| faults.undo.remove(&place));
        undo.into_iter().flatten().for_each(|undo| end(self, undo));
    }
}

/// Where the tasks of the harness run.
fn harness() -> NodeHandle {
    Handle::current().get_node(rt::current_node()).expect("a run's story has a node")
}

/// A fault whose time is there, or over. Told without a task, which would move the clock; done by one.
struct Due {
    world: World,
    harness: NodeHandle,
    place: usize,
    ends: bool,
    at: SimTime,
}

impl Wake for Due {
    fn wake(self: Arc<Self>) {
        let (recorder, place, ends) = (self.world.recorder(), self.place, self.ends);
        let kind = self.world.with_faults(|faults| faults.all[place].kind.clone());
        let scope =
            Scope { node: recorder.symbol("harness"), task: recorder.symbol("plan"), ..Scope::default() };
        if let FaultKind::OneShot(fault) = kind {
            let world = self.world.clone();
            let act = async move { if ends { world.end(place) } else { world.begin(place, &fault) } };
            rt::spawn_on(recorder, &self.harness, scope, act);
        } else {
            let what = if ends { format!("over: {kind}") } else { kind.to_string() };
            recorder.record_in(scope, self.at, Kind::Note, recorder.symbol(&what), Duration::ZERO, 0);
        }
    }
}

/// How something ends that was begun.
enum Undo {
    /// A process starts again, if nobody else has had a hand in it since; its host has no power until then.
    Start(Node, u64, Option<PowerOff>),
    Resume(Node),
}

/// Does it; none if there is nobody to do it to.
fn begin(world: &World, fault: &OneShot) -> Option<Vec<Undo>> {
    let some = |undo: Vec<Undo>| (!undo.is_empty()).then_some(undo);
    match fault {
        OneShot::Kill { node } => {
            let kill = |node: Node| Some(Undo::Start(node.clone(), node.take_down()?, None));
            some(world.matching(node).into_iter().filter_map(kill).collect())
        }
        OneShot::PowerLoss { node, loss } => {
            let lose = |node: Node| {
                let off = node.host().power_off();
                let life = node.take_down()?;
                node.disk().power_loss(*loss);
                // Whoever starts it again himself does not wait for the power.
                let off = node.restarts().then_some(off);
                Some(Undo::Start(node, life, off))
            };
            some(world.matching(node).into_iter().filter_map(lose).collect())
        }
        OneShot::Pause { node } => {
            let pause = |node: Node| {
                node.pause();
                Undo::Resume(node)
            };
            some(world.matching(node).into_iter().map(pause).collect())
        }
        OneShot::Reset { from, to } => {
            let count = world.network().reset_connections(from.as_str(), to.as_str()).expect(CHECKED);
            (count > 0).then(Vec::new)
        }
    }
}

fn end(world: &World, undo: Undo) {
    match undo {
        Undo::Start(node, life, off) => {
            drop(off);
            if node.bring_up(life) {
                world.note(&format!("start {}", node.name));
            }
        }
        Undo::Resume(node) => {
            node.resume();
            world.note(&format!("resume {}", node.name));
        }
    }
}
