//! The words on top of a page: what went wrong, why, and the moments to look at.

use super::bands::Band;
use super::waits::ShownWait;
use crate::deadline::step_at;
use crate::failure;
use crate::lanes::Lanes;
use crate::table::seconds;
use serde::Serialize;
use std::time::Duration;
use stormglass_core::event::Category;
use stormglass_core::{Event, EventId, Kind, Outcome, SimTime, Trace, Verdict, Wait};

/// The headline of a page.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Headline {
    /// One sentence that says what went wrong, or that nothing did.
    pub(super) title: String,
    /// What the time was spent on, or what was broken at the time.
    pub(super) reason: String,
    pub(super) moments: Vec<Moment>,
}

/// A moment worth a look.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Moment {
    pub(super) at: u64,
    pub(super) mark: Mark,
    pub(super) title: String,
    pub(super) detail: String,
    /// The number of its event; 0 for none.
    pub(super) event: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mark {
    Start,
    Milestone,
    Fault,
    Deadline,
    Failure,
    End,
}

impl Headline {
    pub(super) fn of(
        trace: &Trace,
        outcome: &Outcome,
        chosen: Option<&ShownWait>,
        bands: &[Band],
        lanes: &Lanes,
    ) -> Headline {
        let verdict = &outcome.verdict;
        let failed = !matches!(verdict, Verdict::Passed | Verdict::TimedOut { .. });
        let title = match (verdict, chosen) {
            (Verdict::TimedOut { .. }, Some(wait)) if wait.exceeded => timed_out(wait),
            (Verdict::Passed, _) => passed(outcome),
            _ => first_line(&verdict.to_string()),
        };
        if failed {
            let (reason, moments) = failure_of(trace, outcome, bands, lanes);
            return Headline { title, reason, moments };
        }
        let Some(wait) = chosen else {
            let what = format!("The run ended after {}.", outcome.ended);
            return Headline { title, reason: what, moments: Vec::new() };
        };
        let mut reason = if wait.exceeded { String::new() } else { longest_wait(wait) };
        let (sum, category) = spent(wait).unzip();
        reason += &sum.unwrap_or_default();
        let mut moments = moments_of(trace, wait);
        if let Some(stall) = Stall::of(trace, wait).filter(|_| category == Some(Category::Sync)) {
            let lane = lanes.named(trace.text(stall.sync.node));
            let has_fault = |band: &&Band| {
                lane.is_some_and(|lane| band.overlaps(stall.began(), stall.sync.at_nanos, lane))
            };
            reason += &stall.sentence(trace, bands.iter().find(has_fault));
            moments.push(stall.moment(trace));
            moments.sort_by_key(|moment| moment.at);
        }
        reason += &others(outcome, wait);
        Headline { title, reason: reason.trim().into(), moments }
    }
}

fn timed_out(wait: &ShownWait) -> String {
    let (name, node) = (&wait.name, &wait.node);
    let (length, deadline) = (of_nanos(wait.length), of_nanos(wait.deadline));
    let over = of_nanos(wait.length.saturating_sub(wait.deadline));
    if wait.ended {
        format!(
            "Timed out: {name} on {node} took {length} s, {over} s longer than its deadline of {deadline} s"
        )
    } else {
        format!(
            "Timed out: {name} on {node} had not ended after {length} s, when the run did; its deadline was {deadline} s"
        )
    }
}

fn passed(outcome: &Outcome) -> String {
    match outcome.waits.len() {
        0 => "Passed: every property held".into(),
        1 => "Passed: the wait ended before its deadline".into(),
        count => format!("Passed: all {count} waits ended before their deadlines"),
    }
}

fn longest_wait(wait: &ShownWait) -> String {
    let (length, deadline) = (of_nanos(wait.length), of_nanos(wait.deadline));
    format!("The longest wait, {} on {}, took {length} s of {deadline} s. ", wait.name, wait.node)
}

/// Returns a sentence that says what a wait was spent on: the largest category, and the steps that have most of
/// it.
fn spent(wait: &ShownWait) -> Option<(String, Category)> {
    let explained = wait.explained.as_ref()?;
    let sums = explained.by_category();
    let (place, most) = sums.iter().copied().enumerate().max_by_key(|&(_, sum)| sum)?;
    let whole = wait.length.max(1);
    let share = (most as f64 * 100.0 / whole as f64).round();
    let category = Category::ALL[place];
    let mut text = format!(
        "{share:.0} % of that time, {} s, went to {}",
        of_nanos(most),
        match category {
            Category::Sync => "fsync: waiting until the disk has made data durable",
            Category::Disk => "disk operations other than fsync",
            Category::Network => "the network: messages and connections",
            Category::Sleep => "deliberate pauses: back-off and polling",
            Category::Tick => "waiting for periodic timers",
            Category::Cpu => "computing, and waiting for a core",
            Category::Other => "what no event accounts for",
        }
    );
    let mut parts: Vec<_> = explained.parts.iter().filter(|part| part.by_category[place] > 0).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.by_category[place]));
    parts.retain(|part| part.by_category[place] * 100 >= most * LARGE_PERCENT && explained.parts.len() > 1);
    parts.truncate(LARGE_MAX);
    for (number, part) in parts.iter().enumerate() {
        let place_of = match part.name.as_str() {
            "between" => "between two steps".to_string(),
            "until it was seen" | "since then" => "after the last step".to_string(),
            step => format!("in “{step}”"),
        };
        let length = of_nanos(part.by_category[place]);
        text += &match number {
            0 if parts.len() == 1 => format!(". The longest part: {length} s {place_of}"),
            0 => format!(". The longest parts: {length} s {place_of}"),
            _ => format!(", {length} s {place_of}"),
        };
    }
    Some((text + ". ", category))
}

