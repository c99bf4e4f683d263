//! One-shot faults of a plan: kill, power loss, pause and reset.
//!
//! They stop and start processes in tasks that exist only when a fault is due, so until its first
//! fault a run is the same as without the plan.

use crate::active_faults::{CHECKED, Undo};
use crate::node::Node;
use crate::world::World;
use madsim::runtime::{Handle, NodeHandle};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;
use stormglass_core::fault::{FaultKind, OneShot, Pattern};
use stormglass_core::{Kind, Scope, SimTime};
use stormglass_rt as rt;

impl World {
    /// Schedules the plan's faults: one-shot faults are applied when they are due, and the start
    /// and end of every fault are recorded.
    pub(crate) fn schedule_faults(&self) {
        let faults = self.with_faults(|faults| faults.all.clone());
        for (index, fault) in faults.iter().enumerate() {
            let due = |at: Duration, ends| {
                let due = Due { world: self.clone(), harness: harness(), index, ends, at: at.into() };
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

    fn begin(&self, index: usize, fault: &OneShot) {
        let begun = begin(self, fault);
        let nobody = if begun.is_none() { " (nobody)" } else { "" };
        self.note(&format!("{fault}{nobody}"));
        self.with_faults(|faults| faults.undo.insert(index, begun.unwrap_or_default()));
    }

    fn end(&self, index: usize) {
        let undo = self.with_faults(|faults| faults.undo.remove(&index));
        undo.into_iter().flatten().for_each(|undo| end(self, undo));
    }
}

/// Returns the node on which the harness's tasks run.
fn harness() -> NodeHandle {
    Handle::current().get_node(rt::current_node()).expect("a run's scenario has a node")
}

/// The start or end of a fault. That of a rule is recorded without a task, because a task would
/// move the clock; a task applies a one-shot fault.
struct Due {
    world: World,
    harness: NodeHandle,
    index: usize,
    ends: bool,
    at: SimTime,
}

impl Wake for Due {
    fn wake(self: Arc<Self>) {
        let (recorder, index, ends) = (self.world.recorder(), self.index, self.ends);
        let kind = self.world.with_faults(|faults| faults.all[index].kind.clone());
        let scope =
            Scope { node: recorder.symbol("harness"), task: recorder.symbol("plan"), ..Scope::default() };
        if let FaultKind::OneShot(fault) = kind {
            let world = self.world.clone();
            let act = async move { if ends { world.end(index) } else { world.begin(index, &fault) } };
            rt::spawn_on(recorder, &self.harness, scope, act);
        } else {
            let what = if ends { format!("over: {kind}") } else { kind.to_string() };
            recorder.record_in(scope, self.at, Kind::Note, recorder.symbol(&what), Duration::ZERO, 0);
        }
    }
}

/// Applies a fault and returns what its end undoes, or `None` if it affects no process or
/// connection.
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
                let incarnation = node.take_down()?;
                node.disk().power_loss(*loss);
                // If something else starts the process again, it does not wait for the power.
                let off = node.restarts().then_some(off);
                Some(Undo::Start(node, incarnation, off))
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
        Undo::Start(node, incarnation, off) => {
            drop(off);
            if node.bring_up(incarnation) {
                world.note(&format!("start {}", node.name));
            }
        }
        Undo::Resume(node) => {
            node.resume();
            world.note(&format!("resume {}", node.name));
        }
    }
}
