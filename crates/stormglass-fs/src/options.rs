//! Options to open a file with, and the flags of `open(2)` that they stand for.

use std::io;
use stormglass_core::Kind;

/// The bits that a new file does not get: `umask(2)`, as shells and systemd set it.
const UMASK: u32 = 0o022;

/// Options to open a file with; named after `tokio::fs::OpenOptions`. On a disk that is not mounted: [`crate::Disk::open_with`].
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    custom_flags: i32,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions::new()
    }
}

impl OpenOptions {
    /// Creates options that allow nothing.
    pub fn new() -> OpenOptions {
        OpenOptions {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            custom_flags: 0,
        }
    }

    /// Allows reading.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.read = read;
        self
    }

    /// Allows writing.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.write = write;
        self
    }

    /// Writes at the end of the file (`O_APPEND`). Implies writing.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.append = append;
        self
    }

    /// Truncates an existing file to length 0.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.truncate = truncate;
        self
    }

    /// Creates the file if it does not exist.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.create = create;
        self
    }

    /// Creates the file and fails if it exists.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.create_new = create_new;
        self
    }

    /// Sets the permission bits of a new file. The umask, 0o022, is taken from them. Default:
    /// 0o666.
    pub fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.mode = mode;
        self
    }

    /// Sets further flags of `open(2)`, by their numbers in `libc`. The access mode is not taken
    /// from them.
    ///
    /// | flag | effect |
    /// | --- | --- |
    /// | `O_APPEND`, `O_CREAT`, `O_EXCL`, `O_TRUNC` | as the option of that name |
    /// | `O_DIRECT` | reads and writes bypass the page cache: they take the time of the device (`miss`, `device`, and `sync.per-mib` for what is written), a power loss may take a write until the next sync, and an offset or a length that is no multiple of 512 is EINVAL. The buffer's address is not checked: since Linux 6.0 devices ask little of it (`dma_alignment`), and it differs from run to run |
    /// | `O_DSYNC`, `O_SYNC` | each write is followed by a sync (fdatasync, fsync), which is an operation of its own |
    /// | `O_NOFOLLOW` | ELOOP if the path is a symbolic link |
    /// | `O_DIRECTORY` | ENOTDIR if the path is no directory |
    /// | `O_TMPFILE` | a file without a name in the directory; it is gone when it is closed |
    /// | `O_PATH` | the file can be looked at, not read, written or synced: EBADF |
    /// | `O_NOATIME` | reads leave the access time; EPERM for who is not the owner |
    /// | others | none: `O_CLOEXEC`, `O_NOCTTY`, `O_NONBLOCK` have none on files |
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use stormglass_fs::{Disk, DiskProfile, FileExt, OpenOptions};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
    ///     let mut options = OpenOptions::new();
    ///     options.write(true).create(true).custom_flags(libc::O_DIRECT);
    ///     let file = disk.open_with(&options, "/table").await?;
    ///     assert_eq!(file.write_at(&[7; 4_096], 0).await?, 4_096);
    ///     assert_eq!(file.write_at(&[7; 100], 0).await.unwrap_err().raw_os_error(), Some(libc::EINVAL));
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.custom_flags = flags;
        self
    }

    /// Returns the flags, by the rules of `std::fs::OpenOptions` on Unix.
    ///
    /// # Errors
    ///
    /// std's own if the options contradict each other.
    pub(crate) fn flags(&self) -> io::Result<Flags> {
        let OpenOptions { read, write, append, truncate, create, create_new, mode, custom_flags } = *self;
        let writes = write || append;
        let no_access = !read && !writes;
        let create_without_write = (create || create_new || truncate) && !writes;
        if no_access || create_without_write || append && truncate && !create_new {
            return Err(self.contradiction());
        }
        let custom = |flag: i32| custom_flags & flag == flag;
        let path_only = custom(libc::O_PATH);
        Ok(Flags {
            read: read && !path_only,
            write: writes && !path_only,
            append: append || custom(libc::O_APPEND),
            truncate: (truncate && !create_new || custom(libc::O_TRUNC)) && !path_only,
            create: (create || create_new || custom(libc::O_CREAT)) && !path_only,
            exclusive: create_new || custom(libc::O_EXCL),
            directory: custom(libc::O_DIRECTORY),
            follow: !custom(libc::O_NOFOLLOW),
            unnamed: custom(libc::O_TMPFILE) && !path_only,
            path_only,
            direct: custom(libc::O_DIRECT),
            sync: match (custom(libc::O_SYNC), custom(libc::O_DSYNC)) {
                (true, _) => Some(Kind::Fsync),
                (false, true) => Some(Kind::Fdatasync),
                (false, false) => None,
            },
            keep_access_time: custom(libc::O_NOATIME),
            mode: masked(mode),
        })
    }

    /// Returns std's error for options that contradict each other, which it finds before it opens
    /// anything.
    fn contradiction(&self) -> io::Error {
        let mut options = std::fs::OpenOptions::new();
        options.read(self.read).write(self.write).append(self.append);
        options.truncate(self.truncate).create(self.create).create_new(self.create_new);
        options.open("").map(drop).expect_err("no file has an empty path")
    }
}

/// Returns the permission bits of a new file or directory: without those of the umask.
pub(crate) fn masked(mode: u32) -> u32 {
    mode & !UMASK
}

/// The flags of `open(2)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flags {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) truncate: bool,
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) directory: bool,
    /// Whether a symbolic link as the last component is followed.
    pub(crate) follow: bool,
    /// Whether the file gets no name.
    pub(crate) unnamed: bool,
    /// Whether the file is only looked at.
    pub(crate) path_only: bool,
    /// Whether reads and writes bypass the page cache.
    pub(crate) direct: bool,
    /// The sync that follows each write.
    pub(crate) sync: Option<Kind>,
    pub(crate) keep_access_time: bool,
    /// The permission bits of a new file.
    pub(crate) mode: u32,
}
