//! Calls that leave the simulation: what code in a run asks of the real machine.
//!
//! A file of the real disk, a real socket, a sleep of the thread, a thread, a process, a change of
//! the environment: none of them is part of the seed. std, and most libraries, reach the system
//! through symbols of libc. This crate defines those symbols, as madsim does for clocks and random
//! numbers. On the thread of a run they follow the run's [`Leaks`]; elsewhere they call libc.
//!
//! - [`watch`] applies a policy to the current thread, as long as its guard exists.
//! - [`allowed`] runs a closure that may reach the real machine: code of the framework or of a test,
//!   not the code under test.
//! - [`take`] returns the calls that were refused or counted: each a [`Leak`], whose [`Site`] names
//!   std's function, the library and the place in the source.
//!
//! **What is not seen**: reads of environment variables, reads and writes of files that were open
//! before, processor instructions (`rdtsc`, `rdrand`), and system calls that a library makes without
//! libc. On systems other than 64-bit Linux with glibc nothing is seen ([`OWNS_LIBC`]).
//!
//! A run costs nothing more: the policy is a thread-local value, set once, and only calls of libc read
//! it.
//!
//! `getrandom(2)` through libc's `syscall`, as `rand::thread_rng` reaches it, is answered from a stream
//! of the seed under each policy. madsim answers libc's function `getrandom`.

mod record;
mod site;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod symbols;

pub(crate) use record::has_refused;
pub use record::{Leak, LeakKind, Leaks, allowed, take};
pub use site::Site;

use record::{Watched, set};
use std::marker::PhantomData;
use stormglass_core::Stream;

/// Whether calls that leave the simulation are seen on this system.
pub const OWNS_LIBC: bool = cfg!(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"));

/// Applies a policy to the calls of this thread until the guard is dropped. Reads of the system's
/// random numbers are draws of `entropy`.
///
/// ```
/// use stormglass_core::Seed;
/// use stormglass_rt::leaks::{self, Leaks};
///
/// let watch = leaks::watch(Leaks::Refuse, Seed(1).stream("entropy"));
/// let read = std::fs::read("/etc/hostname");
/// let leaks = leaks::take();
/// drop(watch);
/// if leaks::OWNS_LIBC {
///     assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
///     assert_eq!((leaks[0].call, &*leaks[0].argument), ("open64", "/etc/hostname"));
/// }
/// ```
pub fn watch(policy: Leaks, entropy: Stream) -> Watch {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
    symbols::keep();
    Watch { before: Some(set(Watched { policy, entropy: Some(entropy) })), _thread: PhantomData }
}

/// The guard of [`watch`].
#[derive(Debug)]
pub struct Watch {
    before: Option<Watched>,
    /// The policy belongs to the thread.
    _thread: PhantomData<*const ()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            set(before);
        }
    }
}
