//! Many runs: which runs there are, playing them, storing them, and the statistics of their
//! outcomes.
//!
//! In reading order, which is the order of dependence:
//!
//! - [`seeds`] parses a range of seeds, [`pool`] plays runs on worker threads and hands results
//!   over in order;
//! - [`stats`] has confidence intervals and tests;
//! - [`space`] reads a sweep file into cells; [`plan`] finds which runs answer for which cells;
//! - [`shard`] is a part of a sweep; [`results`] stores rows; [`tally`] counts them cell by cell;
//! - [`schedule`] decides which runs to play next; [`mod@sweep`] plays them, [`mod@merge`] joins
//!   shards;
//! - [`answers`] turns counts into deadlines, comparisons, a frontier and sensitivities;
//! - [`splitting`] estimates probabilities that are too small to count (importance splitting);
//! - [`tipping`] finds the random draws that tipped a run over, and the chance of failing before and after;
//! - [`calibration`] fits a machine profile to real logs.
//!
//! Without the feature `sweep` there are only [`pool`], [`seeds`], [`sometimes`] and
//! [`stats::waits`], which need no other crate.
//!
//! **Invariant:** only the order in which runs are *played* may differ between machines. Results
//! are handed over by number, so everything that is printed or stored is the same for any number of
//! workers, shards and interruptions. This crate knows no scenario and no Raft.

pub mod pool;
pub mod seeds;
pub mod sometimes;
pub mod stats;

#[cfg(feature = "sweep")]
pub mod answers;
#[cfg(feature = "sweep")]
pub mod calibration;
#[cfg(feature = "sweep")]
pub mod merge;
#[cfg(feature = "sweep")]
pub mod plan;
#[cfg(feature = "sweep")]
pub mod results;
#[cfg(feature = "sweep")]
pub mod schedule;
#[cfg(feature = "sweep")]
pub mod shard;
#[cfg(feature = "sweep")]
pub mod space;
#[cfg(feature = "sweep")]
pub mod splitting;
#[cfg(feature = "sweep")]
pub mod sweep;
#[cfg(feature = "sweep")]
pub mod tally;
#[cfg(feature = "sweep")]
pub mod tipping;

pub use pool::in_order;
pub use seeds::Seeds;
pub use sometimes::Sometimes;
pub use stats::waits::WaitStats;

#[cfg(feature = "sweep")]
pub use self::{
    merge::merge,
    plan::Plan,
    results::{Manifest, ResultsError, Row},
    shard::Shard,
    space::{Cell, Space, SpaceError},
    stats::binomial::clopper_pearson,
    stats::pairs::mcnemar,
    sweep::{RowStorage, sweep},
    tally::Tally,
};
