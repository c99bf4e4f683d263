//! A VFS (<https://sqlite.org/vfs.html>) on a disk of the simulation.
//!
//! It does what SQLite's own `unix` VFS does, in the same order: a new journal's directory is
//! synced with the journal's first sync, a removed journal's directory if SQLite asks for it. There
//! are three differences. It has no shared memory (version 1 of the I/O methods), so WAL mode needs
//! `locking_mode = EXCLUSIVE`, as documented in <https://sqlite.org/wal.html#noshm>. It refuses
//! temporary files: set `temp_store = MEMORY`. And a database is one connection's at a time:
//! another one is refused with `SQLITE_BUSY` when it opens the file, so that the methods for locks
//! have nothing to do.

mod file;
mod random;

pub use random::section;

use file::{OpenFile, methods};
use rusqlite::ffi::{self, sqlite3_file, sqlite3_vfs};
use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stormglass::core::seed::Stream;
use stormglass::fs::blocking::{BlockingDisk, BlockingFile, DeferredLatency};
use stormglass::fs::{Disk, OpenOptions};

/// The longest path, with its final NUL: `PATH_MAX`.
const PATH_MAX: c_int = 4_096;

/// The Julian day of the Unix epoch, in milliseconds.
const UNIX_EPOCH_JULIAN: i64 = 210_866_760_000_000;

/// Whether a sync does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// A sync of a file and a sync of a directory make durable what was written.
    Honest,
    /// A sync of a directory is acknowledged and does nothing: a VFS without the code for
    /// directories.
    SkipDirectories,
    /// Every sync is acknowledged and does nothing: a disk without `F_FULLFSYNC`, whose cache is
    /// lost with the power.
    Lie,
}

/// A path that a database on the simulated disk cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPath {
    path: String,
    problem: &'static str,
}

impl std::fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the path {:?} of a database: {}", self.path, self.problem)
    }
}

impl std::error::Error for InvalidPath {}

/// A VFS of SQLite, for the connections of one process. Its files are those of one disk.
#[derive(Debug)]
pub struct Vfs {
    /// In a box: `pAppData` of the registered struct is its address.
    shared: Box<Arc<Shared>>,
    /// SQLite keeps the address until the VFS is unregistered.
    registered: Box<sqlite3_vfs>,
    name: CString,
}

/// What the VFS and its open files share.
#[derive(Debug)]
pub(crate) struct Shared {
    disk: BlockingDisk,
    deferred: DeferredLatency,
    syncs: Syncs,
    /// Whether the process is dead: nothing has an effect then.
    dead: AtomicBool,
    random: Mutex<Stream>,
    refused: Mutex<Option<InvalidPath>>,
}

// SAFETY: SQLite calls a VFS from any thread; what `registered` points to is `shared`, which is
// `Sync`, and `name`.
unsafe impl Send for Vfs {}
// SAFETY: As above; no method changes `registered`.
unsafe impl Sync for Vfs {}

impl Vfs {
    /// Registers a VFS on this disk. SQLite's random numbers come from `random`.
    ///
    /// # Panics
    ///
    /// If SQLite cannot be initialised.
    pub fn new(disk: &Disk, syncs: Syncs, random: Stream) -> Vfs {
        random::make_default();
        // SQLite finds a VFS by its name. No run sees the number.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("stormglass-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).expect("a number has no NUL");
        let deferred = DeferredLatency::new(disk);
        let shared = Box::new(Arc::new(Shared {
            disk: BlockingDisk::new(disk, &deferred),
            deferred,
            syncs,
            dead: AtomicBool::new(false),
            random: Mutex::new(random),
            refused: Mutex::default(),
        }));
        let mut registered = Box::new(raw(&name, (&raw const *shared).cast_mut().cast()));
        // SAFETY: the struct is complete, and lives until `drop` unregisters it.
        let code = unsafe { ffi::sqlite3_vfs_register(&raw mut *registered, 0) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite registers a VFS");
        Vfs { shared, registered, name }
    }

    /// Returns the name under which SQLite knows the VFS.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// Returns the latency of the operations for which no task has slept yet.
    pub fn deferred(&self) -> &DeferredLatency {
        &self.shared.deferred
    }

    /// Ends the process: from now on every operation fails and has no effect on the disk.
    pub fn kill(&self) {
        self.shared.dead.store(true, Ordering::Relaxed);
    }

    /// Returns the path that was refused since the last call.
    pub fn take_refused(&self) -> Option<InvalidPath> {
        lock(&self.shared.refused).take()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        // SAFETY: it was registered by `new`.
        unsafe { ffi::sqlite3_vfs_unregister(&raw mut *self.registered) };
    }
}

impl Shared {
    /// Fails with EIO once the process is dead.
    fn alive(&self) -> io::Result<()> {
        if self.dead.load(Ordering::Relaxed) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }

