//! A run, the event at which it stands, and what it moves to.

use regex_lite::Regex;
use std::collections::VecDeque;
use std::fmt;
use stormglass_core::{Event, EventId, Kind, SimTime, Symbol, Trace};
use stormglass_report::timeline::{Aside, Detail, Filter, Line, asides, lines};
use stormglass_sim::{Played, Run, RunState};

/// A run that was played to its end, and the event at which it stands. The state there comes from another
/// play of the run, which ends after that event: both are the same run, so each step backwards is one too.
pub(crate) struct Session<'a> {
    run: &'a Run<'a>,
    played: &'a Played,
    lines: Vec<Line<'a>>,
    asides: Vec<Aside<'a>>,
    /// The indices of the events that a timeline without `--all` shows.
    story: Vec<usize>,
    current: usize,
    /// The last states that were computed, with the indices of their events.
    states: VecDeque<(usize, RunState)>,
}

/// How many states are kept.
const STATES: usize = 64;

/// What the events have that a search finds.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The node.
    Node(Symbol),
    /// The task of the node.
    Task(Symbol, Symbol),
    /// The kind.
    Kind(Kind),
    /// A line in the timeline without `--all`.
    Story,
    /// A line that matches.
    Matching(Regex),
}

/// In which direction a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

impl<'a> Session<'a> {
    /// Starts at the event with this index, which the run has.
    pub(crate) fn new(run: &'a Run<'a>, played: &'a Played, current: usize) -> Session<'a> {
        let trace = &played.trace;
        assert!(current < trace.events.len(), "the caller has compared the number with that of the events");
        let everything = Filter { detail: Detail::Everything, ..Filter::default() };
        let story = lines(trace, &Filter::default()).iter().map(|line| line.index).collect();
        let (lines, asides) = (lines(trace, &everything), asides(trace, &everything));
        Session { run, played, lines, asides, story, current, states: VecDeque::new() }
    }

    pub(crate) fn run(&self) -> &'a Run<'a> {
        self.run
    }

    pub(crate) fn played(&self) -> &'a Played {
        self.played
    }

    pub(crate) fn trace(&self) -> &'a Trace {
        &self.played.trace
    }

    /// Returns the lines of all events: that of an event has its index.
    pub(crate) fn lines(&self) -> &[Line<'a>] {
        &self.lines
    }

    /// Returns what the timeline shows between the events.
    pub(crate) fn asides(&self) -> &[Aside<'a>] {
        &self.asides
    }

    /// Returns the index of the event at which the run stands.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    /// Returns the event at which the run stands.
    pub(crate) fn event(&self) -> &'a Event {
        &self.trace().events[self.current]
    }

    /// Returns when that event was over.
    pub(crate) fn now(&self) -> SimTime {
        SimTime::from_nanos(self.event().at_nanos)
    }

    /// Goes to the event with this index, or to the last one.
    pub(crate) fn go(&mut self, index: usize) {
        self.current = index.min(self.lines.len() - 1);
    }

    /// Goes so many events forward or backward, at most to the last or first one.
    pub(crate) fn step(&mut self, by: isize) {
        self.go(self.current.saturating_add_signed(by));
    }

    /// Returns the next event with this target.
    pub(crate) fn find(&self, target: &Target, direction: Direction) -> Option<usize> {
        let mut before = (0..self.current).rev();
        let mut after = self.current + 1..self.lines.len();
        let is_it = |&index: &usize| self.is(target, index);
        match direction {
            Direction::Forward => after.find(is_it),
            Direction::Backward => before.find(is_it),
        }
    }

    fn is(&self, target: &Target, index: usize) -> bool {
        let event = &self.trace().events[index];
        match target {
            Target::Node(node) => event.node == *node,
            Target::Task(node, task) => (event.node, event.task) == (*node, *task),
            Target::Kind(kind) => event.kind == *kind,
            Target::Story => self.story.binary_search(&index).is_ok(),
            Target::Matching(regex) => regex.is_match(&self.lines[index].text()),
        }
    }

    /// Returns the first event that was over at this time or later.
    pub(crate) fn at(&self, time: SimTime) -> Option<usize> {
        let index = self.trace().events.partition_point(|event| event.at_nanos < time.as_nanos());
        (index < self.lines.len()).then_some(index)
    }

    /// Returns the event that the current one had to wait for.
    pub(crate) fn cause(&self) -> Option<usize> {
        self.event().cause.index().filter(|&cause| cause < self.lines.len())
    }

    /// Returns the events that had to wait for the current one.
    pub(crate) fn effects(&self) -> impl Iterator<Item = usize> + use<'_> {
        let cause = EventId::at(self.current);
        let later = self.trace().events.iter().enumerate().skip(self.current + 1);
        later.filter(move |(_, event)| event.cause == cause).map(|(index, _)| index)
    }

    /// Returns the state after the current event.
    pub(crate) fn state(&mut self) -> &RunState {
        let known = self.states.iter().position(|(index, _)| *index == self.current);
        let place = known.unwrap_or_else(|| {
            if self.states.len() == STATES {
                self.states.pop_front();
            }
            self.states.push_back((self.current, self.run.state_after(EventId::at(self.current))));
            self.states.len() - 1
        });
        &self.states[place].1
    }

    /// Describes a target.
    pub(crate) fn name_of(&self, target: &Target) -> String {
        let text = |symbol: Symbol| match self.trace().text(symbol) {
            "" => "-".to_string(),
            text => text.into(),
        };
        match target {
            Target::Node(node) => format!("node {}", text(*node)),
            Target::Task(node, task) => format!("task {} on {}", text(*task), text(*node)),
            Target::Kind(kind) => format!("kind {kind}"),
            Target::Story => "story".into(),
            Target::Matching(regex) => format!("/{regex}/"),
        }
    }

    /// Returns the symbol of a node that has events.
    pub(crate) fn node(&self, name: &str) -> Option<Symbol> {
        let events = &self.trace().events;
        events.iter().map(|event| event.node).find(|node| self.trace().text(*node) == name)
    }

    /// Returns the names of the nodes that have events, in order.
    pub(crate) fn nodes(&self) -> Vec<&'a str> {
        let trace = self.trace();
        let names: std::collections::BTreeSet<&str> =
            trace.events.iter().map(|event| trace.text(event.node)).filter(|name| !name.is_empty()).collect();
        names.into_iter().collect()
    }
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("current", &self.current).finish_non_exhaustive()
    }
}
