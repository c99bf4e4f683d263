//! What tipped a failed run over: the events whose random draws raised the chance of failing, by name.

use crate::page::{self, Chance, ChancePoint};
use crate::table::{self, seconds};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use stormglass_core::{Draw, Draws, Event, EventId, Kind, SimTime, Trace};
use stormglass_sweep::stats::pairs::holm;
use stormglass_sweep::tipping::{CONFIDENCE, Jump, Rate, Search};

/// An event, or a draw without one, that tipped the run over in some random environments of a [`Search`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// The number of the event, from 1 as in `replay --json`; `None` for a draw that no event shows.
    pub event: Option<usize>,
    /// The number of the last event before the draw; 0 if there is none.
    pub after_event: usize,
    /// When the draw was taken, in simulated seconds: where the event began.
    pub at: f64,
    /// What it is, in words.
    pub what: String,
    /// The streams that it drew from.
    pub streams: Vec<String>,
    /// The draws that are kept before it, and after it.
    pub kept: (u64, u64),
    /// The number of environments that it tipped over.
    pub tipped: u64,
}

/// A suspect with the measured chance of failing before and after it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tipping {
    /// The suspect.
    #[serde(flatten)]
    pub suspect: Suspect,
    /// The chance before and after.
    #[serde(flatten)]
    pub jump: Jump,
    /// The p-value with the Holm correction for all suspects that were measured.
    pub p_adjusted: f64,
    /// The rank among the jumps, from 1 for the largest; `None` if the chance does not jump here.
    pub rank: Option<usize>,
}

/// The chance of failing from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The simulated time in seconds.
    pub at: f64,
    /// The chance.
    #[serde(flatten)]
    pub rate: Rate,
}

/// The answer of `blame`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blame {
    /// The failure whose chance is asked for.
    pub failure: String,
    /// The time by which a run has to fail in this way to count, in simulated seconds; `None` if its end
    /// decides.
    pub by: Option<f64>,
    /// The chance from the start.
    pub start: Rate,
    /// The number of draws of the run.
    pub draws: u64,
    /// The number of environments in which a draw was found that tips the run over.
    pub searched: u64,
    /// The chance as a function of the moment: the share of searched environments that were tipped before.
    pub curve: Vec<Point>,
    /// The suspects that were measured, in the order of time.
    pub measured: Vec<Tipping>,
    /// The number of runs played.
    pub runs: u64,
}

/// A jump counts if its corrected p-value is below this one,
const SIGNIFICANT: f64 = 0.01;
/// and the chance rises by as much at least.
const LEAST_RISE: f64 = 0.05;

/// Returns what the draws that tipped the run over belong to, the most frequent first.
///
/// `stall(node, number)` describes the stall of that number, from 0, that the device of a node's disk has
/// drawn: when it stalls, and for how long.
pub fn suspects(
    trace: &Trace,
    draws: &Draws,
    search: &Search,
    stall: impl Fn(&str, u64) -> Option<String>,
) -> Vec<Suspect> {
    let mut all: BTreeMap<(Option<usize>, &str, u64), Suspect> = BTreeMap::new();
    for (&number, &tipped) in &search.tipped {
        let draw = draws.draws[number as usize];
        let stream = draws.stream(draw);
        let event = event_of(trace, draws, number as usize);
        // The stream distinguishes draws without an event, and stalls, which outlast the event.
        let key = match event {
            None => (None, stream, number),
            Some(_) if device_of(stream).is_some() => (event, stream, 0),
            Some(_) => (event, "", 0),
        };
        let suspect = all.entry(key).or_insert_with(|| Suspect {
            event: event.map(|index| index + 1),
            after_event: draw.events as usize,
            at: event
                .map_or_else(|| time_of(trace, draws, number), |index| began(&trace.events[index]))
                .as_secs_f64(),
            what: match (stalled(stream, &draw, trace, &stall), event) {
                (Some(stall), Some(index)) => {
                    format!("{stall} drawn by {}", describe(trace, &trace.events[index]))
                }
                (Some(stall), None) => stall,
                (None, Some(index)) => describe(trace, &trace.events[index]),
                (None, None) => undescribed(trace, draws, number),
            },
            streams: Vec::new(),
            kept: (number, number + 1),
            tipped: 0,
        });
        suspect.kept.1 = number + 1;
        suspect.tipped += tipped;
        if !suspect.streams.iter().any(|known| known == stream) {
            suspect.streams.push(stream.to_string());
        }
    }
    let mut all: Vec<Suspect> = all.into_values().collect();
    all.sort_by_key(|suspect| (std::cmp::Reverse(suspect.tipped), suspect.kept));
    all
}

