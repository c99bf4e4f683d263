//! The trace of a run in Chrome's trace event format, which <https://ui.perfetto.dev> opens.
//!
//! A node is a process of the trace, a task a thread of it; operations are slices, causes from
//! another task are flow arrows, log lines are instants on the thread of their task, and the operations in
//! a disk's queue and the messages in transit to a node are counters. Format: "Trace Event Format" by
//! Google, sections "Complete Events", "Flow Events", "Instant Events" and "Counter Events". Times are
//! microseconds.

use crate::lanes::Lanes;
use crate::timeline::{describe, describe_log};
use indexmap::IndexMap;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use stormglass_core::event::Category;
use stormglass_core::{Event, EventId, Kind, LogKind, LogLine, Symbol, Trace};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    display_time_unit: &'static str,
    trace_events: Vec<Entry>,
}

/// An entry of the trace: its phase `ph` says which of the optional fields it has.
#[derive(Serialize)]
struct Entry {
    ph: char,
    name: String,
    pid: usize,
    tid: usize,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    /// `e`: a flow ends at the slice that encloses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<char>,
    /// `t`: an instant is drawn on its thread alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<serde_json::Value>,
}

/// Renders the trace as JSON.
///
/// # Panics
///
/// Never: a trace is plain data.
pub fn json(trace: &Trace) -> String {
    let lanes = Lanes::of(trace);
    let tracks = Tracks::of(trace, &lanes);
    let mut entries = tracks.names(&lanes);
    for (index, event) in trace.events.iter().enumerate() {
        entries.push(slice(trace, index, event, tracks.of_event[index]));
        let cause = event.cause.index().filter(|&cause| is_other_task(&trace.events[cause], event));
        entries.extend(cause.into_iter().flat_map(|cause| flow(trace, cause, index, &tracks)));
    }
    entries.extend(trace.log.iter().map(|line| instant(line, &tracks)));
    let disks = |event: &Event| matches!(event.kind.category(), Category::Disk | Category::Sync);
    entries.extend(counter(trace, &lanes, "disk queue", "operations", disks));
    entries.extend(counter(trace, &lanes, "in transit", "messages", |event| event.kind == Kind::Deliver));
    let document = Document { display_time_unit: "ms", trace_events: entries };
    serde_json::to_string(&document).expect("a trace is plain data")
}

/// The process of the trace for a lane; 0 is that of events of no node.
fn process(lanes: &Lanes, node: Symbol) -> usize {
    lanes.of_symbol.get(&node).map_or(0, |lane| lane + 1)
}

