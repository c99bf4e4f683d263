//! Tests of `stormglass-rt`, one module per area, in one binary so that the crate is linked once.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_macros, reason = "`select!` in a hosted task is part of the seed")]

mod budget;
mod causes;
#[cfg(tokio_unstable)]
mod hosted;
mod node_clocks;
mod processes;
mod tasks;
mod workers;
