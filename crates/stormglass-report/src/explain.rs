//! The explanation of a wait: its critical path by step, category and cause.

use crate::table::{self, seconds};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;
use stormglass_core::critical_path::{self, Part, Segment};
use stormglass_core::event::Category;
use stormglass_core::{EventId, Kind, Length, SimTime, Trace, Wait};

/// The critical path of one wait, by step and category.
#[derive(Clone, Debug)]
pub struct Explanation {
    wait: Wait,
    parts: Vec<Part>,
    reasons: Vec<Reason>,
    blocked: Vec<Blocked>,
}

/// A task that blocked its worker thread while no other worker of the process was awake, so that
/// nothing polled the I/O and time drivers; all occurrences during the wait together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blocked {
    /// The node that was blocked.
    pub node: String,
    /// The task that blocked it.
    pub task: String,
    /// The number of occurrences.
    pub count: usize,
    /// The total length in seconds.
    pub seconds: f64,
}

/// One kind of event on the critical path, all occurrences together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// The event's kind and subject, without file numbers.
    pub what: String,
    /// The nodes on which it occurred.
    pub nodes: BTreeSet<String>,
    /// The number of occurrences.
    pub count: usize,
    /// The total length in seconds.
    pub seconds: f64,
}

impl Explanation {
    /// Explains a wait. A wait that did not end is explained from the last event of its node; the
    /// time after that event has no cause. `None` if there is no event to explain it from.
    pub fn of(trace: &Trace, wait: &Wait) -> Option<Explanation> {
        let length = wait.length.duration();
        let end = match wait.length {
            Length::Observed(_) => wait.end,
            Length::Censored(_) => last_of(trace, &wait.node)?,
        };
        let path = critical_path::critical_path(trace, wait.began, end);
        if path.is_empty() && !length.is_zero() {
            return None;
        }
        let mut parts = critical_path::parts(trace, &wait.node, wait.began, wait.began + length, &path);
        if let (Length::Censored(_), Some(last)) = (wait.length, parts.last_mut()) {
            last.name = "since then".into();
        }
        let (reasons, blocked) = (reasons(trace, &path), blocked(trace, wait.began, wait.began + length));
        Some(Explanation { wait: wait.clone(), parts, reasons, blocked })
    }

    /// Returns the parts of the wait: the steps of its node, which follow each other without gaps.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the reasons on the critical path, longest first.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Returns the tasks that blocked whole processes during the wait, longest first.
    pub fn blocked(&self) -> &[Blocked] {
        &self.blocked
    }

    /// Returns the time on the critical path by category.
    pub fn by_category(&self) -> BTreeMap<Category, Duration> {
        let mut sums = BTreeMap::new();
        for (category, duration) in self.parts.iter().flat_map(|part| &part.by_category) {
            *sums.entry(*category).or_default() += *duration;
        }
        sums
    }

    /// Renders the explanation: a headline, the table of steps and categories, the longest reasons,
    /// and blocked processes.
    pub fn render(&self) -> String {
        let Wait { name, node, length, deadline, .. } = &self.wait;
        let took = match length {
            Length::Observed(_) => "took",
            Length::Censored(_) => "did not end and takes more than",
        };
        let (length, limit) = (length.duration(), seconds(*deadline));
        let verdict = if self.wait.exceeded() {
            format!("{} s more than the deadline of {limit} s", seconds(length.saturating_sub(*deadline)))
        } else {
            format!("{} s less than the deadline of {limit} s", seconds(deadline.saturating_sub(length)))
        };
        let mut text = format!("{name} on {node} {took} {} s, {verdict}\n\n", seconds(length));
        text += &self.parts_table();
        text += "\nWhat it waited for, longest first:\n\n";
        let mut reasons = table::plain();
        let (shown, rest) = self.reasons.split_at(self.shown_reasons());
        for reason in shown {
            let nodes: Vec<&str> = reason.nodes.iter().map(String::as_str).collect();
            let on = if nodes.is_empty() { String::new() } else { format!("on {}", nodes.join(", ")) };
            reasons.add_row(row(reason.seconds, reason.count, &reason.what, on));
        }
        text += &table::text(&reasons);
        if !rest.is_empty() {
            let sum: f64 = rest.iter().map(|reason| reason.seconds).sum();
            let _ = writeln!(text, " {sum:>8.3} s  and {} shorter ones", rest.len());
        }
        text + &self.blocked_table()
    }

