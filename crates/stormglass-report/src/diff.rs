//! The difference of two runs: their waits side by side, where the lost time went, and what one did that the
//! other did not.
//!
//! Events are aligned task by task: a task's events of one run with those of the task of the same name on the
//! same node of the other, by kind and subject (`align`). So an event that only one run has moves no other,
//! and tasks that run in another order differ in nothing.

mod align;

use crate::explain::Explanation;
use crate::table;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use stormglass_core::event::Category;
use stormglass_core::{Event, Kind, Length, Outcome, SimTime, Trace, Wait};

/// A run to compare: its trace with its events, and its outcome.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What it is called: `seed 3`.
    pub name: &'a str,
    /// The trace.
    pub trace: &'a Trace,
    /// How it ended.
    pub outcome: &'a Outcome,
}

/// The difference of two runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// What the runs are called.
    pub names: [String; 2],
    /// Their verdicts.
    pub verdicts: [String; 2],
    /// The number of their events.
    pub events: [usize; 2],
    /// The number of events that are aligned with one of the other run.
    pub aligned: usize,
    /// The waits, side by side.
    pub waits: Vec<WaitPair>,
    /// Where the time of the wait went whose length differs most.
    pub time: Option<TimeDiff>,
    /// What only one run did, the most frequent first.
    pub only: Vec<Only>,
    /// The aligned events whose lengths differ most, the largest difference first.
    pub longer: Vec<Longer>,
}

/// A wait in both runs; the n-th of its name on its node in each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitPair {
    /// The name.
    pub name: String,
    /// The node that is waited for.
    pub node: String,
    /// The length in seconds in each run; `None` if that run has no such wait.
    pub seconds: [Option<f64>; 2],
    /// Whether it exceeded its deadline in each run.
    pub exceeded: [bool; 2],
    /// Whether it ended in each run.
    pub ended: [bool; 2],
}

/// The time on the critical paths of one wait in both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeDiff {
    /// The wait: `admin on node-1`.
    pub wait: String,
    /// The seconds by category, in each run; without categories that neither has.
    pub categories: Vec<(&'static str, [f64; 2])>,
    /// The reasons whose seconds differ most, the largest difference first.
    pub reasons: Vec<(String, [f64; 2])>,
}

/// Something that one run did more often.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Only {
    /// The node.
    pub node: String,
    /// The kind and the subject.
    pub what: String,
    /// How often each run did it without a counterpart in the other.
    pub counts: [usize; 2],
    /// When the first of them was over, in seconds.
    pub first: f64,
}

/// An event that took another time in the other run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Longer {
    /// The node.
    pub node: String,
    /// The kind and the subject.
    pub what: String,
    /// The numbers of the event in each run, from 1.
    pub events: [usize; 2],
    /// When it was over in each run, in seconds.
    pub at: [f64; 2],
    /// How long it took in each run, in seconds.
    pub took: [f64; 2],
}

/// At most so many rows of each list are shown.
const SHOWN: usize = 12;

/// Events whose lengths differ by less are not listed.
const LEAST: Duration = Duration::from_millis(1);

impl Diff {
    /// Compares two runs whose events were kept.
    pub fn of(first: &Side<'_>, second: &Side<'_>) -> Diff {
        let aligned = pairs(first.trace, second.trace);
        let (only, longer) = events(first.trace, second.trace, &aligned);
        let waits = waits(&first.outcome.waits, &second.outcome.waits);
        Diff {
            names: [first, second].map(|side| side.name.to_string()),
            verdicts: [first, second].map(|side| side.outcome.verdict.to_string()),
            events: [first, second].map(|side| side.trace.events.len()),
            aligned: aligned.len(),
            time: time(first, second, &waits),
            waits: waits.into_iter().map(|(pair, _)| pair).collect(),
            only,
            longer,
        }
    }

