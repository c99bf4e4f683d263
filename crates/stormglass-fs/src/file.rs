//! An open file.

mod stream;

pub use crate::options::OpenOptions;

use crate::disk::{At, Begun, Disk, State};
use crate::error;
use crate::ext::FileExt;
use crate::lock::Hold;
use crate::metadata::Metadata;
use crate::mount;
use crate::operation::{self, Operation};
use crate::tree::{Follow, Inode, Type};
use std::fs::TryLockError;
use std::future::{Future, poll_fn};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use stormglass_core::{EventId, Kind, Symbol};
use stormglass_rt as rt;
use stream::Stream;

/// An open file, or a directory opened to be synced; named after `tokio::fs::File`, and like it a stream: it has a place
/// from which the methods of `tokio::io` read and write. At any place: [`FileExt`].
///
/// As with tokio, writing to the stream only *begins* a write, in a task of its own: it is over, and its error told, when the
/// stream is flushed or used next, and it may be lost with a node that is killed. A write at a place is over when it
/// returns.
#[derive(Debug)]
pub struct File {
    open: Arc<Open>,
    stream: Mutex<Stream>,
    /// Whether anything was ever written to the stream: most files are not used as one.
    written: AtomicBool,
}

/// What `open(2)` makes: shared by the files that [`File::try_clone`] gives, gone with the last of them.
#[derive(Debug)]
struct Open {
    disk: Disk,
    inode: Inode,
    directory: bool,
    options: OpenOptions,
    subject: Symbol,
    /// Of the disk's power, when the file was opened.
    epoch: u64,
    /// The holder of its locks.
    number: u64,
    /// The stream's place.
    position: AtomicU64,
}

impl File {
    /// Opens an existing file for reading, on the disk that is mounted on the node at work.
    ///
    /// # Errors
    ///
    /// As [`Disk::open`]; `Unsupported` when no disk is mounted.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        mount::current()?.open(path).await
    }

    /// Opens a file for writing, a new one or an old one cut to nothing, on the disk that is mounted on the node at work.
    ///
    /// # Errors
    ///
    /// As [`Disk::create`]; `Unsupported` when no disk is mounted.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        mount::current()?.create(path).await
    }

    /// Makes a file that must not be there yet, for reading and writing, on the disk that is mounted on the node at work.
    ///
    /// # Errors
    ///
    /// As [`Disk::open_with`]; `Unsupported` when no disk is mounted.
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path).await
    }

    /// How to open a file otherwise.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    fn new(open: Arc<Open>) -> File {
        File { open, stream: Mutex::default(), written: AtomicBool::new(false) }
    }

    pub(crate) async fn open_on(disk: &Disk, options: &OpenOptions, path: &str) -> io::Result<File> {
        if options.are_contradictory() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        let makes = options.makes() && disk.lock().tree.find(path, Follow::Last).is_err_and(missing);
        let kind = if makes { Kind::Create } else { Kind::Open };
        let subject = disk.subject(path);
        let begun = disk.begin(None, Operation { kind, subject, bytes: 0, on: None })?;
        let found = |state: &mut State, _: &Begun| {
            let (inode, directory) = open_inode(state, options, path)?;
            state.tree.open(inode);
            let (epoch, number) = (state.epoch(), state.locks.number());
            let (disk, position) = (disk.clone(), AtomicU64::new(0));
            let open = Open { disk, inode, directory, options: *options, subject, epoch, number, position };
            Ok(File::new(Arc::new(open)))
        };
        disk.complete(begun, found).await
    }

    /// Makes data and metadata durable (fsync). On a directory: its names.
    ///
    /// # Errors
    ///
    /// EIO when the disk's power is gone.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.settle_stream().await;
        self.open.sync(Kind::Fsync).await
    }

    /// Makes data durable, and of the metadata what is needed to read it back (fdatasync).
    ///
    /// # Errors
    ///
    /// EIO when the disk's power is gone.
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
        let set = |state: &mut State, _: &Begun| {
            state.tree.change_file(self.open.inode, len, |contents| contents.set_len(len))
        };
        self.open.operate(Kind::Truncate, 0, len, set).await
    }

    /// What is known of the file.
    ///
    /// # Errors
    ///
    /// EIO when the disk's power is gone.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let stat = |state: &mut State, _: &Begun| Ok(state.tree.stat(self.open.inode).into());
        self.open.operate(Kind::Stat, 0, 0, stat).await
    }

    /// Another handle to the same open file: they share the stream's place and the locks.
    ///
    /// # Errors
    ///
    /// Never; real ones may run out of descriptors.
    pub async fn try_clone(&self) -> io::Result<File> {
        self.settle_stream().await;
        Ok(File::new(self.open.clone()))
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.open.directory
    }

    /// Reads all there is.
    pub(crate) async fn read_whole(&self) -> io::Result<Vec<u8>> {
        let len = if self.open.directory { 1 } else { self.open.len()? };
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?];
        let mut count = 0;
        // Whoever reads a whole file asks again until there is nothing more; one read does when it gives all.
        while count < bytes.len() {
            match self.open.read_at(&mut bytes[count..], count as u64).await? {
                0 => break,
                more => count += more,
            }
        }
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Writes all of it, there.
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

    /// Reads from the stream's place, which moves on.
    pub(crate) async fn read_on(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let place = self.open.position.load(Ordering::Relaxed);
        let count = self.open.read_at(buffer, place).await?;
        self.open.position.store(place + count as u64, Ordering::Relaxed);
        Ok(count)
    }

    /// Writes at the stream's place, which moves on.
    pub(crate) async fn write_on(&self, bytes: &[u8]) -> io::Result<usize> {
        self.open.write_on(bytes).await
    }

    /// Moves the stream's place.
    pub(crate) fn seek_to(&self, to: io::SeekFrom) -> io::Result<u64> {
        let from = match to {
            io::SeekFrom::Start(place) => (place, 0),
            io::SeekFrom::Current(by) => (self.open.position.load(Ordering::Relaxed), by),
            io::SeekFrom::End(by) => (self.open.len()?, by),
        };
        let place = from.0.checked_add_signed(from.1).filter(|&place| i64::try_from(place).is_ok());
        let place = place.ok_or(io::ErrorKind::InvalidInput)?;
        self.open.position.store(place, Ordering::Relaxed);
        Ok(place)
    }

    /// The same file for blocking callers.
    pub(crate) fn charged_to(&self, ledger: &crate::blocking::Ledger) -> File {
        let open = &self.open;
        let mut state = open.disk.lock();
        if state.epoch() == open.epoch {
            state.tree.open(open.inode);
        }
        let open = Open {
            disk: open.disk.charged_to(ledger),
            inode: open.inode,
            directory: open.directory,
            options: open.options,
            subject: open.subject,
            epoch: open.epoch,
            number: state.locks.number(),
            position: AtomicU64::new(open.position.load(Ordering::Relaxed)),
        };
        File::new(Arc::new(open))
    }
}