    pub(crate) fn fill_random(&self, bytes: &mut [u8]) {
        let mut random = lock(&self.random);
        for bytes in bytes.chunks_mut(8) {
            bytes.copy_from_slice(&random.draw().to_le_bytes()[..bytes.len()]);
        }
    }

    fn sync_directory(&self, of: &str) -> io::Result<()> {
        self.alive()?;
        if self.syncs != Syncs::Honest {
            return Ok(());
        }
        let parent = Path::new(of).parent().unwrap_or(Path::new("/"));
        self.disk.open_with(OpenOptions::new().read(true), parent)?.sync_all()
    }

    fn sync_file(&self, file: &BlockingFile, data_only: bool) -> io::Result<()> {
        self.alive()?;
        match self.syncs {
            Syncs::Lie => Ok(()),
            _ if data_only => file.sync_data(),
            _ => file.sync_all(),
        }
    }
}

/// Returns the absolute path of a file on the disk.
///
/// # Errors
///
/// If the path is empty, too long, or leads above the root of the disk.
pub(crate) fn full_path(path: &str) -> Result<String, InvalidPath> {
    let refuse = |problem| Err(InvalidPath { path: path.into(), problem });
    let mut full = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => full.push(name.to_str().unwrap_or_default()),
            Component::ParentDir if full.pop().is_none() => {
                return refuse("`..` leaves the disk of the simulation; give a path below its root `/`");
            }
            _ => {}
        }
    }
    match full.join("/") {
        full if full.is_empty() => refuse("it names no file; give one, such as `/app.db`"),
        full if full.len() + 2 > PATH_MAX as usize => refuse("it is longer than 4095 bytes"),
        full => Ok(format!("/{full}")),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn raw(name: &CStr, shared: *mut std::ffi::c_void) -> sqlite3_vfs {
    // SAFETY: every field is a number, a pointer or an optional function, for which zero is a
    // value.
    let empty: sqlite3_vfs = unsafe { std::mem::zeroed() };
    sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<OpenFile>() as c_int,
        mxPathname: PATH_MAX,
        zName: name.as_ptr(),
        pAppData: shared,
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xCurrentTimeInt64: Some(current_time_int64),
        xGetLastError: Some(last_error),
        ..empty
    }
}

/// Returns what a VFS shares with its files.
///
/// # Safety
///
/// `vfs` is one that [`Vfs::new`] registered, and its `Vfs` lives.
unsafe fn shared<'a>(vfs: *mut sqlite3_vfs) -> &'a Arc<Shared> {
    // SAFETY: `Vfs::new` set the pointer to an `Arc` that the `Vfs` holds.
    unsafe { &*(*vfs).pAppData.cast::<Arc<Shared>>() }
}

/// Returns a path that SQLite gives.
///
/// # Safety
///
/// `path` is a string of SQLite's that ends with NUL.
unsafe fn text<'a>(path: *const c_char) -> &'a str {
    // SAFETY: the caller's.
    unsafe { CStr::from_ptr(path) }.to_str().unwrap_or_default()
}

/// Returns SQLite's code for an error of the disk.
fn code(error: &io::Error, of_operation: c_int) -> c_int {
    match error.kind() {
        io::ErrorKind::WouldBlock => ffi::SQLITE_BUSY,
        io::ErrorKind::StorageFull => ffi::SQLITE_FULL,
        io::ErrorKind::ReadOnlyFilesystem => ffi::SQLITE_READONLY,
        _ => of_operation,
    }
}