    /// Renders at most 6 blocked tasks, without those that round to 0.
    fn blocked_table(&self) -> String {
        let mut blocked = table::plain();
        for Blocked { node, task, count, seconds } in
            self.blocked.iter().take(6).filter(|blocked| blocked.seconds >= 0.000_5)
        {
            blocked.add_row(row(*seconds, *count, task, format!("on {node}")));
        }
        if blocked.is_empty() {
            return String::new();
        }
        format!("\nTasks that blocked their node's event loop during the wait:\n\n{}", table::text(&blocked))
    }

    /// Returns the number of reasons to show: at most 12, without those that round to 0.
    fn shown_reasons(&self) -> usize {
        self.reasons.iter().take(12).take_while(|reason| reason.seconds >= 0.000_5).count()
    }

    fn parts_table(&self) -> String {
        let sums = self.by_category();
        // Values that round to 0 are not shown, but are in the sum.
        let shown = |duration: &Duration| duration.as_micros() >= 500;
        let columns: Vec<Category> =
            Category::ALL.into_iter().filter(|category| sums.get(category).is_some_and(shown)).collect();
        let headings = ["step", "seconds"].map(String::from).into_iter();
        let headings = headings.chain(columns.iter().map(|category| category.name().to_string()));
        let mut table = table::numbers(headings.chain(["fsyncs".to_string()]));
        let cell = |duration: Option<&Duration>| {
            duration.filter(|duration| shown(duration)).map_or_else(String::new, |d| seconds(*d))
        };
        for part in self.parts.iter().filter(|part| shown(&(part.to - part.from))) {
            let mut row = vec![part.name.clone(), seconds(part.to - part.from)];
            row.extend(columns.iter().map(|category| cell(part.by_category.get(category))));
            row.push(if part.syncs == 0 { String::new() } else { part.syncs.to_string() });
            table.add_row(row);
        }
        let mut row = vec!["sum".to_string(), seconds(self.wait.length.duration())];
        row.extend(columns.iter().map(|category| cell(sums.get(category))));
        row.push(self.parts.iter().map(|part| part.syncs).sum::<usize>().to_string());
        table.add_row(row);
        table::text(&table)
    }
}

/// Returns a table row: length, count, name and nodes.
fn row(seconds: f64, count: usize, what: &str, on: String) -> [String; 4] {
    let count = format!("{count} ×");
    [format!("{seconds:>8.3} s"), format!("{count:>6}"), what.to_string(), on]
}

/// Returns the last event of a node.
fn last_of(trace: &Trace, node: &str) -> Option<EventId> {
    let index = trace.events.iter().rposition(|event| trace.text(event.node) == node)?;
    Some(EventId::at(index))
}

fn reasons(trace: &Trace, path: &[Segment]) -> Vec<Reason> {
    let mut groups: BTreeMap<String, (BTreeSet<String>, usize, Duration)> = BTreeMap::new();
    for stretch in path {
        let Some(event) = trace.event(stretch.event) else { continue };
        let subject = without_numbers(trace.text(event.subject));
        let what = match event.kind {
            Kind::Sleep | Kind::Tick | Kind::Step | Kind::Note => subject,
            Kind::Compute => format!("cpu: {subject}"),
            // The names of the many links would hide the sum.
            Kind::Deliver | Kind::Connect | Kind::Send | Kind::Refuse => format!("network: {}", event.kind),
            Kind::Stall => format!("network: {subject}"),
            kind => format!("{kind} {subject}"),
        };
        let (nodes, count, length) = groups.entry(what).or_default();
        let node = trace.text(event.node);
        if !node.is_empty() {
            nodes.insert(node.to_string());
        }
        *count += 1;
        *length += stretch.length();
    }
    let mut reasons: Vec<Reason> = groups
        .into_iter()
        .map(|(what, (nodes, count, length))| Reason { what, nodes, count, seconds: length.as_secs_f64() })
        .collect();
    reasons.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then_with(|| a.what.cmp(&b.what)));
    reasons
}

