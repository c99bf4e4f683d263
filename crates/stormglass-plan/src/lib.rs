//! Fault plans: what breaks in a run, when, and for how long, as data.
//!
//! A [`Plan`] has a list of written faults, and a [`Generate`] that draws more from the run's seed
//! ([`Plan::faults`]). The harness applies them; applying a fault draws no random numbers beyond
//! those of the plan. When a run fails, [`shrink()`] searches for the smallest plan with which it
//! still fails.
//!
//! In reading order: [`fault`], [`plan`], [`generate`], [`mod@shrink`], and with the feature
//! `proptest` the module `strategy`.
//!
//! ```
//! use stormglass_core::Seed;
//! use stormglass_plan::Plan;
//!
//! let plan = Plan::parse("plan.toml", r#"
//!     [[fault]]
//!     kind = "kill"
//!     node = "node-2"
//!     at = "3s"
//!     lasts = "500ms"            # then it starts again
//!
//!     [[fault]]
//!     kind = "cut"
//!     from = "node-1"
//!     to = "node-[23]"
//!     at = "5s"
//!     lasts = "2s"
//!
//!     [generate]
//!     count = 4                  # and up to four that the seed chooses
//! "#)?;
//! let nodes = ["node-1", "node-2", "node-3"].map(String::from);
//! let faults = plan.faults(Seed(7), &nodes);
//! assert_eq!(faults, plan.faults(Seed(7), &nodes));
//! assert!((2..=6).contains(&faults.len()));
//! # Ok::<(), stormglass_plan::PlanError>(())
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod fault;
pub mod generate;
pub mod plan;
pub mod schema;
pub mod shrink;
#[cfg(feature = "proptest")]
pub mod strategy;

pub use fault::Fault;
pub use generate::Generate;
pub use plan::{Plan, PlanError};
pub use schema::plan_schema;
pub use shrink::{Shrunk, shrink};
pub use stormglass_core::fault::{
    ClockFault, Corruption, DiskError, DiskFault, FaultKind, LinkFault, Loss, OldAddress, OneShot, Pattern,
};
