//! Snapshots of timelines.

use super::*;
use expect_test::expect;
use stormglass_core::{EventId, Keep, LogKind, LogLine, Recorder, Scope};

fn trace() -> Trace {
    let recorder = Recorder::new(Keep::Events);
    let scope = Scope { node: recorder.symbol("node-1"), task: recorder.symbol("main"), ..Scope::default() };
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
    "#]]
    .assert_eq(&shown(&logged(), &Filter::default(), &Look::default()));
}

#[test]
fn a_level_and_the_kind_log_select_lines() {
    let filter = Filter { only_log: true, level: Some(LogLevel::Info), ..Filter::default() };
    expect![[r#"
        |     time  node     what                                                            took
        |   0.201s  node-1    WARN store: open{db=1}: the sync was slow bytes=512
        |   0.320s  node-1    INFO store: open{db=1}: join{bytes=512}                      0.119s
    "#]]
    .assert_eq(&shown(&logged(), &filter, &Look::default()));
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
    let numbers: Vec<usize> = lines(&recorder.finish(), &filter).iter().map(|line| line.index + 1).collect();
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
    "#]]
    .assert_eq(&text);
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
