//! Integration tests across crates, as modules of one binary.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

mod arrows;
mod calibrate;
mod ci;
mod circles;
mod cli;
mod console;
mod determinism;
mod http;
mod json;
mod last_seed;
mod pages;
mod pictures;
mod plans;
mod properties;
mod rare;
mod readme;
mod sweeps;
mod tools;