fn blocked(trace: &Trace, from: SimTime, to: SimTime) -> Vec<Blocked> {
    let mut groups: BTreeMap<(&str, &str), (usize, Duration)> = BTreeMap::new();
    for event in trace.events.iter().filter(|event| event.kind == Kind::Block) {
        let until = SimTime::from_nanos(event.at_nanos);
        let since = SimTime::from_nanos(event.at_nanos.saturating_sub(event.took_nanos));
        let length = until.min(to).saturating_since(since.max(from));
        if !length.is_zero() {
            let (count, sum) = groups.entry((trace.text(event.node), trace.text(event.task))).or_default();
            *count += 1;
            *sum += length;
        }
    }
    let line = |((node, task), (count, length)): ((&str, &str), (usize, Duration))| Blocked {
        node: node.into(),
        task: task.into(),
        count,
        seconds: length.as_secs_f64(),
    };
    let mut blocked: Vec<Blocked> = groups.into_iter().map(line).collect();
    blocked.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    blocked
}

/// Replaces the numbers in a file name by `N`, so that a log file and its successor count as one.
fn without_numbers(subject: &str) -> String {
    let Some((directory, file)) = subject.rsplit_once('/') else { return subject.to_string() };
    let mut name = String::new();
    for c in file.chars() {
        match c {
            c if c.is_ascii_digit() && name.ends_with('N') => {}
            c if c.is_ascii_digit() => name.push('N'),
            c => name.push(c),
        }
    }
    format!("{directory}/{name}")
}

/// Returns a wait's line for a list of waits: its length, deadline and start.
pub fn wait_line(wait: &Wait) -> String {
    let mark = if wait.exceeded() { "✗" } else { "✓" };
    let (name, node) = (&wait.name, &wait.node);
    let length = match wait.length {
        Length::Observed(length) => format!("{} s", seconds(length)),
        Length::Censored(length) => format!("more than {} s", seconds(length)),
    };
    let began = if wait.began == SimTime::ZERO { String::new() } else { format!(", from {}", wait.began) };
    format!("{mark} {name} on {node}: {length} (deadline {} s{began})", seconds(wait.deadline))
}

/// As many waits of one name on one node are shown one by one.
const SHOWN_WAITS: usize = 3;

