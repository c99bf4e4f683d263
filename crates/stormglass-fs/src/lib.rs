#![doc = include_str!("../README.md")]
//!
//! The reading order is the order of dependence: a file uses only files before it in this list.
//!
//! 1. [`profile`]: the costs of operations, as data.
//! 2. [`fault`]: rules that make operations fail or corrupt them. `error`: the errors of the kernel by their numbers.
//! 3. `tree`: directory entries, contents and attributes, volatile and durable; plain structs without clock.
//! 4. [`power`]: what a power loss leaves. [`device`]: the request queue and its stalls. `write_back`: the kernel's own writes.
//! 5. `operation`: kinds, streams, counters. `lock`: advisory locks. `deferred`: the latency of blocking calls.
//! 6. [`disk`]: the handle of a disk. Every operation starts, sleeps and finishes there.
//! 7. `special`: Unix sockets and FIFOs. [`mount`]: the disk of a node. `options`: flags of `open(2)`. `metadata`, `names`,
//!    `directory`: operations on paths.
//! 8. `ext`, [`file`](mod@file): an open file. `whole_file`: opening by path, reading and writing whole files.
//! 9. `functions`, `mounted`: the functions of `tokio::fs` on the mounted disk. [`blocking`]: engines without await.
//!
//! `real` replaces all of it where nothing is simulated.
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
mod deferred;
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
mod injected;
#[cfg(madsim)]
mod lock;
#[cfg(madsim)]
mod metadata;
#[cfg(madsim)]
pub mod mount;
#[cfg(madsim)]
mod mounted;
#[cfg(madsim)]
mod names;
#[cfg(madsim)]
mod operation;
#[cfg(madsim)]
mod options;
#[cfg(madsim)]
pub mod power;
#[cfg(madsim)]
pub mod profile;
#[cfg(madsim)]
mod special;
#[cfg(madsim)]
mod tree;
#[cfg(madsim)]
mod whole_file;
#[cfg(madsim)]
mod write_back;

#[cfg(madsim)]
mod simulated {
    pub use crate::device::{Device, DeviceState, Stall};
    pub use crate::directory::{DirBuilder, DirEntry, ReadDir};
    pub use crate::disk::{Disk, DiskState, FaultGuard, Snapshot};
    pub use crate::file::{File, OpenOptions};
    pub use crate::metadata::{FileTimes, FileType, Metadata};
    pub use crate::mount::Mount;
    pub use crate::mounted::{
        canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_dir, read_link,
        read_to_string, remove_dir, remove_dir_all, remove_file, rename, set_permissions, symlink,
        symlink_metadata, try_exists, write,
    };
    pub use crate::operation::{Count, Counters};
    pub use crate::power::Loss;
    pub use crate::profile::{DiskProfile, NamesDurable, OpCost, Slowdown};
}
