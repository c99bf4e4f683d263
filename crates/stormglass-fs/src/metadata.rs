//! Metadata: `stat(2)`.

use crate::disk::{Disk, State};
use crate::tree::{Follow, Inode, Stat, Timestamp, Type, path_str};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use stormglass_core::{Kind, SimTime};
use stormglass_rt as rt;

/// The bits of `st_mode` that say the type (`inode(7)`).
const DIRECTORY: u32 = 0o040_000;
const REGULAR_FILE: u32 = 0o100_000;
const SYMBOLIC_LINK: u32 = 0o120_000;
const SOCKET: u32 = 0o140_000;
const FIFO: u32 = 0o010_000;

/// The size of the blocks that `st_blocks` counts.
const BLOCK: u64 = 512;
/// The size for efficient reads and writes: a page.
const IO_BLOCK: u64 = 4_096;

/// The metadata of a file, directory or symbolic link; named after `std::fs::Metadata`, and as
/// there `std::os::unix::fs::MetadataExt` has the rest: permission bits, inode number, links,
/// owner, blocks.
///
/// Permission bits are those that the program set; times are those of the run's wall clock. A
/// directory has the size of a block, and two links and one for each subdirectory, as on ext4.
#[derive(Clone, Copy, Debug)]
pub struct Metadata {
    stat: Stat,
    device: u64,
}

/// The type of a file; named after `std::fs::FileType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileType(pub(crate) Type);

/// Times to set on a file: [`crate::File::set_times`]; named after `tokio::fs::FileTimes`.
#[derive(Clone, Debug, Default)]
#[must_use = "must be applied to a file via `File::set_times` to have any effect"]
#[expect(clippy::disallowed_types, reason = "the run's own wall clock, or a time that the program sets")]
pub struct FileTimes {
    pub(crate) accessed: Option<std::time::SystemTime>,
    pub(crate) modified: Option<std::time::SystemTime>,
}

#[expect(clippy::disallowed_types, reason = "the run's own wall clock, or a time that the program sets")]
impl FileTimes {
    /// Creates times that change nothing.
    pub fn new() -> FileTimes {
        FileTimes::default()
    }

    /// Sets when the file was last read.
    pub fn set_accessed(mut self, time: std::time::SystemTime) -> FileTimes {
        self.accessed = Some(time);
        self
    }

    /// Sets when the contents last changed.
    pub fn set_modified(mut self, time: std::time::SystemTime) -> FileTimes {
        self.modified = Some(time);
        self
    }
}

/// Returns a wall-clock time as the filesystem stores it.
#[expect(clippy::disallowed_types, reason = "the run's own wall clock, or a time that the program sets")]
pub(crate) fn timestamp(time: std::time::SystemTime) -> Timestamp {
    let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).expect("2^64 s are below 2^127 ns");
    match time.duration_since(rt::time_of_day(SimTime::ZERO)) {
        Ok(after) => Timestamp(nanos(after)),
        Err(before) => Timestamp(-nanos(before.duration())),
    }
}

/// Returns a time of the filesystem as wall-clock time.
#[expect(clippy::disallowed_types, reason = "the run's own wall clock, or a time that the program sets")]
fn wall_clock(Timestamp(nanos): Timestamp) -> std::time::SystemTime {
    const SECOND: u128 = 1_000_000_000;
    let distance = nanos.unsigned_abs();
    let seconds = u64::try_from(distance / SECOND).expect("it was a SystemTime");
    let distance = Duration::new(seconds, (distance % SECOND) as u32);
    let start = rt::time_of_day(SimTime::ZERO);
    if nanos < 0 { start - distance } else { start + distance }
}

/// Returns the seconds and nanoseconds of a `struct timespec` since 1970.
#[expect(clippy::disallowed_types, reason = "the run's own wall clock, or a time that the program sets")]
fn timespec(time: Timestamp) -> (i64, i64) {
    match wall_clock(time).duration_since(std::time::SystemTime::UNIX_EPOCH) {
        Ok(after) => (after.as_secs() as i64, i64::from(after.subsec_nanos())),
        Err(before) => {
            let before = before.duration();
            match before.subsec_nanos() {
                0 => (-(before.as_secs() as i64), 0),
                nanos => (-(before.as_secs() as i64) - 1, 1_000_000_000 - i64::from(nanos)),
            }
        }
    }
}

impl Metadata {
    pub(crate) fn new(stat: Stat, disk: &Disk) -> Metadata {
        Metadata { stat, device: disk.device_number() }
    }

    /// Returns the type.
    pub fn file_type(&self) -> FileType {
        FileType(self.stat.kind)
    }

