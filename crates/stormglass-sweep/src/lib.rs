//! Many runs: which there are, playing them, keeping them, and what they come to.
//!
//! In reading order: [`space`] reads a sweep file into cells; [`plan`] finds which runs answer for which cells, [`schedule`] in which order they are played
//! and when enough is known; [`mod@sweep`] plays them on the threads of [`pool`], [`results`] keeps them and puts shards together; [`tally`] counts,
//! [`stats`] says how sure one can be, and [`answers`] what that comes to. [`splitting`] plays
//! runs of another kind, for what is too rare to be counted; [`calibration`] puts real logs beside simulated runs.
//!
//! **Invariant:** only the order in which runs are *done* may differ between machines; results are handed over by
//! number, so everything that is printed or stored is the same for any number of workers, of shards and of interruptions. This crate knows no
//! scenario and no Raft.

pub mod answers;
pub mod calibration;
pub mod plan;
pub mod pool;
pub mod results;
pub mod schedule;
pub mod shard;
pub mod space;
pub mod splitting;
pub mod stats;
pub mod sweep;
pub mod tally;

pub use plan::Plan;
pub use pool::in_order;
pub use results::{Manifest, ResultsError, Row};
pub use shard::Shard;
pub use space::{Cell, Space, SpaceError};
pub use stats::binomial::clopper_pearson;
pub use stats::pairs::mcnemar;
pub use stats::waits::WaitStats;
pub use sweep::{Keep, sweep};
pub use tally::Tally;
