//! The progress of a command on standard error: a bar on a terminal, a line every 15 s in a pipe or
//! a CI log, nothing in an embedding program.

use crate::output::{ErrorStream, Output};
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// The time between two lines in a log. The first is written after 2 s, so that a short command
/// writes none.
const BETWEEN_LINES: Duration = Duration::from_secs(15);
const FIRST_LINE: Duration = Duration::from_secs(2);

/// The progress of a number of runs.
pub(crate) struct Progress {
    error_stream: ErrorStream,
    bar: ProgressBar,
    failed: u64,
    began: Instant,
    next_line: Duration,
}

impl Progress {
    /// Starts to show how many of `total` runs are done.
    pub(crate) fn new(total: u64, output: &Output) -> Progress {
        let target = match output.error_stream() {
            ErrorStream::Terminal => ProgressDrawTarget::stderr(),
            ErrorStream::Log | ErrorStream::Embedded => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template(
            "{bar:40} {human_pos}/{human_len} runs  {per_sec}  {eta} left  {msg}",
        )
        .expect("the template is well-formed");
        let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style);
        bar.tick();
        Progress { error_stream: output.error_stream(), bar, failed: 0, began: now(), next_line: FIRST_LINE }
    }

    /// Counts a finished run. `more` returns further text; it is called only when a line is shown.
    pub(crate) fn run_done(&mut self, failed: bool, more: impl FnOnce() -> String) {
        self.failed += u64::from(failed);
        self.bar.inc(1);
        match self.error_stream {
            ErrorStream::Embedded => {}
            ErrorStream::Terminal => {
                if self.bar.position().is_multiple_of(50) {
                    self.bar.set_message(self.message(more));
                }
            }
            ErrorStream::Log => self.log_line(more),
        }
    }

    /// Hides the bar while `write` writes.
    pub(crate) fn interrupt(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn message(&self, more: impl FnOnce() -> String) -> String {
        [format!("{} failed", HumanCount(self.failed)), more()].join("; ").trim_end_matches("; ").to_string()
    }

    fn log_line(&mut self, more: impl FnOnce() -> String) {
        let elapsed = now() - self.began;
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or_default());
        if elapsed < self.next_line || done >= total {
            return;
        }
        self.next_line = elapsed + BETWEEN_LINES;
        let left = elapsed.mul_f64((total - done) as f64 / done.max(1) as f64);
        eprintln!(
            "{} of {} runs, {} left, {}",
            HumanCount(done),
            HumanCount(total),
            HumanDuration(left),
            self.message(more)
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "the duration of a command is not part of a run")]
fn now() -> Instant {
    Instant::now()
}
