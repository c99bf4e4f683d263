//! The halves of a TCP stream.

use super::stream::TcpStream;
use bytes::BufMut;
use real::io::{AsyncRead, AsyncWrite, ReadBuf};
use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The borrowed reading half of a stream.
#[derive(Debug)]
pub struct ReadHalf<'a>(pub(super) &'a TcpStream);

/// The borrowed writing half of a stream.
#[derive(Debug)]
pub struct WriteHalf<'a>(pub(super) &'a TcpStream);

/// The reading half of a stream.
#[derive(Debug)]
pub struct OwnedReadHalf(pub(super) Arc<TcpStream>);

/// The writing half of a stream. Dropping it ends the direction to the peer.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    pub(super) stream: Arc<TcpStream>,
    pub(super) shuts_down: bool,
}

/// The halves are of different streams.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not from the same socket")
    }
}

impl std::error::Error for ReuniteError {}

impl OwnedReadHalf {
    /// Puts the two halves together again.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.0, &other.stream) {
            return Err(ReuniteError(self, other));
        }
        drop(self);
        other.forget_and_take().map_err(|other| ReuniteError(OwnedReadHalf(other.stream.clone()), other))
    }
}

impl OwnedWriteHalf {
    /// Puts the two halves together again.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        other.reunite(self)
    }

    /// Drops the half, and does not end the direction to the peer.
    pub fn forget(mut self) {
        self.shuts_down = false;
    }

    fn forget_and_take(mut self) -> Result<TcpStream, OwnedWriteHalf> {
        self.shuts_down = false;
        let stream = self.stream.clone();
        drop(self);
        Arc::try_unwrap(stream).map_err(|stream| OwnedWriteHalf { stream, shuts_down: true })
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shuts_down {
            self.stream.shutdown_write();
        }
    }
}

macro_rules! half {
    ($Half:ty: $self:ident => $stream:expr) => {
        impl $Half {
            fn stream(&self) -> &TcpStream {
                let $self = self;
                $stream
            }

            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.stream().local_addr()
            }

            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.stream().peer_addr()
            }
        }

        impl AsRef<TcpStream> for $Half {
            fn as_ref(&self) -> &TcpStream {
                self.stream()
            }
        }
    };
}

half!(ReadHalf<'_>: half => half.0);
half!(WriteHalf<'_>: half => half.0);
half!(OwnedReadHalf: half => &half.0);
half!(OwnedWriteHalf: half => &half.stream);

macro_rules! reads {
    ($Half:ty) => {
        impl $Half {
            pub async fn readable(&self) -> io::Result<()> {
                self.stream().readable().await
            }

            pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                self.stream().try_read(buffer)
            }

            pub fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
                self.stream().try_read_buf(buffer)
            }

            pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.stream().peek(buffer).await
            }
        }

        impl AsyncRead for $Half {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.stream().read(context, buffer)
            }
        }
    };
}

reads!(ReadHalf<'_>);
reads!(OwnedReadHalf);

macro_rules! writes {
    ($Half:ty: $self:ident => $after_shutdown:expr) => {
        impl $Half {
            pub async fn writable(&self) -> io::Result<()> {
                self.stream().writable().await
            }

            pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                self.stream().try_write(bytes)
            }
        }

        impl AsyncWrite for $Half {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.stream().write(context, &[IoSlice::new(bytes)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.stream().write(context, bytes)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.stream().shutdown_write();
                let $self = self.get_mut();
                $after_shutdown;
                Poll::Ready(Ok(()))
            }
        }
    };
}

writes!(WriteHalf<'_>: _half => ());
writes!(OwnedWriteHalf: half => half.shuts_down = false);
