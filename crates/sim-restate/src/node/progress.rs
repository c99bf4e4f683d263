//! How far a node's start is, as the harness can follow it.

use super::Process;
use crate::settings::{Step, Strategy};
use std::time::Duration;
use stormglass_rt::{self as rt, Watch};

/// The port that tells how far a node's start is, if the harness asks for that.
pub const PROGRESS_PORT: u16 = 9071;

/// How far a start is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many steps are done.
    pub steps: usize,
    /// The step at work; nothing before the first.
    pub next: Option<Step>,
    /// Whether all of them are done.
    pub done: bool,
}

impl Process {
    /// Answers whoever asks for more than it has seen, once there is more. Only if the harness follows steps: a port more is an event more.
    pub(super) async fn serve_progress(&self) -> std::io::Result<Option<Watch<Progress>>> {
        /// Until a process that was just started runs (fork and exec): by then the port of the one before it is free.
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
