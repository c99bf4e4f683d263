//! The tests of `stormglass-net`, one module per area, in one binary so that the crate is linked
//! once.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

mod budget;
mod calls;
mod close_order;
mod contract;
mod costs;
mod faults;
mod groups;
mod hold;
mod hyper;
mod madsim_network;
mod namespaces;
mod patched_tokio;
mod processes;
mod streams;
mod traits;
mod unix;
