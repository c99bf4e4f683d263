//! The progress of a command on standard error: a bar on a terminal, a line every 15 s in a pipe or a CI log, nothing in an
//! embedding program. Without the feature `sweep` a terminal gets lines too.

use crate::output::{ErrorStream, Output};
use std::time::{Duration, Instant};

/// The time between two lines in a log. The first is written after 2 s, so that a short command
/// writes none.
const BETWEEN_LINES: Duration = Duration::from_secs(15);
const FIRST_LINE: Duration = Duration::from_secs(2);

/// The progress of a number of runs.
pub(crate) struct Progress {
    error_stream: ErrorStream,
    bar: bar::Bar,
    done: u64,
    total: u64,
    failed: u64,
    began: Instant,
    next_line: Duration,
}

impl Progress {
    /// Starts to show how many of `total` runs are done.
    pub(crate) fn new(total: u64, output: &Output) -> Progress {
        let error_stream = match output.error_stream() {
            ErrorStream::Terminal if !bar::Bar::EXISTS => ErrorStream::Log,
            error_stream => error_stream,
        };
        let bar = bar::Bar::new(total, error_stream == ErrorStream::Terminal);
        Progress { error_stream, bar, done: 0, total, failed: 0, began: now(), next_line: FIRST_LINE }
    }

    /// Counts a run that is done. `more` is what else is known by then; it is called only when it is shown.
    pub(crate) fn run_done(&mut self, failed: bool, more: impl FnOnce() -> String) {
        self.failed += u64::from(failed);
        self.done += 1;
        self.bar.increment();
        match self.error_stream {
            ErrorStream::Embedded => {}
            ErrorStream::Terminal => {
                if self.done.is_multiple_of(50) {
                    self.bar.set_message(self.message(more));
                }
            }
            ErrorStream::Log => self.log_line(more),
        }
    }

    /// Writes above the bar.
    #[cfg(feature = "sweep")]
    pub(crate) fn interrupt(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish();
    }

    fn message(&self, more: impl FnOnce() -> String) -> String {
        [format!("{} failed", bar::count(self.failed)), more()].join("; ").trim_end_matches("; ").to_string()
    }

    fn log_line(&mut self, more: impl FnOnce() -> String) {
        let elapsed = now() - self.began;
        let (done, total) = (self.done, self.total);
        if elapsed < self.next_line || done >= total {
            return;
        }
        self.next_line = elapsed + BETWEEN_LINES;
        let left = elapsed.mul_f64((total - done) as f64 / done.max(1) as f64);
        let (done, total, left) = (bar::count(done), bar::count(total), bar::duration(left));
        eprintln!("{done} of {total} runs, {left} left, {}", self.message(more));
    }
}

#[cfg(feature = "sweep")]
mod bar {
    use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
    use std::time::Duration;

    /// A progress bar on standard error.
    pub(super) struct Bar(ProgressBar);

    impl Bar {
        pub(super) const EXISTS: bool = true;

        pub(super) fn new(total: u64, is_visible: bool) -> Bar {
            let target = if is_visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
            let style = ProgressStyle::with_template(
                "{bar:40} {human_pos}/{human_len} runs  {per_sec}  {eta} left  {msg}",
            )
            .expect("the template is well-formed");
            let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style);
            bar.tick();
            Bar(bar)
        }

        pub(super) fn increment(&self) {
            self.0.inc(1);
        }

        pub(super) fn set_message(&self, message: String) {
            self.0.set_message(message);
        }

        pub(super) fn suspend(&self, write: impl FnOnce()) {
            self.0.suspend(write);
        }

        pub(super) fn finish(&self) {
            self.0.finish_and_clear();
        }
    }

    pub(super) fn count(count: u64) -> String {
        HumanCount(count).to_string()
    }

    pub(super) fn duration(duration: Duration) -> String {
        HumanDuration(duration).to_string()
    }
}

#[cfg(not(feature = "sweep"))]
mod bar {
    use std::time::Duration;

    /// No progress bar.
    pub(super) struct Bar;

    impl Bar {
        pub(super) const EXISTS: bool = false;

        pub(super) fn new(_total: u64, _is_visible: bool) -> Bar {
            Bar
        }

        pub(super) fn increment(&self) {}

        pub(super) fn set_message(&self, _message: String) {}

        pub(super) fn finish(&self) {}
    }

    pub(super) fn count(count: u64) -> String {
        count.to_string()
    }

    pub(super) fn duration(duration: Duration) -> String {
        humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
    }
}

#[expect(clippy::disallowed_methods, reason = "the duration of a command is not part of a run")]
fn now() -> Instant {
    Instant::now()
}
