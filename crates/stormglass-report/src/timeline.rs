//! The timeline of a run: one line per event with time, node, description and duration.

mod asides;
pub mod fold;
mod row;

pub use asides::{Aside, asides, describe_log, last_log_lines};
pub use row::Look;

use anstyle::Style;
use regex_lite::Regex;
use row::{Class, Row};
use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_core::event::Category;
use stormglass_core::{Event, Kind, LogLevel, SimTime, Symbol, Trace};

/// Selects the events that are shown.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The level of detail.
    pub detail: Detail,
    /// No events before this time.
    pub from: Option<SimTime>,
    /// No events after this time.
    pub until: Option<SimTime>,
    /// Only events of these nodes; of all if empty.
    pub nodes: Vec<String>,
    /// Only events of these kinds; of all if empty. What they select is shown in any detail.
    pub kinds: Vec<Kind>,
    /// Only lines that match this expression.
    pub grep: Option<Regex>,
    /// Only log lines, and the events of `kinds`.
    pub only_log: bool,
    /// No log lines that are less severe.
    pub level: Option<LogLevel>,
    /// Only what is near the event of this number, from 1: it, and the 15 before and after it that the
    /// rest of the filter selects, in any detail.
    pub around: Option<usize>,
}

/// The level of detail of a timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Steps with the number of their syncs, notes, waits, back-offs, and other events that took 50
    /// ms or longer.
    #[default]
    Story,
    /// Every event.
    Everything,
}

/// Events of at least this length are shown whatever their kind.
const LONG: Duration = Duration::from_millis(50);

/// How many events a timeline around an event shows before it and after it.
const AROUND: usize = 15;

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// The index of its event in the trace.
    pub index: usize,
    /// The event.
    pub event: &'a Event,
    row: Row,
}

impl Line<'_> {
    /// Returns the text of the line.
    pub fn text(&self) -> String {
        self.row.text()
    }

    /// Returns the line as it looks in a timeline, with the number of its event if `look` marks one.
    pub fn shown(&self, look: &Look) -> String {
        self.row.shown(look, Some(self.index + 1))
    }

    /// Returns the style of the line where there are colours.
    pub fn style(&self) -> Style {
        self.row.style()
    }
}

impl Filter {
    /// Whether a node is one of those that are shown.
    fn shows_node(&self, trace: &Trace, node: Symbol) -> bool {
        self.nodes.is_empty() || self.nodes.iter().any(|name| name == trace.text(node))
    }

    fn matches(&self, row: &Row) -> bool {
        self.grep.as_ref().is_none_or(|grep| grep.is_match(&row.text()))
    }

    fn shows(&self, trace: &Trace, event: &Event) -> bool {
        let (from, until) = (self.from.unwrap_or_default(), self.until.unwrap_or(SimTime::MAX));
        let is_kind = if self.kinds.is_empty() { !self.only_log } else { self.kinds.contains(&event.kind) };
        (from.as_nanos()..=until.as_nanos()).contains(&event.at_nanos)
            && is_kind
            && self.shows_node(trace, event.node)
    }

    /// Whether every event is shown that nodes, kinds and times select.
    fn shows_everything(&self) -> bool {
        self.detail == Detail::Everything || !self.kinds.is_empty() || self.around.is_some()
    }

    /// Returns the times between which something is shown.
    fn times(&self, trace: &Trace) -> (SimTime, SimTime) {
        let (from, until) = (self.from.unwrap_or_default(), self.until.unwrap_or(SimTime::MAX));
        if self.around.is_none() {
            return (from, until);
        }
        let lines = lines(trace, self);
        let at = |line: Option<&Line<'_>>| line.map(|line| SimTime::from_nanos(line.event.at_nanos));
        (from.max(at(lines.first()).unwrap_or_default()), until.min(at(lines.last()).unwrap_or_default()))
    }
}

/// Returns the lines of a timeline.
pub fn lines<'a>(trace: &'a Trace, filter: &Filter) -> Vec<Line<'a>> {
    let story = Story::of(trace);
    let around = filter.around.and_then(|number| number.checked_sub(1));
    let mut lines = Vec::new();
    for (index, event) in trace.events.iter().enumerate() {
        let is_shown = filter.shows(trace, event) && (filter.shows_everything() || story.shows(index, event));
        if !is_shown && around != Some(index) {
            continue;
        }
        let row = row_of(trace, event, story.syncs_in_step[index]);
        if around == Some(index) || filter.matches(&row) {
            lines.push(Line { index, event, row });
        }
    }
    if let Some(place) = lines.iter().position(|line| around == Some(line.index)) {
        lines.truncate(place + AROUND + 1);
        lines.drain(..place.saturating_sub(AROUND));
    }
    lines
}