    /// Returns whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// Returns whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.file_type().is_symlink()
    }

    /// Returns the size in bytes: of a directory 4,096, of a symbolic link the length of the target
    /// path.
    #[expect(clippy::len_without_is_empty, reason = "named after std::fs::Metadata, which has none either")]
    pub fn len(&self) -> u64 {
        self.stat.len
    }

    /// Returns the permission bits, with the bits of the type, as std has it.
    pub fn permissions(&self) -> Permissions {
        Permissions::from_mode(self.mode())
    }

    /// Returns when the contents, or the directory's entries, last changed, in the run's wall-clock time.
    ///
    /// # Errors
    ///
    /// Never; a real filesystem may not store it.
    #[expect(clippy::disallowed_types, reason = "the run's own wall clock, which madsim draws from the seed")]
    pub fn modified(&self) -> io::Result<std::time::SystemTime> {
        Ok(wall_clock(self.stat.attributes.modified))
    }

    /// Returns when the contents were last read, by the rule of `relatime` (mount(8)): a read
    /// counts if it is the first after a change, or the last one that counted was 24 h ago.
    ///
    /// # Errors
    ///
    /// Never; a real filesystem may not store it.
    #[expect(clippy::disallowed_types, reason = "the run's own wall clock, which madsim draws from the seed")]
    pub fn accessed(&self) -> io::Result<std::time::SystemTime> {
        Ok(wall_clock(self.stat.attributes.accessed))
    }

    /// Returns when the file was created.
    ///
    /// # Errors
    ///
    /// Never; a real filesystem may not store it.
    #[expect(clippy::disallowed_types, reason = "the run's own wall clock, which madsim draws from the seed")]
    pub fn created(&self) -> io::Result<std::time::SystemTime> {
        Ok(wall_clock(self.stat.attributes.created))
    }

    /// As [`Metadata::modified`], in simulated time; 0 for a time before the run.
    pub fn modified_at(&self) -> SimTime {
        let nanos = self.stat.attributes.modified.0;
        SimTime::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

impl MetadataExt for Metadata {
    /// Returns the number of the disk.
    fn dev(&self) -> u64 {
        self.device
    }

    fn ino(&self) -> u64 {
        self.stat.inode.number()
    }

    fn mode(&self) -> u32 {
        let kind = match self.stat.kind {
            Type::Directory => DIRECTORY,
            Type::File => REGULAR_FILE,
            Type::Symlink => SYMBOLIC_LINK,
            Type::Socket => SOCKET,
            Type::Fifo => FIFO,
        };
        kind | self.stat.attributes.mode
    }

    fn nlink(&self) -> u64 {
        u64::from(self.stat.links)
    }

    fn uid(&self) -> u32 {
        self.stat.attributes.owner.uid
    }

    fn gid(&self) -> u32 {
        self.stat.attributes.owner.gid
    }

    fn rdev(&self) -> u64 {
        0
    }

    fn size(&self) -> u64 {
        self.stat.len
    }

    fn atime(&self) -> i64 {
        timespec(self.stat.attributes.accessed).0
    }

    fn atime_nsec(&self) -> i64 {
        timespec(self.stat.attributes.accessed).1
    }

    fn mtime(&self) -> i64 {
        timespec(self.stat.attributes.modified).0
    }

    fn mtime_nsec(&self) -> i64 {
        timespec(self.stat.attributes.modified).1
    }

    fn ctime(&self) -> i64 {
        timespec(self.stat.attributes.changed).0
    }

    fn ctime_nsec(&self) -> i64 {
        timespec(self.stat.attributes.changed).1
    }

    fn blksize(&self) -> u64 {
        IO_BLOCK
    }

    fn blocks(&self) -> u64 {
        self.stat.allocated / BLOCK
    }
}

impl FileType {
    /// Returns whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.0 == Type::Directory
    }

    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.0 == Type::File
    }

    /// Returns whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.0 == Type::Symlink
    }
}

/// A disk has no devices.
impl FileTypeExt for FileType {
    fn is_block_device(&self) -> bool {
        false
    }

    fn is_char_device(&self) -> bool {
        false
    }

    fn is_fifo(&self) -> bool {
        self.0 == Type::Fifo
    }

    fn is_socket(&self) -> bool {
        self.0 == Type::Socket
    }
}

impl Disk {
    /// Returns the metadata of a path; symbolic links are followed.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        self.stat(path_str(path.as_ref())?, Follow::Always).await
    }

    /// Returns the metadata of a path; a symbolic link as the last component is not followed.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn symlink_metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        self.stat(path_str(path.as_ref())?, Follow::TrailingSlash).await
    }

    /// Returns whether a path exists.
    ///
    /// # Errors
    ///
    /// Any but `NotFound`.
    pub async fn try_exists(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        match self.metadata(path).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sets the permission bits of a path; symbolic links are followed. The bits of the type in
    /// `permissions` are ignored. As every change of an inode it costs what `truncate` does, and is
    /// durable after a sync of the file.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, EPERM for a user who is neither the owner nor root, EROFS.
    pub async fn set_permissions(&self, path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
        let path = path_str(path.as_ref())?;
        let set = |state: &mut State| {
            let inode: Inode = state.tree.find(path, Follow::Always)?;
            state.tree.set_mode(inode, permissions.mode())
        };
        self.operate(Kind::SetAttributes, path, set).await
    }

    async fn stat(&self, path: &str, follow: Follow) -> io::Result<Metadata> {
        let stat = |state: &mut State| Ok(state.tree.stat(state.tree.find(path, follow)?));
        Ok(Metadata::new(self.operate(Kind::Stat, path, stat).await?, self))
    }
}