/// Returns the device whose stalls a stream draws.
fn device_of(stream: &str) -> Option<&str> {
    stream.strip_prefix("device/")?.strip_suffix("/stall")
}

/// Describes the stall that a draw decides, if its stream is one of stalls: of each stall first the start is
/// drawn, then the length.
fn stalled(
    stream: &str,
    draw: &Draw,
    trace: &Trace,
    stall: impl Fn(&str, u64) -> Option<String>,
) -> Option<String> {
    let device = device_of(stream)?;
    let when = stall(trace.text(draw.node), draw.index / 2)?;
    Some(format!("the stall of the disk {device}, {when},"))
}

/// Returns the event of the operation that took a draw: the next one of the same task; of a message that it
/// sent, the arrival. An operation that began later took no part in the draw: what a task draws to know how
/// long to wait belongs to no event.
fn event_of(trace: &Trace, draws: &Draws, number: usize) -> Option<usize> {
    let draw = draws.draws[number];
    let index = next_of_task(trace, draw)?;
    // The draw is not later than the next event of any task.
    let drawn = SimTime::from_nanos(trace.events[draw.events as usize].at_nanos);
    if began(&trace.events[index]) > drawn {
        return None;
    }
    if trace.events[index].kind != Kind::Send {
        return Some(index);
    }
    let is_arrival =
        |event: &Event| event.cause == EventId::at(index) && matches!(event.kind, Kind::Deliver | Kind::Lose);
    let arrival = trace.events[index..].iter().position(is_arrival);
    Some(arrival.map_or(index, |after| index + after))
}

/// Returns the next event of the task that took a draw.
fn next_of_task(trace: &Trace, draw: Draw) -> Option<usize> {
    let from = usize::try_from(draw.events).expect("the events fit in memory");
    let is_own = |event: &Event| event.node == draw.node && event.task == draw.task;
    Some(from + trace.events.get(from..)?.iter().position(is_own)?)
}

/// Describes a draw that belongs to no event: its stream, where and when it was taken, and what its task did
/// next.
fn undescribed(trace: &Trace, draws: &Draws, number: u64) -> String {
    let draw = draws.draws[number as usize];
    let task = match (trace.text(draw.task), trace.text(draw.node)) {
        ("", _) | (_, "") => String::new(),
        (task, node) => format!(" by {task} on {node}"),
    };
    let next = next_of_task(trace, draw)
        .map_or_else(String::new, |next| format!(", before {}", describe(trace, &trace.events[next])));
    format!("a draw of {}{task}, {}{next}", draws.stream(draw), time_of(trace, draws, number))
}

/// Returns the time of the last event before a draw.
fn time_of(trace: &Trace, draws: &Draws, number: u64) -> SimTime {
    let events = draws.draws.get(number as usize).map_or(trace.events.len() as u64, |draw| draw.events);
    let before = (events as usize).checked_sub(1).and_then(|index| trace.events.get(index));
    SimTime::from_nanos(before.map_or(0, |event| event.at_nanos))
}

fn began(event: &Event) -> SimTime {
    SimTime::from_nanos(event.at_nanos.saturating_sub(event.took_nanos))
}

/// Returns what an event is, where, when, and how long it took.
fn describe(trace: &Trace, event: &Event) -> String {
    let subject = trace.text(event.subject);
    let what = match event.kind {
        Kind::Note => match subject.strip_prefix("fault: ") {
            Some(fault) => format!("the fault “{fault}”"),
            None => format!("“{subject}”"),
        },
        Kind::Compute => format!("cpu: {subject}"),
        Kind::Deliver => format!("the message {subject}"),
        Kind::Lose => format!("the lost message {subject}"),
        kind => format!("{kind} {subject}"),
    };
    let node = match trace.text(event.node) {
        "" => String::new(),
        node => format!(" on {node}"),
    };
    let took = match event.took_nanos {
        0 => String::new(),
        took => format!(", which took {} s", seconds(Duration::from_nanos(took))),
    };
    format!("{what}{node}, {}{took}", SimTime::from_nanos(event.at_nanos))
}