/// Returns the heading of a timeline.
pub fn heading(look: &Look) -> String {
    row::heading(look)
}

/// Renders a timeline with a heading, and with what is between the events.
pub fn render(lines: &[Line<'_>], asides: &[Aside<'_>], look: &Look) -> String {
    let mut text = row::heading(look);
    let mut asides = asides.iter().peekable();
    for line in lines {
        while let Some(aside) = asides.next_if(|aside| aside.after <= line.index) {
            text += &format!("{}\n", aside.row.shown(look, None));
        }
        text += &format!("{}\n", line.row.shown(look, Some(line.index + 1)));
    }
    asides.for_each(|aside| text += &format!("{}\n", aside.row.shown(look, None)));
    text
}

/// Renders these events, with a heading.
pub fn of_events(trace: &Trace, indices: &[usize]) -> String {
    let line = |&index: &usize| {
        let event = &trace.events[index];
        Line { index, event, row: row_of(trace, event, 0) }
    };
    render(&indices.iter().map(line).collect::<Vec<_>>(), &[], &Look::default())
}

/// What the story needs: which operations are covered by a step, and the number of syncs of each
/// step.
struct Story {
    covered: Vec<bool>,
    syncs_in_step: Vec<usize>,
}

impl Story {
    fn of(trace: &Trace) -> Story {
        let count = trace.events.len();
        let mut story = Story { covered: vec![false; count], syncs_in_step: vec![0; count] };
        // The disk operations of each task since its last step.
        let mut open: BTreeMap<(Symbol, Symbol), Vec<usize>> = BTreeMap::new();
        for (index, event) in trace.events.iter().enumerate() {
            let task = (event.node, event.task);
            match event.kind.category() {
                Category::Sync | Category::Disk | Category::Cpu => open.entry(task).or_default().push(index),
                _ if event.kind == Kind::Step => {
                    let began = event.at_nanos - event.took_nanos.min(event.at_nanos);
                    for inner in open.remove(&task).unwrap_or_default() {
                        let operation = &trace.events[inner];
                        if operation.at_nanos >= began {
                            story.covered[inner] = true;
                            let sync = operation.kind.category() == Category::Sync;
                            story.syncs_in_step[index] += usize::from(sync);
                        }
                    }
                }
                _ => {}
            }
        }
        story
    }

    fn shows(&self, index: usize, event: &Event) -> bool {
        match event.kind {
            Kind::Note | Kind::WaitBegin | Kind::WaitEnd | Kind::Refuse | Kind::Step | Kind::Sleep => true,
            Kind::Tick => false,
            _ => !self.covered[index] && Duration::from_nanos(event.took_nanos) >= LONG,
        }
    }
}

/// Returns an event's row.
fn row_of(trace: &Trace, event: &Event, syncs: usize) -> Row {
    let more = match syncs {
        0 => String::new(),
        1 => "  1 fsync".into(),
        more => format!("  {more} fsyncs"),
    };
    Row {
        at: SimTime::from_nanos(event.at_nanos),
        node: name_of(trace, event.node),
        what: describe(trace, event),
        took: Some(Duration::from_nanos(event.took_nanos)),
        more,
        class: Class::of(trace, event),
    }
}

/// Returns the name of a node, or `-`.
fn name_of(trace: &Trace, node: Symbol) -> String {
    match trace.text(node) {
        "" => "-".into(),
        node => node.into(),
    }
}

/// Returns an event's description.
pub fn describe(trace: &Trace, event: &Event) -> String {
    let subject = trace.text(event.subject);
    match event.kind {
        Kind::Step => format!("✓ {subject}"),
        Kind::Note if subject.starts_with("violated ") => format!("✗ {subject}"),
        Kind::Note => format!("• {subject}"),
        Kind::Status => format!("= {subject}"),
        Kind::WaitBegin => format!("… begins to wait for {subject}"),
        Kind::WaitEnd => format!("✓ has waited for {subject}"),
        Kind::Sleep | Kind::Tick => format!("  {subject}"),
        Kind::Compute => format!("  cpu: {subject}"),
        kind => format!("  {kind} {subject}"),
    }
}

#[cfg(test)]
mod tests;