/// A step is named if it has so many percent of the largest category, and at most so many steps are.
const LARGE_PERCENT: u64 = 10;
const LARGE_MAX: usize = 3;

/// Returns a sentence on the other waits that missed their deadline.
fn others(outcome: &Outcome, wait: &ShownWait) -> String {
    let is_other = |other: &&Wait| {
        other.exceeded()
            && (&other.name, &other.node, other.began.as_nanos()) != (&wait.name, &wait.node, wait.began)
    };
    let others: Vec<&Wait> = outcome.waits.iter().filter(is_other).collect();
    let length = |other: &Wait| seconds(other.length.duration());
    match others[..] {
        [] => String::new(),
        [other] => format!("Another wait timed out: {} on {}, {} s. ", other.name, other.node, length(other)),
        [other, ..] => {
            format!("{} other waits timed out, {} on {} among them. ", others.len(), other.name, other.node)
        }
    }
}

/// A sync that takes so many times as long as the median one says that the disk stalled.
const STALLED: u64 = 20;

/// The longest sync of a wait's critical path, during which the disk stalled.
struct Stall<'a> {
    event: EventId,
    sync: &'a Event,
    /// The median length of the run's syncs, in nanoseconds.
    median: u64,
}

impl Stall<'_> {
    fn of<'a>(trace: &'a Trace, wait: &ShownWait) -> Option<Stall<'a>> {
        let is_sync = |event: &&Event| event.kind.category() == Category::Sync;
        let mut lengths: Vec<u64> =
            trace.events.iter().filter(is_sync).map(|event| event.took_nanos).collect();
        lengths.sort_unstable();
        let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
        let event = longest_sync(trace, wait)?;
        let sync = trace.event(event)?;
        (sync.took_nanos >= STALLED * median.max(1)).then_some(Stall { event, sync, median })
    }

    fn began(&self) -> u64 {
        self.sync.at_nanos.saturating_sub(self.sync.took_nanos)
    }

    fn median_ms(&self) -> f64 {
        (self.median as f64 / 1e6).ceil()
    }

    fn sentence(&self, trace: &Trace, fault: Option<&Band>) -> String {
        let source = match fault {
            Some(fault) => format!("A fault was active there: {}. ", fault.text),
            None => "No fault was active there: it comes from the profile of the disk. ".into(),
        };
        format!(
            "The disk of {} stalled: one {} took {} s, from {} s on; half of all syncs took at most {} ms. {source}",
            trace.text(self.sync.node),
            self.sync.kind,
            of_nanos(self.sync.took_nanos),
            of_nanos(self.began()),
            self.median_ms(),
        )
    }

    fn moment(&self, trace: &Trace) -> Moment {
        let (kind, node) = (self.sync.kind, trace.text(self.sync.node));
        Moment {
            at: self.began(),
            mark: Mark::Milestone,
            title: format!("longest {kind}"),
            detail: format!(
                "{} s on {node}; half of all take at most {} ms",
                of_nanos(self.sync.took_nanos),
                self.median_ms()
            ),
            event: self.event.number(),
        }
    }
}

/// Returns the longest sync of a wait's critical path.
fn longest_sync(trace: &Trace, wait: &ShownWait) -> Option<EventId> {
    let start = EventId::at((wait.end as usize).checked_sub(1)?);
    let path = std::iter::successors(Some(start), |&event| Some(trace.event(event)?.cause));
    path.map_while(|event| Some((event, trace.event(event)?)))
        .take_while(|(_, event)| event.at_nanos > wait.began)
        .filter(|(_, event)| event.kind.category() == Category::Sync)
        .max_by_key(|(_, event)| event.took_nanos)
        .map(|(event, _)| event)
}

