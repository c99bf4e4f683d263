//! Traits of libraries for this crate's sockets, each behind a feature of the library's name, and
//! these sockets for a patched tokio.

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "hyper-util")]
pub mod hyper_util;
pub mod patched_tokio;
#[cfg(feature = "tonic")]
pub mod tonic;
