//! Folds what repeats: polls that are refused, pauses between attempts.

use super::Line;
use super::row::Row;
use crate::table::seconds;
use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_core::{Kind, Symbol};

/// So many equal lines or more become one.
const FOLDED: usize = 4;

/// What makes lines equal: kind, subject, node and task.
type Key = (Kind, Symbol, Symbol, Symbol);

/// The repetitions of one line, up to another thing that its task does.
struct Group {
    /// The indexes of the lines.
    places: Vec<usize>,
}

/// Folds lines: connections that are refused and pauses that repeat four times or more become one
/// line in the place of the first, with their number, the median of the time between them, and the
/// time of the last. Whatever else the same task does in between ends the repetition.
pub fn folded(lines: Vec<Line<'_>>) -> Vec<Line<'_>> {
    let mut open: BTreeMap<Key, Group> = BTreeMap::new();
    let mut closed: Vec<Group> = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let event = line.event;
        let key = (event.kind, event.subject, event.node, event.task);
        if matches!(event.kind, Kind::Refuse | Kind::Sleep) {
            open.entry(key).or_insert_with(|| Group { places: Vec::new() }).places.push(place);
            continue;
        }
        let ends: Vec<Key> = open
            .keys()
            .filter(|(_, _, node, task)| (*node, *task) == (event.node, event.task))
            .copied()
            .collect();
        closed.extend(ends.iter().filter_map(|key| open.remove(key)));
    }
    closed.extend(open.into_values());
    // What follows a folded line, and the lines that it stands for.
    let mut replaced: Vec<Option<Option<String>>> = vec![None; lines.len()];
    for Group { places } in closed.into_iter().filter(|group| group.places.len() >= FOLDED) {
        let more = repetitions(&places.iter().map(|&place| &lines[place]).collect::<Vec<_>>());
        places[1..].iter().for_each(|&place| replaced[place] = Some(None));
        replaced[places[0]] = Some(Some(more));
    }
    lines
        .into_iter()
        .zip(replaced)
        .filter_map(|(line, replaced)| match replaced {
            None => Some(line),
            Some(None) => None,
            Some(Some(more)) => {
                let row = Row { more, ..line.row };
                Some(Line { row, ..line })
            }
        })
        .collect()
}

/// Returns the number of repetitions, and how far apart they are.
fn repetitions(lines: &[&Line<'_>]) -> String {
    let at: Vec<u64> = lines.iter().map(|line| line.event.at_nanos).collect();
    let mut between: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    between.sort_unstable();
    let median = Duration::from_nanos(between[between.len() / 2]);
    let last = Duration::from_nanos(*at.last().expect("a group has lines"));
    let (count, every, until) = (lines.len(), seconds(median), seconds(last));
    format!("{}  {count} ×, every {every} s until {until}s", lines[0].row.more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Filter, Look, lines, render};
    use expect_test::expect;
    use stormglass_core::{Keep, Recorder, Scope, SimTime};

    /// A poll is refused every 250 ms, 5 times, then answered, then refused twice.
    #[test]
    fn repetitions_of_a_task_are_one_line_until_it_does_something_else() {
        let recorder = Recorder::new(Keep::Events);
        let record = |at: u64, task: &str, kind, subject: &str| {
            let scope =
                Scope { node: recorder.symbol("harness"), task: recorder.symbol(task), ..Scope::default() };
            let at = SimTime::from_nanos(at * 1_000_000);
            recorder.record_in(scope, at, kind, recorder.symbol(subject), Duration::ZERO, 0);
        };
        for poll in 1..=5 {
            record(250 * poll, "poll", Kind::Refuse, "harness -> node-1");
            record(250 * poll + 1, "other", Kind::Note, "something");
        }
        record(1_500, "poll", Kind::Note, "answered");
        record(1_750, "poll", Kind::Refuse, "harness -> node-1");
        record(2_000, "poll", Kind::Refuse, "harness -> node-1");
        let trace = recorder.finish();
        let lines = lines(
            &trace,
            &Filter { grep: Some(regex_lite::Regex::new("refuse|ans").unwrap()), ..Filter::default() },
        );
        let shown: String =
            render(&folded(lines), &[], &Look::default()).lines().map(|line| format!("|{line}\n")).collect();
        expect![[r#"
            |     time  node     what                                                            took
            |   0.250s  harness    refuse harness -> node-1  5 ×, every 0.250 s until 1.250s
            |   1.500s  harness  • answered
            |   1.750s  harness    refuse harness -> node-1
            |   2.000s  harness    refuse harness -> node-1
        "#]]
        .assert_eq(&shown);
    }
}
