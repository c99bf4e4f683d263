//! TCP streams.

use super::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::net::address::{ToSocketAddrs, resolve};
use crate::net::placeholder::{convert, convert_back, create};
use bytes::BufMut;
use real::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use stormglass_sockets as sockets;

/// How many bytes [`TcpStream::try_read_buf`] reads at most.
const MOST_AT_ONCE: usize = 64 * 1024;

/// A TCP connection, named after `tokio::net::TcpStream`.
#[derive(Debug)]
pub struct TcpStream {
    stream: Arc<dyn sockets::TcpStream>,
    /// What stands for the stream where a descriptor is wanted. Options that are set on it have no
    /// effect.
    placeholder: OnceLock<OwnedFd>,
}

impl TcpStream {
    pub(super) fn new(stream: Arc<dyn sockets::TcpStream>) -> TcpStream {
        TcpStream { stream, placeholder: OnceLock::new() }
    }

    /// Connects to the first of these addresses that answers.
    pub async fn connect<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        let mut error = io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address");
        for address in resolve(address).await? {
            let socket = sockets::network()?.tcp_socket(address.is_ipv6())?;
            match socket.connect(address).await {
                Ok(stream) => return Ok(TcpStream::new(stream)),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    /// Returns the stream that [`TcpStream::into_std`] has converted, with the options that were
    /// set on it since: nodelay, keepalive, and linger of 0 s.
    ///
    /// # Errors
    ///
    /// `Unsupported` for any other socket: it is one of the real machine.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        convert_back(&stream).map(TcpStream::new)
    }

    /// Converts the stream into the standard library's type, which takes options, and which
    /// [`TcpStream::from_std`] converts back. It cannot read or write.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        let placeholder = match self.placeholder.into_inner() {
            Some(placeholder) => placeholder,
            None => create(self.stream.peer_addr()?.is_ipv6())?,
        };
        Ok(convert(self.stream, placeholder))
    }

    fn placeholder(&self) -> &OwnedFd {
        self.placeholder.get_or_init(|| create(false).expect("the process has a descriptor left"))
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.stream.take_error()
    }

    pub fn nodelay(&self) -> io::Result<bool> {
        self.stream.nodelay()
    }

    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.stream.set_nodelay(on)
    }

    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// Sets `SO_LINGER`. Only 0 s has an effect.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        if linger == Some(Duration::ZERO) { self.set_zero_linger() } else { Ok(()) }
    }

    /// Waits until the stream is ready for one of these.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        poll_fn(|context| {
            let mut ready = Ready::EMPTY;
            if interest.is_readable() && self.stream.poll_read_ready(context)?.is_ready() {
                ready |= Ready::READABLE;
            }
            if interest.is_writable() && self.stream.poll_write_ready(context)?.is_ready() {
                ready |= Ready::WRITABLE;
            }
            if ready.is_empty() { Poll::Pending } else { Poll::Ready(Ok(ready)) }
        })
        .await
    }

    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| self.stream.poll_read_ready(context)).await
    }

    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|context| self.stream.poll_write_ready(context)).await
    }

    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(context)
    }

    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(context)
    }

    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buffer)
    }

    pub fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        let room = buffer.chunk_mut().len();
        let mut bytes = vec![0; room.min(MOST_AT_ONCE)];
        let len = self.try_read(&mut bytes)?;
        buffer.put_slice(&bytes[..len]);
        Ok(len)
    }

    /// Reads into the first buffer that has room.
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        buffers.iter_mut().find(|buffer| !buffer.is_empty()).map_or(Ok(0), |buffer| self.try_read(buffer))
    }

    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.try_write(bytes)
    }

    /// Writes of the first buffer that is not empty.
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        buffers.iter().find(|buffer| !buffer.is_empty()).map_or(Ok(0), |buffer| self.try_write(buffer))
    }

    /// Reads data and leaves it in the receive buffer.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| self.stream.poll_peek(context, buffer)).await
    }

    /// Polls [`TcpStream::peek`].
    pub fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let len = ready!(self.stream.poll_peek(context, buffer.initialize_unfilled()))?;
        buffer.advance(len);
        Poll::Ready(Ok(len))
    }

    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        (OwnedReadHalf(stream.clone()), OwnedWriteHalf { stream, shuts_down: true })
    }
}

/// Through a shared reference, for the halves.
impl TcpStream {
    pub(super) fn read(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let len = ready!(self.stream.poll_read(context, buffer.initialize_unfilled()))?;
        buffer.advance(len);
        Poll::Ready(Ok(()))
    }

    pub(super) fn write(&self, context: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.stream.poll_write(context, bytes)
    }

    pub(super) fn shutdown_write(&self) {
        self.stream.shutdown_write();
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.read(context, buffer)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shutdown_write();
        Poll::Ready(Ok(()))
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.placeholder().as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.placeholder().as_raw_fd()
    }
}
