//! An open file description, what `open(2)` creates: reads, writes, syncs and locks at the lowest level.

use crate::disk::{Disk, InFlight, State, WriteAt, is_aligned};
use crate::error::Errno;
use crate::lock::LockMode;
use crate::operation::{self, Operation};
use crate::options::Flags;
use crate::tree::Inode;
use std::fs::TryLockError;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use stormglass_core::{EventId, Kind, Symbol};
use stormglass_rt as rt;

/// What `open(2)` creates, an open file description: shared by the clones of a file, closed with the last of them.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) disk: Disk,
    pub(super) inode: Inode,
    pub(super) directory: bool,
    pub(super) options: Flags,
    pub(super) subject: Symbol,
    /// The disk's power epoch when the file was opened.
    pub(super) epoch: u64,
    /// Identifies this description as the holder of locks.
    pub(super) number: u64,
    /// The file offset, which the stream's reads and writes advance.
    pub(super) position: AtomicU64,
}

impl Description {
    pub(super) fn len(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        if state.epoch() != self.epoch { Err(Errno::EIO.into()) } else { Ok(state.tree.stat(self.inode).len) }
    }

    pub(super) fn start_read(&self, len: usize, offset: u64) -> io::Result<InFlight> {
        if !self.options.read {
            return Err(Errno::EBADF.into());
        }
        if self.directory {
            return Err(Errno::EISDIR.into());
        }
        check_offset(offset)?;
        if self.options.direct && offset < self.len()? && !is_aligned(offset, len as u64) {
            return Err(Errno::EINVAL.into());
        }
        self.start(Kind::Read, offset, len as u64)
    }

    /// Reads from `offset` into `buffer` when the operation is over.
    pub(super) fn finish_read(
        &self,
        state: &mut State,
        in_flight: &InFlight,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let empty = buffer.is_empty();
        let count = state.read(in_flight, self.inode, offset, buffer)?;
        if !empty && !self.options.keep_access_time {
            state.tree.accessed(self.inode);
        }
        Ok(count)
    }

