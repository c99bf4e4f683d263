//! Traits of libraries for this crate's sockets, each behind a feature of the library's name.

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "hyper-util")]
pub mod hyper_util;
#[cfg(feature = "tonic")]
pub mod tonic;