fn result(result: io::Result<()>, of_operation: c_int) -> c_int {
    result.map_or_else(|error| code(&error, of_operation), |()| ffi::SQLITE_OK)
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    to: *mut sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    let to = to.cast::<OpenFile>();
    // SAFETY: SQLite allocates `szOsFile` bytes at `to`. Without methods it does not call `xClose`.
    unsafe { (*to).base.pMethods = std::ptr::null() };
    // SAFETY: SQLite calls this with the VFS that it found.
    let shared = unsafe { shared(vfs) };
    if path.is_null() {
        let problem = "SQLite asks for a temporary file; set `temp_store = MEMORY`";
        *lock(&shared.refused) = Some(InvalidPath { path: String::new(), problem });
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: SQLite gives a string, which it got from `xFullPathname`.
    let path = unsafe { text(path) };
    match file::open(shared, path, flags) {
        Ok(file) => {
            // SAFETY: as above. `xClose` takes the box back.
            unsafe {
                (*to).file = Box::into_raw(Box::new(file));
                (*to).base.pMethods = methods();
                if !flags_out.is_null() {
                    *flags_out = flags;
                }
            }
            ffi::SQLITE_OK
        }
        Err(error) => code(&error, ffi::SQLITE_CANTOPEN),
    }
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite calls this with the VFS that it found, and a string.
    let (shared, path) = unsafe { (shared(vfs), text(path)) };
    match shared.alive().and_then(|()| shared.disk.remove_file(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return ffi::SQLITE_IOERR_DELETE_NOENT,
        Err(error) => return code(&error, ffi::SQLITE_IOERR_DELETE),
        Ok(()) => {}
    }
    match sync {
        0 => ffi::SQLITE_OK,
        _ => result(shared.sync_directory(path), ffi::SQLITE_IOERR_DIR_FSYNC),
    }
}

/// As the `unix` VFS: an empty file does not exist.
unsafe extern "C" fn access(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    _flags: c_int,
    exists: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with the VFS that it found, and a string.
    let (shared, path) = unsafe { (shared(vfs), text(path)) };
    let found = match shared.alive().and_then(|()| shared.disk.metadata(path)) {
        Ok(metadata) => !metadata.is_file() || metadata.len() > 0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(_) => return ffi::SQLITE_IOERR_ACCESS,
    };
    // SAFETY: SQLite wants the answer there.
    unsafe { *exists = c_int::from(found) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    len: c_int,
    to: *mut c_char,
) -> c_int {
    // SAFETY: SQLite calls this with the VFS that it found, and a string.
    let (shared, path) = unsafe { (shared(vfs), text(path)) };
    match full_path(path) {
        Ok(full) if full.len() < len as usize => {
            // SAFETY: `to` has `len` bytes, and the path with its NUL fits.
            unsafe {
                to.copy_from_nonoverlapping(full.as_ptr().cast(), full.len());
                *to.add(full.len()) = 0;
            }
            ffi::SQLITE_OK
        }
        Ok(_) => ffi::SQLITE_CANTOPEN,
        Err(error) => {
            *lock(&shared.refused) = Some(error);
            ffi::SQLITE_CANTOPEN
        }
    }
}

unsafe extern "C" fn randomness(vfs: *mut sqlite3_vfs, len: c_int, to: *mut c_char) -> c_int {
    // SAFETY: SQLite calls this with the VFS that it found, and `len` bytes.
    let (shared, bytes) =
        unsafe { (shared(vfs), std::slice::from_raw_parts_mut(to.cast::<u8>(), len as usize)) };
    shared.fill_random(bytes);
    len
}

/// A synchronous call cannot wait in a simulation: the time is part of the deferred latency.
unsafe extern "C" fn sleep(vfs: *mut sqlite3_vfs, microseconds: c_int) -> c_int {
    // SAFETY: SQLite calls this with the VFS that it found.
    unsafe { shared(vfs) }.deferred.add(Duration::from_micros(microseconds as u64));
    microseconds
}

unsafe extern "C" fn current_time_int64(_vfs: *mut sqlite3_vfs, to: *mut ffi::sqlite3_int64) -> c_int {
    // std's clock is the simulation's.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // SAFETY: SQLite wants the answer there.
    unsafe { *to = UNIX_EPOCH_JULIAN + now.as_millis() as i64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time(vfs: *mut sqlite3_vfs, to: *mut f64) -> c_int {
    let mut milliseconds = 0;
    // SAFETY: the arguments are SQLite's, and the place is ours.
    unsafe {
        current_time_int64(vfs, &raw mut milliseconds);
        *to = milliseconds as f64 / 86_400_000.0;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_vfs: *mut sqlite3_vfs, _len: c_int, _to: *mut c_char) -> c_int {
    0
}
