//! What the faults of a plan and the scenario ask of a node's process.

use std::sync::Arc;

/// The function that starts a process.
pub(crate) type Start = Arc<dyn Fn() + Send + Sync>;

/// The state of a node's process, and what asks for it.
///
/// Faults of a plan are counted, so that a state is over when the last fault that asks for it is
/// over. The scenario's own calls are not counted, as signals are not: one SIGCONT continues a
/// process that got SIGSTOP twice.
#[derive(Default)]
pub(crate) struct Process {
    /// The function that starts the process again; absent if the scenario starts it itself.
    start: Option<Start>,
    is_up: bool,
    /// Whether the end of the last fault that keeps the process down starts it again: a fault ended
    /// it, and since then the scenario has neither started nor ended it.
    is_start_owed: bool,
    /// Whether a fault has sent SIGTERM to the process, and waits for its end.
    is_terminating: bool,
    /// The number of active faults that keep the process down.
    down: u32,
    /// The number of active faults that keep the node paused.
    paused: u32,
    /// Whether the scenario has paused the process.
    is_stopped: bool,
}

impl Process {
    /// Records that the scenario has started the process. Returns the start function before.
    pub(crate) fn started(&mut self, start: Start) -> Option<Start> {
        (self.is_up, self.is_start_owed, self.is_terminating) = (true, false, false);
        self.start.replace(start)
    }

    /// Records that the process has ended. A signal that stopped it ends with it.
    pub(crate) fn ended(&mut self) {
        (self.is_up, self.is_start_owed, self.is_stopped) = (false, false, false);
        self.is_terminating = false;
    }

    /// Removes the start function.
    pub(crate) fn forget(&mut self) -> Option<Start> {
        self.start.take()
    }

    /// Returns whether the process has a start function.
    pub(crate) fn restarts(&self) -> bool {
        self.start.is_some()
    }

    /// Returns whether the process is known to be down. One without a start function counts as
    /// running.
    pub(crate) fn is_down(&self) -> bool {
        self.start.is_some() && !self.is_up
    }

    /// Returns whether a fault has ended the process and it was not started again.
    pub(crate) fn is_kept_down(&self) -> bool {
        self.is_down() && self.is_start_owed
    }

    /// Records a fault that keeps the process down. Returns the number of such faults before it.
    pub(crate) fn keep_down(&mut self) -> u32 {
        self.down += 1;
        self.down - 1
    }

    /// Records that a fault has ended the process.
    pub(crate) fn ended_by_fault(&mut self) {
        self.ended();
        self.is_start_owed = true;
    }

    /// Records the end of a fault that kept the process down. Returns the start function if the
    /// process is to be started again now.
    pub(crate) fn release_down(&mut self) -> Option<Start> {
        self.down = self.down.checked_sub(1).expect("a fault ends once");
        self.start_if_owed()
    }

    /// Returns the start function if the process is to be started again, and no fault keeps it
    /// down.
    pub(crate) fn start_if_owed(&mut self) -> Option<Start> {
        if self.down > 0 || !self.is_start_owed {
            return None;
        }
        let start = self.start.clone()?;
        (self.is_up, self.is_start_owed) = (true, false);
        Some(start)
    }

    /// Records that the process is to be started again. Returns the start function if no fault
    /// keeps it down.
    pub(crate) fn start_or_owe(&mut self) -> Option<Start> {
        self.is_start_owed = true;
        self.start_if_owed()
    }

    /// Records that a fault has sent SIGTERM.
    pub(crate) fn terminates(&mut self) {
        self.is_terminating = true;
    }

    /// Returns whether a fault has sent SIGTERM to the process.
    pub(crate) fn is_terminating(&self) -> bool {
        self.is_terminating
    }

    /// Records the scenario's SIGSTOP, which does nothing to a process that is down. Returns
    /// whether the process is paused then.
    pub(crate) fn stop(&mut self) -> bool {
        self.is_stopped |= !self.is_down();
        self.is_paused()
    }

    /// Records the scenario's SIGCONT. Returns whether the process is still paused.
    pub(crate) fn cont(&mut self) -> bool {
        self.is_stopped = false;
        self.is_paused()
    }

    /// Records a fault that keeps the node paused.
    pub(crate) fn keep_paused(&mut self) {
        self.paused += 1;
    }

    /// Records the end of a fault that kept the node paused. Returns whether it is still paused.
    pub(crate) fn release_paused(&mut self) -> bool {
        self.paused = self.paused.checked_sub(1).expect("a fault ends once");
        self.is_paused()
    }

    /// Returns whether a fault or the scenario keeps the process paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused > 0 || self.is_stopped
    }
}