/// Finds or makes what is to be opened; whether it is a directory.
fn open_inode(state: &mut State, options: &OpenOptions, path: &str) -> io::Result<(Inode, bool)> {
    let existing = state.tree.find(path, Follow::Last).ok();
    if state.is_read_only()
        && (options.writes() && existing.is_some() || options.makes() && existing.is_none())
    {
        return Err(crate::fault::DiskError::ReadOnly.into());
    }
    let inode = match options.makes() {
        true => state.tree.create(path, options.create_new)?,
        false => state.tree.find(path, Follow::Last)?,
    };
    let directory = state.tree.type_of(inode) == Type::Directory;
    if directory && (options.writes() || options.makes()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if options.truncate && state.tree.stat(inode).len > 0 {
        state.tree.change_file(inode, 0, |contents| contents.set_len(0))?;
    }
    Ok((inode, directory))
}

impl Open {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        if state.epoch() != self.epoch { Err(error::eio()) } else { Ok(state.tree.stat(self.inode).len) }
    }

    fn reading(&self, len: usize, offset: u64) -> io::Result<Begun> {
        if !self.options.read {
            return Err(error::not_opened_for_that());
        }
        if self.directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.begin(Kind::Read, offset, len as u64)
    }

    async fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let begun = self.reading(buffer.len(), offset)?;
        let read = |state: &mut State, begun: &Begun| state.read(begun, self.inode, offset, buffer);
        self.disk.complete(begun, read).await
    }

    async fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.check_writable()?;
        let at = if self.options.append { At::End } else { At::Offset(offset) };
        let write = |state: &mut State, begun: &Begun| state.write(begun, self.inode, at, bytes);
        Ok(self.operate(Kind::Write, offset, bytes.len() as u64, write).await?.1)
    }

    async fn write_on(&self, bytes: &[u8]) -> io::Result<usize> {
        self.check_writable()?;
        let place = self.position.load(Ordering::Relaxed);
        let at = if self.options.append { At::End } else { At::Offset(place) };
        let write = |state: &mut State, begun: &Begun| {
            let (offset, count) = state.write(begun, self.inode, at, bytes)?;
            self.position.store(offset + count as u64, Ordering::Relaxed);
            Ok(count)
        };
        self.operate(Kind::Write, place, bytes.len() as u64, write).await
    }

    async fn sync(&self, kind: Kind) -> io::Result<()> {
        let sync = |state: &mut State, begun: &Begun| {
            state.sync(begun, self.inode);
            Ok(())
        };
        self.operate(kind, 0, 0, sync).await
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.options.writes() { Ok(()) } else { Err(error::not_opened_for_that()) }
    }

    fn begin(&self, kind: Kind, offset: u64, bytes: u64) -> io::Result<Begun> {
        assert!(!operation::changes(kind) || !self.directory, "a directory is not opened for writing");
        let operation = Operation { kind, subject: self.subject, bytes, on: Some((self.inode, offset)) };
        self.disk.begin(Some(self.epoch), operation)
    }

    async fn operate<T>(
        &self,
        kind: Kind,
        offset: u64,
        bytes: u64,
        effect: impl FnOnce(&mut State, &Begun) -> io::Result<T>,
    ) -> io::Result<T> {
        let begun = self.begin(kind, offset, bytes)?;
        self.disk.complete(begun, effect).await
    }

    /// Takes a lock, or says that somebody else has it.
    fn try_lock(&self, hold: Hold) -> Result<EventId, TryLockError> {
        let mut state = self.disk.lock();
        if state.epoch() != self.epoch {
            return Err(TryLockError::Error(error::eio()));
        }
        state.locks.take(self.inode, self.number, hold).ok_or(TryLockError::WouldBlock)
    }

    async fn lock(&self, hold: Hold) -> io::Result<()> {
        let began = rt::now();
        let released = poll_fn(|context| match self.try_lock(hold) {
            Ok(released) => Poll::Ready(Ok(released)),
            Err(TryLockError::Error(error)) => Poll::Ready(Err(error)),
            Err(TryLockError::WouldBlock) => {
                self.disk.lock().locks.wait(self.inode, context.waker());
                Poll::Pending
            }
        })
        .await?;
        self.locked(released, began);
        Ok(())
    }

    fn try_lock_once(&self, hold: Hold) -> Result<(), TryLockError> {
        let released = self.try_lock(hold)?;
        self.locked(released, rt::now());
        Ok(())
    }

    fn locked(&self, released: EventId, began: stormglass_core::SimTime) {
        let recorder = self.disk.recorder();
        recorder.join(released);
        recorder.record(rt::now(), Kind::Lock, self.subject, rt::now() - began, 0);
    }

    /// Lets go of the lock. Its event tells of it, if there is a run that it can belong to.
    fn unlock(&self, state: &mut State) {
        if state.epoch() == self.epoch && state.locks.holds(self.inode, self.number) {
            let event = match rt::is_in_run() {
                true => self.disk.recorder().record(rt::now(), Kind::Unlock, self.subject, Duration::ZERO, 0),
                false => EventId::START,
            };
            state.locks.release(self.inode, self.number, event);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        self.unlock(&mut state);
        if state.epoch() == self.epoch {
            state.tree.close(self.inode);
        }
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
        let reserve = |state: &mut State, _: &Begun| state.allocate(self.open.inode, len);
        self.open.operate(Kind::Allocate, 0, len, reserve).await
    }

    async fn lock(&self) -> io::Result<()> {
        self.open.lock(Hold::Exclusive).await
    }

    async fn lock_shared(&self) -> io::Result<()> {
        self.open.lock(Hold::Shared).await
    }

    fn try_lock(&self) -> Result<(), TryLockError> {
        self.open.try_lock_once(Hold::Exclusive)
    }

    fn try_lock_shared(&self) -> Result<(), TryLockError> {
        self.open.try_lock_once(Hold::Shared)
    }

    async fn unlock(&self) -> io::Result<()> {
        self.open.unlock(&mut self.open.disk.lock());
        Ok(())
    }
}
