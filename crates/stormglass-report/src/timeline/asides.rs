//! What a timeline shows between its events: deadlines that passed, and log lines.

use super::row::{Class, Look, Row};
use super::{Filter, name_of};
use anstyle::Style;
use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_core::{Event, Kind, LogKind, LogLine, SimTime, Symbol, Trace};

/// A row that is no event.
#[derive(Clone, Debug, PartialEq)]
pub struct Aside<'a> {
    /// How many events of the trace precede it.
    pub after: usize,
    /// The log line, if it is one.
    pub log: Option<&'a LogLine>,
    pub(super) row: Row,
}

impl Aside<'_> {
    /// Returns the row as it looks in a timeline.
    pub fn shown(&self, look: &Look) -> String {
        self.row.shown(look, None)
    }

    /// Returns the style of the row where there are colours.
    pub fn style(&self) -> Style {
        self.row.style()
    }
}

/// Returns the deadlines that passed and the log lines, in the order of the timeline.
pub fn asides<'a>(trace: &'a Trace, filter: &Filter) -> Vec<Aside<'a>> {
    let mut asides = log_lines(trace, filter);
    asides.extend(deadlines(trace, filter));
    // Log lines of the same time stay in their order.
    asides.sort_by_key(|aside| (aside.after, aside.row.at));
    asides
}

/// Returns the times at which waits exceeded their deadlines. They are not events, since the run
/// continues.
fn deadlines<'a>(trace: &'a Trace, filter: &Filter) -> Vec<Aside<'a>> {
    let (from, until) = filter.times(trace);
    let mut open: BTreeMap<Symbol, (SimTime, &Event)> = BTreeMap::new();
    for event in &trace.events {
        let at = SimTime::from_nanos(event.at_nanos);
        match event.kind {
            Kind::WaitBegin => {
                open.insert(event.subject, (at + Duration::from_nanos(event.value), event));
            }
            Kind::WaitEnd if open.get(&event.subject).is_some_and(|&(deadline, _)| at <= deadline) => {
                open.remove(&event.subject);
            }
            _ => {}
        }
    }
    let end = trace.events.last().map_or(0, |event| event.at_nanos);
    // The subject of a wait names the node that is waited for.
    let is_of = |begin: &Event, node: &String| {
        trace.text(begin.node) == node || trace.text(begin.subject).ends_with(&format!(" on {node}"))
    };
    let passed = open.into_values().filter(|(at, begin)| {
        at.as_nanos() <= end
            && (from..=until).contains(at)
            && filter.kinds.is_empty()
            && !filter.only_log
            && (filter.nodes.is_empty() || filter.nodes.iter().any(|node| is_of(begin, node)))
    });
    let mut passed: Vec<Aside<'_>> = passed
        .map(|(at, begin)| Aside {
            after: trace.events.partition_point(|event| event.at_nanos <= at.as_nanos()),
            log: None,
            row: Row {
                at,
                node: trace.text(begin.node).into(),
                what: format!("✗ deadline of {}", trace.text(begin.subject)),
                took: Some(Duration::from_nanos(begin.value)),
                more: String::new(),
                class: Class::Failure,
            },
        })
        .filter(|aside| filter.matches(&aside.row))
        .collect();
    passed.sort_by(|a, b| (a.row.at, &a.row.what).cmp(&(b.row.at, &b.row.what)));
    passed
}

/// Returns the log lines that a filter shows.
fn log_lines<'a>(trace: &'a Trace, filter: &Filter) -> Vec<Aside<'a>> {
    let (from, until) = filter.times(trace);
    if !filter.kinds.is_empty() && !filter.only_log {
        return Vec::new();
    }
    let is_shown = |line: &&LogLine| {
        (from..=until).contains(&line.at)
            && filter.level.is_none_or(|level| line.level <= level)
            && filter.shows_node(trace, line.node)
    };
    let asides = trace.log.iter().filter(is_shown).map(|line| Aside {
        after: line.after.number() as usize,
        log: Some(line),
        row: Row {
            at: line.at,
            node: name_of(trace, line.node),
            what: describe_log(line),
            took: match line.kind {
                LogKind::Event => None,
                kind => Some(kind.took()),
            },
            more: String::new(),
            class: Class::Log(line.level),
        },
    });
    asides.filter(|aside| filter.matches(&aside.row)).collect()
}

/// Returns a log line's description: `INFO store::api: answers status=200`.
pub fn describe_log(line: &LogLine) -> String {
    let level = line.level.name().to_uppercase();
    // In one row: a message may have several lines.
    let text = line.text().replace('\n', " ⏎ ");
    format!("{level:>5} {}: {text}", line.target)
}

/// Returns the last log lines of a node before a moment, as rows without a heading; of all nodes if
/// the node has none.
pub fn last_log_lines(trace: &Trace, node: Option<&str>, until: SimTime, count: usize) -> String {
    let nodes = node.map(String::from).into_iter().collect();
    let filter = Filter { nodes, until: Some(until), only_log: true, ..Filter::default() };
    let mut shown = log_lines(trace, &filter);
    if shown.is_empty() {
        shown = log_lines(trace, &Filter { nodes: Vec::new(), ..filter });
    }
    shown[shown.len().saturating_sub(count)..].iter().map(|aside| aside.row.text() + "\n").collect()
}