    /// Renders the difference for a terminal, without the first event that differs: the verdicts, and the
    /// rest.
    pub fn render_parts(&self) -> (String, String) {
        let [one, other] = &self.names;
        let verdicts = format!("{one}: {}\n{other}: {}\n", self.verdicts[0], self.verdicts[1]);
        let mut text = self.waits_table();
        if let Some(time) = &self.time {
            text += &time.render(&self.names);
        }
        if !self.only.is_empty() {
            let _ = writeln!(text, "\nWhat one did that the other did not:\n");
            let mut table = table::numbers(["on", one, other, "first"].map(String::from));
            for Only { node, what, counts, first } in self.only.iter().take(SHOWN) {
                let count = |count: usize| if count == 0 { String::new() } else { format!("{count} ×") };
                table.add_row([
                    format!("{node}: {what}"),
                    count(counts[0]),
                    count(counts[1]),
                    format!("{first:.3} s"),
                ]);
            }
            text += &table::text(&table);
            if self.only.len() > SHOWN {
                let _ = writeln!(text, " and {} more", self.only.len() - SHOWN);
            }
        }
        if !self.longer.is_empty() {
            let _ = writeln!(text, "\nWhat both did, and took another time:\n");
            let mut table = table::numbers(["on", one, other, "difference"].map(String::from));
            for Longer { node, what, took, .. } in self.longer.iter().take(SHOWN) {
                table.add_row([
                    format!("{node}: {what}"),
                    format!("{:.3} s", took[0]),
                    format!("{:.3} s", took[1]),
                    signed(took[1] - took[0]),
                ]);
            }
            text += &table::text(&table);
        }
        let [a, b] = self.events;
        let _ = writeln!(text, "\n{} of {a} and {b} events are in both runs", self.aligned);
        (verdicts, text)
    }

    fn waits_table(&self) -> String {
        if self.waits.is_empty() {
            return String::new();
        }
        let [one, other] = &self.names;
        let mut table = table::numbers(["wait", one, other, "difference"].map(String::from));
        for pair in &self.waits {
            let cell = |side: usize| match pair.seconds[side] {
                None => "–".to_string(),
                Some(length) => {
                    let more = if pair.ended[side] { "" } else { ">" };
                    format!("{}{more}{length:.3} s", if pair.exceeded[side] { "✗ " } else { "" })
                }
            };
            let difference = match pair.seconds {
                [Some(a), Some(b)] => signed(b - a),
                _ => String::new(),
            };
            table.add_row([format!("{} on {}", pair.name, pair.node), cell(0), cell(1), difference]);
        }
        format!("\n{}", table::text(&table))
    }
}

impl TimeDiff {
    fn render(&self, names: &[String; 2]) -> String {
        let [one, other] = names;
        let mut text = format!("\nWhere the time of {} went:\n\n", self.wait);
        let mut table = table::numbers(["", one, other, "difference"].map(String::from));
        let mut row = |what: &str, [a, b]: [f64; 2]| {
            table.add_row([what.to_string(), format!("{a:.3} s"), format!("{b:.3} s"), signed(b - a)]);
        };
        self.categories.iter().for_each(|(category, both)| row(category, *both));
        let sum = |side: usize| self.categories.iter().map(|(_, both)| both[side]).sum();
        row("sum", [sum(0), sum(1)]);
        self.reasons.iter().take(SHOWN).for_each(|(reason, both)| row(reason, *both));
        text += &table::text(&table);
        text
    }
}

/// Returns seconds with their sign.
fn signed(seconds: f64) -> String {
    // No −0.000.
    let seconds = if seconds.abs() < 0.000_5 { 0.0 } else { seconds };
    format!("{seconds:+.3} s")
}

