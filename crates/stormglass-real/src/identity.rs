//! What a thread of a node has: an address, the names of its world, a working directory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The addresses of a world's nodes by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<Mutex<BTreeMap<String, Ipv4Addr>>>);

impl Names {
    pub(crate) fn add(&self, name: &str, address: Ipv4Addr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), address);
    }

    pub(crate) fn address(&self, name: &str) -> Option<Ipv4Addr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

/// The node that a thread belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) address: Ipv4Addr,
    pub(crate) names: Names,
}

thread_local! {
    static CURRENT: RefCell<Option<Identity>> = const { RefCell::new(None) };
}

impl Identity {
    /// Returns the current thread's. `None` on a thread of no node, and while the thread ends.
    pub(crate) fn current() -> Option<Identity> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Makes the current thread one of this node, with this working directory.
    ///
    /// # Errors
    ///
    /// Those of the system; `Unsupported` where threads cannot have a working directory of their
    /// own.
    pub(crate) fn enter(&self, directory: &Path) -> io::Result<()> {
        unshare_working_directory()?;
        std::env::set_current_dir(directory)?;
        CURRENT.set(Some(self.clone()));
        Ok(())
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#[expect(unsafe_code, reason = "the call takes no pointer")]
fn unshare_working_directory() -> io::Result<()> {
    // SAFETY: the call takes no pointer; it changes this thread alone.
    match unsafe { libc::unshare(libc::CLONE_FS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
fn unshare_working_directory() -> io::Result<()> {
    let problem = "a run without simulation needs 64-bit Linux with glibc; build with --cfg madsim";
    Err(io::Error::new(io::ErrorKind::Unsupported, problem))
}
