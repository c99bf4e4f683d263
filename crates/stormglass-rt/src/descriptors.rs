//! The file descriptors of a process, and their limit (`RLIMIT_NOFILE`).
//!
//! Files, sockets and pipes that a program opens share one limit. A descriptor is closed when its
//! value is dropped, and all of a process are closed when it is killed.

use crate::process::Process;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// EMFILE: the process has as many descriptors as its limit allows.
const EMFILE: i32 = 24;

/// The file descriptors of a node's process: a value for [`crate::mount()`]. On a node without it,
/// descriptors are neither counted nor limited. Clones share them.
///
/// The descriptors that every process has besides (standard input, output and error, and some of
/// its runtime) are not counted.
///
/// ```
/// use stormglass_rt::{self as rt, Descriptor, descriptors::Descriptors};
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let descriptors = Descriptors::new(1);
///     let _mounted = rt::mount(rt::current_node(), descriptors.clone());
///     let file = Descriptor::open().unwrap();
///     assert_eq!(Descriptor::open().unwrap_err().raw_os_error(), Some(24));
///     drop(file);
///     assert_eq!(descriptors.open(), 0);
///     Descriptor::open().unwrap();
/// });
/// ```
#[derive(Clone)]
pub struct Descriptors(Arc<Shared>);

struct Shared {
    limit: AtomicU64,
    current: Mutex<Incarnation>,
}

/// The process that opened descriptors last.
#[derive(Default)]
struct Incarnation {
    process: Option<Process>,
    /// The number of its open descriptors.
    open: Arc<AtomicU64>,
}

impl Descriptors {
    /// Creates the descriptors of a process that may have this many.
    pub fn new(limit: u64) -> Descriptors {
        Descriptors(Arc::new(Shared { limit: limit.into(), current: Mutex::default() }))
    }

    /// The limit.
    pub fn limit(&self) -> u64 {
        self.0.limit.load(Relaxed)
    }

    /// Sets the limit, for every incarnation of the process. Descriptors above it stay open
    /// (`setrlimit(2)`).
    pub fn set_limit(&self, limit: u64) {
        self.0.limit.store(limit, Relaxed);
    }

    /// The number of open descriptors: 0 if the process is known to have ended
    /// ([`Process::has_ended`]).
    pub fn open(&self) -> u64 {
        let current = self.current();
        let has_ended = current.process.as_ref().is_some_and(Process::has_ended);
        if has_ended { 0 } else { current.open.load(Relaxed) }
    }

    fn current(&self) -> MutexGuard<'_, Incarnation> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_one(&self) -> io::Result<Descriptor> {
        let mut current = self.current();
        let is_full = current.open.load(Relaxed) >= self.limit();
        // To ask costs time: only where a descriptor is missing.
        let has_ended = |process: &Process| process.has_ended() || is_full && process.check_ended();
        if current.process.as_ref().is_none_or(has_ended) {
            *current = Incarnation { process: Some(Process::current()), open: Arc::default() };
        }
        if current.open.load(Relaxed) >= self.limit() {
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        current.open.fetch_add(1, Relaxed);
        Ok(Descriptor(Some(current.open.clone())))
    }
}

impl fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptors").field("limit", &self.limit()).field("open", &self.open()).finish()
    }
}

/// An open file descriptor; dropping it closes it.
#[derive(Debug, Default)]
pub struct Descriptor(Option<Arc<AtomicU64>>);

impl Descriptor {
    /// Opens a descriptor of the current node's process.
    ///
    /// # Errors
    ///
    /// EMFILE if the process has as many as its limit allows.
    pub fn open() -> io::Result<Descriptor> {
        // Sockets may be bound before the run begins.
        if !crate::is_in_run() {
            return Ok(Descriptor::default());
        }
        crate::mounted::<Descriptors>().map_or_else(|| Ok(Descriptor::default()), |all| all.open_one())
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.fetch_sub(1, Relaxed);
        }
    }
}