/// Returns the moments of a wait: its start, the last thing that its node reached before the
/// deadline, the deadline, and its end.
fn moments_of(trace: &Trace, wait: &ShownWait) -> Vec<Moment> {
    let (name, node) = (&wait.name, &wait.node);
    let (deadline, end) = (wait.began + wait.deadline, wait.began + wait.length);
    let moment = |at, mark, title: String, detail: String, event| Moment { at, mark, title, detail, event };
    let mut moments = vec![moment(
        wait.began,
        Mark::Start,
        "wait begins".into(),
        format!("for {name} on {node}, at most {} s", of_nanos(wait.deadline)),
        0,
    )];
    if let Some((event, last)) = milestone(trace, node, wait.began, deadline.min(end)) {
        let detail = match before(trace, event, wait.began) {
            Some((step, took)) => {
                format!("{node} reaches it after “{step}”, which took {} s", of_nanos(took))
            }
            None => format!("the last thing that {node} reached in time"),
        };
        moments.push(moment(
            last.at_nanos,
            Mark::Milestone,
            trace.text(last.subject).into(),
            detail,
            event.number(),
        ));
    }
    if wait.exceeded {
        let detail = match step_at(trace, node, SimTime::from_nanos(deadline)) {
            Some(step) => {
                let since = of_nanos(deadline - step.at_nanos.saturating_sub(step.took_nanos));
                format!("{node} is executing “{}”, for {since} s now", trace.text(step.subject))
            }
            None => format!("of {name} on {node}"),
        };
        moments.push(moment(deadline, Mark::Deadline, "deadline".into(), detail, 0));
    }
    if wait.ended {
        let detail = if wait.exceeded {
            format!("its condition is met, {} s too late", of_nanos(end.saturating_sub(deadline)))
        } else {
            format!("its condition is met, {} s before the deadline", of_nanos(deadline.saturating_sub(end)))
        };
        moments.push(moment(end, Mark::End, "wait ends".into(), detail, wait.end));
    }
    moments
}

/// Returns the last milestone of a node in a time: a step without length, else its last note.
fn milestone<'a>(trace: &'a Trace, node: &str, from: u64, to: u64) -> Option<(EventId, &'a Event)> {
    let is_within = |event: &Event| (from..=to).contains(&event.at_nanos) && trace.text(event.node) == node;
    let last =
        |is: &dyn Fn(&Event) -> bool| trace.events.iter().rposition(|event| is_within(event) && is(event));
    let step = last(&|event| event.kind == Kind::Step && event.took_nanos == 0);
    let index = step.or_else(|| last(&|event| event.kind == Kind::Note))?;
    Some((EventId::at(index), &trace.events[index]))
}

/// Returns the step of the same task that ended just before an event, with its length, if it took
/// 50 ms or more: what an instant milestone marks the end of.
fn before(trace: &Trace, milestone: EventId, from: u64) -> Option<(String, u64)> {
    let index = milestone.index()?;
    let event = &trace.events[index];
    let of_task =
        |step: &&Event| step.kind == Kind::Step && step.node == event.node && step.task == event.task;
    let step = trace.events[..index].iter().rev().take_while(|step| step.at_nanos >= from).find(of_task)?;
    let took = step.took_nanos;
    (took >= 50_000_000).then(|| (trace.text(step.subject).to_string(), took))
}

/// Returns the reason and the moments of a failure that is no wait's.
fn failure_of(trace: &Trace, outcome: &Outcome, bands: &[Band], lanes: &Lanes) -> (String, Vec<Moment>) {
    let verdict = &outcome.verdict;
    let event = failure::report_of(trace, verdict);
    let at = event.map_or(outcome.ended.as_nanos(), |index| trace.events[index].at_nanos);
    let node = match (verdict, event) {
        (Verdict::Panicked { node, .. }, _) => node.clone(),
        (_, Some(index)) => trace.text(trace.events[index].node).to_string(),
        _ => String::new(),
    };
    let on = if node.is_empty() { String::new() } else { format!(" on {node}") };
    let active: Vec<&Band> = bands.iter().filter(|band| band.is_active(at, outcome.ended)).collect();
    let broken = match active[..] {
        [] => "No fault was active then.".to_string(),
        [one] => format!("One fault was active then: {}.", one.text),
        _ => format!("{} faults were active then, {} among them.", active.len(), active[0].text),
    };
    let moment = |at, mark, title: &str, detail: String, event| {
        let title = title.to_string();
        Moment { at, mark, title, detail, event }
    };
    let mut moments = vec![moment(0, Mark::Start, "the run begins", String::new(), 0)];
    let mut before: Vec<&Band> = bands.iter().filter(|band| band.from <= at).collect();
    before.sort_by_key(|band| band.from);
    for band in &before[before.len().saturating_sub(2)..] {
        let nodes: Vec<&str> = band.lanes.iter().map(|&lane| lanes.names[lane].as_str()).collect();
        moments.push(moment(
            band.from,
            Mark::Fault,
            &band.text,
            format!("a fault on {}", nodes.join(", ")),
            0,
        ));
    }
    let number = event.map_or(0, |index| EventId::at(index).number());
    let what = match verdict {
        Verdict::Panicked { .. } => "the panic",
        Verdict::Violated { .. } => "the property is violated",
        _ => "the run ends",
    };
    moments.push(moment(at, Mark::Failure, what, on.trim().to_string(), number));
    (format!("That was at {} s{on}. {broken}", of_nanos(at)), moments)
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut characters = line.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn of_nanos(nanos: u64) -> String {
    seconds(Duration::from_nanos(nanos))
}
