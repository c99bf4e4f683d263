//! An open file: a handle to an open file description, and a stream.

mod description;
mod open;
mod stream;
mod traits;

pub use crate::options::OpenOptions;

use crate::deferred::DeferredLatency;
use crate::disk::{Disk, InFlight, State};
use crate::error::{self, Errno};
use crate::ext::FileExt;
use crate::lock::LockMode;
use crate::metadata::{FileTimes, Metadata, timestamp};
use crate::mount;
use crate::tree::Type;
use description::Description;
use std::fs::{Permissions, TryLockError};
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_core::Kind;
use stormglass_rt as rt;
use stream::{DEFAULT_MAX_BUF_SIZE, Stream};

/// An open file, or a directory opened to be synced; named after `tokio::fs::File`, and like it a stream: the methods of
/// `tokio::io` read and write at its file offset. [`FileExt`] reads and writes at a given offset.
///
/// As with tokio, a write to the stream only *starts* a write, in a task of its own. It is complete, and its error reported,
/// when the stream is flushed or used next, and it may be lost with a node that is killed. A write at an offset is complete
/// when it returns.
#[derive(Debug)]
pub struct File {
    open: Arc<Description>,
    stream: Mutex<Stream>,
    /// As with tokio, syncs and changes of the length through one handle take place one after the
    /// other.
    turn: tokio::sync::Mutex<()>,
    max_buf_size: usize,
    _descriptor: rt::Descriptor,
}

