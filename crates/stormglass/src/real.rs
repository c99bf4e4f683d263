//! The same names in a build without `--cfg madsim`: a scenario is played once, on this machine.

pub use stormglass_real as sim;
pub use stormglass_real::rt;
pub use stormglass_real::rt::signal;

#[cfg(feature = "cli")]
pub use stormglass_real::{self as cli, App, main, test};

/// What a scenario and its test need.
pub mod prelude {
    pub use std::time::Duration;
    pub use stormglass_core::{Latency, Limit, Seed, Verdict};
    pub use stormglass_fs::FileExt;
    pub use stormglass_real::rt::sleep;
    pub use stormglass_real::{Client, Node, Parameters, Scenario, World, scenario};
}
