//! The log of a run: what its code passes to `tracing`.
//!
//! A run has a thread of its own, so its subscriber is that of the thread. Other runs of the same
//! process, and the tests that play them, keep their own. Nothing that differs between two runs with
//! the same seed is recorded: no address, no thread, no number that a counter of the process gave.

use crate::log_filter::LogFilter;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use stormglass_core::log_line::span_text;
use stormglass_core::{LogKind, LogLevel, LogLine, Recorder, SimTime, Symbol};
use stormglass_rt as rt;
use tracing_core::dispatcher::{self, DefaultGuard, Dispatch};
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_core::{Event, Interest, Level, LevelFilter, Metadata, Subscriber};

/// Logs the run of this thread until it is dropped.
pub(crate) struct Log {
    shared: Arc<Shared>,
    _default: DefaultGuard,
}

impl Log {
    /// Makes the subscriber of this run that of the thread. Returns `None`, and does nothing, if the
    /// filter is off.
    pub(crate) fn start(filter: &LogFilter, recorder: &Recorder) -> Option<Log> {
        if filter.is_off() {
            return None;
        }
        keep_callsites_undecided();
        let (filter, recorder) = (filter.clone(), recorder.clone());
        // Without events nothing is kept. The values of fields are computed nevertheless, so that a run
        // whose fields draw random numbers is the same run.
        let is_kept = recorder.keeps_events();
        let shared = Arc::new(Shared { filter, recorder, is_kept, spans: Mutex::default() });
        let dispatch = Dispatch::new(RunLog(shared.clone()));
        Some(Log { shared, _default: dispatcher::set_default(&dispatch) })
    }

    /// Adds a line for each span that is open, in the order in which they were created.
    pub(crate) fn add_open_spans(&self, ended: SimTime) {
        let open = std::mem::take(&mut self.shared.spans().open);
        for span in open.values() {
            self.shared.add_span(span, &open, ended, |took| LogKind::OpenSpan { took });
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("filter", &self.shared.filter).finish_non_exhaustive()
    }
}

/// Makes `tracing` ask the subscriber of the thread at each event, from now on.
///
/// A callsite keeps the answer of all subscribers to whether anybody wants its events. While a process
/// has a single subscriber, `tracing-core` asks the one of the thread that first reaches the callsite,
/// and if that thread has none, the callsite is off for every thread, also for that of a run which
/// wants it. So what is logged would depend on what other threads do. With two subscribers it asks all
/// that are registered, and these two answer "sometimes".
fn keep_callsites_undecided() {
    static UNDECIDED: OnceLock<[Dispatch; 2]> = OnceLock::new();
    UNDECIDED.get_or_init(|| [Dispatch::new(Undecided), Dispatch::new(Undecided)]);
}

/// A subscriber that is no thread's: it wants nothing, and leaves each callsite undecided.
struct Undecided;

impl Subscriber for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The subscriber of a run.
struct RunLog(Arc<Shared>);

struct Shared {
    filter: LogFilter,
    recorder: Recorder,
    is_kept: bool,
    spans: Mutex<Spans>,
}

#[derive(Default)]
struct Spans {
    /// The number of the last span.
    last: u64,
    open: BTreeMap<u64, Span>,
    /// The spans that the thread is in, the outermost first.
    entered: Vec<u64>,
}

struct Span {
    handles: usize,
    metadata: &'static Metadata<'static>,
    fields: Vec<(String, String)>,
    parent: Option<u64>,
    created: SimTime,
    /// The first task that entered it; until one does, the task that created it.
    node: Symbol,
    task: Symbol,
    was_entered: bool,
}

impl Shared {
    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the simulated time; in a callback of a timer, that of the last event.
    fn now(&self) -> SimTime {
        let last = self.recorder.last_time();
        if rt::is_in_run() { rt::now().max(last) } else { last }
    }

    fn add(&self, metadata: &Metadata<'_>, line: Line) {
        let Line { at, node, task, message, fields, spans, kind } = line;
        let cause = self.recorder.scope().last();
        let (level, target) = (level_of(*metadata.level()), metadata.target().to_string());
        self.recorder.record_log(|after| LogLine {
            at,
            after,
            cause,
            node,
            task,
            level,
            target,
            message,
            fields,
            spans,
            kind,
        });
    }

    fn add_span(
        &self,
        span: &Span,
        open: &BTreeMap<u64, Span>,
        at: SimTime,
        kind: impl FnOnce(std::time::Duration) -> LogKind,
    ) {
        if !self.is_kept {
            return;
        }
        let line = Line {
            at,
            node: span.node,
            task: span.task,
            message: span.metadata.name().into(),
            fields: span.fields.clone(),
            spans: texts(span.parent, open),
            kind: kind(at.saturating_since(span.created)),
        };
        self.add(span.metadata, line);
    }
}

/// What the metadata do not say of a log line.
struct Line {
    at: SimTime,
    node: Symbol,
    task: Symbol,
    message: String,
    fields: Vec<(String, String)>,
    spans: Vec<String>,
    kind: LogKind,
}

/// Returns the texts of a span and those around it, the outermost first.
fn texts(innermost: Option<u64>, open: &BTreeMap<u64, Span>) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = innermost;
    while let Some(span) = next.and_then(|number| open.get(&number)) {
        texts.push(span_text(span.metadata.name(), &span.fields));
        next = span.parent;
    }
    texts.reverse();
    texts
}

