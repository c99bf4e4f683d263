#![doc = include_str!("../README.md")]

#[cfg(all(madsim, not(tokio_unstable)))]
compile_error!(
    "stormglass-tokio needs tokio's seeded generator and task hooks, and `--cfg tokio_unstable` is missing. \
     Write in .cargo/config.toml: [build] rustflags = [\"--cfg\", \"madsim\", \"--cfg\", \"tokio_unstable\"]"
);

pub use real::*;

#[cfg(madsim)]
pub mod fs;
#[cfg(madsim)]
pub mod net;
#[cfg(madsim)]
pub mod signal;
#[cfg(madsim)]
pub mod task;

#[cfg(madsim)]
#[doc(inline)]
pub use task::spawn;
