//! `bytes`, re-exported whole. The tokio that `patches/tokio` wraps comes from another address of the
//! registry, and so would its `bytes`: another crate with other types. With this one in its place,
//! tokio's traits are about the `bytes` of the rest of the build.
#![no_std]

pub use real::*;