impl Subscriber for RunLog {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.0.filter.keeps(metadata.target(), metadata.level()) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.filter.keeps(metadata.target(), metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.filter.most())
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let shared = &self.0;
        let mut fields = Fields::default();
        if shared.is_kept {
            attributes.record(&mut fields);
        }
        let (scope, created) = (shared.recorder.scope(), shared.now());
        let mut spans = shared.spans();
        let parent = match attributes.parent() {
            Some(parent) => Some(parent.into_u64()),
            None if attributes.is_contextual() => spans.entered.last().copied(),
            None => None,
        };
        // The parent is open as long as its children.
        if let Some(parent) = parent.and_then(|parent| spans.open.get_mut(&parent)) {
            parent.handles += 1;
        }
        spans.last += 1;
        let number = spans.last;
        let span = Span {
            handles: 1,
            metadata: attributes.metadata(),
            fields: fields.all(),
            parent,
            created,
            node: scope.node,
            task: scope.task,
            was_entered: false,
        };
        spans.open.insert(number, span);
        Id::from_u64(number)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        if self.0.is_kept {
            values.record(&mut fields);
        }
        if let Some(span) = self.0.spans().open.get_mut(&span.into_u64()) {
            for (name, value) in fields.all() {
                match span.fields.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, old)) => *old = value,
                    None => span.fields.push((name, value)),
                }
            }
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let shared = &self.0;
        if !shared.is_kept {
            return;
        }
        // A value may enter a span while it is formatted: no lock is held.
        let mut fields = Fields::default();
        event.record(&mut fields);
        let spans = {
            let spans = shared.spans();
            let innermost = match event.parent() {
                Some(parent) => Some(parent.into_u64()),
                None if event.is_contextual() => spans.entered.last().copied(),
                None => None,
            };
            texts(innermost, &spans.open)
        };
        let scope = shared.recorder.scope();
        let Fields { message, fields } = fields;
        let (at, node, task) = (shared.now(), scope.node, scope.task);
        let message = message.unwrap_or_default();
        shared.add(event.metadata(), Line { at, node, task, message, fields, spans, kind: LogKind::Event });
    }

    fn enter(&self, span: &Id) {
        let scope = self.0.recorder.scope();
        let mut spans = self.0.spans();
        spans.entered.push(span.into_u64());
        if let Some(span) = spans.open.get_mut(&span.into_u64()).filter(|span| !span.was_entered) {
            (span.was_entered, span.node, span.task) = (true, scope.node, scope.task);
        }
    }

    fn exit(&self, span: &Id) {
        let mut spans = self.0.spans();
        if let Some(place) = spans.entered.iter().rposition(|&entered| entered == span.into_u64()) {
            spans.entered.remove(place);
        }
    }

    fn clone_span(&self, span: &Id) -> Id {
        if let Some(span) = self.0.spans().open.get_mut(&span.into_u64()) {
            span.handles += 1;
        }
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let shared = &self.0;
        let at = shared.now();
        let mut spans = shared.spans();
        let closed = span.into_u64();
        let mut next = Some(closed);
        let mut is_closed = false;
        while let Some(number) = next.take() {
            let Some(span) = spans.open.get_mut(&number) else { break };
            span.handles -= 1;
            if span.handles == 0 {
                is_closed |= number == closed;
                if let Some(span) = spans.open.remove(&number) {
                    shared.add_span(&span, &spans.open, at, |took| LogKind::Span { took });
                    next = span.parent;
                }
            }
        }
        is_closed
    }

    fn current_span(&self) -> Current {
        let spans = self.0.spans();
        let current = spans.entered.last().and_then(|number| Some((number, spans.open.get(number)?)));
        match current {
            Some((&number, span)) => Current::new(Id::from_u64(number), span.metadata),
            None => Current::none(),
        }
    }
}

fn level_of(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// The fields of an event or a span, as text.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    fields: Vec<(String, String)>,
}

impl Fields {
    /// Returns all fields, with the message as one of them.
    fn all(self) -> Vec<(String, String)> {
        let message = self.message.map(|message| ("message".to_string(), message));
        message.into_iter().chain(self.fields).collect()
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = Some(value.into());
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = Some(text),
            // As `tracing_subscriber::fmt` does.
            name => self.fields.push((name.strip_prefix("r#").unwrap_or(name).into(), text)),
        }
    }
}
