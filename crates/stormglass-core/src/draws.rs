//! The log of a run's draws, for the determinism check; and the branch that the run plays.
//!
//! A draw follows from its stream and its index in it. So two runs draw alike if they take the same
//! streams' draws in the same order; the values need not be kept.

use crate::event::Symbol;
use crate::recorder::Recorder;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::cell::{Cell, RefCell};

/// The branch number of a run that has not branched.
pub(crate) const TRUNK: u64 = 0;

/// In place of the branch while draws are logged: streams then look further.
pub(crate) const LOGGED: u64 = u64::MAX;

/// The name of a stream that was made before draws were logged.
const UNNAMED: &str = "a stream that was made before the run";

thread_local! {
    /// The current branch, or [`LOGGED`]. It is thread-local because all streams of a run share it
    /// and each run has a thread of its own.
    pub(crate) static BRANCH: Cell<u64> = const { Cell::new(TRUNK) };
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// A draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The index of the stream's name in [`Draws::streams`].
    pub stream: u32,
    /// The index of the draw in its stream, from 0.
    pub index: u64,
    /// The number of events of the run before it.
    pub events: u64,
    /// The node whose task drew.
    pub node: Symbol,
    /// The task that drew.
    pub task: Symbol,
}

/// The draws of a run in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draws {
    /// The names of the streams, in the order of their first draws: `disk/node-1/fsync`.
    pub streams: Vec<String>,
    /// The draws.
    pub draws: Vec<Draw>,
}

struct Log {
    recorder: Recorder,
    branch: u64,
    /// The streams' names, by their keys; and their indices in `draws`.
    names: IndexMap<[u8; 32], (String, Option<u32>), FxBuildHasher>,
    draws: Draws,
}

impl Draws {
    /// Logs the draws of all streams of this thread from now on, with the place of this recorder at
    /// which they are drawn. Streams that exist already have no name.
    ///
    /// ```
    /// use stormglass_core::{Draws, Keep, Recorder, Seed};
    ///
    /// Draws::log(&Recorder::new(Keep::Nothing));
    /// let mut syncs = Seed(7).stream(("disk", "node-1", "fsync"));
    /// syncs.draw();
    /// syncs.draw();
    /// let draws = Draws::take();
    /// assert_eq!(draws.streams, ["disk/node-1/fsync"]);
    /// assert_eq!(draws.draws[1].index, 1);
    /// ```
    pub fn log(recorder: &Recorder) {
        let branch = BRANCH.replace(LOGGED);
        let (names, draws) = (IndexMap::default(), Draws::default());
        LOG.set(Some(Log { recorder: recorder.clone(), branch, names, draws }));
    }

    /// Takes the draws since [`Draws::log`], and ends the log.
    pub fn take() -> Draws {
        let Some(log) = LOG.take() else { return Draws::default() };
        BRANCH.set(log.branch);
        log.draws
    }

    /// Returns the name of a draw's stream.
    pub fn stream(&self, draw: Draw) -> &str {
        self.streams.get(draw.stream as usize).map_or("", String::as_str)
    }
}

/// Sets the branch of this thread.
pub(crate) fn set_branch(branch: u64) {
    let is_logged = LOG.with_borrow_mut(|log| log.as_mut().map(|log| log.branch = branch).is_some());
    if !is_logged {
        BRANCH.set(branch);
    }
}

/// Returns the branch that [`BRANCH`] stands for.
pub(crate) fn branch(shown: u64) -> u64 {
    if shown == LOGGED { LOG.with_borrow(|log| log.as_ref().map_or(shown, |log| log.branch)) } else { shown }
}

/// Keeps the name of the stream with this key, if draws are logged.
pub(crate) fn name(key: &[u8; 32], name: impl FnOnce() -> String) {
    if BRANCH.get() == LOGGED {
        let name = name();
        LOG.with_borrow_mut(|log| {
            if let Some(log) = log {
                log.names.entry(*key).or_insert((name, None));
            }
        });
    }
}

/// Returns the name of the stream with this key.
pub(crate) fn name_of(key: &[u8; 32]) -> String {
    LOG.with_borrow(|log| log.as_ref()?.names.get(key).map(|(name, _)| name.clone()))
        .unwrap_or_else(|| UNNAMED.into())
}

/// Logs a draw, if draws are logged.
#[cold]
pub(crate) fn note(key: &[u8; 32], index: u64) {
    LOG.with_borrow_mut(|log| {
        let Some(Log { recorder, names, draws, .. }) = log else { return };
        let (name, stream) = names.entry(*key).or_insert_with(|| (UNNAMED.into(), None));
        let stream = *stream.get_or_insert_with(|| {
            draws.streams.push(name.clone());
            draws.streams.len() as u32 - 1
        });
        let scope = recorder.scope();
        let (events, node, task) = (recorder.count(), scope.node, scope.task);
        draws.draws.push(Draw { stream, index, events, node, task });
    });
}

/// Returns one part of a stream's label as text: a text, or a number of eight bytes.
pub(crate) fn part_as_text(part: &[u8]) -> String {
    match std::str::from_utf8(part) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_string(),
        _ => match part.try_into() {
            Ok(number) => u64::from_le_bytes(number).to_string(),
            Err(_) => String::from_utf8_lossy(part).into_owned(),
        },
    }
}
