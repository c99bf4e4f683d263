//! Byte streams on top of a connection: what TCP and Unix streams have in common.

use crate::stream_socket::{Read, StreamSocket};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use stormglass_core::EventId;
use tokio::io::ReadBuf;

/// The largest segment in bytes: what a kernel hands to a network card as one (Linux:
/// `GSO_MAX_SIZE`).
const SEGMENT: usize = 65_536;

/// One end of a byte stream.
pub(crate) type ByteStream = StreamSocket<Bytes, Bytes>;

impl ByteStream {
    pub(crate) fn poll_read_bytes(
        &self,
        context: Option<&mut Context<'_>>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let read = self.poll_read(context, |queue| ((), take(queue, buffer)));
        read.map_ok(|_: Read<()>| ())
    }

    pub(crate) fn poll_peek_bytes(
        &self,
        context: Option<&mut Context<'_>>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        let read = self.poll_read(context, |queue| {
            for (chunk, _) in &*queue {
                let len = chunk.len().min(buffer.remaining());
                buffer.put_slice(&chunk[..len]);
            }
            ((), 0)
        });
        read.map_ok(|_: Read<()>| buffer.filled().len() - before)
    }

    /// Waits until the send window is open; sends as much as it allows.
    pub(crate) fn poll_write_bytes(
        &self,
        context: Option<&mut Context<'_>>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let window = std::task::ready!(self.poll_send_window(context))?;
        let accepted = total.min(usize::try_from(window).unwrap_or(usize::MAX));
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

/// Moves as many bytes as fit into the buffer; returns how many.
fn take(queue: &mut VecDeque<(Bytes, EventId)>, buffer: &mut ReadBuf<'_>) -> u64 {
    let before = buffer.filled().len();
    while let Some((chunk, _)) = queue.front_mut()
        && buffer.remaining() > 0
    {
        let len = chunk.len().min(buffer.remaining());
        buffer.put_slice(&chunk[..len]);
        chunk.advance(len);
        if chunk.is_empty() {
            queue.pop_front();
        }
    }
    (buffer.filled().len() - before) as u64
}

/// Turns `Pending` into `WouldBlock`, for operations that do not wait.
pub(crate) fn now_or_would_block<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Implements the methods that tokio's TCP and Unix streams share, for a type with a `ByteStream`
/// in its field `socket`.
macro_rules! byte_stream_methods {
    ($Stream:ident, $halves:ident) => {
        impl $Stream {
            /// Waits until a read would not block: there is data, the end of the stream, or an
            /// error.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub async fn readable(&self) -> std::io::Result<()> {
                std::future::poll_fn(|context| self.poll_read_ready(context)).await
            }

            /// Polls [`Self::readable`], for hand-written futures.
            pub fn poll_read_ready(
                &self,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.socket.poll_readable(context).map(Ok)
            }

            /// Waits until a write would not block: there is room, or an error.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub async fn writable(&self) -> std::io::Result<()> {
                std::future::poll_fn(|context| self.poll_write_ready(context)).await
            }

            /// Polls [`Self::writable`], for hand-written futures.
            pub fn poll_write_ready(
                &self,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.socket.poll_writable(context).map(Ok)
            }

            /// Reads the available data without waiting.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is none; the connection's error, once.
            pub fn try_read(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let mut buffer = tokio::io::ReadBuf::new(buffer);
                $crate::byte_stream::now_or_would_block(self.socket.poll_read_bytes(None, &mut buffer))?;
                Ok(buffer.filled().len())
            }

            /// Reads as [`Self::try_read`] does, into a growing buffer.
            ///
            /// # Errors
            ///
            /// As [`Self::try_read`].
            pub fn try_read_buf<B: bytes::BufMut>(&self, buffer: &mut B) -> std::io::Result<usize> {
                let mut bytes = vec![0; buffer.remaining_mut().min(buffer.chunk_mut().len().max(64))];
                let len = self.try_read(&mut bytes)?;
                buffer.put_slice(&bytes[..len]);
                Ok(len)
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
                self.socket.poll_read_bytes(Some(context), buffer)
            }
        }

        impl tokio::io::AsyncWrite for $Stream {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.socket.poll_write_bytes(Some(context), &[std::io::IoSlice::new(bytes)])
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

/// Defines the halves of a byte stream, named after tokio's.
macro_rules! byte_stream_halves {
    ($Stream:ident, $Address:ty) => {
        use std::fmt;
        use std::io::{self, IoSlice};
        use std::pin::Pin;
        use std::sync::Arc;
        use std::task::{Context, Poll};
        use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

        pub(crate) fn split(stream: &$Stream) -> (ReadHalf<'_>, WriteHalf<'_>) {
            (ReadHalf(stream), WriteHalf(stream))
        }

        pub(crate) fn into_split(stream: $Stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let stream = Arc::new(stream);
            (OwnedReadHalf(stream.clone()), OwnedWriteHalf { stream, shutdown_on_drop: true })
        }

        /// The reading half, borrowed.
        #[derive(Debug)]
        pub struct ReadHalf<'a>(&'a $Stream);

        /// The writing half, borrowed. Dropping it does not end the direction.
        #[derive(Debug)]
        pub struct WriteHalf<'a>(&'a $Stream);

        /// The reading half.
        #[derive(Debug)]
        pub struct OwnedReadHalf(Arc<$Stream>);

        /// The writing half. Dropping it sends a FIN; [`OwnedWriteHalf::forget`] does not.
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: Arc<$Stream>,
            shutdown_on_drop: bool,
        }

        /// The two halves, returned because they are not of the same stream.
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        impl fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the two halves are not of the same stream")
            }
        }

        impl std::error::Error for ReuniteError {}

        impl OwnedReadHalf {
            /// Reunites the halves into the stream.
            ///
            /// # Errors
            ///
            /// If the halves are of two streams.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$Stream, ReuniteError> {
                if !Arc::ptr_eq(&self.0, &other.stream) {
                    return Err(ReuniteError(self, other));
                }
                other.forget();
                Ok(Arc::try_unwrap(self.0).expect("a stream has two halves"))
            }
        }

        impl OwnedWriteHalf {
            /// Reunites the halves into the stream.
            ///
            /// # Errors
            ///
            /// If the halves are of two streams.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$Stream, ReuniteError> {
                other.reunite(self)
            }

            /// Drops the half without a FIN.
            pub fn forget(mut self) {
                self.shutdown_on_drop = false;
            }
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.shutdown_on_drop {
                    self.stream.socket.shutdown_write();
                }
            }
        }

        $crate::byte_stream::byte_stream_halves!(@read ReadHalf<'_>, |half| half.0, $Stream, $Address);
        $crate::byte_stream::byte_stream_halves!(@read OwnedReadHalf, |half| &half.0, $Stream, $Address);
        $crate::byte_stream::byte_stream_halves!(@write WriteHalf<'_>, |half| half.0, $Stream, $Address);
        $crate::byte_stream::byte_stream_halves!(@write OwnedWriteHalf, |half| &half.stream, $Stream, $Address);
    };
    (@both $Half:ty, |$half:ident| $stream:expr, $Stream:ident, $Address:ty) => {
        impl $Half {
            /// The address of this end.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub fn local_addr(&self) -> io::Result<$Address> {
                let $half = self;
                $stream.local_addr()
            }

            /// The address of the other end.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub fn peer_addr(&self) -> io::Result<$Address> {
                let $half = self;
                $stream.peer_addr()
            }
        }

        impl AsRef<$Stream> for $Half {
            fn as_ref(&self) -> &$Stream {
                let $half = self;
                $stream
            }
        }
    };
    (@read $Half:ty, |$half:ident| $stream:expr, $Stream:ident, $Address:ty) => {
        $crate::byte_stream::byte_stream_halves!(@both $Half, |$half| $stream, $Stream, $Address);

        impl $Half {
            #[doc = concat!("Reads as [`", stringify!($Stream), "::try_read`] does.")]
            ///
            /// # Errors
            ///
            /// `WouldBlock`; the connection's error, once.
            pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                let $half = self;
                $stream.try_read(buffer)
            }

            #[doc = concat!("Waits as [`", stringify!($Stream), "::readable`] does.")]
            ///
            /// # Errors
            ///
            /// None.
            pub async fn readable(&self) -> io::Result<()> {
                let $half = self;
                $stream.readable().await
            }
        }

        impl AsyncRead for $Half {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let $half = &*self;
                $stream.socket.poll_read_bytes(Some(context), buffer)
            }
        }
    };
    (@write $Half:ty, |$half:ident| $stream:expr, $Stream:ident, $Address:ty) => {
        $crate::byte_stream::byte_stream_halves!(@both $Half, |$half| $stream, $Stream, $Address);

        impl $Half {
            #[doc = concat!("Writes as [`", stringify!($Stream), "::try_write`] does.")]
            ///
            /// # Errors
            ///
            /// `WouldBlock`; the connection's error, once.
            pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                let $half = self;
                $stream.try_write(bytes)
            }

            #[doc = concat!("Waits as [`", stringify!($Stream), "::writable`] does.")]
            ///
            /// # Errors
            ///
            /// None.
            pub async fn writable(&self) -> io::Result<()> {
                let $half = self;
                $stream.writable().await
            }
        }

        impl AsyncWrite for $Half {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                let $half = &*self;
                $stream.socket.poll_write_bytes(Some(context), &[IoSlice::new(bytes)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $half = &*self;
                $stream.socket.poll_write_bytes(Some(context), slices)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $half = &*self;
                $stream.socket.shutdown_write();
                Poll::Ready(Ok(()))
            }
        }
    };
}
pub(crate) use byte_stream_halves;
