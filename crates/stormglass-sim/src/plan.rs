//! A plan at work.
//!
//! Rules on disks and links are installed when these are made and are on in their time; rules that are off change nothing. Processes are ended,
//! stopped and started again by tasks that there are only when it is time. Nothing here draws chance: until its first fault a run is the run that it
//! was.

use crate::node::Node;
use crate::world::World;
use madsim::runtime::{Handle, NodeHandle};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;
use stormglass_core::{Kind, Scope, SimTime};
use stormglass_fs::profile::Slowdown;
use stormglass_fs::{self as fs, Loss, fault as disk};
use stormglass_net::partition::across;
use stormglass_net::{self as net, PowerOff, fault as link};
use stormglass_plan::fault as plan;
use stormglass_plan::{Fault, FaultKind};
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
            let rules = self.all.iter().flat_map(on_links);
            self.on_links = rules.map(|rule| network.inject(rule).expect(CHECKED)).collect();
        }
        for (place, fault) in self.all.iter().enumerate() {
            if let FaultKind::SlowDisk { node: pattern, factor } = &fault.kind {
                if matches(pattern, &node.name) && self.slowed.insert((place, device.to_string())) {
                    let factor = Slowdown::new(*factor).expect(CHECKED);
                    node.disk().device().stall(time(fault), factor);
                }
            } else if let Some((pattern, rule)) = on_disks(fault)
                && matches(pattern, &node.name)
            {
                self.on_disks.push(node.disk().inject(rule).expect(CHECKED));
            }
        }
    }
}

const CHECKED: &str = "a plan is checked when settings are resolved";

fn matches(pattern: &str, name: &str) -> bool {
    glob::Pattern::new(pattern).expect(CHECKED).matches(name)
}

/// When it is on.
fn time(fault: &Fault) -> Range<SimTime> {
    let end = fault.end().map_or(SimTime::from_nanos(u64::MAX), SimTime::from);
    SimTime::from(fault.at)..end
}

/// The rules on links that it comes to.
fn on_links(fault: &Fault) -> Vec<link::Fault> {
    use link::Effect;
    let rule = |effect, from: &str, to: &str| {
        let rule = link::Fault::new(effect).during(time(fault));
        // What names nobody is everywhere, which is all that madsim's own network knows of loss and delay.
        let rule = if from == "*" { rule } else { rule.from(from) };
        if to == "*" { rule } else { rule.to(to) }
    };
    let ways = |rule: link::Fault, one_way: bool| vec![if one_way { rule } else { rule.both_ways() }];
    match &fault.kind {
        FaultKind::Cut { from, to, one_way } => ways(rule(Effect::Lose, from, to), *one_way),
        FaultKind::Partition { groups } => {
            across(groups).map(|(one, other)| rule(Effect::Lose, one, other).both_ways()).collect()
        }
        FaultKind::Flap { from, to, period, down } => {
            ways(rule(Effect::Lose, from, to).flapping(*period, *down), false)
        }
        FaultKind::LossyLink { from, to, one_way, probability } => {
            ways(rule(Effect::Lose, from, to).with_probability(*probability), *one_way)
        }
        FaultKind::SlowLink { from, to, one_way, by } => {
            ways(rule(Effect::Delay(by.clone()), from, to), *one_way)
        }
        FaultKind::DuplicatingLink { from, to, probability } => {
            ways(rule(Effect::Duplicate, from, to).with_probability(*probability), false)
        }
        FaultKind::CorruptingLink { from, to, probability } => {
            ways(rule(Effect::Corrupt, from, to).with_probability(*probability), false)
        }
        FaultKind::Refuse { from, to } => ways(rule(Effect::Refuse, from, to), true),
        FaultKind::Unresolved { from, name } => ways(rule(Effect::Unresolved, from, name), true),
        FaultKind::PortInUse { node, port } => ways(rule(Effect::PortInUse, node, "*").port(*port), true),
        _ => Vec::new(),
    }
}

