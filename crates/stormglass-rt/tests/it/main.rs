//! Tests of `stormglass-rt`, one module per area, in one binary so that the crate is linked once.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod budget;
mod causes;
mod processes;
mod tasks;
mod workers;