/// Returns the curve of a search: one point at the start, two at each draw that tipped an environment.
pub fn curve(trace: &Trace, draws: &Draws, search: &Search) -> Vec<Point> {
    let mut curve = vec![Point { at: 0.0, rate: search.start }];
    for &number in search.tipped.keys() {
        let at = time_of(trace, draws, number).as_secs_f64();
        let [before, after] = [number, number + 1].map(|kept| search.chance_after(kept));
        curve.extend([Point { at, rate: before }, Point { at, rate: after }]);
    }
    curve
}

/// Returns the suspects with what was measured of them, in the order of time, corrected for their number.
pub fn tippings(measured: Vec<(Suspect, Jump)>) -> Vec<Tipping> {
    let adjusted = holm(&measured.iter().map(|(_, jump)| jump.p_value).collect::<Vec<_>>());
    let mut all: Vec<Tipping> = measured
        .into_iter()
        .zip(adjusted)
        .map(|((suspect, jump), p_adjusted)| Tipping { suspect, jump, p_adjusted, rank: None })
        .collect();
    all.sort_by_key(|tipping| tipping.suspect.kept);
    let mut jumps: Vec<&mut Tipping> = all.iter_mut().filter(|tipping| tipping.is_jump()).collect();
    jumps.sort_by(|a, b| b.rise().total_cmp(&a.rise()));
    jumps.into_iter().enumerate().for_each(|(place, jump)| jump.rank = Some(place + 1));
    all
}

impl Tipping {
    /// Whether the chance of failing rises here, beyond what the number of runs leaves open.
    pub fn is_jump(&self) -> bool {
        self.p_adjusted < SIGNIFICANT && self.rise() >= LEAST_RISE
    }

    fn rise(&self) -> f64 {
        self.jump.after.chance() - self.jump.before.chance()
    }
}

impl Blame {
    /// Returns the jumps, the largest first.
    pub fn jumps(&self) -> Vec<&Tipping> {
        let mut jumps: Vec<&Tipping> =
            self.measured.iter().filter(|tipping| tipping.rank.is_some()).collect();
        jumps.sort_by_key(|tipping| tipping.rank);
        jumps
    }

    /// Returns the curve and the jumps for the page of the run.
    pub fn for_page(&self) -> Chance {
        let nanos = |seconds: f64| (seconds * 1e9).round() as u64;
        let point = |point: &Point| {
            let Rate { low, high, .. } = point.rate;
            ChancePoint { at: nanos(point.at), chance: point.rate.chance(), low, high }
        };
        let jump = |tipping: &&Tipping| {
            let Tipping { suspect, jump, .. } = tipping;
            let [before, after] = [jump.before, jump.after].map(|rate| percent(rate.chance()));
            let text = format!("from {before} to {after} at {}", suspect.what);
            page::Jump { at: nanos(suspect.at), event: suspect.event.unwrap_or(0), text }
        };
        Chance {
            failure: self.failure.clone(),
            curve: self.curve.iter().map(point).collect(),
            jumps: self.jumps().iter().map(jump).collect(),
        }
    }

    /// Renders the answer for a terminal.
    pub fn render(&self) -> String {
        let by = self.by.map_or_else(String::new, |by| format!(", by {by:.3} s"));
        let mut text = format!("What is the chance of this failure, {}{by}?\n", self.failure);
        let _ = writeln!(text, "From the start, with other random draws: {}", rate(&self.start));
        let jumps = self.jumps();
        text += "\n";
        text += &match jumps.as_slice() {
            [] => self.without_jump(),
            [only] => format!("What tipped it over:\n\n{}", self.jump(only)),
            jumps => {
                let all: Vec<String> = jumps.iter().map(|jump| self.jump(jump)).collect();
                format!("What tipped it over, the largest jump first:\n\n{}", all.join("\n"))
            }
        };
        if self.curve.len() > 1 {
            text += &format!(
                "\nThe chance from a moment on, if all draws before it stay as they were:\n\n{}",
                self.times()
            );
        }
        let (runs, draws, searched) = (self.runs, self.draws, self.searched);
        let _ = writeln!(
            text,
            "\n{runs} runs: each of {searched} other random environments was searched for the draw, of {draws}, that tips it over"
        );
        text
    }

    fn jump(&self, tipping: &Tipping) -> String {
        let Tipping { suspect, jump, p_adjusted, .. } = tipping;
        let p = if *p_adjusted < 0.001 { "< 0.001".to_string() } else { format!("= {p_adjusted:.3}") };
        format!(
            "  from {} to {} at\n  {}\n    it drew from {}; it tips {} of {} environments over; p {p}\n",
            rate(&jump.before),
            rate(&jump.after),
            suspect.what,
            suspect.streams.join(", "),
            suspect.tipped,
            self.start.runs,
        )
    }

