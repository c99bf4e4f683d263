//! The cost of a node's logging: CPU time on the node, and pages of the page cache where the
//! harness collects the lines.
//!
//! The number of lines on each occasion is counted in the logs of measured nodes (Restate 1.7.12,
//! `restate=debug`): 55 of level debug and 13 of level info in the 17 steps of a start, none of
//! level warn, 247 bytes on average; then 8 for each partition that starts, 13 for one that
//! becomes leader, 8 for one that stops. While nothing changes there are none.
//!
//! A run whose log is kept (`run.log`) has a line of the target `restate` for the lines of level info on
//! an occasion, and one for those of level debug: what happened, and how many lines the node writes.

use crate::settings::LogLevel;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stormglass_core::{Recorder, Symbol};
use stormglass_fs::{Disk, File, FileExt, OpenOptions};
use stormglass_sim::cpu::Cpu;
use tracing::{debug, info};

/// The number of lines on one occasion: those of level info, and all lines at level debug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Lines of level info.
    pub info: u32,
    /// Lines of level info or debug.
    pub debug: u32,
}

impl Lines {
    /// A step of the start is done.
    pub const STEP: Lines = Lines { info: 1, debug: 4 };
    /// A partition starts: processor, reader, segment.
    pub const PARTITION_STARTS: Lines = Lines { info: 1, debug: 8 };
    /// A partition becomes leader: epoch, campaign, and what a leader runs.
    pub const PARTITION_LEADS: Lines = Lines { info: 2, debug: 13 };
    /// A partition stops, with everything that it runs.
    pub const PARTITION_STOPS: Lines = Lines { info: 1, debug: 8 };

    /// Returns how many lines are written at this level.
    pub fn at(self, level: LogLevel) -> u32 {
        match level {
            LogLevel::Warn => 0,
            LogLevel::Info => self.info,
            LogLevel::Debug => self.debug,
        }
    }
}

/// An occasion on which a node writes log lines.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Occasion {
    /// The step of the start with this title is done.
    Step(&'static str),
    /// The partition of this number, here and below.
    PartitionStarts(u16),
    PartitionLeads(u16),
    PartitionStops(u16),
}

impl Occasion {
    fn lines(self) -> Lines {
        match self {
            Occasion::Step(_) => Lines::STEP,
            Occasion::PartitionStarts(_) => Lines::PARTITION_STARTS,
            Occasion::PartitionLeads(_) => Lines::PARTITION_LEADS,
            Occasion::PartitionStops(_) => Lines::PARTITION_STOPS,
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Occasion::Step(title) => f.write_str(title),
            Occasion::PartitionStarts(id) => write!(f, "partition {id} starts"),
            Occasion::PartitionLeads(id) => write!(f, "partition {id} becomes leader"),
            Occasion::PartitionStops(id) => write!(f, "partition {id} stops"),
        }
    }
}

/// A process's log. Clones write to the same file.
#[derive(Clone, Debug)]
pub(crate) struct Logging {
    /// A CPU stream of its own, so that the cost of all other work is the same with and without a
    /// log.
    cpu: Cpu,
    line: Duration,
    level: LogLevel,
    /// `None` if nothing is written.
    file: Option<Arc<File>>,
    subject: Symbol,
}

impl Logging {
    /// Opens the log of a process that starts, in a file of the harness's disk.
    pub(crate) async fn open(
        recorder: &Recorder,
        cpu: Cpu,
        line: Duration,
        level: LogLevel,
        disk: &Disk,
        node: &str,
    ) -> Logging {
        let subject = recorder.symbol("log");
        let mut logging = Logging { cpu, line, level, file: None, subject };
        if level != LogLevel::Warn {
            let append = OpenOptions::new().append(true).create(true).to_owned();
            logging.file = disk.open_with(&append, format!("/{node}.log")).await.ok().map(Arc::new);
        }
        logging
    }

    /// Writes the lines of one occasion. A failed write is ignored.
    pub(crate) async fn write(&self, occasion: Occasion) {
        const LINE: usize = 250;
        const MOST: usize = 16;
        static TEXT: [u8; MOST * LINE] = [b' '; MOST * LINE];
        let lines = occasion.lines();
        let written = lines.at(self.level);
        if written == 0 {
            return;
        }
        self.cpu.compute(self.subject, self.line * written).await;
        if let Some(file) = &self.file {
            drop(file.write_all_at(&TEXT[..LINE * written as usize], 0).await);
        }
        self.log(occasion);
    }

    /// Shows the lines in the log of the run.
    fn log(&self, occasion: Occasion) {
        let lines = occasion.lines();
        info!(target: "restate", lines = lines.info, "{occasion}");
        if self.level == LogLevel::Debug {
            debug!(target: "restate", lines = lines.debug - lines.info, "{occasion}");
        }
    }
}
