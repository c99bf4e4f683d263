//! Tests of `stormglass-sim`, one module per area, in one binary so that the crate is linked once.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

mod clients;
mod clocks;
mod crashes;
mod extremes;
mod leaks;
mod lifecycle;
mod logs;
mod plans;
mod processes;
mod redraws;
mod runs;
mod settings;
mod story;
