//! What a node's logging costs: CPU time on the node, and pages of the cache where the harness collects the lines.
//!
//! How many lines there are on which occasion is counted in the logs of measured nodes (Restate 1.7.12, `restate=debug`): 55 of level debug and 13 of level info in the 17
//! steps of a start, none of level warn, 247 bytes on average; then 8 for each partition that starts, 13 for one that begins to lead, 8 for one that stops. While nothing changes there are none.

use crate::settings::LogLevel;
use std::sync::Arc;
use std::time::Duration;
use stormglass_core::{Recorder, Symbol};
use stormglass_fs::{Disk, File, FileExt, OpenOptions};
use stormglass_sim::cpu::Cpu;

/// What is logged on an occasion: lines of level info, and lines in all where the level is debug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Of level info.
    pub info: u32,
    /// Of level info or debug.
    pub debug: u32,
}

impl Lines {
    /// A step of the start is done.
    pub const STEP: Lines = Lines { info: 1, debug: 4 };
    /// A partition starts: processor, reader, segment.
    pub const PARTITION_STARTS: Lines = Lines { info: 1, debug: 8 };
    /// A partition leads: epoch, campaign, and what a leader runs.
    pub const PARTITION_LEADS: Lines = Lines { info: 2, debug: 13 };
    /// A partition stops, with what it ran.
    pub const PARTITION_STOPS: Lines = Lines { info: 1, debug: 8 };

    /// How many are written at this level.
    pub fn at(self, level: LogLevel) -> u32 {
        match level {
            LogLevel::Warn => 0,
            LogLevel::Info => self.info,
            LogLevel::Debug => self.debug,
        }
    }
}

/// A process's log. Clones write to the same one.
#[derive(Clone, Debug)]
pub(crate) struct Logging {
    /// Apart from all other work, so that without a log that costs what it costs with one.
    cpu: Cpu,
    line: Duration,
    level: LogLevel,
    /// Nothing where nothing is written.
    file: Option<Arc<File>>,
    subject: Symbol,
}

impl Logging {
    /// The log of a process that begins, in a file of the harness's disk.
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

    /// Writes what there is to say on an occasion. A log that cannot be written stops nobody.
    pub(crate) async fn write(&self, lines: Lines) {
        const LINE: usize = 250;
        const MOST: usize = 16;
        static TEXT: [u8; MOST * LINE] = [b' '; MOST * LINE];
        let lines = lines.at(self.level);
        if lines == 0 {
            return;
        }
        self.cpu.compute(self.subject, self.line * lines).await;
        if let Some(file) = &self.file {
            drop(file.write_all_at(&TEXT[..LINE * lines as usize], 0).await);
        }
    }
}
