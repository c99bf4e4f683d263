//! Streams of bytes on top of a connection: what TCP and Unix streams have in common.

use crate::socket::{End, Read};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use stormglass_core::EventId;
use tokio::io::ReadBuf;

/// The bytes that go as one: what a kernel hands to a network card at once (Linux: `GSO_MAX_SIZE`).
const SEGMENT: usize = 65_536;

/// One end of a stream of bytes.
pub(crate) type ByteStream = End<Bytes, Bytes>;

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

    /// Sends as much as there is room for, once there is some.
    pub(crate) fn poll_write_bytes(
        &self,
        context: Option<&mut Context<'_>>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let room = std::task::ready!(self.poll_room(context))?;
        let accepted = total.min(usize::try_from(room).unwrap_or(usize::MAX));
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

/// Moves what fits; gives how much that is.
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

/// What `poll` gives where nobody waits.
pub(crate) fn now_or_would_block<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Gives a stream around a `ByteStream` what tokio's streams of both kinds have.
macro_rules! byte_stream_methods {
    ($Stream:ident, $halves:ident) => {
        impl $Stream {
            /// Waits until something can be read, or the end, or an error.
            ///
            /// # Errors
            ///
            /// None; the result is there as tokio's is.
            pub async fn readable(&self) -> std::io::Result<()> {
                std::future::poll_fn(|context| self.poll_read_ready(context)).await
            }

            /// As [`Self::readable`], for hand-written futures.
            pub fn poll_read_ready(
                &self,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.end.poll_readable(context).map(Ok)
            }

            /// Waits until something can be written, or an error.
            ///
            /// # Errors
            ///
            /// None; the result is there as tokio's is.
            pub async fn writable(&self) -> std::io::Result<()> {
                std::future::poll_fn(|context| self.poll_write_ready(context)).await
            }

            /// As [`Self::writable`], for hand-written futures.
            pub fn poll_write_ready(
                &self,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.end.poll_writable(context).map(Ok)
            }

            /// Reads what is there.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if nothing is; the connection's error, once.
            pub fn try_read(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let mut buffer = tokio::io::ReadBuf::new(buffer);
                $crate::byte_stream::now_or_would_block(self.end.poll_read_bytes(None, &mut buffer))?;
                Ok(buffer.filled().len())
            }

            /// As [`Self::try_read`], into a growing buffer.
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

            /// Writes as much as there is room for.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is none; the connection's error, once; `BrokenPipe` once nothing can be sent any more.
            pub fn try_write(&self, bytes: &[u8]) -> std::io::Result<usize> {
                self.try_write_vectored(&[std::io::IoSlice::new(bytes)])
            }

            /// As [`Self::try_write`], from several buffers.
            ///
            /// # Errors
            ///
            /// As [`Self::try_write`].
            pub fn try_write_vectored(&self, slices: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                $crate::byte_stream::now_or_would_block(self.end.poll_write_bytes(None, slices))
            }

            /// The connection's error that nobody was told yet.
            ///
            /// # Errors
            ///
            /// None; the result is there as tokio's is.
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                Ok(self.end.take_error())
            }

            /// The two directions apart, borrowed.
            pub fn split(&mut self) -> ($halves::ReadHalf<'_>, $halves::WriteHalf<'_>) {
                $halves::split(self)
            }

            /// The two directions apart, owned. Dropping the writing half ends that direction; dropping both closes.
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
                self.end.poll_read_bytes(Some(context), buffer)
            }
        }

        impl tokio::io::AsyncWrite for $Stream {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.end.poll_write_bytes(Some(context), &[std::io::IoSlice::new(bytes)])
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.end.poll_write_bytes(Some(context), slices)
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
                self.end.end();
                std::task::Poll::Ready(Ok(()))
            }
        }

        impl std::fmt::Debug for $Stream {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.end.fmt(f)
            }
        }
    };
}
pub(crate) use byte_stream_methods;

/// The halves of a stream of bytes, named after tokio's.
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
            (OwnedReadHalf(stream.clone()), OwnedWriteHalf { stream, end_on_drop: true })
        }

        /// The reading half, borrowed.
        #[derive(Debug)]
        pub struct ReadHalf<'a>(&'a $Stream);

        /// The writing half, borrowed. Dropping it ends nothing.
        #[derive(Debug)]
        pub struct WriteHalf<'a>(&'a $Stream);

        /// The reading half.
        #[derive(Debug)]
        pub struct OwnedReadHalf(Arc<$Stream>);

        /// The writing half. Dropping it ends the direction, unless it is [`OwnedWriteHalf::forget`] that does.
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: Arc<$Stream>,
            end_on_drop: bool,
        }

        /// The two halves are not of one stream; they are inside.
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        impl fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the halves are not of one stream")
            }
        }

        impl std::error::Error for ReuniteError {}

        impl OwnedReadHalf {
            /// Puts the halves together again.
            ///
            /// # Errors
            ///
            /// Halves of two streams.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$Stream, ReuniteError> {
                if !Arc::ptr_eq(&self.0, &other.stream) {
                    return Err(ReuniteError(self, other));
                }
                other.forget();
                Ok(Arc::try_unwrap(self.0).expect("a stream has two halves"))
            }
        }

        impl OwnedWriteHalf {
            /// Puts the halves together again.
            ///
            /// # Errors
            ///
            /// Halves of two streams.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$Stream, ReuniteError> {
                other.reunite(self)
            }

            /// Drops the half without an end.
            pub fn forget(mut self) {
                self.end_on_drop = false;
            }
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.end_on_drop {
                    self.stream.end.end();
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
            /// None; the result is there as tokio's is.
            pub fn local_addr(&self) -> io::Result<$Address> {
                let $half = self;
                $stream.local_addr()
            }

            /// The address of the other end.
            ///
            /// # Errors
            ///
            /// None; the result is there as tokio's is.
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
            #[doc = concat!("As [`", stringify!($Stream), "::try_read`].")]
            ///
            /// # Errors
            ///
            /// `WouldBlock` and the connection's.
            pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                let $half = self;
                $stream.try_read(buffer)
            }

            #[doc = concat!("As [`", stringify!($Stream), "::readable`].")]
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
                $stream.end.poll_read_bytes(Some(context), buffer)
            }
        }
    };
    (@write $Half:ty, |$half:ident| $stream:expr, $Stream:ident, $Address:ty) => {
        $crate::byte_stream::byte_stream_halves!(@both $Half, |$half| $stream, $Stream, $Address);

        impl $Half {
            #[doc = concat!("As [`", stringify!($Stream), "::try_write`].")]
            ///
            /// # Errors
            ///
            /// `WouldBlock` and the connection's.
            pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                let $half = self;
                $stream.try_write(bytes)
            }

            #[doc = concat!("As [`", stringify!($Stream), "::writable`].")]
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
                $stream.end.poll_write_bytes(Some(context), &[IoSlice::new(bytes)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $half = &*self;
                $stream.end.poll_write_bytes(Some(context), slices)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $half = &*self;
                $stream.end.end();
                Poll::Ready(Ok(()))
            }
        }
    };
}
pub(crate) use byte_stream_halves;