    fn without_jump(&self) -> String {
        if self.start.failed == self.start.runs {
            return "Nothing tipped it over: it fails whatever the draws are.\n".into();
        }
        let at = |share: f64| {
            let level = self.start.chance() + share * (1.0 - self.start.chance());
            self.curve.iter().find(|point| point.rate.chance() >= level).map_or(0.0, |point| point.at)
        };
        let most = self.measured.iter().max_by_key(|tipping| tipping.suspect.tipped);
        let largest = most.map_or_else(String::new, |Tipping { suspect, jump, .. }| {
            format!(
                "The largest part has\n  {}\n    from {} to {}\n",
                suspect.what,
                rate(&jump.before),
                rate(&jump.after)
            )
        });
        format!(
            "No single event tipped it over: the chance rises gradually, from a tenth to nine tenths of the \
             way between {:.3} s and {:.3} s.\n{largest}",
            at(0.1),
            at(0.9)
        )
    }

    /// Renders the curve at ten levels at most.
    fn times(&self) -> String {
        let mut table = table::numbers(["time", "chance", "95 % CI"].map(String::from));
        let mut shown: Option<f64> = None;
        let last = self.curve.len() - 1;
        for (index, point) in self.curve.iter().enumerate() {
            let chance = point.rate.chance();
            if shown.is_none_or(|shown| chance - shown >= 0.1) || (index == last && shown != Some(chance)) {
                shown = Some(chance);
                table.add_row([
                    format!("{:.3} s", point.at),
                    percent(chance),
                    format!("{} to {}", percent(point.rate.low), percent(point.rate.high)),
                ]);
            }
        }
        table::text(&table)
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Returns a rate with its interval and its counts.
fn rate(rate: &Rate) -> String {
    let Rate { failed, runs, low, high } = rate;
    let (chance, confidence) = (percent(rate.chance()), CONFIDENCE * 100.0);
    let low = format!("{:.0}", low * 100.0);
    format!("{chance} ({confidence:.0} % CI {low} to {}, {failed} of {runs})", percent(*high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_core::{Keep, Recorder, Scope};

    /// The breaker injects a fault at 1 ms, draws how long it waits, and injects the next one at 9 ms; a client
    /// connects meanwhile, from 2 ms to 3 ms.
    #[test]
    fn a_draw_belongs_to_an_operation_that_it_began_and_to_none_that_came_later() {
        let recorder = Recorder::new(Keep::Events);
        let scope = |task: &str| Scope {
            node: recorder.symbol("harness"),
            task: recorder.symbol(task),
            ..Scope::default()
        };
        let record = |task: &str, at: u64, kind, subject: &str, took: u64| {
            let (at, took) = (SimTime::from_nanos(at * 1_000_000), Duration::from_millis(took));
            recorder.record_in(scope(task), at, kind, recorder.symbol(subject), took, 0);
        };
        record("breaker", 1, Kind::Note, "fault: pause node-1", 0);
        record("client", 3, Kind::Connect, "client -> node-1", 1);
        record("breaker", 9, Kind::Note, "fault: kill node-2", 0);
        let draw = |stream, events, task: &str| {
            let Scope { node, task, .. } = scope(task);
            Draw { stream, index: 0, events, node, task }
        };
        let draws = Draws {
            streams: ["breaker", "net"].map(String::from).to_vec(),
            draws: vec![draw(0, 0, "breaker"), draw(0, 1, "breaker"), draw(1, 1, "client")],
        };
        let tipped = [(0, 1), (1, 1), (2, 1)].into_iter().collect();
        let search = Search { draws: 3, start: Rate::of(0, 3), tipped, runs: 9 };
        let found = suspects(&recorder.finish(), &draws, &search, |_, _| None);
        let shown: Vec<_> = found.iter().map(|suspect| (suspect.event, &*suspect.what)).collect();
        let expected = [
            (Some(1), "the fault “pause node-1” on harness, 0.001s"),
            (
                None,
                "a draw of breaker by breaker on harness, 0.001s, before the fault “kill node-2” on harness, \
                 0.009s",
            ),
            (Some(2), "connect client -> node-1 on harness, 0.003s, which took 0.001 s"),
        ];
        assert_eq!(shown, expected);
    }
}