impl File {
    /// Opens an existing file for reading, on the disk that is mounted on the current node.
    ///
    /// # Errors
    ///
    /// As [`Disk::open`]; `Unsupported` when no disk is mounted.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        mount::current()?.open(path).await
    }

    /// Opens a file for writing, creates it or truncates an existing one, on the disk that is mounted on the current node.
    ///
    /// # Errors
    ///
    /// As [`Disk::create`]; `Unsupported` when no disk is mounted.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        mount::current()?.create(path).await
    }

    /// Creates a file that must not exist yet, for reading and writing, on the disk that is mounted on the current node.
    ///
    /// # Errors
    ///
    /// As [`Disk::open_with`]; `Unsupported` when no disk is mounted.
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path).await
    }

    /// Returns options to open a file with.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    fn new(open: Arc<Description>, descriptor: rt::Descriptor) -> File {
        let (stream, turn) = (Mutex::default(), tokio::sync::Mutex::const_new(()));
        File { open, stream, turn, max_buf_size: DEFAULT_MAX_BUF_SIZE, _descriptor: descriptor }
    }

    pub(crate) async fn open_on(disk: &Disk, options: &OpenOptions, path: &str) -> io::Result<File> {
        let (description, descriptor) = Description::open(disk, options, path).await?;
        Ok(File::new(Arc::new(description), descriptor))
    }

    /// Opens the target of a copy: it is created or truncated, and gets the permission bits `mode`.
    pub(crate) async fn create_copy(disk: &Disk, path: &str, mode: u32) -> io::Result<File> {
        let options = *OpenOptions::new().write(true).create(true).truncate(true).mode(mode);
        let (description, descriptor) =
            Description::open_with(disk, options.flags()?, path, Some(mode)).await?;
        Ok(File::new(Arc::new(description), descriptor))
    }

    /// Makes data and metadata durable (fsync). On a directory: its entries.
    ///
    /// # Errors
    ///
    /// EIO after a power loss of the disk.
    pub async fn sync_all(&self) -> io::Result<()> {
        let _turn = self.turn.lock().await;
        self.settle_stream().await;
        self.open.sync(Kind::Fsync).await
    }

    /// Makes data durable, and of the metadata what is needed to read the data back (fdatasync).
    ///
    /// # Errors
    ///
    /// EIO after a power loss of the disk.
    pub async fn sync_data(&self) -> io::Result<()> {
        let _turn = self.turn.lock().await;
        self.settle_stream().await;
        self.open.sync(Kind::Fdatasync).await
    }

    /// Sets the length; new bytes are zeros and take no space.
    ///
    /// # Errors
    ///
    /// EINVAL if not opened for writing, EFBIG above 16 TiB; `InvalidInput` above `i64::MAX`, as
    /// std has it.
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        let _turn = self.turn.lock().await;
        self.settle_stream().await;
        self.lock_stream().discard_unread(&self.open);
        self.cut(len).await?;
        self.lock_stream().len_was_set();
        Ok(())
    }

    /// Sets the length, without a look at the stream.
    async fn cut(&self, len: u64) -> io::Result<()> {
        i64::try_from(len).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        if self.open.options.path_only {
            return Err(Errno::EBADF.into());
        }
        if !self.open.options.write {
            return Err(Errno::EINVAL.into());
        }
        let set = |state: &mut State, _: &InFlight| {
            state.tree.change_file(self.open.inode, len, |contents| contents.set_len(len))
        };
        self.open.operate(Kind::Truncate, 0, len, set).await
    }

    /// Returns the metadata of the file.
    ///
    /// # Errors
    ///
    /// EIO after a power loss of the disk.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let stat = |state: &mut State, _: &InFlight| Ok(state.tree.stat(self.open.inode));
        let stat = self.open.operate(Kind::Stat, 0, 0, stat).await?;
        Ok(Metadata::new(stat, &self.open.disk))
    }

    /// Sets the permission bits (fchmod): those of `mode`, the type of the file aside.
    ///
    /// # Errors
    ///
    /// EPERM for a user who is neither the owner nor root, EROFS, EBADF if opened with `O_PATH`.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        let mode = permissions.mode();
        self.set_attributes(|state| state.tree.set_mode(self.open.inode, mode)).await
    }

    /// Sets the times that are given (futimens), and leaves the others.
    ///
    /// # Errors
    ///
    /// EPERM for a user who is neither the owner nor root, EROFS, EBADF if opened with `O_PATH`.
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        let turn = self.turn.lock().await;
        self.settle_stream().await;
        drop(turn);
        let FileTimes { accessed, modified } = times;
        let [accessed, modified] = [accessed, modified].map(|time| time.map(timestamp));
        self.set_attributes(|state| state.tree.set_times(self.open.inode, accessed, modified)).await
    }

    /// Sets when the contents last changed; as [`File::set_times`].
    ///
    /// # Errors
    ///
    /// As [`File::set_times`].
    #[expect(clippy::disallowed_types, reason = "the run's own wall clock, or a time that the program sets")]
    pub async fn set_modified(&self, time: std::time::SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }

    async fn set_attributes(&self, set: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        if self.open.options.path_only {
            return Err(Errno::EBADF.into());
        }
        self.open.operate(Kind::SetAttributes, 0, 0, |state, _| set(state)).await
    }

    /// Sets the most bytes of one read or write of the stream. Default: 2 MiB.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn set_max_buf_size(&mut self, max_buf_size: usize) {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
        self.max_buf_size = max_buf_size;
    }

    /// Returns the most bytes of one read or write of the stream.
    pub fn max_buf_size(&self) -> usize {
        self.max_buf_size
    }

    /// Returns another handle to the same open file description: handles share the file offset and the locks.
    ///
    /// # Errors
    ///
    /// EMFILE if the process has no descriptor left.
    pub async fn try_clone(&self) -> io::Result<File> {
        let turn = self.turn.lock().await;
        self.settle_stream().await;
        drop(turn);
        let clone = File::new(self.open.clone(), rt::Descriptor::open()?);
        Ok(File { max_buf_size: self.max_buf_size, ..clone })
    }

    /// Waits for the stream's in-flight read or write; the next write or flush reports the error of
    /// a write.
    async fn settle_stream(&self) {
        poll_fn(|context| self.lock_stream().poll_settled(&self.open, context)).await;
    }

    fn lock_stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream_mut(&mut self) -> (&mut Stream, &Arc<Description>) {
        (self.stream.get_mut().unwrap_or_else(PoisonError::into_inner), &self.open)
    }

    /// Returns the permission bits if this is a regular file, without an operation of its own.
    pub(crate) fn mode_of_regular_file(&self) -> Option<u32> {
        let stat = self.open.disk.lock().tree.stat(self.open.inode);
        (stat.kind == Type::File).then_some(stat.attributes.mode)
    }

    /// Reads the whole file.
    pub(crate) async fn read_whole(&self) -> io::Result<Vec<u8>> {
        let len = if self.open.directory { 1 } else { self.open.len()? };
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| Errno::EFBIG)?];
        let mut count = 0;
        // After a short read, read again; a read that returns everything is not repeated.
        while count < bytes.len() {
            match self.open.read_at(&mut bytes[count..], count as u64).await? {
                0 => break,
                more => count += more,
            }
        }
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Writes all of `bytes` at `offset`.
    pub(crate) async fn write_whole(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        loop {
            let count = self.open.write_at(bytes, offset).await?;
            (bytes, offset) = (&bytes[count..], offset + count as u64);
            if bytes.is_empty() {
                return Ok(());
            }
            if count == 0 {
                return Err(error::write_zero());
            }
        }
    }

    /// Reads at the file offset and advances it.
    pub(crate) async fn read_next(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let position = self.open.position.load(Ordering::Relaxed);
        let count = self.open.read_at(buffer, position).await?;
        self.open.position.store(position + count as u64, Ordering::Relaxed);
        Ok(count)
    }

    /// Writes at the file offset and advances it.
    pub(crate) async fn write_next(&self, bytes: &[u8]) -> io::Result<usize> {
        self.open.write_next(bytes).await
    }

    /// Sets the file offset.
    pub(crate) fn seek_to(&self, to: io::SeekFrom) -> io::Result<u64> {
        self.open.seek(to)
    }

    /// Returns a new open file description of the same file for blocking calls, whose latency is deferred.
    pub(crate) fn deferring_to(&self, deferred: &DeferredLatency) -> File {
        let open = &self.open;
        let mut state = open.disk.lock();
        if state.epoch() == open.epoch {
            state.tree.open(open.inode);
        }
        let open = Description {
            disk: open.disk.deferring_to(deferred),
            inode: open.inode,
            directory: open.directory,
            options: open.options,
            subject: open.subject,
            epoch: open.epoch,
            number: state.locks.number(),
            position: AtomicU64::new(open.position.load(Ordering::Relaxed)),
        };
        File::new(Arc::new(open), rt::Descriptor::default())
    }
}

