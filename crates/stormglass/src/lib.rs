#![doc = include_str!("../README.md")]

#[cfg(all(not(madsim), not(feature = "real")))]
compile_error!(
    "stormglass simulates, and `--cfg madsim` is missing. Write in .cargo/config.toml: [build] rustflags = \
     [\"--cfg\", \"madsim\", \"--cfg\", \"tokio_unstable\"]. An exported RUSTFLAGS replaces that silently: \
     unset it. To play each test once on the real machine instead, turn on the feature `real` of stormglass."
);

#[cfg(all(not(madsim), feature = "real"))]
mod real;
#[cfg(madsim)]
mod simulated;

#[cfg(all(not(madsim), feature = "real"))]
pub use real::*;
#[cfg(madsim)]
pub use simulated::*;
pub use stormglass_core as core;
pub use stormglass_fs as fs;
pub use stormglass_net as net;
pub use stormglass_plan as plan;

#[cfg(all(madsim, feature = "proptest"))]
pub mod proptest;
