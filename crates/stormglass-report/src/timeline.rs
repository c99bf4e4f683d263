//! The timeline of a run: one line per event with time, node, description and duration.

pub mod fold;

use crate::table::seconds;
use regex_lite::Regex;
use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_core::event::Category;
use stormglass_core::{Event, Kind, SimTime, Symbol, Trace};

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

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// The index of its event in the trace.
    pub index: usize,
    /// The event.
    pub event: &'a Event,
    /// The text of the line.
    pub text: String,
}

/// Returns the lines of a timeline.
pub fn lines<'a>(trace: &'a Trace, filter: &Filter) -> Vec<Line<'a>> {
    let (from, until) = (filter.from.unwrap_or_default(), filter.until.unwrap_or(SimTime::MAX));
    let mut lines = Vec::new();
    let story = Story::of(trace);
    let is_selected = |event: &Event| {
        (from.as_nanos()..=until.as_nanos()).contains(&event.at_nanos)
            && (filter.kinds.is_empty() || filter.kinds.contains(&event.kind))
            && (filter.nodes.is_empty() || filter.nodes.iter().any(|node| node == trace.text(event.node)))
    };
    for (index, event) in trace.events.iter().enumerate().filter(|(_, event)| is_selected(event)) {
        if filter.detail == Detail::Story && filter.kinds.is_empty() && !story.shows(index, event) {
            continue;
        }
        let text = line(trace, event, story.syncs_in_step[index]);
        if filter.grep.as_ref().is_none_or(|grep| grep.is_match(&text)) {
            lines.push(Line { index, event, text });
        }
    }
    lines
}

/// Returns the times at which waits exceeded their deadlines, with their lines. They are not
/// events, since the run continues.
pub fn deadlines(trace: &Trace, filter: &Filter) -> Vec<(SimTime, String)> {
    let (from, until) = (filter.from.unwrap_or_default(), filter.until.unwrap_or(SimTime::MAX));
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
            && (filter.nodes.is_empty() || filter.nodes.iter().any(|node| is_of(begin, node)))
    });
    let mut passed: Vec<(SimTime, String)> = passed
        .map(|(at, begin)| {
            let deadline = seconds(Duration::from_nanos(begin.value));
            let what = format!("✗ deadline of {}", trace.text(begin.subject));
            (at, format!("{at:>9}  {:<8} {what:<58} {deadline:>8}s", trace.text(begin.node)))
        })
        .filter(|(_, text)| filter.grep.as_ref().is_none_or(|grep| grep.is_match(text)))
        .collect();
    passed.sort();
    passed
}

