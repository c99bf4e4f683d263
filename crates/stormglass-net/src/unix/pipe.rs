//! Pipes: between tasks of a process, and FIFOs on the node's disk; named after
//! `tokio::net::unix::pipe`.

mod kernel;

use crate::error::{EINVAL, ENOENT, ENXIO, EPERM};
use crate::interest::{Interest, Ready};
use bytes::BufMut;
use kernel::{End, Pipe};
use std::io::{self, IoSlice, IoSliceMut};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use stormglass_rt::{self as rt, Descriptor, SpecialFiles, SpecialKind};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Creates a pipe of 64 KiB; returns its ends. Data takes no time.
///
/// ```
/// use stormglass_net::unix::pipe;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let (mut sender, mut receiver) = pipe::pipe()?;
///     sender.write_all(b"hello").await?;
///     drop(sender);
///     let mut text = String::new();
///     receiver.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// EMFILE.
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (for_receiver, for_sender) = (Descriptor::open()?, Descriptor::open()?);
    let pipe = Arc::<Pipe>::default();
    let receiver = Receiver { end: End::open(&pipe, true, false), _descriptor: for_receiver };
    Ok((Sender { end: End::open(&pipe, false, true), _descriptor: for_sender }, receiver))
}

/// Options to open a FIFO with, named after `tokio::net::unix::pipe::OpenOptions`. A FIFO is made
/// with `Disk::create_fifo` of `stormglass_fs`.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// Creates the default options.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Opens the FIFO for reading and writing: opening a sender then needs no receiver, and a
    /// receiver never sees the end of the data.
    pub fn read_write(&mut self, value: bool) -> &mut OpenOptions {
        self.read_write = value;
        self
    }

    /// Does not check that the file is a FIFO.
    pub fn unchecked(&mut self, value: bool) -> &mut OpenOptions {
        self.unchecked = value;
        self
    }

    /// Opens the reading end.
    ///
    /// # Errors
    ///
    /// ENOENT if the path does not exist; `InvalidInput` if the file is no FIFO (EPERM if that is
    /// not checked); ENXIO if it is a socket; EMFILE.
    pub fn open_receiver<P: AsRef<Path>>(&self, path: P) -> io::Result<Receiver> {
        let (end, descriptor) = self.open(path.as_ref(), true)?;
        Ok(Receiver { end, _descriptor: descriptor })
    }

    /// Opens the writing end.
    ///
    /// # Errors
    ///
    /// ENXIO if no process has the reading end open; as [`OpenOptions::open_receiver`].
    pub fn open_sender<P: AsRef<Path>>(&self, path: P) -> io::Result<Sender> {
        let (end, descriptor) = self.open(path.as_ref(), false)?;
        Ok(Sender { end, _descriptor: descriptor })
    }

    fn open(&self, path: &Path, reads: bool) -> io::Result<(End, Descriptor)> {
        let descriptor = Descriptor::open()?;
        let files = rt::mounted::<SpecialFiles>().ok_or(ENOENT)?;
        let Some(file) = files.find(path)? else {
            return Err(match self.unchecked {
                // epoll(7) refuses regular files.
                true => EPERM.into(),
                false => io::Error::new(io::ErrorKind::InvalidInput, "not a pipe"),
            });
        };
        if file.kind() != SpecialKind::Fifo {
            return Err(ENXIO.into());
        }
        let pipe = file.object::<Pipe>().unwrap_or_default();
        if !reads && !self.read_write && !pipe.has_readers() {
            return Err(ENXIO.into());
        }
        file.attach(&pipe);
        let end = End::open(&pipe, reads || self.read_write, !reads || self.read_write);
        Ok((end, descriptor))
    }
}

/// The writing end of a pipe, named after `tokio::net::unix::pipe::Sender`.
#[derive(Debug)]
pub struct Sender {
    end: End,
    _descriptor: Descriptor,
}