    pub(super) async fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let in_flight = self.start_read(buffer.len(), offset)?;
        let read =
            |state: &mut State, in_flight: &InFlight| self.finish_read(state, in_flight, offset, buffer);
        self.disk.complete(in_flight, read).await
    }

    pub(super) async fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.check_writable()?;
        check_offset(offset)?;
        let at = if self.options.append { WriteAt::End } else { WriteAt::Offset(offset) };
        let write = |state: &mut State, in_flight: &InFlight| state.write(in_flight, self.inode, at, bytes);
        let (_, count) = self.operate(Kind::Write, offset, bytes.len() as u64, write).await?;
        self.sync_write(count).await
    }

    pub(super) async fn write_next(&self, bytes: &[u8]) -> io::Result<usize> {
        self.check_writable()?;
        let position = self.position.load(Ordering::Relaxed);
        let at = if self.options.append { WriteAt::End } else { WriteAt::Offset(position) };
        let write = |state: &mut State, in_flight: &InFlight| {
            let (offset, count) = state.write(in_flight, self.inode, at, bytes)?;
            self.position.store(offset + count as u64, Ordering::Relaxed);
            Ok(count)
        };
        let count = self.operate(Kind::Write, position, bytes.len() as u64, write).await?;
        self.sync_write(count).await
    }

    /// Syncs after a write of `count` bytes, if the file was opened with `O_SYNC` or `O_DSYNC`
    /// (`generic_write_sync`).
    async fn sync_write(&self, count: usize) -> io::Result<usize> {
        if let Some(kind) = self.options.sync.filter(|_| count > 0) {
            // On the heap, so that the futures of all other writes stay small.
            Box::pin(self.sync(kind)).await?;
        }
        Ok(count)
    }

    pub(super) async fn sync(&self, kind: Kind) -> io::Result<()> {
        if self.options.path_only {
            return Err(Errno::EBADF.into());
        }
        let sync = |state: &mut State, in_flight: &InFlight| {
            state.sync(in_flight, self.inode);
            Ok(())
        };
        self.operate(kind, 0, 0, sync).await
    }

    /// Sets the file offset (lseek).
    pub(super) fn seek(&self, to: io::SeekFrom) -> io::Result<u64> {
        if self.options.path_only {
            return Err(Errno::EBADF.into());
        }
        let (from, by) = match to {
            io::SeekFrom::Start(position) => (position, 0),
            io::SeekFrom::Current(by) => (self.position.load(Ordering::Relaxed), by),
            io::SeekFrom::End(by) => (self.len()?, by),
        };
        let position = from.checked_add_signed(by).filter(|&position| i64::try_from(position).is_ok());
        let position = position.ok_or(Errno::EINVAL)?;
        self.position.store(position, Ordering::Relaxed);
        Ok(position)
    }

    pub(super) fn check_writable(&self) -> io::Result<()> {
        if self.options.write { Ok(()) } else { Err(Errno::EBADF.into()) }
    }

    fn start(&self, kind: Kind, offset: u64, bytes: u64) -> io::Result<InFlight> {
        let inode_only = kind == Kind::SetAttributes;
        assert!(
            !operation::changes(kind) || inode_only || !self.directory,
            "a directory cannot be opened for writing"
        );
        let direct = self.options.direct && matches!(kind, Kind::Read | Kind::Write);
        let target = Some((self.inode, offset));
        let operation = Operation { kind, subject: self.subject, bytes, target, direct };
        self.disk.start(Some(self.epoch), operation)
    }

    pub(super) async fn operate<T>(
        &self,
        kind: Kind,
        offset: u64,
        bytes: u64,
        effect: impl FnOnce(&mut State, &InFlight) -> io::Result<T>,
    ) -> io::Result<T> {
        let in_flight = self.start(kind, offset, bytes)?;
        self.disk.complete(in_flight, effect).await
    }

    /// Takes a lock without waiting.
    fn try_lock(&self, mode: LockMode) -> Result<EventId, TryLockError> {
        let mut state = self.disk.lock();
        if state.epoch() != self.epoch {
            return Err(TryLockError::Error(Errno::EIO.into()));
        }
        state.locks.take(self.inode, self.number, mode).ok_or(TryLockError::WouldBlock)
    }

    pub(super) async fn lock(&self, mode: LockMode) -> io::Result<()> {
        let began = rt::now();
        let released = poll_fn(|context| match self.try_lock(mode) {
            Ok(released) => Poll::Ready(Ok(released)),
            Err(TryLockError::Error(error)) => Poll::Ready(Err(error)),
            Err(TryLockError::WouldBlock) => {
                self.disk.lock().locks.wait(self.inode, &rt::waker(context));
                Poll::Pending
            }
        })
        .await?;
        self.locked(released, began);
        Ok(())
    }

    pub(super) fn try_lock_once(&self, mode: LockMode) -> Result<(), TryLockError> {
        let released = self.try_lock(mode)?;
        self.locked(released, rt::now());
        Ok(())
    }

    fn locked(&self, released: EventId, began: stormglass_core::SimTime) {
        let recorder = self.disk.recorder();
        recorder.join(released);
        recorder.record(rt::now(), Kind::Lock, self.subject, rt::now() - began, 0);
    }

    /// Releases the lock, and records it if a run is in progress.
    pub(super) fn unlock(&self, state: &mut State) {
        if state.epoch() == self.epoch && state.locks.holds(self.inode, self.number) {
            let event = match rt::is_in_run() {
                true => self.disk.recorder().record(rt::now(), Kind::Unlock, self.subject, Duration::ZERO, 0),
                false => EventId::START,
            };
            state.locks.release(self.inode, self.number, event);
        }
    }
}

/// Checks an offset, which the kernel takes as a signed number.
fn check_offset(offset: u64) -> io::Result<()> {
    if i64::try_from(offset).is_ok() { Ok(()) } else { Err(Errno::EINVAL.into()) }
}

impl Drop for Description {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        self.unlock(&mut state);
        if state.epoch() == self.epoch {
            state.tree.close(self.inode);
        }
    }
}
