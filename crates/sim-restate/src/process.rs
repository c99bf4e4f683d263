//! The process that runs on a node now, as the harness follows it over restarts.

use crate::node::Running;
use sim_raft::Status;
use std::future::poll_fn;
use std::task::Poll;
use stormglass_core::Recorder;
use stormglass_rt::Watch;

/// The current process of a node, with its incarnation: 1 for the first process, one more after
/// each restart. Clones are handles to the same value.
#[derive(Clone)]
pub(crate) struct CurrentProcess(Watch<(u32, Running)>);

impl CurrentProcess {
    /// Returns the handle of the process `running`.
    pub(crate) fn new(recorder: &Recorder, number: u32, running: Running) -> CurrentProcess {
        CurrentProcess(Watch::new(recorder, (number, running)))
    }

    /// Starts the next incarnation.
    pub(crate) fn next(&self, start: impl FnOnce(u32) -> Running) {
        let number = self.incarnation() + 1;
        self.0.set((number, start(number)));
    }

    pub(crate) fn incarnation(&self) -> u32 {
        self.0.with(|now| now.0)
    }

    /// Returns the handle of the process that runs now.
    pub(crate) fn running(&self) -> Running {
        self.0.get().1
    }

    /// Waits until the metadata server of the current process is a member, over restarts.
    pub(crate) async fn until_member(&self) {
        loop {
            let (number, running) = self.0.get();
            let is_member = poll_fn(|context| {
                let status = running.status();
                if status.poll_until(context, |status| matches!(status, Status::Member { .. })).is_ready() {
                    return Poll::Ready(true);
                }
                self.0.poll_until(context, |now| now.0 != number).map(|_| false)
            });
            if is_member.await {
                return;
            }
        }
    }
}
