//! Integration tests of `stormglass-sweep`, one module per area, in one binary so that the crate is
//! linked once.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

mod answers;
mod results;
