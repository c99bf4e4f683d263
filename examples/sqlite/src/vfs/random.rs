//! SQLite's random numbers.
//!
//! SQLite has one generator per process of the operating system, which it seeds once, from the
//! default VFS. Runs on several threads would draw from it in an order that no seed determines. So
//! calls of SQLite are sections that exclude each other; each begins with a fresh seed from its own
//! stream.

use super::{Shared, lock};
use rusqlite::ffi::{self, sqlite3_file, sqlite3_vfs};
use std::cell::RefCell;
use std::ffi::{c_char, c_int};
use std::sync::{Arc, Mutex, Once};

thread_local! {
    /// The VFS whose section this thread is in.
    static CURRENT: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

static SECTION: Mutex<()> = Mutex::new(());

/// Runs calls of SQLite. Its random numbers come from the stream of `vfs`.
///
/// # Panics
///
/// Within another section.
pub fn section<T>(vfs: &super::Vfs, calls: impl FnOnce() -> T) -> T {
    let nested = CURRENT.with_borrow(Option::is_some);
    assert!(!nested, "a section of SQLite's calls does not begin within another");
    let _section = lock(&SECTION);
    let _current = Current::set(vfs.shared().clone());
    // SAFETY: no bytes are asked for: SQLite forgets its seed.
    unsafe { ffi::sqlite3_randomness(0, std::ptr::null_mut()) };
    calls()
}

struct Current;

impl Current {
    fn set(shared: Arc<Shared>) -> Current {
        CURRENT.set(Some(shared));
        Current
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// Makes a VFS the default that has no files, and whose randomness is that of the current section.
pub(super) fn make_default() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: every field is a number, a pointer or an optional function, for which zero is a
        // value.
        let empty: sqlite3_vfs = unsafe { std::mem::zeroed() };
        let vfs = Box::leak(Box::new(sqlite3_vfs {
            iVersion: 1,
            szOsFile: size_of::<sqlite3_file>() as c_int,
            mxPathname: 1,
            zName: c"stormglass-without-files".as_ptr(),
            xOpen: Some(open),
            xRandomness: Some(randomness),
            ..empty
        }));
        // SAFETY: the struct lives as long as the process.
        let code = unsafe { ffi::sqlite3_vfs_register(&raw mut *vfs, 1) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite registers a VFS");
    });
}

unsafe extern "C" fn open(
    _vfs: *mut sqlite3_vfs,
    _path: *const c_char,
    _to: *mut sqlite3_file,
    _flags: c_int,
    _flags_out: *mut c_int,
) -> c_int {
    ffi::SQLITE_CANTOPEN
}

unsafe extern "C" fn randomness(_vfs: *mut sqlite3_vfs, len: c_int, to: *mut c_char) -> c_int {
    // SAFETY: SQLite gives `len` bytes.
    let bytes = unsafe { std::slice::from_raw_parts_mut(to.cast::<u8>(), len as usize) };
    // A connection that is closed outside of a section draws nothing that is kept.
    CURRENT.with_borrow(|current| match current {
        Some(shared) => shared.fill_random(bytes),
        None => bytes.fill(1),
    });
    len
}