fn is_other_task(cause: &Event, event: &Event) -> bool {
    (cause.node, cause.task) != (event.node, event.task)
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

/// Returns when an event began and ended. An instant lasts 1 ns, because flows need a slice.
fn span(event: &Event) -> (u64, u64) {
    match event.took_nanos {
        0 => (event.at_nanos, event.at_nanos + 1),
        took => (event.at_nanos - took.min(event.at_nanos), event.at_nanos),
    }
}

/// The threads of the trace. The slices of a thread must be nested, so a task whose operations
/// overlap has several.
struct Tracks {
    /// The process and thread of each event.
    of_event: Vec<(usize, usize)>,
    /// The name of each thread.
    threads: Vec<(usize, String)>,
    /// The process and the first thread of each task.
    of_task: BTreeMap<(Symbol, Symbol), (usize, usize)>,
}

/// A thread while its slices are placed.
struct Thread {
    number: usize,
    /// The ends of the slices that enclose the next one.
    open: Vec<u64>,
}

impl Tracks {
    fn of(trace: &Trace, lanes: &Lanes) -> Tracks {
        let mut order: Vec<usize> = (0..trace.events.len()).collect();
        order.sort_by_key(|&index| {
            let (from, to) = span(&trace.events[index]);
            (from, Reverse(to), index)
        });
        // The threads of each task.
        let mut tasks: BTreeMap<(Symbol, Symbol), Vec<Thread>> = BTreeMap::new();
        let (of_event, threads, of_task) = (vec![(0, 0); trace.events.len()], Vec::new(), BTreeMap::new());
        let mut tracks = Tracks { of_event, threads, of_task };
        for index in order {
            let event = &trace.events[index];
            let (from, to) = span(event);
            let own = tasks.entry((event.node, event.task)).or_default();
            let nests = |thread: &mut Thread| {
                while thread.open.last().is_some_and(|&end| end <= from) {
                    thread.open.pop();
                }
                thread.open.last().is_none_or(|&end| to <= end)
            };
            let place = own.iter_mut().position(nests).unwrap_or_else(|| {
                let name = match own.len() {
                    0 => thread_name(trace, event.task),
                    more => format!("{} ({})", thread_name(trace, event.task), more + 1),
                };
                tracks.threads.push((process(lanes, event.node), name));
                own.push(Thread { number: tracks.threads.len(), open: Vec::new() });
                own.len() - 1
            });
            own[place].open.push(to);
            tracks.of_event[index] = (process(lanes, event.node), own[place].number);
            let first = (process(lanes, event.node), own[0].number);
            tracks.of_task.insert((event.node, event.task), first);
        }
        // Tasks that log and have no event.
        for line in &trace.log {
            let Tracks { threads, of_task, .. } = &mut tracks;
            of_task.entry((line.node, line.task)).or_insert_with(|| {
                let process = process(lanes, line.node);
                threads.push((process, thread_name(trace, line.task)));
                (process, threads.len())
            });
        }
        tracks
    }

    /// Returns the entries that name processes and threads.
    fn names(&self, lanes: &Lanes) -> Vec<Entry> {
        let named = |name: &str, pid, tid, args| Entry {
            ph: 'M',
            name: name.into(),
            pid,
            tid,
            ts: 0.0,
            dur: None,
            cat: None,
            id: None,
            bp: None,
            s: None,
            args: Some(args),
        };
        let nodes = lanes.names.iter().enumerate().flat_map(|(lane, name)| {
            let args = serde_json::json!({ "name": name });
            let order = serde_json::json!({ "sort_index": lane });
            [named("process_name", lane + 1, 0, args), named("process_sort_index", lane + 1, 0, order)]
        });
        let threads = self.threads.iter().enumerate().map(|(index, (pid, name))| {
            named("thread_name", *pid, index + 1, serde_json::json!({ "name": name }))
        });
        nodes.chain(threads).collect()
    }
}

fn thread_name(trace: &Trace, task: Symbol) -> String {
    match trace.text(task) {
        "" => "kernel".into(),
        task => task.into(),
    }
}

/// Returns a log line as an instant of its task, with its level, target, fields and spans.
fn instant(line: &LogLine, tracks: &Tracks) -> Entry {
    let (pid, tid) = tracks.of_task[&(line.node, line.task)];
    let mut args = serde_json::json!({
        "level": line.level.name(),
        "target": line.target,
        "message": line.message,
        "after event": line.after.number(),
        "cause": line.cause.number(),
    });
    let object = args.as_object_mut().expect("it is one");
    if !line.fields.is_empty() {
        let fields: serde_json::Map<String, serde_json::Value> =
            line.fields.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        object.insert("fields".into(), fields.into());
    }
    if !line.spans.is_empty() {
        object.insert("spans".into(), line.spans.clone().into());
    }
    if line.kind != LogKind::Event {
        object.insert("took".into(), format!("{:.6}s", line.kind.took().as_secs_f64()).into());
    }
    Entry {
        ph: 'i',
        name: describe_log(line).trim_start().into(),
        pid,
        tid,
        ts: micros(line.at.as_nanos()),
        dur: None,
        cat: Some("log"),
        id: None,
        bp: None,
        s: Some('t'),
        args: Some(args),
    }
}

fn slice(trace: &Trace, index: usize, event: &Event, (pid, tid): (usize, usize)) -> Entry {
    let (from, to) = span(event);
    let args = serde_json::json!({
        "event": index + 1,
        "kind": event.kind.name(),
        "subject": trace.text(event.subject),
        "value": event.value,
        "cause": event.cause.number(),
    });
    Entry {
        ph: 'X',
        name: describe(trace, event).trim_start().into(),
        pid,
        tid,
        ts: micros(from),
        dur: Some(micros(to - from)),
        cat: Some(event.kind.category().name()),
        id: None,
        bp: None,
        s: None,
        args: Some(args),
    }
}

/// Returns the arrow from the end of a cause to its effect: two entries of the same number. The
/// start lies 1 ns before the cause's end, to be within its slice.
fn flow(trace: &Trace, cause: usize, effect: usize, tracks: &Tracks) -> [Entry; 2] {
    let (_, ended) = span(&trace.events[cause]);
    let (from, to) = span(&trace.events[effect]);
    let id = EventId::at(effect).number();
    let end = |ph, event: usize, nanos, bp| {
        let (pid, tid) = tracks.of_event[event];
        Entry {
            ph,
            name: "cause".into(),
            pid,
            tid,
            ts: micros(nanos),
            dur: None,
            cat: Some("cause"),
            id: Some(id),
            bp,
            s: None,
            args: None,
        }
    };
    // What began before its cause ended has waited for it; the arrow must not go back in time.
    let arrives = from.max(ended - 1).min(to - 1);
    [end('s', cause, ended - 1, None), end('f', effect, arrives, Some('e'))]
}

/// Returns a counter for each node: how many of the selected operations are under way.
fn counter(
    trace: &Trace,
    lanes: &Lanes,
    name: &str,
    unit: &str,
    is_counted: impl Fn(&Event) -> bool,
) -> Vec<Entry> {
    let mut changes: IndexMap<usize, Vec<(u64, i64)>> = IndexMap::new();
    for event in trace.events.iter().filter(|event| event.took_nanos > 0 && is_counted(event)) {
        let (from, to) = span(event);
        changes.entry(process(lanes, event.node)).or_default().extend([(from, 1), (to, -1)]);
    }
    let mut entries = Vec::new();
    for (pid, mut changes) in changes {
        changes.sort_unstable();
        let mut count = 0;
        for (index, &(at, change)) in changes.iter().enumerate() {
            count += change;
            if changes.get(index + 1).is_some_and(|next| next.0 == at) {
                continue;
            }
            let args = BTreeMap::from([(unit, count)]);
            entries.push(Entry {
                ph: 'C',
                name: name.into(),
                pid,
                tid: 0,
                ts: micros(at),
                dur: None,
                cat: None,
                id: None,
                bp: None,
                s: None,
                args: Some(serde_json::json!(args)),
            });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::time::Duration;
    use stormglass_core::{Keep, LogLevel, Recorder, Scope, SimTime};

    /// A client sends to a server, whose two syncs overlap: 2 to 6 µs and 4 to 8 µs.
    fn entries() -> Vec<Value> {
        let recorder = Recorder::new(Keep::Events);
        let scope = |node: &str, task: &str, cause| Scope {
            node: recorder.symbol(node),
            task: recorder.symbol(task),
            cause,
            ..Scope::default()
        };
        let record = |scope, at: u64, kind, subject: &str, took| {
            let (at, took) = (SimTime::from_nanos(at * 1_000), Duration::from_micros(took));
            recorder.record_in(scope, at, kind, recorder.symbol(subject), took, 0)
        };
        let sent = record(scope("client", "main", EventId::START), 1, Kind::Send, "client -> server", 0);
        let arrived = record(scope("server", "", sent), 2, Kind::Deliver, "client -> server", 1);
        record(scope("server", "main", arrived), 6, Kind::Fsync, "/a", 4);
        let last = record(scope("server", "main", arrived), 8, Kind::Fsync, "/b", 4);
        record(scope("server", "main", last), 9, Kind::Note, "done", 0);
        // The task `flusher` has no event.
        for (task, at) in [("main", 7), ("flusher", 9)] {
            let Scope { node, task, .. } = scope("server", task, last);
            recorder.record_log(|after| LogLine {
                at: SimTime::from_nanos(at * 1_000),
                after,
                cause: last,
                node,
                task,
                level: LogLevel::Warn,
                target: "store".into(),
                message: "is slow".into(),
                fields: vec![("took".into(), "4us".into())],
                spans: vec!["request{id=7}".into()],
                kind: LogKind::Event,
            });
        }
        let parsed: Value = serde_json::from_str(&json(&recorder.finish())).unwrap();
        parsed["traceEvents"].as_array().unwrap().clone()
    }

    fn of_phase<'a>(entries: &'a [Value], ph: &str) -> Vec<&'a Value> {
        entries.iter().filter(|entry| entry["ph"] == ph).collect()
    }

    #[test]
    fn flows_pair_up_and_lie_within_slices() {
        let entries = entries();
        let (starts, ends) = (of_phase(&entries, "s"), of_phase(&entries, "f"));
        // From the sending to the arrival, and from the arrival to both syncs; the note is caused by
        // its own task.
        assert_eq!(starts.len(), 3);
        let ids = |flows: &[&Value]| flows.iter().map(|flow| flow["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&starts), ids(&ends));
        for (start, end) in starts.iter().zip(&ends) {
            assert!(start["ts"].as_f64() <= end["ts"].as_f64(), "{start} {end}");
        }
        let slices = of_phase(&entries, "X");
        for flow in starts.iter().chain(&ends) {
            let at = flow["ts"].as_f64().unwrap();
            let encloses = |slice: &&&Value| {
                let (ts, dur) = (slice["ts"].as_f64().unwrap(), slice["dur"].as_f64().unwrap());
                slice["pid"] == flow["pid"] && slice["tid"] == flow["tid"] && ts <= at && at < ts + dur
            };
            assert_eq!(slices.iter().filter(encloses).count(), 1, "{flow}");
        }
    }

    #[test]
    fn operations_that_overlap_have_threads_of_their_own() {
        let entries = entries();
        let names = of_phase(&entries, "M");
        let names: Vec<&str> = names.iter().filter_map(|entry| entry["args"]["name"].as_str()).collect();
        assert_eq!(names, ["client", "server", "kernel", "main", "main", "main (2)", "flusher"]);
    }

    #[test]
    fn log_lines_are_instants_on_the_thread_of_their_task() {
        let entries = entries();
        let names = of_phase(&entries, "M");
        let thread = |entry: &Value| {
            let is_it = |name: &&&Value| {
                name["name"] == "thread_name" && name["pid"] == entry["pid"] && name["tid"] == entry["tid"]
            };
            names.iter().find(is_it).unwrap()["args"]["name"].as_str().unwrap()
        };
        let lines = of_phase(&entries, "i");
        let shown: Vec<_> =
            lines.iter().map(|line| (thread(line), line["ts"].as_f64().unwrap(), &line["s"])).collect();
        assert_eq!(shown, [("main", 7.0, &"t".into()), ("flusher", 9.0, &"t".into())]);
        let wanted = serde_json::json!({
            "level": "warn",
            "target": "store",
            "message": "is slow",
            "fields": { "took": "4us" },
            "spans": ["request{id=7}"],
            "after event": 5,
            "cause": 4,
        });
        assert_eq!(
            (&lines[0]["name"], &lines[0]["args"]),
            (&"WARN store: request{id=7}: is slow took=4us".into(), &wanted)
        );
    }

    /// Operations under way: 1 from 2 µs, 2 from 4 µs, 1 from 6 µs, 0 from 8 µs.
    #[test]
    fn the_disk_queue_is_a_counter() {
        let entries = entries();
        let counters = of_phase(&entries, "C");
        let disk = counters.iter().filter(|counter| counter["name"] == "disk queue");
        let shown: Vec<_> = disk
            .map(|counter| (counter["ts"].as_f64().unwrap(), counter["args"]["operations"].as_i64().unwrap()))
            .collect();
        assert_eq!(shown, [(2.0, 1), (4.0, 2), (6.0, 1), (8.0, 0)]);
    }
}
