//! The progress of a node's start, as the harness can follow it.

use super::Process;
use crate::settings::{Step, Strategy};
use std::time::Duration;
use stormglass_rt::{self as rt, Watch};

/// The port that reports the progress of a node's start, with `admin.strategy = "progress"`.
pub const PROGRESS_PORT: u16 = 9071;

/// The progress of a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of completed steps.
    pub steps: usize,
    /// The current step; `None` before the first.
    pub next: Option<Step>,
    /// Whether all steps are completed.
    pub done: bool,
}

impl Process {
    /// Answers each request as soon as there is more progress than the request has seen. Only if
    /// the harness follows steps: one more port is one more event.
    pub(super) async fn serve_progress(&self) -> std::io::Result<Option<Watch<Progress>>> {
        /// The time from the start of a process until it runs (fork and exec); by then the port of
        /// the process before it is free.
        const EXEC: Duration = Duration::from_millis(1);
        if self.settings.admin.strategy != Strategy::Progress {
            return Ok(None);
        }
        rt::sleep(EXEC).await;
        let mut service = self.node.host().serve::<Progress, Progress>(PROGRESS_PORT)?;
        let progress = Watch::new(&self.recorder, Progress::default());
        let (recorder, status) = (self.recorder.clone(), progress.clone());
        rt::spawn(&self.recorder, "progress", async move {
            while let Some(call) = service.next().await {
                let status = status.clone();
                let (seen, reply) = call.split();
                rt::spawn(&recorder, "progress", async move {
                    reply.send(status.until(|now| *now != seen).await);
                });
            }
        });
        Ok(Some(progress))
    }
}