/// Renders a timeline with a heading and the deadlines that passed.
pub fn render(lines: &[Line<'_>], deadlines: &[(SimTime, String)]) -> String {
    let mut text = format!("{:>9}  {:<8} {:<58} {:>9}\n", "time", "node", "what", "took");
    let mut deadlines = deadlines.iter().peekable();
    for line in lines {
        let at = SimTime::from_nanos(line.event.at_nanos);
        while let Some((_, passed)) = deadlines.next_if(|(deadline, _)| *deadline < at) {
            text += &format!("{passed}\n");
        }
        text += &format!("{}\n", line.text);
    }
    deadlines.for_each(|(_, passed)| text += &format!("{passed}\n"));
    text
}

/// Renders these events, with a heading.
pub fn of_events(trace: &Trace, indices: &[usize]) -> String {
    let line = |&index: &usize| {
        let event = &trace.events[index];
        Line { index, event, text: line(trace, event, 0) }
    };
    render(&indices.iter().map(line).collect::<Vec<_>>(), &[])
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

/// Renders an event as one line.
fn line(trace: &Trace, event: &Event, syncs: usize) -> String {
    let node = match trace.text(event.node) {
        "" => "-",
        node => node,
    };
    let took = match event.took_nanos {
        0 => String::new(),
        nanos if nanos < 1_000_000 => format!("{:.3}ms", nanos as f64 / 1e6),
        nanos => seconds(Duration::from_nanos(nanos)) + "s",
    };
    let at = SimTime::from_nanos(event.at_nanos);
    let syncs = match syncs {
        0 => String::new(),
        1 => "  1 fsync".into(),
        more => format!("  {more} fsyncs"),
    };
    let text = format!("{at:>9}  {node:<8} {:<58} {took:>9}{syncs}", describe(trace, event));
    text.trim_end().to_string()
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
mod tests {
    use super::*;
    use expect_test::expect;
    use stormglass_core::{Keep, Recorder, Scope};

    fn trace() -> Trace {
        let recorder = Recorder::new(Keep::Events);
        let scope =
            Scope { node: recorder.symbol("node-1"), task: recorder.symbol("main"), ..Scope::default() };
        recorder.enter(scope);
        let ms = Duration::from_millis;
        let record = |at: u64, kind, subject: &str, took| {
            recorder.record(SimTime::from_nanos(at * 1_000_000), kind, recorder.symbol(subject), took, 0);
        };
        let deadline = ms(250).as_nanos() as u64;
        recorder.record(
            SimTime::ZERO,
            Kind::WaitBegin,
            recorder.symbol("admin on node-1"),
            Duration::ZERO,
            deadline,
        );
        record(1, Kind::Write, "/data/wal", ms(1));
        record(201, Kind::Fdatasync, "/data/wal", ms(200));
        record(201, Kind::Step, "open metadata database", ms(201));
        record(300, Kind::Tick, "raft tick", ms(100));
        record(320, Kind::Sleep, "join back-off", ms(119));
        record(320, Kind::WaitEnd, "admin on node-1", ms(320));
        recorder.finish()
    }

    /// Renders the timeline with its left edge visible.
    fn fenced(filter: &Filter) -> String {
        let trace = trace();
        render(&lines(&trace, filter), &deadlines(&trace, filter))
            .lines()
            .map(|line| format!("|{line}\n"))
            .collect()
    }

    #[test]
    fn story_omits_short_events() {
        expect![[r#"
            |     time  node     what                                                            took
            |   0.000s  node-1   … begins to wait for admin on node-1
            |   0.201s  node-1   ✓ open metadata database                                      0.201s  1 fsync
            |   0.250s  node-1   ✗ deadline of admin on node-1                                 0.250s
            |   0.320s  node-1     join back-off                                               0.119s
            |   0.320s  node-1   ✓ has waited for admin on node-1                              0.320s
        "#]]
        .assert_eq(&fenced(&Filter::default()));
    }

    #[test]
    fn nodes_kinds_and_from_select_events() {
        let (from, kinds) = (Some(SimTime::from_nanos(250_000_000)), vec![Kind::Tick, Kind::Write]);
        let shown = |nodes: &[&str]| {
            let nodes = nodes.iter().map(ToString::to_string).collect();
            fenced(&Filter { from, nodes, kinds: kinds.clone(), ..Filter::default() })
        };
        expect![[r#"
            |     time  node     what                                                            took
            |   0.300s  node-1     raft tick                                                   0.100s
        "#]]
        .assert_eq(&shown(&["node-2", "node-1"]));
        assert_eq!(shown(&["node-2"]).lines().count(), 1);
    }

    #[test]
    fn until_and_grep_filter_all_events() {
        let filter = Filter {
            detail: Detail::Everything,
            until: Some(SimTime::from_nanos(300_000_000)),
            grep: Some(Regex::new("wal|tick").unwrap()),
            ..Filter::default()
        };
        expect![[r#"
            |     time  node     what                                                            took
            |   0.001s  node-1     write /data/wal                                             0.001s
            |   0.201s  node-1     fdatasync /data/wal                                         0.200s
            |   0.300s  node-1     raft tick                                                   0.100s
        "#]]
        .assert_eq(&fenced(&filter));
    }
}
