//! Byte streams on top of a connection: what TCP and Unix streams have in common.

use crate::fault::Sent;
use crate::interest::Ready;
use crate::stream_socket::{Read, StreamSocket};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::task::{Context, Poll, ready};
use stormglass_core::EventId;
use tokio::io::ReadBuf;

/// The largest segment in bytes: what a kernel hands to a network card as one (Linux:
/// `GSO_MAX_SIZE`).
const SEGMENT: usize = 65_536;

/// One end of a byte stream.
pub(crate) type ByteStream = StreamSocket<Bytes, Bytes>;

/// Reading.
impl ByteStream {
    /// Reads as tokio's `AsyncRead` does: a read that returns less than asked for clears the
    /// readiness.
    pub(crate) fn poll_read_bytes(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wanted = buffer.remaining();
        let len = ready!(self.poll_take(Some(context), wanted, |bytes| buffer.put_slice(bytes)))?;
        // After a read that a fault has shortened, the rest counts as an event of its own.
        if 0 < len && len < wanted && self.is_drained() {
            self.clear_readiness(Ready::READABLE);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads at most this many bytes, piece by piece.
    ///
    /// # Errors
    ///
    /// The connection's error, once.
    pub(crate) fn poll_take(
        &self,
        context: Option<&mut Context<'_>>,
        at_most: usize,
        mut put: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        self.poll_read_if_ready(context, |queue| {
            let at_most = self.shortened_read(at_most, queue);
            let mut left = at_most;
            while let Some((chunk, _)) = queue.front_mut()
                && left > 0
            {
                let len = chunk.len().min(left);
                put(&chunk[..len]);
                left -= len;
                chunk.advance(len);
                if chunk.is_empty() {
                    queue.pop_front();
                }
            }
            (at_most - left, (at_most - left) as u64)
        })
    }

    /// Returns how many of at most this many bytes a read takes: fewer, if a rule shortens it.
    fn shortened_read(&self, at_most: usize, queue: &VecDeque<(Bytes, EventId)>) -> usize {
        if self.pair.network.faults.is_empty() {
            return at_most;
        }
        let arrived = queue.iter().map(|(chunk, _)| chunk.len()).sum();
        self.pair.transferred(self.side, Sent::Read, at_most.min(arrived))
    }

    /// Whether a write that accepted less than asked for has left room in the window: a rule has
    /// shortened it.
    fn is_write_shortened(&self) -> bool {
        !self.pair.network.faults.is_empty() && self.pair.is_window_open(self.side, &mut self.socket())
    }

    pub(crate) fn poll_peek_bytes(
        &self,
        context: Option<&mut Context<'_>>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        self.poll_read_if_ready(context, |queue| {
            for (chunk, _) in &*queue {
                let len = chunk.len().min(buffer.remaining());
                buffer.put_slice(&chunk[..len]);
            }
            (buffer.filled().len() - before, 0)
        })
    }

    /// Reads if the socket is ready; 0 is the end of the stream.
    fn poll_read_if_ready(
        &self,
        context: Option<&mut Context<'_>>,
        take: impl FnOnce(&mut VecDeque<(Bytes, EventId)>) -> (usize, u64),
    ) -> Poll<io::Result<usize>> {
        if !self.is_read_ready() {
            self.wait_to_read(context);
            return Poll::Pending;
        }
        let read = self.poll_read(context, take);
        if read.is_pending() {
            self.clear_readiness(Ready::READABLE);
        }
        read.map_ok(|read| match read {
            Read::Some(len) => len,
            Read::End => 0,
        })
    }
}

/// Writing.
impl ByteStream {
    /// Writes as tokio's `AsyncWrite` does: a write that accepts less than asked for clears the
    /// readiness.
    pub(crate) fn poll_write_slice(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let len = ready!(self.poll_write_bytes(Some(context), &[IoSlice::new(bytes)]))?;
        if 0 < len && len < bytes.len() && !self.is_write_shortened() {
            self.clear_readiness(Ready::WRITABLE);
        }
        Poll::Ready(Ok(len))
    }

    /// Waits until the send window is open; sends as much as it allows.
    pub(crate) fn poll_write_bytes(
        &self,
        context: Option<&mut Context<'_>>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.is_write_ready() {
            return self.wait_to_write(context).map_ok(|_| 0);
        }
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let Poll::Ready(window) = self.poll_send_window(context) else {
            self.clear_readiness(Ready::WRITABLE);
            return Poll::Pending;
        };
        let accepted = total.min(usize::try_from(window?).unwrap_or(usize::MAX));
        let accepted = self.pair.transferred(self.side, Sent::Write, accepted);
        let mut left = accepted;
        for slice in slices {
            let slice = &slice[..slice.len().min(left)];
            left -= slice.len();
            for chunk in slice.chunks(SEGMENT) {
                let bytes = chunk.len() as u64;
                self.send(Bytes::copy_from_slice(chunk), bytes, bytes);
            }
        }
        Poll::Ready(Ok(accepted))
    }
}

