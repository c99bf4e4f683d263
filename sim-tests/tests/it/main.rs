//! Stories across crates.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

mod arrows;
mod cli;
mod determinism;
mod http;
