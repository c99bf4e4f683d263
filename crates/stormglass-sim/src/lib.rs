//! The world of a run.
//!
//! A [`Scenario`] says what is driven and judged; a [`Run`] is a scenario with its settings and a seed. Playing
//! it builds one madsim runtime on one new thread, gives the scenario a [`World`] of nodes, disks, links and
//! CPUs, and turns what happened into an outcome. Nothing is kept between runs.
//!
//! In reading order, which is the order of dependence: [`error`], [`preset`], [`parameter_set`], [`cpu`], [`profile`], `log_filter` and [`run_settings`] (what
//! settings consist of), [`values`] (the resolved values), [`parameters`] (their types), `process`, [`node`], [`state`], `active_faults`,
//! [`world`], [`client`], `must_happen`, `one_shot`, [`mod@scenario`], [`settings`], `leak`, `log`, [`run`],
//! [`mod@check`], [`crash`] and [`environment`].
//!
//! A scenario:
//!
//! ```
//! use stormglass_core::{Keep, Limit, Seed};
//! use stormglass_sim::fs::FileExt;
//! use stormglass_sim::{Parameters, Run, Scenario, Settings, World, scenario};
//!
//! #[derive(Clone, Parameters)]
//! #[parameters(crate = "stormglass_sim")] // not needed in a crate that depends on `stormglass`
//! struct Writes {
//!     /// How long two synced writes may take.
//!     #[parameter(default = "5ms")]
//!     deadline: Limit,
//! }
//!
//! struct TwoWrites;
//!
//! /// Two writes, each made durable
//! #[scenario]
//! impl Scenario for TwoWrites {
//!     async fn play(&self, world: World, settings: Writes) {
//!         let disk = world.node("node-1").disk().clone();
//!         world.wait("writes", "node-1", settings.deadline, async move {
//!             let file = disk.create("wal").await.unwrap();
//!             for offset in 0..2 {
//!                 file.write_all_at(b"x", offset).await.unwrap();
//!                 file.sync_data().await.unwrap();
//!             }
//!         }).await;
//!     }
//! }
//!
//! let settings = Settings::resolve(&TwoWrites, None, "quiet", &[("disk.sync.latency", "3ms")])?;
//! let played = Run::new(&TwoWrites, settings, Seed(1)).play(Keep::Nothing);
//! assert!(!played.outcome.verdict.is_passed());
//! # Ok::<(), stormglass_sim::SettingsError>(())
//! ```

pub mod error;
pub mod preset;

pub mod parameter_set;

pub mod cpu;
mod epoch;
mod log_filter;
pub mod profile;
pub mod run_settings;

pub mod values;

pub mod parameters;

mod life;
mod process;
pub mod restart;

pub mod node;

pub mod state;

mod active_faults;
mod lifecycle;
pub mod world;

pub mod client;
mod must_happen;

mod one_shot;

pub mod scenario;

pub mod settings;

mod leak;
mod log;
pub mod run;

pub mod check;

pub mod crash;

pub mod environment;

pub use check::{Divergence, check};
pub use client::Client;
pub use epoch::Epoch;
pub use error::SettingsError;
pub use lifecycle::exit;
pub use log_filter::LogFilter;
pub use node::Node;
pub use parameter_set::{Meaning, ParameterSet};
pub use parameters::Parameters;
pub use preset::{PLANS, Preset};
pub use profile::Profile;
pub use restart::Restart;
pub use run::{Played, Run, silence_panics};
pub use run_settings::RunSettings;
pub use scenario::{AnyScenario, Exhibit, Scenario};
pub use settings::{Settings, all_parameters};
pub use state::RunState;
pub use stormglass_core::scenario::RunDefaults;
pub use stormglass_macros::{Parameters, scenario, test};
pub use stormglass_rt::Leaks;
pub use values::Values;
pub use world::World;

/// The crate of disks, for scenarios.
pub use stormglass_fs as fs;
/// The crate of the network, for scenarios.
pub use stormglass_net as net;
/// The crate of fault plans.
pub use stormglass_plan as faults;

/// What the macros' code uses, so that a user's crate needs no other dependency.
#[doc(hidden)]
pub mod __private {
    pub use crate::{ParameterSet, Parameters, SettingsError, Values, real, simulated};
    pub use stormglass_core::latency::HumanDuration;
    pub use stormglass_core::{Latency, Limit};
    pub use {schemars, serde};
}

/// Code for the simulated world: all of it.
#[doc(hidden)]
#[macro_export]
macro_rules! simulated {
    ($($code:tt)*) => { $($code)* };
}

/// Code for a build without simulation: none.
#[doc(hidden)]
#[macro_export]
macro_rules! real {
    ($($code:tt)*) => {};
}
