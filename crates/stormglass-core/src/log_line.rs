//! Log lines: what the code of a run logs, with simulated time, node and task.
//!
//! A log line is no event. It has no number, it is no part of the hash, and no event has it as its
//! cause. So a run has the same events, with the same numbers, whether or not it is logged.

use crate::event::{EventId, Symbol};
use crate::time::SimTime;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A line of a run's log: an event or a span of `tracing`. It is kept with the events of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was logged; when the span was closed.
    pub at: SimTime,
    /// The last event of the run before it, of any task.
    pub after: EventId,
    /// The last event that its task had to wait for.
    pub cause: EventId,
    /// The node whose task logged it, or was the first in the span.
    pub node: Symbol,
    /// The task that logged it, or was the first in the span.
    pub task: Symbol,
    /// How severe it is.
    pub level: LogLevel,
    /// The target of a filter: the path of the module, unless the code names another one.
    pub target: String,
    /// The message; the name of a span.
    pub message: String,
    /// The other fields with their values, in the order in which the code names them.
    pub fields: Vec<(String, String)>,
    /// The spans in which it was logged with their fields, the outermost first.
    pub spans: Vec<String>,
    /// Whether it is an event or a span.
    pub kind: LogKind,
}

/// What a log line stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// An event of `tracing`.
    Event,
    /// A span that was closed.
    Span {
        /// The time between the creation of the span and its end.
        took: Duration,
    },
    /// A span that was open at the end of the run.
    OpenSpan {
        /// The time between the creation of the span and the end of the run.
        took: Duration,
    },
}

impl LogKind {
    /// Returns how long a span was open; zero for an event.
    pub fn took(self) -> Duration {
        match self {
            LogKind::Event => Duration::ZERO,
            LogKind::Span { took } | LogKind::OpenSpan { took } => took,
        }
    }
}

/// How severe a log line is. The order is that of `tracing`'s filters: `Error` is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is suspicious.
    Warn,
    /// Something noteworthy happened.
    Info,
    /// For those who look for a defect.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Every level, the most severe first.
    pub const ALL: [LogLevel; 5] =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

    /// Returns the name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for LogLevel {
    type Err = String;

    /// Parses a name in any case.
    fn from_str(text: &str) -> Result<LogLevel, String> {
        let level = LogLevel::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(text));
        level.ok_or_else(|| format!("`{text}` is no level: expected error, warn, info, debug or trace"))
    }
}

impl LogLine {
    /// Returns the line without time, node and level: `outer{id=7}: message key=value`.
    ///
    /// ```
    /// use stormglass_core::{EventId, LogKind, LogLevel, LogLine, SimTime, Symbol};
    ///
    /// let line = LogLine {
    ///     at: SimTime::ZERO,
    ///     after: EventId::START,
    ///     cause: EventId::START,
    ///     node: Symbol::NONE,
    ///     task: Symbol::NONE,
    ///     level: LogLevel::Info,
    ///     target: "service::api".into(),
    ///     message: "answers".into(),
    ///     fields: vec![("status".into(), "200".into())],
    ///     spans: vec!["request{id=7}".into()],
    ///     kind: LogKind::Event,
    /// };
    /// assert_eq!(line.text(), "request{id=7}: answers status=200");
    /// ```
    pub fn text(&self) -> String {
        let mut text: String = self.spans.iter().map(|span| format!("{span}: ")).collect();
        match self.kind {
            LogKind::Event => {
                text += &self.message;
                for (name, value) in &self.fields {
                    let between = if text.is_empty() || text.ends_with(' ') { "" } else { " " };
                    text += &format!("{between}{name}={value}");
                }
            }
            LogKind::Span { .. } => text += &span_text(&self.message, &self.fields),
            LogKind::OpenSpan { .. } => {
                text += &format!("{} is open at the end of the run", span_text(&self.message, &self.fields));
            }
        }
        text
    }
}

/// Returns the text of a span: `name{key=value other=value}`.
pub fn span_text(name: &str, fields: &[(String, String)]) -> String {
    if fields.is_empty() {
        return name.into();
    }
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{name}{{{}}}", fields.join(" "))
}
