#![doc = include_str!("../README.md")]

pub use stormglass_core as core;
pub use stormglass_fs as fs;
pub use stormglass_net as net;
pub use stormglass_plan as plan;
pub use stormglass_rt as rt;
pub use stormglass_sim as sim;

#[cfg(feature = "cli")]
pub use stormglass_cli::{self as cli, App, Exit, main};

/// What a scenario needs.
pub mod prelude {
    pub use stormglass_core::{Keep, Kind, Latency, Limit, Outcome, Seed, SimTime, Verdict};
    pub use stormglass_fs::FileExt;
    pub use stormglass_sim::{Node, Parameters, Play, Run, Scenario, Settings, SettingsError, World};
}
