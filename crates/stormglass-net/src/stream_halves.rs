//! The halves of byte streams, named after tokio's.

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
                f.write_str("tried to reunite halves that are not from the same socket")
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
                    let stream = self.stream.clone();
                    let number = stream.socket.close_number();
                    stormglass_rt::close_order::close(number, move || stream.socket.shutdown_write());
                }
            }
        }

        $crate::stream_halves::byte_stream_halves!(@read ReadHalf<'_>, |half| half.0, $Stream, $Address);
        $crate::stream_halves::byte_stream_halves!(@read OwnedReadHalf, |half| &half.0, $Stream, $Address);
        $crate::stream_halves::byte_stream_halves!(@write WriteHalf<'_>, |half| half.0, $Stream, $Address);
        $crate::stream_halves::byte_stream_halves!(@write OwnedWriteHalf, |half| &half.stream, $Stream, $Address);
    };
    (@both $Half:ty, |$half:ident| $stream:expr, $Stream:ident, $Address:ty) => {
        impl $Half {
            #[doc = concat!("Waits as [`", stringify!($Stream), "::ready`] does.")]
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub async fn ready(&self, interest: $crate::interest::Interest) -> io::Result<$crate::interest::Ready> {
                let $half = self;
                $stream.ready(interest).await
            }

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
        $crate::stream_halves::byte_stream_halves!(@both $Half, |$half| $stream, $Stream, $Address);

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

            #[doc = concat!("Reads as [`", stringify!($Stream), "::try_read_vectored`] does.")]
            ///
            /// # Errors
            ///
            /// `WouldBlock`; the connection's error, once.
            pub fn try_read_vectored(&self, buffers: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
                let $half = self;
                $stream.try_read_vectored(buffers)
            }

            #[doc = concat!("Reads as [`", stringify!($Stream), "::try_read_buf`] does.")]
            ///
            /// # Errors
            ///
            /// `WouldBlock`; the connection's error, once.
            pub fn try_read_buf<B: bytes::BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
                let $half = self;
                $stream.try_read_buf(buffer)
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
                $stream.socket.poll_read_bytes(context, buffer)
            }
        }
    };
    (@write $Half:ty, |$half:ident| $stream:expr, $Stream:ident, $Address:ty) => {
        $crate::stream_halves::byte_stream_halves!(@both $Half, |$half| $stream, $Stream, $Address);

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

            #[doc = concat!("Writes as [`", stringify!($Stream), "::try_write_vectored`] does.")]
            ///
            /// # Errors
            ///
            /// `WouldBlock`; the connection's error, once.
            pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                let $half = self;
                $stream.try_write_vectored(slices)
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
                $stream.socket.poll_write_slice(context, bytes)
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
