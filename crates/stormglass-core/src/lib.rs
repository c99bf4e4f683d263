//! What every part of a simulation shares, as plain data: no clock, no tasks, no input or output.
//!
//! In reading order:
//!
//! 1. [`seed`]: where chance comes from. A [`Seed`] gives named, independent [`Stream`]s.
//! 2. [`latency`]: how long things take. A [`Latency`] turns one draw into one duration.
//! 3. [`time`]: [`SimTime`], nanoseconds since the start of a run.
//! 4. [`queue`]: waiting for one of several servers.
//! 5. [`fault`]: what can break, to which operations that happens, and when.
//! 6. [`event`]: what happened. A fixed-size [`Event`] names the event it had to wait for.
//! 7. [`trace`]: all that happened. A [`Recorder`] folds every event into a chained hash and keeps them when asked.
//! 8. [`mod@wait`], [`outcome`]: what somebody waited for, and how the run ended.
//! 9. [`blame`]: where a wait went, read off the causes.
//! 10. [`identity`]: all that is needed to run the same run again.
//!
//! **Invariant:** nothing here knows madsim, a thread, the environment or a wall clock.

pub mod blame;
pub mod event;
pub mod fault;
pub mod identity;
pub mod latency;
pub mod linearizability;
mod math;
pub mod outcome;
pub mod queue;
pub mod seed;
pub mod time;
pub mod trace;
pub mod wait;

pub use event::{Event, EventId, Kind, Symbol};
pub use identity::Identity;
pub use latency::Latency;
pub use outcome::{Outcome, Verdict};
pub use seed::{Branch, Label, Seed, Stream};
pub use time::SimTime;
pub use trace::{Keep, Recorder, Scope, Trace, TraceHash, TurnsSpent, Woken};
pub use wait::{Length, Limit, Wait};
