//! An open file of SQLite: the I/O methods, version 1.

use super::{Shared, code, result};
use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods};
use std::ffi::{c_int, c_void};
use std::io;
use std::sync::Arc;
use stormglass::fs::OpenOptions;
use stormglass::fs::blocking::BlockingFile;

/// The size of a sector of the simulation's disks, which they write atomically
/// (`stormglass_fs::power`).
const SECTOR: c_int = 512;

/// What SQLite sees of an open file. SQLite allocates it.
#[repr(C)]
pub(super) struct OpenFile {
    pub(super) base: sqlite3_file,
    pub(super) file: *mut VfsFile,
}

/// An open file.
pub(super) struct VfsFile {
    shared: Arc<Shared>,
    path: String,
    file: BlockingFile,
    /// Whether the next sync has to sync the directory: the file is a new journal.
    syncs_directory: bool,
    deletes_on_close: bool,
}

/// Opens a file with SQLite's flags.
pub(super) fn open(shared: &Arc<Shared>, path: &str, flags: c_int) -> io::Result<VfsFile> {
    shared.alive()?;
    let is = |flag: c_int| flags & flag != 0;
    let mut options = OpenOptions::new();
    options.read(true).write(is(ffi::SQLITE_OPEN_READWRITE));
    match is(ffi::SQLITE_OPEN_EXCLUSIVE) {
        true => options.create_new(is(ffi::SQLITE_OPEN_CREATE)),
        false => options.create(is(ffi::SQLITE_OPEN_CREATE)),
    };
    let journal = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;
    let file = shared.disk.open_with(&options, path)?;
    if is(ffi::SQLITE_OPEN_MAIN_DB) {
        file.try_lock().map_err(io::Error::from)?;
    }
    Ok(VfsFile {
        file,
        shared: shared.clone(),
        path: path.into(),
        // As `unixOpen` does: `isNewJrnl`.
        syncs_directory: is(ffi::SQLITE_OPEN_CREATE) && is(journal),
        deletes_on_close: is(ffi::SQLITE_OPEN_DELETEONCLOSE),
    })
}

impl VfsFile {
    /// Reads into the whole buffer, and returns whether the file has so many bytes. The rest is
    /// zeros.
    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        self.shared.alive()?;
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], offset + done as u64)? {
                0 => {
                    buffer[done..].fill(0);
                    return Ok(false);
                }
                count => done += count,
            }
        }
        Ok(true)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.shared.alive()?;
        self.file.write_all_at(bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.shared.alive()?;
        self.file.set_len(len)
    }

    fn sync(&mut self, data_only: bool) -> io::Result<()> {
        self.shared.sync_file(&self.file, data_only)?;
        if self.syncs_directory {
            self.shared.sync_directory(&self.path)?;
            self.syncs_directory = false;
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.shared.alive()?;
        Ok(self.file.metadata()?.len())
    }
}

impl Drop for VfsFile {
    fn drop(&mut self) {
        if self.deletes_on_close && self.shared.alive().is_ok() {
            // The file may be gone: SQLite does not ask.
            let _ = self.shared.disk.remove_file(&self.path);
        }
    }
}

/// Returns the I/O methods.
pub(super) fn methods() -> *const sqlite3_io_methods {
    static METHODS: sqlite3_io_methods = sqlite3_io_methods {
        iVersion: 1,
        xClose: Some(close),
        xRead: Some(read),
        xWrite: Some(write),
        xTruncate: Some(truncate),
        xSync: Some(sync),
        xFileSize: Some(file_size),
        xLock: Some(change_lock),
        xUnlock: Some(change_lock),
        xCheckReservedLock: Some(check_reserved_lock),
        xFileControl: Some(file_control),
        xSectorSize: Some(sector_size),
        xDeviceCharacteristics: Some(device_characteristics),
        xShmMap: None,
        xShmLock: None,
        xShmBarrier: None,
        xShmUnmap: None,
        xFetch: None,
        xUnfetch: None,
    };
    &raw const METHODS
}

/// Returns the open file.
///
/// # Safety
///
/// `file` is one that `xOpen` opened and that is not closed. SQLite calls the methods of a file one
/// at a time.
unsafe fn vfs_file<'a>(file: *mut sqlite3_file) -> &'a mut VfsFile {
    // SAFETY: the caller's.
    unsafe { &mut *(*file.cast::<OpenFile>()).file }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: `xOpen` made the box, and SQLite closes a file once.
    drop(unsafe { Box::from_raw((*file.cast::<OpenFile>()).file) });
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: an open file, and a buffer of that length.
    let (file, buffer) =
        unsafe { (vfs_file(file), std::slice::from_raw_parts_mut(to.cast::<u8>(), len as usize)) };
    match file.read(buffer, offset as u64) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(error) => code(&error, ffi::SQLITE_IOERR_READ),
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: an open file, and that many bytes.
    let (file, bytes) =
        unsafe { (vfs_file(file), std::slice::from_raw_parts(from.cast::<u8>(), len as usize)) };
    result(file.write(bytes, offset as u64), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, len: i64) -> c_int {
    // SAFETY: an open file.
    result(unsafe { vfs_file(file) }.truncate(len as u64), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: an open file.
    let synced = unsafe { vfs_file(file) }.sync(flags & ffi::SQLITE_SYNC_DATAONLY != 0);
    result(synced, ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, to: *mut i64) -> c_int {
    // SAFETY: an open file, and the place of the answer.
    match unsafe { vfs_file(file) }.len() {
        Ok(len) => {
            // SAFETY: as above.
            unsafe { *to = len as i64 };
            ffi::SQLITE_OK
        }
        Err(error) => code(&error, ffi::SQLITE_IOERR_FSTAT),
    }
}

/// No other connection has the file.
unsafe extern "C" fn change_lock(_file: *mut sqlite3_file, _to: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(_file: *mut sqlite3_file, to: *mut c_int) -> c_int {
    // SAFETY: SQLite wants the answer there.
    unsafe { *to = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(
    _file: *mut sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut sqlite3_file) -> c_int {
    SECTOR
}

/// What the simulation's disks guarantee: a sector is written wholly or not at all, and a write
/// that a power loss tears does not change bytes outside of its range. They do not guarantee the
/// order of writes (SEQUENTIAL), nor that the bytes of an appended file are there when its new
/// length is (SAFE_APPEND).
unsafe extern "C" fn device_characteristics(_file: *mut sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_ATOMIC512 | ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}
