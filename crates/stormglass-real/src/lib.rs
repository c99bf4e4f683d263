#![doc = include_str!("../README.md")]
//!
//! # Reading order
//!
//! The order of dependence: `identity` (the address, the names and the directory of a thread),
//! `symbols` (libc's functions that read them), `addresses` (a part of the loopback network for a
//! test), `parameters`, `reports`, `node`, `world`, `client`, `scenario`, `testing`, `app`.
#![cfg(not(madsim))]
#![cfg_attr(
    not(madsim),
    allow(
        clippy::disallowed_macros,
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "what runs here is real"
    )
)]

mod addresses;
mod app;
pub mod client;
mod identity;
pub mod node;
pub mod parameters;
mod reports;
pub mod rt;
pub mod scenario;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod symbols;
pub mod testing;
pub mod world;

pub use app::App;
pub use client::Client;
pub use node::Node;
pub use parameters::Parameters;
pub use scenario::Scenario;
pub use stormglass_core::scenario::RunDefaults;
pub use stormglass_macros::{Parameters, scenario, test};
pub use world::World;

/// By the names that the simulation has.
pub use stormglass_fs as fs;
/// By the names that the simulation has.
pub use stormglass_net as net;

/// What the macros' code uses.
#[doc(hidden)]
pub mod __private {
    pub use crate::parameters::{Parameters, parse, parse_duration};
    pub use crate::{real, simulated};
    pub use stormglass_core::{Latency, Limit};
}

/// Code for the simulated world: none.
#[doc(hidden)]
#[macro_export]
macro_rules! simulated {
    ($($code:tt)*) => {};
}

/// Code for the real machine.
#[doc(hidden)]
#[macro_export]
macro_rules! real {
    ($($code:tt)*) => { $($code)* };
}

/// Defines the function `main` of a program that plays these scenarios once.
#[macro_export]
macro_rules! main {
    ($($scenario:expr),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::App::new()$(.with_scenario($scenario))+.main()
        }
    };
}
