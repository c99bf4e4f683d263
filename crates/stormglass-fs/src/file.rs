//! An open file: a handle to an open file description, and a stream.

mod description;
mod stream;

pub use crate::options::OpenOptions;

use crate::deferred::DeferredLatency;
use crate::disk::{Disk, InFlight, State};
use crate::ext::FileExt;
use crate::lock::LockMode;
use crate::metadata::Metadata;
use crate::mount;
use crate::operation::Operation;
use crate::tree::{Follow, Inode, Type};
use description::Description;
use std::fs::TryLockError;
use std::future::{Future, poll_fn};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use stormglass_core::Kind;
use stormglass_rt as rt;
use stream::Stream;
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

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
    /// Whether the stream was ever written to. Most files are not used as streams.
    written: AtomicBool,
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
        File { open, stream: Mutex::default(), written: AtomicBool::new(false), _descriptor: descriptor }
    }

    pub(crate) async fn open_on(disk: &Disk, options: &OpenOptions, path: &str) -> io::Result<File> {
        if options.are_contradictory() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        let creates = options.creates() && disk.lock().tree.find(path, Follow::Always).is_err_and(missing);
        let kind = if creates { Kind::Create } else { Kind::Open };
        let subject = disk.subject(path);
        let in_flight = disk.start(None, Operation { kind, subject, bytes: 0, target: None })?;
        let found = |state: &mut State, _: &InFlight| {
            // open(2) takes the descriptor before it looks the path up.
            let descriptor = rt::Descriptor::open()?;
            let (inode, directory) = open_inode(state, options, path)?;
            state.tree.open(inode);
            let (epoch, number) = (state.epoch(), state.locks.number());
            let (disk, position) = (disk.clone(), AtomicU64::new(0));
            let open =
                Description { disk, inode, directory, options: *options, subject, epoch, number, position };
            Ok(File::new(Arc::new(open), descriptor))
        };
        disk.complete(in_flight, found).await
    }

    /// Makes data and metadata durable (fsync). On a directory: its entries.
    ///
    /// # Errors
    ///
    /// EIO after a power loss of the disk.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.settle_stream().await;
        self.open.sync(Kind::Fsync).await
    }

    /// Makes data durable, and of the metadata what is needed to read the data back (fdatasync).
    ///
    /// # Errors
    ///
    /// EIO after a power loss of the disk.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.settle_stream().await;
        self.open.sync(Kind::Fdatasync).await
    }

    /// Sets the length; new bytes are zeros and take no space.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if not opened for writing, `FileTooLarge`.
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        self.settle_stream().await;
        if !self.open.options.writes() || i64::try_from(len).is_err() {
            return Err(io::ErrorKind::InvalidInput.into());
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
        let stat = |state: &mut State, _: &InFlight| Ok(state.tree.stat(self.open.inode).into());
        self.open.operate(Kind::Stat, 0, 0, stat).await
    }

    /// Returns another handle to the same open file description: handles share the file offset and the locks.
    ///
    /// # Errors
    ///
    /// EMFILE if the process has no descriptor left.
    pub async fn try_clone(&self) -> io::Result<File> {
        self.settle_stream().await;
        Ok(File::new(self.open.clone(), rt::Descriptor::open()?))
    }

    /// Waits for the stream's in-flight write; the next write or flush reports its error.
    async fn settle_stream(&self) {
        if !self.written.load(Ordering::Relaxed) {
            return;
        }
        poll_fn(|context| {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            stream.poll_settled(context)
        })
        .await;
    }

    fn stream_mut(&mut self) -> (&mut Stream, &Arc<Description>) {
        (self.stream.get_mut().unwrap_or_else(PoisonError::into_inner), &self.open)
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.open.directory
    }

    /// Reads the whole file.
    pub(crate) async fn read_whole(&self) -> io::Result<Vec<u8>> {
        let len = if self.open.directory { 1 } else { self.open.len()? };
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?];
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
                return Err(io::ErrorKind::WriteZero.into());
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
        let from = match to {
            io::SeekFrom::Start(position) => (position, 0),
            io::SeekFrom::Current(by) => (self.open.position.load(Ordering::Relaxed), by),
            io::SeekFrom::End(by) => (self.open.len()?, by),
        };
        let position = from.0.checked_add_signed(from.1).filter(|&position| i64::try_from(position).is_ok());
        let position = position.ok_or(io::ErrorKind::InvalidInput)?;
        self.open.position.store(position, Ordering::Relaxed);
        Ok(position)
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

/// Finds or creates the file to open. Returns its inode and whether it is a directory.
fn open_inode(state: &mut State, options: &OpenOptions, path: &str) -> io::Result<(Inode, bool)> {
    let existing = state.tree.find(path, Follow::Always).ok();
    if state.is_read_only()
        && (options.writes() && existing.is_some() || options.creates() && existing.is_none())
    {
        return Err(crate::fault::DiskError::ReadOnly.into());
    }
    let inode = match options.creates() {
        true => state.tree.create(path, options.create_new)?,
        false => state.tree.find(path, Follow::Always)?,
    };
    let directory = state.tree.type_of(inode) == Type::Directory;
    if directory && (options.writes() || options.creates()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if state.tree.special(inode).is_some() {
        // ENXIO: open(2) of a socket; a FIFO is opened by `stormglass_net::unix::pipe`.
        return Err(io::Error::from_raw_os_error(6));
    }
    if options.truncate && state.tree.stat(inode).len > 0 {
        state.tree.change_file(inode, 0, |contents| contents.set_len(0))?;
    }
    Ok((inode, directory))
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

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (stream, open) = self.get_mut().stream_mut();
        stream.poll_read(open, context, buffer)
    }
}

impl AsyncWrite for File {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let file = self.get_mut();
        *file.written.get_mut() = true;
        let (stream, open) = file.stream_mut();
        stream.poll_write(open, context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream_mut().0.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, to: io::SeekFrom) -> io::Result<()> {
        let file = self.get_mut();
        file.stream_mut().0.start_seek()?;
        file.seek_to(to).map(drop)
    }

    fn poll_complete(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let (stream, open) = self.get_mut().stream_mut();
        ready!(stream.poll_settled(context));
        Poll::Ready(Ok(open.position.load(Ordering::Relaxed)))
    }
}
