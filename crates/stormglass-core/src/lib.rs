//! What every part of a simulation shares, as plain data: no clock, no tasks, no input or output.
//!
//! In reading order, which is the order of dependence:
//!
//! 1. [`time`]: [`SimTime`], nanoseconds since the start of a run.
//! 2. [`event`]: what happened. A fixed-size [`Event`] names the event it had to wait for.
//! 3. [`process`], [`log_line`], [`injected`], [`trace`]: the states of processes, the log, and the
//!    rules that a scenario installed; the events of a run and the chained hash over them.
//! 4. [`scope`]: the node, task and last cause to which an event belongs.
//! 5. [`recorder`]: the handle through which a run records its events.
//! 6. [`draws`]: the log of a run's random numbers, for the determinism check.
//! 7. [`seed`]: random numbers. A [`Seed`] gives named, independent [`Stream`]s.
//! 8. [`latency`]: how long operations take. A [`Latency`] turns one draw into one duration.
//! 9. [`queue`]: a queue in front of one or several servers.
//! 10. [`fault`]: what can break, which operations it affects, and when.
//! 11. [`mod@wait`], [`outcome`], [`requirements`]: waits with a deadline, how the run ended, and what had to happen.
//! 12. [`critical_path`]: what a wait was spent on, from the causes of events.
//! 13. [`scenario`]: what a scenario is played with, and the name of its test.
//! 14. [`workload`]: what clients do, and when, with a text form.
//! 15. [`linearizability`]: whether a history of operations on one object is linearizable.
//! 16. [`rate`]: what runs without a failure say about the rate of failures.
//! 17. [`identity`]: the inputs from which a run can be repeated.
//!
//! **Invariant:** nothing here uses madsim, a thread, the environment or a wall clock.

pub mod critical_path;
pub mod draws;
pub mod event;
pub mod fault;
mod human_duration;
pub mod identity;
pub mod injected;
pub mod latency;
pub mod linearizability;
pub mod log_line;
mod math;
pub mod outcome;
pub mod process;
pub mod queue;
pub mod rate;
pub mod recorder;
pub mod requirements;
pub mod scenario;
pub mod scope;
pub mod seed;
mod signed_duration;
pub mod time;
pub mod trace;
pub mod wait;
pub mod workload;

pub use draws::{Draw, Draws};
pub use event::{Event, EventId, Kind, Symbol};
pub use identity::Identity;
pub use injected::Injected;
pub use latency::Latency;
pub use log_line::{LogKind, LogLevel, LogLine};
pub use outcome::{Outcome, Verdict};
pub use process::{ProcessChange, ProcessState};
pub use recorder::{Keep, Recorder, TurnsSpent};
pub use scope::{Scope, WakeCause};
pub use seed::{Branch, Label, Seed, Stream};
pub use signed_duration::SignedDuration;
pub use time::SimTime;
pub use trace::{Trace, TraceHash};
pub use wait::{Length, Limit, Wait};
pub use workload::Workload;
