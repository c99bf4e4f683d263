//! Many runs: which there are, playing them, keeping them, and what they come to.
//!
//! In reading order: [`space`] reads a sweep file into cells; [`plan`] finds which runs answer for which cells, [`schedule`] in which order they are played
//! and when enough is known; [`mod@sweep`] plays them on the threads of [`pool`], [`results`] keeps them and puts shards together; [`tally`] counts,
//! [`stats`] says how sure one can be, and [`answers`] what that comes to. [`splitting`] plays
//! runs of another kind, for what is too rare to be counted; [`calibration`] puts real logs beside simulated runs.
//!
//! Without the feature `sweep` there are only [`pool`], [`seeds`] and [`stats::waits`], which need no other crate.
//!
//! **Invariant:** only the order in which runs are *done* may differ between machines; results are handed over by
//! number, so everything that is printed or stored is the same for any number of workers, of shards and of interruptions. This crate knows no
//! scenario and no Raft.

#[cfg(feature = "sweep")]
pub mod answers;
#[cfg(feature = "sweep")]
pub mod calibration;
#[cfg(feature = "sweep")]
pub mod plan;
pub mod pool;
#[cfg(feature = "sweep")]
pub mod results;
#[cfg(feature = "sweep")]
pub mod schedule;
pub mod seeds;
#[cfg(feature = "sweep")]
pub mod shard;
#[cfg(feature = "sweep")]
pub mod space;
#[cfg(feature = "sweep")]
pub mod splitting;
pub mod stats;
#[cfg(feature = "sweep")]
pub mod sweep;
#[cfg(feature = "sweep")]
pub mod tally;

pub use pool::in_order;
pub use stats::waits::WaitStats;

#[cfg(feature = "sweep")]
pub use self::{
    plan::Plan,
    results::{Manifest, ResultsError, Row},
    shard::Shard,
    space::{Cell, Space, SpaceError},
    stats::binomial::clopper_pearson,
    stats::pairs::mcnemar,
    sweep::{Keep, sweep},
    tally::Tally,
};
