//! Property tests: something holds for every plan, parameter, workload and seed that a strategy
//! draws.
//!
//! A [`Property`] plays cases that proptest draws. A case that fails is shrunk, the seed of the
//! case is kept in a file beside the test, and the next run of the test plays it first.
//! [`Property::check_runs`] is for runs of a scenario: its [`Case`]s have a plan, parameters and a
//! seed. The values are shrunk by proptest and the plan by [`stormglass_plan::shrink()`]; the
//! message of the failure has a plan file, the options of the command line, and a line that replays
//! the run.
//!
//! ```
//! use stormglass::prelude::*;
//! use stormglass::proptest::{self, parameter, passes};
//!
//! #[derive(Clone, Parameters)]
//! struct Own {
//!     /// How long a synced write may take.
//!     #[parameter(default = "1s")]
//!     deadline: Limit,
//! }
//!
//! struct Writes;
//!
//! /// A service writes
//! #[scenario]
//! impl Scenario for Writes {
//!     async fn play(&self, world: World, own: Own) {
//!         let disk = world.node("node-1").disk().clone();
//!         world.wait("a write", "node-1", own.deadline, async move {
//!             let file = disk.create("wal").await.unwrap();
//!             file.write_all_at(b"x", 0).await.unwrap();
//!             file.sync_data().await.unwrap();
//!         }).await;
//!     }
//! }
//!
//! # fn main() {
//! let plans = proptest::plans(&["node-1"], 0..3, Duration::from_secs(2), Duration::from_millis(100));
//! let parameters = proptest::parameters([("own.deadline", parameter::durations(2_000..=60_000))]);
//! let cases = proptest::cases(proptest::profiles(&["quiet"]), parameters, plans);
//! let property = stormglass::property!().cases(20).at_least(0.2);
//! // The interesting cases are those with a fault.
//! let tally = property.check_runs(&Writes, cases, |case, played| {
//!     passes(played)?;
//!     Ok(!case.plan.is_empty())
//! });
//! println!("{tally}");
//! # }
//! ```
//!
//! | environment variable | meaning |
//! | --- | --- |
//! | `PROPTEST_CASES` | the number of cases of each property, instead of its own |
//! | `STORMGLASS_NIGHTLY` | the factor by which each property has more cases, such as `100`; they are drawn anew in each run |
//! | `PROPTEST_RNG_SEED` | proptest's seed. Without it a property draws the same cases in each run, unless `STORMGLASS_NIGHTLY` is set |
//! | `STORMGLASS_SHRINK` | how long to search for a smaller case, such as `1m`, and as long again for a smaller plan; default `10s`; `0s`: not at all |
//! | `STORMGLASS_REPLAY` | a case file that a failure has written: the test plays this case alone |
//! | `STORMGLASS_ARTIFACTS` | the directory of the files of failures, in which each test has its own; default `target/stormglass` |
//!
//! In reading order: `environment`, `regressions`, [`property`], [`parameter`], [`case`],
//! [`workload`], [`history`], `runs`.

mod environment;
mod regressions;

pub mod property;

pub mod parameter;

pub mod case;
pub mod history;
pub mod workload;

mod runs;

pub use crate::property;
pub use ::proptest::prelude;
pub use case::{Case, CaseError, cases};
pub use history::histories;
pub use parameter::{Assignments, Profile, parameters, profiles};
pub use property::{Found, Property, Tally};
pub use runs::passes;
pub use stormglass_core::workload::{Step, Workload};
pub use stormglass_plan::strategy::plans;
pub use workload::workloads;
