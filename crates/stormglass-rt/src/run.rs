//! The run that this thread plays: whose turns a task without a scope uses up, and on which node a
//! panic happened.

use std::cell::RefCell;
use std::ffi::OsString;
use stormglass_core::Recorder;

thread_local! {
    /// A run has a thread of its own.
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

#[derive(Debug)]
struct Run {
    recorder: Recorder,
    /// The name of the real machine.
    machine: OsString,
}

/// The guard of a run: dropping it ends the run on this thread. See [`enter_run`].
#[derive(Debug)]
pub struct RunGuard {
    before: Option<Run>,
}

/// Makes this recorder that of the run which this thread plays. [`crate::coop`] counts loops of
/// operations that let no time pass as turns of the run, and [`crate::panics`] finds the node of a
/// panic. Call it before the run's madsim runtime begins.
pub fn enter_run(recorder: &Recorder) -> RunGuard {
    let run = Run { recorder: recorder.clone(), machine: hostname::get().unwrap_or_default() };
    RunGuard { before: RUN.replace(Some(run)) }
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        RUN.set(self.before.take());
    }
}

/// Counts turns of the current task against the limit of the run, if this thread plays one.
pub(crate) fn spend_turns(turns: u64) {
    let recorder = RUN.with_borrow(|run| run.as_ref().map(|run| run.recorder.clone()));
    if let Some(recorder) = recorder {
        recorder.spend_turns(turns);
    }
}

/// Returns the name of the node whose task runs, if one does and this thread plays a run. Does not
/// panic.
pub(crate) fn node_of_current_task() -> Option<String> {
    RUN.with_borrow(|run| {
        // madsim answers gethostname(2) with the node's name inside of a task; elsewhere the
        // machine answers. madsim's other ways to ask for the current node panic where no task runs.
        let name =
            hostname::get().ok().filter(|name| run.as_ref().is_some_and(|run| run.machine != *name))?;
        Some(name.to_string_lossy().into_owned())
    })
}
