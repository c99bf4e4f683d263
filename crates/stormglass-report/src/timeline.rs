//! The timeline of a run: one line per event with time, node, description and duration.

mod asides;
pub mod fold;
mod row;

pub use asides::{Aside, asides, describe_log, last_log_lines};
pub use row::Look;

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
mod tests {
    use super::*;
    use expect_test::expect;
    use stormglass_core::{EventId, Keep, LogKind, LogLine, Recorder, Scope};

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
        render(&lines(&trace, filter), &asides(&trace, filter), &Look::default())
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

    /// The trace with a log: two lines at 201 ms, after the two disk operations and before the step, and
    /// a span from 201 to 320 ms.
    fn logged() -> Trace {
        let mut trace = trace();
        let node = trace.events[0].node;
        let line = |at: u64, after: usize, level, text: &str, kind| LogLine {
            at: SimTime::from_nanos(at * 1_000_000),
            after: EventId::at(after - 1),
            cause: EventId::START,
            node,
            task: Symbol::NONE,
            level,
            target: "store".into(),
            message: text.into(),
            fields: vec![("bytes".into(), "512".into())],
            spans: vec!["open{db=1}".into()],
            kind,
        };
        let took = Duration::from_millis(119);
        trace.log = vec![
            line(201, 3, LogLevel::Warn, "the sync was slow", LogKind::Event),
            line(201, 3, LogLevel::Debug, "two\nlines", LogKind::Event),
            line(320, 7, LogLevel::Info, "join", LogKind::Span { took }),
        ];
        trace
    }

    fn shown(trace: &Trace, filter: &Filter, look: &Look) -> String {
        let text = render(&lines(trace, filter), &asides(trace, filter), look);
        text.lines().map(|line| format!("|{}\n", line.replace('\u{1b}', "␛"))).collect()
    }

    #[test]
    fn log_lines_are_between_the_events() {
        expect![[r#"
            |     time  node     what                                                            took
            |   0.000s  node-1   … begins to wait for admin on node-1
            |   0.201s  node-1    WARN store: open{db=1}: the sync was slow bytes=512
            |   0.201s  node-1   DEBUG store: open{db=1}: two ⏎ lines bytes=512
            |   0.201s  node-1   ✓ open metadata database                                      0.201s  1 fsync
            |   0.250s  node-1   ✗ deadline of admin on node-1                                 0.250s
            |   0.320s  node-1     join back-off                                               0.119s
            |   0.320s  node-1   ✓ has waited for admin on node-1                              0.320s
            |   0.320s  node-1    INFO store: open{db=1}: join{bytes=512}                      0.119s
        "#]].assert_eq(&shown(&logged(), &Filter::default(), &Look::default()));
    }

    #[test]
    fn a_level_and_the_kind_log_select_lines() {
        let filter = Filter { only_log: true, level: Some(LogLevel::Info), ..Filter::default() };
        expect![[r#"
            |     time  node     what                                                            took
            |   0.201s  node-1    WARN store: open{db=1}: the sync was slow bytes=512
            |   0.320s  node-1    INFO store: open{db=1}: join{bytes=512}                      0.119s
        "#]].assert_eq(&shown(&logged(), &filter, &Look::default()));
        let events = Filter { kinds: vec![Kind::Step], ..Filter::default() };
        assert!(!shown(&logged(), &events, &Look::default()).contains("slow"));
    }

    #[test]
    fn what_is_around_an_event_has_numbers_and_a_mark() {
        let filter = Filter { around: Some(3), ..Filter::default() };
        let look = Look { marked: Some(3), ..Look::default() };
        expect![[r#"
            |  event       time  node     what                                                            took
            |      1     0.000s  node-1   … begins to wait for admin on node-1
            |      2     0.001s  node-1     write /data/wal                                             0.001s
            |▶     3     0.201s  node-1     fdatasync /data/wal                                         0.200s
            |            0.201s  node-1    WARN store: open{db=1}: the sync was slow bytes=512
            |            0.201s  node-1   DEBUG store: open{db=1}: two ⏎ lines bytes=512
            |      4     0.201s  node-1   ✓ open metadata database                                      0.201s  1 fsync
            |            0.250s  node-1   ✗ deadline of admin on node-1                                 0.250s
            |      5     0.300s  node-1     raft tick                                                   0.100s
            |      6     0.320s  node-1     join back-off                                               0.119s
            |      7     0.320s  node-1   ✓ has waited for admin on node-1                              0.320s
            |            0.320s  node-1    INFO store: open{db=1}: join{bytes=512}                      0.119s
        "#]].assert_eq(&shown(&logged(), &filter, &look));
    }

    #[test]
    fn around_shows_fifteen_events_on_both_sides() {
        let recorder = Recorder::new(Keep::Events);
        for at in 0..100 {
            recorder.record(SimTime::from_nanos(at), Kind::Tick, recorder.symbol("tick"), Duration::ZERO, 0);
        }
        let filter = Filter { around: Some(50), ..Filter::default() };
        let numbers: Vec<usize> =
            lines(&recorder.finish(), &filter).iter().map(|line| line.index + 1).collect();
        assert_eq!(numbers, (35..=65).collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_as_long_as_the_terminal_is_wide() {
        let look = Look { width: Some(60), ..Look::default() };
        let text = shown(&logged(), &Filter { detail: Detail::Everything, ..Filter::default() }, &look);
        assert!(text.lines().all(|line| line.chars().count() <= 61), "{text}");
        expect![[r#"
            |     time  node     what                                took
            |   0.000s  node-1   … begins to wait for admin on node-1
            |   0.001s  node-1     write /data/wal                 0.001s
            |   0.201s  node-1     fdatasync /data/wal             0.200s
            |   0.201s  node-1    WARN store: open{db=1}: the sync was s…
            |   0.201s  node-1   DEBUG store: open{db=1}: two ⏎ lines by…
            |   0.201s  node-1   ✓ open metadata data…    0.201s  1 fsync
            |   0.250s  node-1   ✗ deadline of admin on node-1     0.250s
            |   0.300s  node-1     raft tick                       0.100s
            |   0.320s  node-1     join back-off                   0.119s
            |   0.320s  node-1   ✓ has waited for admin on nod…    0.320s
            |   0.320s  node-1    INFO store: open{db=1}: join…    0.119s
        "#]].assert_eq(&text);
    }

    #[test]
    fn what_stands_out_has_a_colour() {
        let look = Look { has_colours: true, ..Look::default() };
        expect![[r#"
            |     time  node     what                                                            took
            |␛[1m␛[36m   0.000s  node-1   … begins to wait for admin on node-1␛[0m
            |␛[33m   0.201s  node-1    WARN store: open{db=1}: the sync was slow bytes=512␛[0m
            |␛[2m   0.201s  node-1   DEBUG store: open{db=1}: two ⏎ lines bytes=512␛[0m
            |␛[32m   0.201s  node-1   ✓ open metadata database                                      0.201s  1 fsync␛[0m
            |␛[1m␛[31m   0.250s  node-1   ✗ deadline of admin on node-1                                 0.250s␛[0m
            |␛[2m   0.320s  node-1     join back-off                                               0.119s␛[0m
            |␛[1m␛[36m   0.320s  node-1   ✓ has waited for admin on node-1                              0.320s␛[0m
            |   0.320s  node-1    INFO store: open{db=1}: join{bytes=512}                      0.119s
        "#]].assert_eq(&shown(&logged(), &Filter::default(), &look));
    }
}
