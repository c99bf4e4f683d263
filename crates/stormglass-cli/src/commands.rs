//! The commands, one file each.

#[cfg(feature = "sweep")]
pub(crate) mod blame;
#[cfg(feature = "sweep")]
pub(crate) mod calibrate;
pub(crate) mod check;
pub(crate) mod crash;
#[cfg(feature = "debug")]
pub(crate) mod debug;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod list;
#[cfg(feature = "tools")]
pub(crate) mod new;
#[cfg(feature = "sweep")]
pub(crate) mod rare;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod shrink;
#[cfg(feature = "sweep")]
pub(crate) mod sweep;
#[cfg(feature = "tools")]
pub(crate) mod tools;