impl Sender {
    /// Waits until the pipe is ready for any of this.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        // A sender is registered for writing only.
        if !interest.is_writable() && !interest.is_error() {
            return Err(EINVAL.into());
        }
        Ok(self.end.readiness().ready(interest).await)
    }

    /// Waits until data can be written, or the reader is gone.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Polls [`Sender::writable`], for hand-written futures.
    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.readiness().poll_ready(Interest::WRITABLE, context).map(|_| Ok(()))
    }

    /// Writes without waiting. Up to 4,096 bytes are written as a whole or not at all (`PIPE_BUF`).
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the pipe is full; EPIPE if no reader is left.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(bytes)])
    }

    /// Writes as [`Sender::try_write`] does, from several buffers.
    ///
    /// # Errors
    ///
    /// As [`Sender::try_write`].
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_io(|| self.end.write(slices))
    }

    /// Runs an operation if the pipe is ready to write.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it is not; those of the operation. `WouldBlock` of the operation makes the
    /// pipe not ready until the next event.
    pub fn try_io<R>(&self, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.end.readiness().try_io(Interest::WRITABLE, operation)
    }
}

impl AsyncWrite for Sender {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let write = || self.end.write(&[IoSlice::new(bytes)]);
        let len = ready!(self.end.readiness().poll_io(Interest::WRITABLE, context, write))?;
        // A write that was shorter than asked for has filled the pipe.
        if 0 < len && len < bytes.len() {
            self.end.readiness().clear(Ready::WRITABLE);
        }
        Poll::Ready(Ok(len))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.end.readiness().poll_io(Interest::WRITABLE, context, || self.end.write(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The reading end of a pipe, named after `tokio::net::unix::pipe::Receiver`.
#[derive(Debug)]
pub struct Receiver {
    end: End,
    _descriptor: Descriptor,
}

impl Receiver {
    /// Waits until the pipe is ready for any of this.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        // A receiver is registered for reading only.
        if !interest.is_readable() && !interest.is_error() {
            return Err(EINVAL.into());
        }
        Ok(self.end.readiness().ready(interest).await)
    }

    /// Waits until there is data, or the end of the data.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Polls [`Receiver::readable`], for hand-written futures.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.readiness().poll_ready(Interest::READABLE, context).map(|_| Ok(()))
    }

    /// Reads the available data without waiting; 0 bytes if no writer is left.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_io(|| self.end.read(buffer))
    }

    /// Reads as [`Receiver::try_read`] does, into several buffers.
    ///
    /// # Errors
    ///
    /// As [`Receiver::try_read`].
    pub fn try_read_vectored(&self, slices: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.try_io(|| {
            let mut total = 0;
            for slice in slices.iter_mut().filter(|slice| !slice.is_empty()) {
                match self.end.read(slice) {
                    Ok(len) => {
                        total += len;
                        if len < slice.len() {
                            break;
                        }
                    }
                    Err(error) if total == 0 => return Err(error),
                    Err(_) => break,
                }
            }
            Ok(total)
        })
    }

    /// Reads as [`Receiver::try_read`] does, into a growing buffer.
    ///
    /// # Errors
    ///
    /// As [`Receiver::try_read`].
    pub fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        let mut bytes = vec![0; buffer.chunk_mut().len()];
        let len = self.try_read(&mut bytes)?;
        buffer.put_slice(&bytes[..len]);
        Ok(len)
    }

    /// Runs an operation if the pipe is ready to read.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it is not; those of the operation. `WouldBlock` of the operation makes the
    /// pipe not ready until the next event.
    pub fn try_io<R>(&self, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.end.readiness().try_io(Interest::READABLE, operation)
    }
}

impl AsyncRead for Receiver {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unfilled = buffer.initialize_unfilled();
        let wanted = unfilled.len();
        let len =
            ready!(self.end.readiness().poll_io(Interest::READABLE, context, || self.end.read(unfilled)))?;
        // A read that was shorter than asked for has emptied the pipe.
        if 0 < len && len < wanted {
            self.end.readiness().clear(Ready::READABLE);
        }
        buffer.advance(len);
        Poll::Ready(Ok(()))
    }
}