/// Turns `Pending` into `WouldBlock`, for operations that do not wait.
pub(crate) fn now_or_would_block<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Returns a function that fills the buffers one after the other. They have room for all that it
/// is called with.
pub(crate) fn scatter(buffers: &mut [IoSliceMut<'_>]) -> impl FnMut(&[u8]) {
    let (mut index, mut at) = (0, 0);
    move |mut bytes| {
        while !bytes.is_empty() {
            let buffer = &mut buffers[index][at..];
            let len = bytes.len().min(buffer.len());
            buffer[..len].copy_from_slice(&bytes[..len]);
            bytes = &bytes[len..];
            at += len;
            if at == buffers[index].len() {
                (index, at) = (index + 1, 0);
            }
        }
    }
}

/// Implements the methods that tokio's TCP and Unix streams share, for a type with a `ByteStream`
/// in its field `socket`.
macro_rules! byte_stream_methods {
    ($Stream:ident, $halves:ident) => {
        impl $Stream {
            /// Waits until the socket is ready for any of this; returns for what. The socket may not
            /// be: an operation may still return `WouldBlock`.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub async fn ready(
                &self,
                interest: $crate::interest::Interest,
            ) -> std::io::Result<$crate::interest::Ready> {
                std::future::poll_fn(|context| self.socket.poll_ready(context, interest).map(Ok)).await
            }

            /// Waits until a read would not block: there is data, the end of the stream, or an
            /// error.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub async fn readable(&self) -> std::io::Result<()> {
                self.ready($crate::interest::Interest::READABLE).await.map(drop)
            }

            /// Polls [`Self::readable`], for hand-written futures.
            pub fn poll_read_ready(
                &self,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.socket.poll_ready(context, $crate::interest::Interest::READABLE).map(|_| Ok(()))
            }

            /// Waits until a write would not block: there is room, or an error.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub async fn writable(&self) -> std::io::Result<()> {
                self.ready($crate::interest::Interest::WRITABLE).await.map(drop)
            }

            /// Polls [`Self::writable`], for hand-written futures.
            pub fn poll_write_ready(
                &self,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.socket.poll_ready(context, $crate::interest::Interest::WRITABLE).map(|_| Ok(()))
            }

            /// Calls a function that uses the socket, if the socket is ready; `WouldBlock` of the
            /// function clears the readiness. The interest is a single one: with two of them
            /// tokio never calls the function.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if the socket is not ready; the function's errors.
            pub fn try_io<R>(
                &self,
                interest: $crate::interest::Interest,
                operation: impl FnOnce() -> std::io::Result<R>,
            ) -> std::io::Result<R> {
                let clear = |ready| self.socket.clear_readiness(ready);
                $crate::cached_readiness::try_io(interest, self.socket.readiness(), clear, operation)
            }

            /// Waits until the socket is ready, and calls a function that uses it, again and again
            /// until the function returns something else than `WouldBlock`, which clears the
            /// readiness.
            ///
            /// # Errors
            ///
            /// The function's errors.
            pub async fn async_io<R>(
                &self,
                interest: $crate::interest::Interest,
                mut operation: impl FnMut() -> std::io::Result<R>,
            ) -> std::io::Result<R> {
                loop {
                    let ready = self.ready(interest).await?;
                    match operation() {
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                            self.socket.clear_readiness(ready);
                        }
                        result => return result,
                    }
                }
            }

            /// Reads the available data without waiting.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is none; the connection's error, once.
            pub fn try_read(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.try_read_vectored(&mut [std::io::IoSliceMut::new(buffer)])
            }

            /// Reads as [`Self::try_read`] does, into several buffers.
            ///
            /// # Errors
            ///
            /// As [`Self::try_read`].
            pub fn try_read_vectored(
                &self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                let at_most = buffers.iter().map(|buffer| buffer.len()).sum();
                let mut put = $crate::byte_stream::scatter(buffers);
                $crate::byte_stream::now_or_would_block(
                    self.socket.poll_take(None, at_most, |bytes| put(bytes)),
                )
            }

            /// Reads as [`Self::try_read`] does, into a growing buffer.
            ///
            /// # Errors
            ///
            /// As [`Self::try_read`].
            pub fn try_read_buf<B: bytes::BufMut>(&self, buffer: &mut B) -> std::io::Result<usize> {
                let at_most = buffer.chunk_mut().len();
                let read = self.socket.poll_take(None, at_most, |bytes| buffer.put_slice(bytes));
                $crate::byte_stream::now_or_would_block(read)
            }

            /// Writes as much as the send window allows, without waiting.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if the window is full; the connection's error, once; `BrokenPipe` if
            /// nothing can be sent any more.
            pub fn try_write(&self, bytes: &[u8]) -> std::io::Result<usize> {
                self.try_write_vectored(&[std::io::IoSlice::new(bytes)])
            }

            /// Writes as [`Self::try_write`] does, from several buffers.
            ///
            /// # Errors
            ///
            /// As [`Self::try_write`].
            pub fn try_write_vectored(&self, slices: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                $crate::byte_stream::now_or_would_block(self.socket.poll_write_bytes(None, slices))
            }

            /// Returns the connection's error, if no operation has returned it yet.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                Ok(self.socket.take_error())
            }

            /// Splits the stream into borrowed halves, one for each direction.
            pub fn split(&mut self) -> ($halves::ReadHalf<'_>, $halves::WriteHalf<'_>) {
                $halves::split(self)
            }

            /// Splits the stream into owned halves. Dropping the writing half sends a FIN;
            /// dropping both closes the stream.
            pub fn into_split(self) -> ($halves::OwnedReadHalf, $halves::OwnedWriteHalf) {
                $halves::into_split(self)
            }
        }

        impl tokio::io::AsyncRead for $Stream {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.socket.poll_read_bytes(context, buffer)
            }
        }

        impl tokio::io::AsyncWrite for $Stream {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.socket.poll_write_slice(context, bytes)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.socket.poll_write_bytes(Some(context), slices)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.socket.shutdown_write();
                std::task::Poll::Ready(Ok(()))
            }
        }

        impl std::fmt::Debug for $Stream {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.socket.fmt(f)
            }
        }
    };
}
pub(crate) use byte_stream_methods;
