//! The states of a node's process over a run, for reports.

use crate::time::SimTime;

/// A change of the state of a node's process. It is kept with the events of a trace and is no part
/// of its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessChange {
    /// When it changed.
    pub at: SimTime,
    /// The name of the node.
    pub node: String,
    /// The state from then on.
    pub state: ProcessState,
}

/// The state of a node's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs: it was started again, or it continues after SIGSTOP.
    Up,
    /// SIGSTOP has stopped it.
    Paused,
    /// It has ended; with its exit status as `std::process::ExitStatus` displays it. A process
    /// without a start function is up again with the first event of a task of its node.
    Down(String),
}