/// Returns the pairs of indexes of aligned events.
fn pairs(first: &Trace, second: &Trace) -> Vec<(usize, usize)> {
    let [mut one, mut other] = [first, second].map(lanes);
    let mut all = Vec::new();
    for (lane, events) in &mut one {
        let Some(others) = other.get_mut(lane) else { continue };
        let key = |trace: &Trace, index: usize| {
            let event = &trace.events[index];
            (event.kind, trace.text(event.subject).to_string())
        };
        let keys = events.iter().map(|&index| key(first, index)).collect::<Vec<_>>();
        let other_keys = others.iter().map(|&index| key(second, index)).collect::<Vec<_>>();
        all.extend(align::align(&keys, &other_keys).into_iter().map(|(i, j)| (events[i], others[j])));
    }
    all.sort_unstable();
    all
}

/// Returns the indexes of the events of each task of each node.
fn lanes(trace: &Trace) -> BTreeMap<(&str, &str), Vec<usize>> {
    let mut lanes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, event) in trace.events.iter().enumerate() {
        lanes.entry((trace.text(event.node), trace.text(event.task))).or_default().push(index);
    }
    lanes
}

/// Returns what only one run did, and what both did in another time.
fn events(first: &Trace, second: &Trace, aligned: &[(usize, usize)]) -> (Vec<Only>, Vec<Longer>) {
    let mut only: BTreeMap<(&str, String), ([usize; 2], u64)> = BTreeMap::new();
    for (side, trace) in [first, second].into_iter().enumerate() {
        let mut has_partner = vec![false; trace.events.len()];
        for &(i, j) in aligned {
            has_partner[if side == 0 { i } else { j }] = true;
        }
        let alone = trace.events.iter().zip(has_partner).filter(|(_, has_partner)| !has_partner);
        for (event, _) in alone {
            let key = (trace.text(event.node), what(trace, event));
            let (counts, at) = only.entry(key).or_insert(([0; 2], event.at_nanos));
            counts[side] += 1;
            *at = (*at).min(event.at_nanos);
        }
    }
    let of_only = |((node, what), (counts, at)): ((&str, String), ([usize; 2], u64))| Only {
        node: node.to_string(),
        what,
        counts,
        first: SimTime::from_nanos(at).as_secs_f64(),
    };
    let mut only: Vec<Only> = only.into_iter().map(of_only).collect();
    // What both did as often, at other places of their tasks, is no difference for people.
    only.retain(|only| only.counts[0] != only.counts[1]);
    only.sort_by_key(|only| std::cmp::Reverse(only.counts[0].abs_diff(only.counts[1])));
    let of_longer = |&(i, j): &(usize, usize)| {
        let (a, b) = (&first.events[i], &second.events[j]);
        let seconds = |nanos: u64| SimTime::from_nanos(nanos).as_secs_f64();
        Longer {
            node: first.text(a.node).to_string(),
            what: what(first, a),
            events: [i + 1, j + 1],
            at: [seconds(a.at_nanos), seconds(b.at_nanos)],
            took: [seconds(a.took_nanos), seconds(b.took_nanos)],
        }
    };
    let difference =
        |&(i, j): &(usize, usize)| first.events[i].took_nanos.abs_diff(second.events[j].took_nanos);
    // A wait and a step are as long as what is in them, which is listed itself.
    let is_listed = |pair: &&(usize, usize)| {
        let kind = first.events[pair.0].kind;
        !matches!(kind, Kind::Step | Kind::WaitEnd) && u128::from(difference(pair)) >= LEAST.as_nanos()
    };
    let mut longer: Vec<&(usize, usize)> = aligned.iter().filter(is_listed).collect();
    longer.sort_by_key(|pair| std::cmp::Reverse(difference(pair)));
    (only, longer.into_iter().take(4 * SHOWN).map(of_longer).collect())
}

fn what(trace: &Trace, event: &Event) -> String {
    let subject = trace.text(event.subject);
    match event.kind {
        Kind::Sleep | Kind::Tick | Kind::Note | Kind::Step => subject.to_string(),
        Kind::Compute => format!("cpu: {subject}"),
        kind => format!("{kind} {subject}"),
    }
}

