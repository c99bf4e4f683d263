//! One-shot faults of a plan: kill, power loss, pause and reset.
//!
//! They stop and start processes in tasks that exist only when a fault is due, so until its first
//! fault a run is the same as without the plan.

use crate::active_faults::{CHECKED, Undo};
use crate::node::Node;
use crate::world::World;
use madsim::runtime::NodeHandle;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;
use stormglass_core::fault::{FaultKind, OneShot, Pattern};
use stormglass_core::{Kind, Recorder, Scope, SimTime};
use stormglass_plan::Fault;
use stormglass_rt as rt;

impl World {
    /// Schedules the plan's faults: one-shot faults are applied when they are due, and the start
    /// and end of every fault are recorded.
    pub(crate) fn schedule_faults(&self) {
        let faults = self.with_faults(|faults| faults.all.clone());
        let (harness, mut instants) = (self.harness(), states_by_instant(&faults));
        for (index, fault) in faults.iter().enumerate() {
            for (at, ends) in [(Some(fault.at), false), (fault.end(), true)] {
                let Some(at) = at else { continue };
                let changes = match &fault.kind {
                    // A reset asks for no state, so its begin and its end need no order.
                    FaultKind::OneShot(OneShot::Reset { .. }) => Some(Changes::of(index, ends)),
                    // The first fault of an instant schedules all of them.
                    FaultKind::OneShot(_) => match instants.remove(&at) {
                        None => continue,
                        changes => changes,
                    },
                    FaultKind::Link(_) | FaultKind::Disk(_) | FaultKind::Clock(_) => None,
                };
                let waker: Waker = match changes {
                    Some(Changes { begins, ends }) => {
                        Arc::new(Due { world: self.clone(), harness: harness.clone(), begins, ends }).into()
                    }
                    None => Arc::new(DueNote { world: self.clone(), index, ends, at: at.into() }).into(),
                };
                rt::wake_at(at.into(), &waker);
            }
        }
    }

    fn begin(&self, index: usize) {
        let kind = self.with_faults(|faults| faults.all[index].kind.clone());
        let FaultKind::OneShot(fault) = kind else { unreachable!("rules are not scheduled") };
        let begun = begin(self, &fault);
        let nobody = if begun.affects_any { "" } else { " (nobody)" };
        self.note(&format!("{fault}{nobody}"));
        self.with_faults(|faults| faults.undo.insert(index, begun.undo));
    }

    fn end(&self, index: usize) {
        let undo = self.with_faults(|faults| faults.undo.remove(&index));
        undo.into_iter().flatten().for_each(|undo| end(self, undo));
    }
}

/// The one-shot faults that begin and end at one instant, by their indexes in the plan.
#[derive(Default)]
struct Changes {
    begins: Vec<usize>,
    ends: Vec<usize>,
}

impl Changes {
    /// Returns the begin or the end of this fault alone.
    fn of(index: usize, ends: bool) -> Changes {
        let mut changes = Changes::default();
        changes.add(index, ends);
        changes
    }

    fn add(&mut self, index: usize, ends: bool) {
        if ends { self.ends.push(index) } else { self.begins.push(index) }
    }
}

/// Returns when one-shot faults that ask for a state (down, without power, paused) begin and end.
fn states_by_instant(faults: &[Fault]) -> BTreeMap<Duration, Changes> {
    let mut instants: BTreeMap<Duration, Changes> = BTreeMap::new();
    for (index, fault) in faults.iter().enumerate() {
        if let FaultKind::OneShot(kind) = &fault.kind
            && !matches!(kind, OneShot::Reset { .. })
        {
            instants.entry(fault.at).or_default().add(index, false);
            if let Some(end) = fault.end() {
                instants.entry(end).or_default().add(index, true);
            }
        }
    }
    instants
}

/// The one-shot faults of one instant. One task applies them: those that begin, then those that
/// end. So a fault of 0 s begins before it ends, and between two faults that follow each other
/// without a gap the state that both ask for is not over.
struct Due {
    world: World,
    harness: NodeHandle,
    begins: Vec<usize>,
    ends: Vec<usize>,
}

impl Wake for Due {
    fn wake(self: Arc<Self>) {
        let recorder = self.world.recorder().clone();
        let (scope, harness) = (plan_scope(&recorder), self.harness.clone());
        rt::spawn_on(&recorder, &harness, scope, async move {
            self.begins.iter().for_each(|&index| self.world.begin(index));
            self.ends.iter().for_each(|&index| self.world.end(index));
        });
    }
}

/// The start or end of a rule's time. It is recorded without a task, because a task would move the
/// clock.
struct DueNote {
    world: World,
    index: usize,
    ends: bool,
    at: SimTime,
}

impl Wake for DueNote {
    fn wake(self: Arc<Self>) {
        let recorder = self.world.recorder();
        let kind = self.world.with_faults(|faults| faults.all[self.index].kind.clone());
        let what = if self.ends { format!("over: {kind}") } else { kind.to_string() };
        let (scope, subject) = (plan_scope(recorder), recorder.symbol(&what));
        recorder.record_in(scope, self.at, Kind::Note, subject, Duration::ZERO, 0);
    }
}

fn plan_scope(recorder: &Recorder) -> Scope {
    Scope { node: recorder.symbol("harness"), task: recorder.symbol("plan"), ..Scope::default() }
}

/// A fault that has begun.
struct Begun {
    /// What its end undoes.
    undo: Vec<Undo>,
    /// Whether it affects any process, machine or connection.
    affects_any: bool,
}

/// Applies a fault.
fn begin(world: &World, fault: &OneShot) -> Begun {
    let mut affects_any = false;
    let mut on_each = |pattern: &Pattern, act: &dyn Fn(Node) -> (Undo, bool)| {
        let apply = |node| {
            let (undo, is_affected) = act(node);
            affects_any |= is_affected;
            undo
        };
        world.selected(pattern).into_iter().map(apply).collect()
    };
    let undo = match fault {
        OneShot::Kill { node } => on_each(node, &|node| {
            let is_affected = node.keep_down();
            (Undo::Start(node, None), is_affected)
        }),
        OneShot::PowerLoss { node, loss } => on_each(node, &|node| {
            let off = node.host().power_off();
            node.keep_down();
            node.disk().power_loss(*loss);
            // If something else starts the process again, it does not wait for the power.
            let off = node.restarts().then_some(off);
            (Undo::Start(node, off), true)
        }),
        OneShot::Terminate { node, grace } => on_each(node, &|node| {
            let is_affected = node.keep_down_gracefully(*grace);
            (Undo::Start(node, None), is_affected)
        }),
        OneShot::Pause { node } => on_each(node, &|node| {
            node.keep_paused();
            (Undo::Resume(node), true)
        }),
        OneShot::Reset { from, to } => {
            let count = world.network().reset_connections(from.as_str(), to.as_str()).expect(CHECKED);
            affects_any = count > 0;
            Vec::new()
        }
        OneShot::NewAddress { node, old_address } => {
            for node in world.selected(node) {
                node.change_address(*old_address);
                affects_any = true;
            }
            Vec::new()
        }
    };
    Begun { undo, affects_any }
}

fn end(world: &World, undo: Undo) {
    match undo {
        Undo::Start(node, off) => {
            drop(off);
            if node.release_down() {
                world.note(&format!("start {}", node.name));
            }
        }
        Undo::Resume(node) => {
            if node.release_paused() {
                world.note(&format!("resume {}", node.name));
            }
        }
    }
}
