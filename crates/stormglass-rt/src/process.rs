//! Processes: the incarnations of a node, and when each has ended.
//!
//! madsim kills a node by marking its tasks; it drops them one by one, in an order drawn from the
//! seed, while tasks of the node's next incarnation run already. A kernel releases what a process
//! owns when the process dies: its ports, its file locks. So the owner of such a thing is a
//! [`Process`], and who finds that thing taken asks whether its owner has ended.
//!
//! A [`ProcessTracker`] is told of each kill when it happens. Without one, [`Process::check_ended`]
//! finds out when it is asked.

use crate::clock::is_in_run;
use crate::mount::current_node;
use madsim::plugin::Simulator;
use madsim::rand::GlobalRng;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::task::NodeId;
use madsim::time::TimeHandle;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// The processes that own something, of the run with a [`ProcessTracker`]. Thread-local because
    /// a run has one thread.
    static PROCESSES: RefCell<Option<BTreeMap<NodeId, Process>>> = const { RefCell::new(None) };
}

/// A process: one incarnation of a node, from its start until it is killed. Clones are handles to
/// the same one.
///
/// ```
/// use madsim::runtime::{Handle, Runtime};
/// use stormglass_rt::process::{Process, ProcessTracker};
///
/// let runtime = Runtime::new();
/// let _tracker = ProcessTracker::new(&runtime);
/// runtime.block_on(async {
///     let node = Handle::current().create_node().build();
///     let process = node.spawn(async { Process::current() }).await.unwrap();
///     assert!(!process.has_ended());
///     Handle::current().kill(node.id());
///     assert!(process.has_ended());
/// });
/// ```
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    has_ended: AtomicBool,
    /// The incarnation itself, if there is no tracker that is told of its end.
    untracked: Option<NodeHandle>,
}

impl Process {
    /// Returns the process of the current task. Outside a run it is a process that never ends.
    ///
    /// # Panics
    ///
    /// In the callback of a timer, which belongs to no task.
    pub fn current() -> Process {
        let new = |untracked| Process(Arc::new(Inner { has_ended: AtomicBool::new(false), untracked }));
        if !is_in_run() {
            return new(None);
        }
        let node = current_node();
        PROCESSES.with_borrow_mut(|processes| match processes {
            Some(processes) => processes.entry(node).or_insert_with(|| new(None)).clone(),
            None => new(Handle::current().get_node(node)),
        })
    }

    /// Returns whether the process is known to have ended. Without a [`ProcessTracker`] that is
    /// known only after [`Process::check_ended`] has found it out.
    pub fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Relaxed)
    }

    /// Returns whether the process has ended; without a [`ProcessTracker`] it finds that out. Then
    /// it costs an empty task, which moves the run's clock if the process is alive: ask only where
    /// something is taken.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn check_ended(&self) -> bool {
        if !self.has_ended()
            && let Some(node) = &self.0.untracked
            && is_over(node)
        {
            self.end();
        }
        self.has_ended()
    }

    fn end(&self) {
        self.0.has_ended.store(true, Ordering::Relaxed);
    }
}

/// Returns whether this incarnation of a node is over. madsim counts the tasks of the current
/// incarnation of each node, so a task that is spawned on another one does not count.
fn is_over(incarnation: &NodeHandle) -> bool {
    let (runtime, node) = (Handle::current(), incarnation.id());
    // madsim's main node cannot be killed, and is not counted.
    if node.to_string() == "0" {
        return false;
    }
    if runtime.get_node(node).is_none() || runtime.is_exit(node) {
        return true;
    }
    let count = || runtime.metrics().num_tasks();
    let before = count();
    drop(incarnation.spawn(async {}));
    count() == before
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("has_ended", &self.has_ended()).finish_non_exhaustive()
    }
}

/// Has madsim tell the processes of a run's nodes when they are killed. A node that is restarted
/// with madsim's `Handle::restart` alone, without a kill, counts as the same process.
#[derive(Debug)]
#[must_use = "dropping the tracker ends the tracking"]
pub struct ProcessTracker(());

impl ProcessTracker {
    /// Tracks the processes of this runtime; one runtime of a thread at a time. Call it before the
    /// runtime runs.
    pub fn new(runtime: &Runtime) -> ProcessTracker {
        runtime.add_simulator::<Kills>();
        PROCESSES.set(Some(BTreeMap::new()));
        ProcessTracker(())
    }
}

impl Drop for ProcessTracker {
    fn drop(&mut self) {
        PROCESSES.set(None);
    }
}

/// What madsim tells of kills. It holds its locks meanwhile.
struct Kills;

impl Simulator for Kills {
    fn new(_: &GlobalRng, _: &TimeHandle, _: &madsim::Config) -> Kills {
        Kills
    }

    fn reset_node(&self, node: NodeId) {
        PROCESSES.with_borrow_mut(|processes| {
            if let Some(process) = processes.as_mut().and_then(|processes| processes.remove(&node)) {
                process.end();
            }
        });
    }
}