impl OpenOptions {
    /// Opens the file, on the disk that is mounted on the current node.
    ///
    /// # Errors
    ///
    /// As [`Disk::open_with`]; `Unsupported` when no disk is mounted.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        mount::current()?.open_with(self, path).await
    }
}

impl FileExt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> impl Future<Output = io::Result<usize>> + Send {
        self.open.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> impl Future<Output = io::Result<usize>> + Send {
        self.open.write_at(bytes, offset)
    }

    async fn allocate(&self, len: u64) -> io::Result<()> {
        self.open.check_writable()?;
        let reserve = |state: &mut State, _: &InFlight| state.allocate(self.open.inode, len);
        self.open.operate(Kind::Allocate, 0, len, reserve).await
    }

    async fn lock(&self) -> io::Result<()> {
        self.open.lock(LockMode::Exclusive).await
    }

    async fn lock_shared(&self) -> io::Result<()> {
        self.open.lock(LockMode::Shared).await
    }

    fn try_lock(&self) -> Result<(), TryLockError> {
        self.open.try_lock_once(LockMode::Exclusive)
    }

    fn try_lock_shared(&self) -> Result<(), TryLockError> {
        self.open.try_lock_once(LockMode::Shared)
    }

    async fn unlock(&self) -> io::Result<()> {
        self.open.unlock(&mut self.open.disk.lock());
        Ok(())
    }
}
