//! What a user needs of the simulated world.

pub use stormglass_rt as rt;
pub use stormglass_rt::signal;
pub use stormglass_sim as sim;

#[cfg(feature = "cli")]
pub use stormglass_cli::{self as cli, App, Exit, main};
#[cfg(feature = "cli")]
pub use stormglass_sim::test;

/// What a scenario and its test need.
pub mod prelude {
    pub use std::time::Duration;
    pub use stormglass_core::{Keep, Latency, Limit, Seed, Verdict};
    pub use stormglass_fs::FileExt;
    pub use stormglass_rt::sleep;
    pub use stormglass_sim::{
        Client, Node, Parameters, Run, Scenario, Settings, SettingsError, World, scenario,
    };
}
