//! The world of a run.
//!
//! A [`Scenario`] says what is driven and judged; a [`Run`] is a scenario with its settings and a seed. Playing
//! it builds one madsim runtime on one fresh thread, gives the scenario a [`World`] of nodes, disks, links and
//! CPUs, and turns what happened into an outcome. Nothing is kept between runs.
//!
//! In reading order: [`scenario`], [`world`], [`node`], [`cpu`], [`run`], [`mod@check`], and [`settings`] with [`parameters`] and
//! [`profile`] for what can be set.
//!
//! A scenario of one's own:
//!
//! ```
//! use std::time::Duration;
//! use stormglass_core::{Keep, Seed};
//! use stormglass_sim::fs::FileExt;
//! use stormglass_sim::{Play, Run, Scenario, Settings, World};
//!
//! /// Two writes, each made durable, shall take no longer than 5 ms.
//! struct TwoWrites;
//!
//! impl Scenario for TwoWrites {
//!     fn name(&self) -> &str { "two-writes" }
//!     fn about(&self) -> &str { "two synced writes within 5 ms" }
//!     fn play(&self, world: World, _settings: &Settings) -> Play {
//!         Box::pin(async move {
//!             let node = world.node("node-1");
//!             let disk = node.disk().clone();
//!             world.wait("writes", "node-1", Duration::from_millis(5), async move {
//!                 let file = disk.create("wal").await.unwrap();
//!                 for offset in 0..2 {
//!                     file.write_all_at(b"x", offset).await.unwrap();
//!                     file.sync_data().await.unwrap();
//!                 }
//!             }).await;
//!         })
//!     }
//! }
//!
//! let settings = Settings::resolve(&TwoWrites, None, "quiet", &[("disk.sync.latency", "3ms")])?;
//! let played = Run::new(&TwoWrites, settings, Seed(1)).play(Keep::Nothing);
//! assert!(!played.outcome.verdict.is_passed());
//! # Ok::<(), stormglass_sim::SettingsError>(())
//! ```

pub mod check;
pub mod cpu;
pub mod node;
pub mod parameters;
mod plan;
pub mod profile;
pub mod run;
pub mod scenario;
pub mod settings;
pub mod world;

pub use check::{Divergence, check};
pub use node::Node;
pub use parameters::{Meaning, Parameters};
pub use profile::Profile;
pub use run::{Played, Run};
pub use scenario::{Exhibit, Play, Preset, Scenario};
pub use settings::{Settings, SettingsError};
pub use world::World;

/// The disks' crate, for scenarios.
pub use stormglass_fs as fs;
/// The network's crate, for scenarios.
pub use stormglass_net as net;
/// The crate of plans of faults.
pub use stormglass_plan as faults;
