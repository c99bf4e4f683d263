//! The states of each node that are not "up": paused, down, cut off.

use super::bands::Band;
use crate::lanes::Lanes;
use serde::Serialize;
use stormglass_core::{ProcessState, SimTime, Symbol, Trace};

/// The time in which a node is in a state other than up.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Life {
    pub(super) lane: usize,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) state: State,
    /// The exit status, or the fault.
    pub(super) why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Paused,
    Down,
    CutOff,
}

impl Life {
    pub(super) fn of(trace: &Trace, lanes: &Lanes, bands: &[Band], ended: SimTime) -> Vec<Life> {
        let mut lives = Vec::new();
        for lane in 0..lanes.names.len() {
            let changes = trace.processes.iter().filter(|change| change.node == lanes.names[lane]);
            let mut changes = changes.peekable();
            while let Some(change) = changes.next() {
                let (state, why) = match &change.state {
                    ProcessState::Up => continue,
                    ProcessState::Paused => (State::Paused, String::new()),
                    ProcessState::Down(status) => (State::Down, status.clone()),
                };
                let from = change.at.as_nanos();
                let mut to = changes.peek().map_or(ended, |next| next.at).as_nanos();
                if state == State::Down {
                    to = to.min(first_event(trace, &change.node, from).unwrap_or(u64::MAX));
                }
                lives.push(Life { lane, from, to: to.max(from), state, why });
            }
        }
        let cut = bands.iter().filter(|band| band.cuts_off).flat_map(|band| {
            let (from, to, state) = (band.from, band.to, State::CutOff);
            band.lanes.iter().map(move |&lane| Life { lane, from, to, state, why: band.text.clone() })
        });
        lives.extend(cut);
        lives
    }
}

/// Returns when a task of a node has the first event after this time.
fn first_event(trace: &Trace, node: &str, after: u64) -> Option<u64> {
    let start = trace.events.partition_point(|event| event.at_nanos <= after);
    let mut later = trace.events[start..].iter();
    let event = later.find(|event| event.task != Symbol::NONE && trace.text(event.node) == node)?;
    Some(event.at_nanos.saturating_sub(event.took_nanos).max(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use stormglass_core::{Keep, Kind, Recorder, Scope};

    /// Killed at 10 ns without a start function, the process is up again with an event that ended at
    /// 30 ns and took 5 ns; from 40 ns to 50 ns it is paused.
    #[test]
    fn a_process_is_down_until_it_starts_or_has_an_event() {
        let recorder = Recorder::new(Keep::Events);
        let change = |at, state| recorder.record_process(SimTime::from_nanos(at), "node-1", || state);
        let scope =
            Scope { node: recorder.symbol("node-1"), task: recorder.symbol("main"), ..Scope::default() };
        recorder.enter(scope);
        let note = recorder.symbol("up");
        recorder.record(SimTime::from_nanos(5), Kind::Note, note, Duration::ZERO, 0);
        change(10, ProcessState::Down("signal: 9 (SIGKILL)".into()));
        recorder.record(SimTime::from_nanos(30), Kind::Step, note, Duration::from_nanos(5), 0);
        change(40, ProcessState::Paused);
        change(50, ProcessState::Up);
        change(60, ProcessState::Down("exit status: 3".into()));
        let trace = recorder.finish();
        let lives = Life::of(&trace, &Lanes::of(&trace), &[], SimTime::from_nanos(99));
        let shown: Vec<_> = lives.iter().map(|life| (life.from, life.to, life.state)).collect();
        assert_eq!(shown, [(10, 25, State::Down), (40, 50, State::Paused), (60, 99, State::Down)]);
        assert_eq!(lives[2].why, "exit status: 3");
    }
}
