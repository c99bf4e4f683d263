//! The run that this thread plays: whose turns a task without a scope uses up, and on which node a
//! panic happened.

use crate::timers::{self, TimersBefore};
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};
use stormglass_core::Recorder;

thread_local! {
    /// A run has a thread of its own.
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

#[derive(Debug)]
struct Run {
    recorder: Recorder,
    /// The name of the real machine.
    machine: Option<String>,
}

/// The guard of a run: dropping it ends the run on this thread. See [`enter_run`].
#[derive(Debug)]
pub struct RunGuard {
    before: Option<Run>,
    _timers_before: TimersBefore,
}

/// Makes this recorder that of the run which this thread plays. [`crate::coop`] counts loops of
/// operations that let no time pass as turns of the run, and [`crate::panics`] finds the node of a
/// panic. Call it before the run's madsim runtime begins.
pub fn enter_run(recorder: &Recorder) -> RunGuard {
    let run = Run { recorder: recorder.clone(), machine: host_name() };
    RunGuard { before: RUN.replace(Some(run)), _timers_before: timers::enter() }
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        RUN.set(self.before.take());
    }
}

/// Returns the recorder of the run that this thread plays, if it plays one.
pub(crate) fn recorder() -> Option<Recorder> {
    RUN.with_borrow(|run| run.as_ref().map(|run| run.recorder.clone()))
}

/// Counts turns of the current task against the limit of the run, if this thread plays one.
pub(crate) fn spend_turns(turns: u64) {
    if let Some(recorder) = recorder() {
        recorder.spend_turns(turns);
    }
}

/// Returns the name of the node whose task runs, if one does and this thread plays a run. Does not
/// panic.
pub(crate) fn node_of_current_task() -> Option<String> {
    RUN.with_borrow(|run| {
        // madsim answers gethostname(2) with the node's name inside of a task; elsewhere the
        // machine answers. madsim's other ways to ask for the current node panic where no task runs.
        let machine = &run.as_ref()?.machine;
        host_name().filter(|name| Some(name) != machine.as_ref())
    })
}

/// Returns what gethostname(2) returns.
#[expect(unsafe_code, reason = "std cannot ask, and the crate that can would be one more for users")]
fn host_name() -> Option<String> {
    unsafe extern "C" {
        fn gethostname(name: *mut c_char, len: usize) -> c_int;
    }
    let mut name = [0u8; 256];
    // SAFETY: the function writes at most `len` bytes to `name`, which has as many.
    let result = unsafe { gethostname(name.as_mut_ptr().cast(), name.len()) };
    let name = CStr::from_bytes_until_nul(&name).ok().filter(|_| result == 0)?;
    Some(name.to_string_lossy().into_owned())
}