/// Returns the waits side by side, with the waits themselves.
fn waits<'a>(first: &'a [Wait], second: &'a [Wait]) -> Vec<(WaitPair, [Option<&'a Wait>; 2])> {
    let mut all: Vec<(WaitPair, [Option<&Wait>; 2])> = Vec::new();
    for (side, waits) in [first, second].into_iter().enumerate() {
        for wait in waits {
            let is_it = |(pair, found): &(WaitPair, [Option<&Wait>; 2])| {
                pair.name == wait.name && pair.node == wait.node && found[side].is_none()
            };
            let place = all.iter().position(is_it).unwrap_or_else(|| {
                let (name, node) = (wait.name.clone(), wait.node.clone());
                let (seconds, exceeded, ended) = ([None; 2], [false; 2], [false; 2]);
                all.push((WaitPair { name, node, seconds, exceeded, ended }, [None; 2]));
                all.len() - 1
            });
            let (pair, found) = &mut all[place];
            pair.seconds[side] = Some(wait.length.duration().as_secs_f64());
            pair.exceeded[side] = wait.exceeded();
            pair.ended[side] = matches!(wait.length, Length::Observed(_));
            found[side] = Some(wait);
        }
    }
    all
}

/// Returns where the time of the wait went whose length differs most.
fn time(first: &Side<'_>, second: &Side<'_>, waits: &[(WaitPair, [Option<&Wait>; 2])]) -> Option<TimeDiff> {
    let both = waits.iter().filter_map(|(pair, found)| match found {
        [Some(a), Some(b)] => Some((pair, *a, *b)),
        _ => None,
    });
    let (pair, a, b) = both.max_by_key(|(_, a, b)| a.length.duration().abs_diff(b.length.duration()))?;
    if a.length == b.length {
        return None;
    }
    let (one, other) = (Explanation::of(first.trace, a)?, Explanation::of(second.trace, b)?);
    let (sums, other_sums) = (one.by_category(), other.by_category());
    let of = |sums: &BTreeMap<Category, Duration>, category| {
        sums.get(&category).map_or(0.0, Duration::as_secs_f64)
    };
    let categories = Category::ALL
        .into_iter()
        .map(|category| (category.name(), [of(&sums, category), of(&other_sums, category)]));
    let mut reasons: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for (side, explanation) in [&one, &other].into_iter().enumerate() {
        for reason in explanation.reasons() {
            reasons.entry(reason.what.clone()).or_default()[side] += reason.seconds;
        }
    }
    let mut reasons: Vec<(String, [f64; 2])> = reasons.into_iter().collect();
    let lost = |[a, b]: [f64; 2]| (b - a).abs();
    reasons.retain(|(_, both)| lost(*both) >= 0.000_5);
    reasons.sort_by(|a, b| lost(b.1).total_cmp(&lost(a.1)));
    Some(TimeDiff {
        wait: format!("{} on {}", pair.name, pair.node),
        categories: categories.filter(|(_, both)| both.iter().any(|&sum| sum >= 0.000_5)).collect(),
        reasons,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use stormglass_core::{EventId, Keep, Recorder, Scope, Verdict};

    /// A node that syncs its log after each of `syncs` writes, in so many milliseconds each; another task
    /// that ticks.
    fn run(syncs: &[u64], extra: bool) -> (Trace, Outcome) {
        let recorder = Recorder::new(Keep::Events);
        let scope = |task: &str| Scope {
            node: recorder.symbol("node-1"),
            task: recorder.symbol(task),
            ..Scope::default()
        };
        let (main, ticker) = (scope("main"), scope("ticker"));
        let ms = Duration::from_millis;
        let mut now = 0;
        for (number, &sync) in syncs.iter().enumerate() {
            recorder.enter(main);
            now += sync;
            let at = SimTime::from_nanos(now * 1_000_000);
            recorder.record(at, Kind::Write, recorder.symbol("/log"), Duration::ZERO, 10);
            recorder.record(at, Kind::Fsync, recorder.symbol("/log"), ms(sync), 0);
            if extra && number == 1 {
                recorder.record(at, Kind::Note, recorder.symbol("rotates the log"), Duration::ZERO, 0);
            }
            recorder.enter(ticker);
            recorder.record(at, Kind::Tick, recorder.symbol("tick"), Duration::ZERO, 0);
        }
        recorder.enter(main);
        let at = SimTime::from_nanos(now * 1_000_000);
        let end = recorder.record_in(
            Scope { cause: EventId::at(recorder.count() as usize - 2), ..main },
            at,
            Kind::WaitEnd,
            recorder.symbol("writes on node-1"),
            ms(now),
            0,
        );
        let wait = Wait {
            name: "writes".into(),
            node: "node-1".into(),
            began: SimTime::ZERO,
            deadline: ms(100),
            parameter: None,
            length: Length::Observed(ms(now)),
            end,
        };
        let trace = recorder.finish();
        let waits = vec![wait];
        let outcome = Outcome {
            verdict: Verdict::of_waits(&waits, at),
            waits,
            counters: trace.counters.clone(),
            events: trace.count,
            trace_hash: trace.hash,
            ended: at,
            sometimes: BTreeMap::new(),
            too_few: None,
        };
        (trace, outcome)
    }

    fn diff(one: &(Trace, Outcome), other: &(Trace, Outcome)) -> Diff {
        let side = |name, run: &'_ (Trace, Outcome)| (name, run.clone());
        let (a, b) = (side("seed 1", one), side("seed 2", other));
        Diff::of(
            &Side { name: a.0, trace: &a.1.0, outcome: &a.1.1 },
            &Side { name: b.0, trace: &b.1.0, outcome: &b.1.1 },
        )
    }

    /// An event that only one run has, in the middle, leaves all 10 others aligned.
    #[test]
    fn an_inserted_event_is_the_only_difference() {
        let found = diff(&run(&[5, 5, 5], false), &run(&[5, 5, 5], true));
        assert_eq!((found.events, found.aligned), ([10, 11], 10));
        let only = &found.only[0];
        assert_eq!((found.only.len(), &*only.what, only.counts), (1, "rotates the log", [0, 1]));
        assert!(found.longer.is_empty() && found.time.is_none(), "{found:?}");
    }

    #[test]
    fn equal_runs_differ_in_nothing() {
        let found = diff(&run(&[5, 5], true), &run(&[5, 5], true));
        assert!(found.only.is_empty() && found.longer.is_empty(), "{found:?}");
        assert_eq!(found.aligned, found.events[0]);
    }

    #[test]
    fn the_difference_reads_as_tables() {
        let found = diff(&run(&[5, 5, 5], false), &run(&[5, 200, 5], true));
        expect![[r#"
            seed 1: passed
            seed 2: timed out waiting for writes on node-1: 0.210 s, the deadline is 100ms

             wait               seed 1     seed 2  difference
             writes on node-1  0.015 s  ✗ 0.210 s    +0.195 s

            Where the time of writes on node-1 went:

                          seed 1   seed 2  difference
             other disk  0.015 s  0.210 s    +0.195 s
             sum         0.015 s  0.210 s    +0.195 s
             write /log  0.015 s  0.210 s    +0.195 s

            What one did that the other did not:

             on                       seed 1  seed 2    first
             node-1: rotates the log             1 ×  0.205 s

            What both did, and took another time:

             on                   seed 1   seed 2  difference
             node-1: fsync /log  0.005 s  0.200 s    +0.195 s

            10 of 10 and 11 events are in both runs
        "#]]
        .assert_eq(&{
            let (verdicts, rest) = found.render_parts();
            verdicts + &rest
        });
    }
}
