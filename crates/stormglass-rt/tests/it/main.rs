//! The promises of `stormglass-rt`, one module per area, in one binary so that the crate is linked once.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

mod causes;
mod workers;
