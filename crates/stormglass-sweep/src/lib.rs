//! Many runs: [`pool`] spreads them over worker threads and gives their results in order, [`stats`] says what
//! the waits were like, [`binomial`] how sure one can be of a rate.
//!
//! **Invariant:** only the order in which runs are *done* may differ between machines; results are handed over by
//! number, so everything that is printed or stored is the same for any number of workers. This crate knows no
//! scenario and no Raft.

pub mod binomial;
pub mod pool;
pub mod stats;

pub use binomial::{clopper_pearson, mcnemar};
pub use pool::in_order;
pub use stats::WaitStats;
