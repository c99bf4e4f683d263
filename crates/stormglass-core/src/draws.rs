//! The log of a run's draws, for the determinism check; the branch that the run plays; and the draw from
//! which on a run has another random environment.
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

/// In place of the branch while draws are logged or counted: streams then look further.
pub(crate) const LOGGED: u64 = u64::MAX;

/// The name of a stream that was made before draws were logged.
const UNNAMED: &str = "a stream that was made before the run";

thread_local! {
    /// The current branch, or [`LOGGED`]. It is thread-local because all streams of a run share it
    /// and each run has a thread of its own.
    pub(crate) static BRANCH: Cell<u64> = const { Cell::new(TRUNK) };
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
    static REDRAW: Cell<Redraw> = const { Cell::new(Redraw::Never) };
}

/// When the streams of a thread change to another random environment.
#[derive(Clone, Copy)]
enum Redraw {
    Never,
    /// After this number of draws; the run plays `branch` until then.
    After {
        draws: u64,
        branch: u64,
        environment: u64,
    },
    /// They have.
    Done,
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

    /// Gives every stream of this thread other values after its first `draws` draws, counted over all
    /// streams as [`Draws::log`] does. The values are those of a random environment with this number:
    /// a stream keeps its place in it. So two runs that change to the same environment, one draw apart,
    /// differ by the value of that one draw alone.
    ///
    /// ```
    /// use stormglass_core::{Draws, Seed};
    ///
    /// // The first four values of a stream, when it changes after this number of draws.
    /// let values = |draws| {
    ///     // A run has a thread of its own.
    ///     let run = std::thread::spawn(move || {
    ///         Draws::redraw_after(draws, 1);
    ///         let mut syncs = Seed(7).stream("syncs");
    ///         [(); 4].map(|()| syncs.draw())
    ///     });
    ///     run.join().unwrap()
    /// };
    /// let (one, two) = (values(1), values(2));
    /// assert_eq!(one[0], two[0]);
    /// assert_ne!(one[1], two[1]);
    /// assert_eq!(one[2..], two[2..]);
    /// ```
    ///
    /// # Panics
    ///
    /// If the environment's number is 0, or draws are logged.
    pub fn redraw_after(draws: u64, environment: u64) {
        assert_ne!(environment, TRUNK, "environments are numbered from 1");
        let branch = BRANCH.replace(LOGGED);
        assert_ne!(branch, LOGGED, "draws are either logged or changed");
        REDRAW.set(Redraw::After { draws, branch, environment });
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

/// Sets the branch of this thread. A run that has changed to another random environment keeps it.
pub(crate) fn set_branch(branch: u64) {
    match REDRAW.get() {
        Redraw::Never => {}
        Redraw::After { draws, environment, .. } => {
            return REDRAW.set(Redraw::After { draws, branch, environment });
        }
        Redraw::Done => return,
    }
    let is_logged = LOG.with_borrow_mut(|log| log.as_mut().map(|log| log.branch = branch).is_some());
    if !is_logged {
        BRANCH.set(branch);
    }
}

/// Returns the branch that [`BRANCH`] stands for, for the next draw.
pub(crate) fn branch(shown: u64) -> u64 {
    match REDRAW.get() {
        Redraw::After { draws: 0, environment, .. } => {
            BRANCH.set(environment);
            REDRAW.set(Redraw::Done);
            environment
        }
        Redraw::After { draws, branch, environment } => {
            REDRAW.set(Redraw::After { draws: draws - 1, branch, environment });
            branch
        }
        Redraw::Never if shown == LOGGED => {
            LOG.with_borrow(|log| log.as_ref().map_or(shown, |log| log.branch))
        }
        Redraw::Never | Redraw::Done => shown,
    }
}

/// Whether a stream that changes its branch changes to another random environment, in which it keeps its
/// place.
pub(crate) fn keeps_place() -> bool {
    matches!(REDRAW.get(), Redraw::Done)
}

/// Keeps the name of the stream with this key, if draws are logged.
pub(crate) fn name(key: &[u8; 32], name: impl FnOnce() -> String) {
    if BRANCH.get() == LOGGED && LOG.with_borrow(Option::is_some) {
        // The name of a stream may be that of another one, which the log knows.
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
