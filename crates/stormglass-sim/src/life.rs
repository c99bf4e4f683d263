//! The ends of a node's processes: exit statuses, who waits for them, and what follows.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus, Termination};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use stormglass_core::SimTime;
use stormglass_rt::Wakers;
use stormglass_rt::signal::unix::SignalKind;

/// What follows the end of a process that no fault has caused: its status, and how long it ran.
pub(crate) type OnEnd = Arc<dyn Fn(ExitStatus, Duration) + Send + Sync>;

/// The life of a node's processes.
#[derive(Default)]
pub(crate) struct Life {
    /// The number of processes that have ended.
    pub(crate) ended: u64,
    /// How the last one ended.
    status: Option<ExitStatus>,
    started: SimTime,
    waiting: Wakers,
    /// Signals that the stopped process receives when it continues.
    pub(crate) pending: Vec<SignalKind>,
    pub(crate) on_end: Option<OnEnd>,
}

impl Life {
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// Records that a process has started.
    pub(crate) fn starts(&mut self, now: SimTime) {
        self.started = now;
    }

    /// Records that the process has ended. Returns who waits for that, and how long it ran.
    pub(crate) fn ends(&mut self, status: ExitStatus, now: SimTime) -> (Wakers, Duration) {
        self.ended += 1;
        self.status = Some(status);
        self.pending.clear();
        (std::mem::take(&mut self.waiting), now.saturating_since(self.started))
    }

    /// Ready when more than `before` processes have ended, with the status of the last one.
    pub(crate) fn poll_end(&mut self, before: u64, context: &Context<'_>) -> Poll<ExitStatus> {
        match self.status {
            Some(status) if self.ended > before => Poll::Ready(status),
            _ => {
                self.waiting.add(context.waker());
                Poll::Pending
            }
        }
    }
}

/// The status of a process that a signal has ended (`wait(2)`: the lower 7 bits).
pub(crate) fn killed_by(signal: SignalKind) -> ExitStatus {
    ExitStatus::from_raw(signal.as_raw_value() & 0x7f)
}

pub(crate) const SIGKILL: SignalKind = SignalKind::from_raw(9);

/// The status of a process that exits with a code, of which the kernel keeps 8 bits (`exit(3)`).
pub(crate) fn exited_with(code: i32) -> ExitStatus {
    ExitStatus::from_raw((code & 0xff) << 8)
}

/// The exit code of a program whose main thread panics.
pub(crate) const PANICKED: i32 = 101;

/// The status of a process whose main function has returned this.
pub(crate) fn status_of(output: impl Termination) -> ExitStatus {
    let reported = output.report();
    // std does not tell the number of an `ExitCode`, but compares it.
    let code = (0..=u8::MAX).find(|&code| ExitCode::from(code) == reported);
    exited_with(code.unwrap_or(u8::MAX).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_main_gives_the_exit_status_that_std_gives() {
        assert!(status_of(()).success());
        assert_eq!(status_of(ExitCode::from(7)).code(), Some(7));
        assert_eq!(status_of(Err::<(), _>("an error, which std prints")).code(), Some(1));
        assert_eq!(exited_with(-1).code(), Some(255));
        assert_eq!(killed_by(SIGKILL).to_string(), "signal: 9 (SIGKILL)");
    }
}