/// The rule on disks that it comes to, and whose.
fn on_disks(fault: &Fault) -> Option<(&str, disk::Fault)> {
    use disk::Effect;
    let rule = |effect, path: &str| disk::Fault::new(effect).path(path).during(time(fault));
    let kinds = |operations: &[plan::Operation]| {
        operations.iter().map(|operation| operation.0).collect::<Vec<Kind>>()
    };
    Some(match &fault.kind {
        FaultKind::DiskDelay { node, by, operations, path } => {
            (node, rule(Effect::Delay(by.clone()), path).on(kinds(operations)))
        }
        FaultKind::DiskError { node, error, operations, path, probability } => {
            let error = match error {
                plan::DiskError::Io => disk::Error::Io,
                plan::DiskError::NoSpace => disk::Error::NoSpace,
                plan::DiskError::ReadOnly => disk::Error::ReadOnly,
                plan::DiskError::TooManyFiles => disk::Error::TooManyFiles,
            };
            let rule = rule(Effect::Fail(error), path).on(kinds(operations));
            (node, rule.with_probability(*probability))
        }
        FaultKind::DiskShort { node, path, probability } => {
            (node, rule(Effect::Short, path).with_probability(*probability))
        }
        FaultKind::DiskCorruption { node, effect, path, probability } => {
            let effect = match effect {
                plan::Corruption::Phantom => Effect::Phantom,
                plan::Corruption::Torn => Effect::Torn,
                plan::Corruption::Misdirected => Effect::Misdirected,
                plan::Corruption::BitFlip => Effect::BitFlip,
                plan::Corruption::LostName => Effect::LostName,
            };
            (node, rule(effect, path).with_probability(*probability))
        }
        _ => return None,
    })
}

/// Whether it is a deed, and no rule that is on for a time.
fn is_deed(kind: &FaultKind) -> bool {
    use FaultKind::{Kill, Pause, PowerLoss, Reset};
    matches!(kind, Kill { .. } | PowerLoss { .. } | Pause { .. } | Reset { .. })
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

    fn matching(&self, pattern: &str) -> Vec<Node> {
        self.all_nodes().into_iter().filter(|node| matches(pattern, &node.name)).collect()
    }

    fn begin(&self, place: usize, kind: &FaultKind) {
        let begun = begin(self, kind);
        let nobody = if begun.is_none() { " (nobody)" } else { "" };
        self.note(&format!("{kind}{nobody}"));
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
        if is_deed(&kind) {
            let world = self.world.clone();
            let deed = async move { if ends { world.end(place) } else { world.begin(place, &kind) } };
            rt::spawn_on(recorder, &self.harness, scope, deed);
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
fn begin(world: &World, kind: &FaultKind) -> Option<Vec<Undo>> {
    let some = |undo: Vec<Undo>| (!undo.is_empty()).then_some(undo);
    match kind {
        FaultKind::Kill { node } => {
            let kill = |node: Node| Some(Undo::Start(node.clone(), node.take_down()?, None));
            some(world.matching(node).into_iter().filter_map(kill).collect())
        }
        FaultKind::PowerLoss { node, loss } => {
            let loss = match loss {
                plan::Loss::Everything => Loss::Everything,
                plan::Loss::Suffix => Loss::Suffix,
                plan::Loss::Subset => Loss::Subset,
                plan::Loss::Torn => Loss::Torn,
            };
            let lose = |node: Node| {
                let off = node.host().power_off();
                let life = node.take_down()?;
                node.disk().power_loss(loss);
                // Whoever starts it again himself does not wait for the power.
                let off = node.restarts().then_some(off);
                Some(Undo::Start(node, life, off))
            };
            some(world.matching(node).into_iter().filter_map(lose).collect())
        }
        FaultKind::Pause { node } => {
            let pause = |node: Node| {
                node.pause();
                Undo::Resume(node)
            };
            some(world.matching(node).into_iter().map(pause).collect())
        }
        FaultKind::Reset { from, to } => {
            let count = world.network().reset_connections(from, to).expect(CHECKED);
            (count > 0).then(Vec::new)
        }
        _ => None,
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