/// Returns a line for each wait; waits of one name on one node that are more than a few share a
/// line with their number, median and maximum.
pub fn wait_lines<'a>(waits: impl IntoIterator<Item = &'a Wait>) -> Vec<String> {
    let mut groups: Vec<Vec<&Wait>> = Vec::new();
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for wait in waits {
        let place = *places.entry((&wait.name, &wait.node)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(wait);
    }
    let lines = |group: Vec<&Wait>| match group.len() {
        0..=SHOWN_WAITS => group.into_iter().map(wait_line).collect(),
        _ => vec![group_line(&group)],
    };
    groups.into_iter().flat_map(lines).collect()
}

fn group_line(waits: &[&Wait]) -> String {
    let is_open = |wait: &&&Wait| matches!(wait.length, Length::Censored(_));
    let (open, exceeded) =
        (waits.iter().filter(is_open).count(), waits.iter().filter(|w| w.exceeded()).count());
    let mut ended: Vec<Duration> =
        waits.iter().filter(|wait| !is_open(wait)).map(|wait| wait.length.duration()).collect();
    ended.sort();
    let Wait { name, node, deadline, .. } = waits[0];
    let mark = if exceeded > 0 { "✗" } else { "✓" };
    let mut line = format!("{mark} {name} on {node}: {} waits", waits.len());
    if let (Some(longest), Some(median)) =
        (ended.last(), ended.get(ended.len().div_ceil(2).saturating_sub(1)))
    {
        let _ = write!(line, ", median {} s, longest {} s", seconds(*median), seconds(*longest));
    }
    for (count, what) in [(exceeded, "exceeded the deadline"), (open, "did not end")] {
        if count > 0 {
            let _ = write!(line, ", {count} {what}");
        }
    }
    line + &format!(" (deadline {} s)", seconds(*deadline))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use stormglass_core::{Keep, Recorder, Scope};

    #[test]
    fn many_waits_of_one_name_share_a_line() {
        let wait = |name: &str, length| Wait {
            name: name.into(),
            node: "client".into(),
            began: SimTime::ZERO,
            deadline: Duration::from_secs(4),
            parameter: None,
            length,
            end: stormglass_core::EventId::START,
        };
        let seconds = |s| Length::Observed(Duration::from_secs(s));
        let mut waits: Vec<Wait> = (1..=5).map(|s| wait("answer", seconds(s))).collect();
        waits.push(wait("start", seconds(2)));
        waits.push(wait("answer", Length::Censored(Duration::from_secs(1))));
        expect![[r#"
            ✗ answer on client: 6 waits, median 3.000 s, longest 5.000 s, 1 exceeded the deadline, 1 did not end (deadline 4.000 s)
            ✓ start on client: 2.000 s (deadline 4.000 s)"#]]
        .assert_eq(&wait_lines(&waits).join("\n"));
    }

    /// Two steps with four fsyncs, a message and a back-off: the table sums to the wait.
    #[test]
    fn explanation_names_steps_and_reasons() {
        let recorder = Recorder::new(Keep::Events);
        let scope = Scope { node: recorder.symbol("node-1"), ..Scope::default() };
        recorder.enter(scope);
        let ms = Duration::from_millis;
        let mut now = 0;
        let mut record = |took: u64, kind, subject: &str| {
            now += took;
            recorder.record(SimTime::from_nanos(now * 1_000_000), kind, recorder.symbol(subject), ms(took), 0)
        };
        for log in ["/db/4.log", "/db/12.log", "/db/4.log"] {
            record(200, Kind::Fdatasync, log);
        }
        let at = SimTime::from_nanos(600_000_000);
        recorder.record(at, Kind::Step, recorder.symbol("open database"), ms(600), 0);
        record(130, Kind::Sleep, "join back-off");
        record(7, Kind::Deliver, "node-1 -> node-2");
        record(400, Kind::Fsync, "/db");
        let at = SimTime::from_nanos(1_137_000_000);
        recorder.record(at, Kind::Step, recorder.symbol("join"), ms(537), 0);
        let end = recorder.record(at, Kind::WaitEnd, recorder.symbol("admin on node-1"), ms(1_137), 0);
        let wait = Wait {
            name: "admin".into(),
            node: "node-1".into(),
            began: SimTime::ZERO,
            deadline: ms(1_000),
            parameter: None,
            length: Length::Observed(ms(1_137)),
            end,
        };
        let explanation = Explanation::of(&recorder.finish(), &wait).unwrap();
        expect![[r#"
            admin on node-1 took 1.137 s, 0.137 s more than the deadline of 1.000 s

             step           seconds  fsync  network  back-off  fsyncs
             open database    0.600  0.600                          3
             join             0.537  0.400    0.007     0.130       1
             sum              1.137  1.000    0.007     0.130       4

            What it waited for, longest first:

                0.600 s     3 ×  fdatasync /db/N.log  on node-1
                0.400 s     1 ×  fsync /db            on node-1
                0.130 s     1 ×  join back-off        on node-1
                0.007 s     1 ×  network: deliver     on node-1
        "#]]
        .assert_eq(&explanation.render());
        let sum: Duration = explanation.by_category().values().sum();
        assert_eq!(sum, ms(1_137));
        expect!["✗ admin on node-1: 1.137 s (deadline 1.000 s)"].assert_eq(&wait_line(&wait));
    }

    /// Only the part of a block that lies within the wait counts.
    #[test]
    fn explanation_names_tasks_that_blocked_a_process() {
        let recorder = Recorder::new(Keep::Events);
        let ms = Duration::from_millis;
        let at = |millis: u64| SimTime::from_nanos(millis * 1_000_000);
        let task = |node: &str, task: &str| Scope {
            node: recorder.symbol(node),
            task: recorder.symbol(task),
            ..Scope::default()
        };
        let blocked = |scope, to: u64, took: u64| {
            recorder.record_in(scope, at(to), Kind::Block, recorder.symbol("all else"), ms(took), 1);
        };
        blocked(task("node-1", "log server"), 50, 50);
        blocked(task("node-1", "metadata server"), 200, 150);
        blocked(task("node-2", "metadata server"), 260, 20);
        blocked(task("node-1", "metadata server"), 300, 100);
        let admin = task("node-1", "admin");
        let end = recorder.record_in(admin, at(400), Kind::WaitEnd, recorder.symbol("admin"), ms(300), 0);
        let wait = Wait {
            name: "admin".into(),
            node: "node-1".into(),
            began: at(100),
            deadline: ms(1_000),
            parameter: None,
            length: Length::Observed(ms(300)),
            end,
        };
        let explanation = Explanation::of(&recorder.finish(), &wait).unwrap();
        let text = explanation.render();
        let blocked = &text[text.find("Tasks").unwrap()..];
        expect![[r#"
            Tasks that blocked their node's event loop during the wait:

                0.200 s     2 ×  metadata server  on node-1
                0.020 s     1 ×  metadata server  on node-2
        "#]]
        .assert_eq(blocked);
    }
}
