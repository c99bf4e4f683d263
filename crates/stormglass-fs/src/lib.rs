#![doc = include_str!("../README.md")]
//!
//! In reading order: [`profile`] (what an operation costs), `tree` (names and contents, now and after a power loss: plain
//! structs without clock), [`power`] (what a power loss leaves), [`device`] (where requests queue and stalls happen),
//! `write_back` (what the kernel writes on its own), [`fault`] (rules that spoil operations), [`disk`] (the handle and
//! the operations by name), [`file`](mod@file) (an open file), [`mount`] (`tokio::fs` on the node's own disk), [`blocking`]
//! (for engines without await). `real` is what stands here when nothing is simulated.
//!
//! **Invariant:** this crate knows no plan, no scenario and no network.

mod ext;
pub use ext::FileExt;

#[cfg(not(madsim))]
mod real;
#[cfg(not(madsim))]
pub use real::*;

#[cfg(madsim)]
pub use simulated::*;

#[cfg(madsim)]
pub mod blocking;
#[cfg(madsim)]
pub mod device;
#[cfg(madsim)]
mod directory;
#[cfg(madsim)]
pub mod disk;
#[cfg(madsim)]
mod error;
#[cfg(madsim)]
pub mod fault;
#[cfg(madsim)]
pub mod file;
#[cfg(madsim)]
mod functions;
#[cfg(madsim)]
mod lock;
#[cfg(madsim)]
mod metadata;
#[cfg(madsim)]
pub mod mount;
#[cfg(madsim)]
mod operation;
#[cfg(madsim)]
mod options;
#[cfg(madsim)]
pub mod power;
#[cfg(madsim)]
pub mod profile;
#[cfg(madsim)]
mod tree;
#[cfg(madsim)]
mod write_back;

#[cfg(madsim)]
mod simulated {
    pub use crate::device::Device;
    pub use crate::directory::{DirEntry, ReadDir};
    pub use crate::disk::{Disk, FaultGuard, Snapshot};
    pub use crate::file::{File, OpenOptions};
    pub use crate::metadata::{FileType, Metadata};
    pub use crate::mount::{
        Mount, canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_dir,
        read_link, read_to_string, remove_dir, remove_dir_all, remove_file, rename, symlink,
        symlink_metadata, try_exists, write,
    };
    pub use crate::operation::{Count, Counters};
    pub use crate::power::Loss;
    pub use crate::profile::{DiskProfile, NamesDurable, OpCost, Slowdown};
}
