//! Stories across crates.

mod arrows;
mod cli;
mod determinism;
