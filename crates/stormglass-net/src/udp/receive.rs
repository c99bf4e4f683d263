//! Receiving on UDP sockets.

use crate::byte_stream::now_or_would_block;
use crate::interest::{Interest, Ready};
use crate::udp::socket::UdpSocket;
use bytes::BufMut;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use stormglass_rt::coop;
use tokio::io::ReadBuf;

/// Whether a datagram leaves the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Take,
    Peek,
}

/// What a waiting `async` method waits for. The methods that do not wait, and those that poll, are
/// notified of datagrams alone, as tokio's.
const OR_ERROR: Interest = Interest::READABLE.add(Interest::ERROR);

/// Receives into a slice: `$receive` is called with a function that stores the datagram.
macro_rules! receive {
    ($buffer:ident, |$put:ident| $receive:expr) => {{
        let mut len = 0;
        let $put = |bytes: &[u8]| {
            len = bytes.len().min($buffer.len());
            $buffer[..len].copy_from_slice(&bytes[..len]);
        };
        let from = $receive?;
        Ok((len, from))
    }};
    (buf $buffer:ident, |$put:ident| $receive:expr) => {{
        let mut len = 0;
        let $put = |bytes: &[u8]| {
            len = bytes.len().min($buffer.chunk_mut().len());
            $buffer.put_slice(&bytes[..len]);
        };
        let from = $receive?;
        Ok((len, from))
    }};
}

/// Receiving from any address.
impl UdpSocket {
    /// Waits for the next datagram; returns its length and its source address. A datagram that
    /// does not fit into the buffer is truncated.
    ///
    /// # Errors
    ///
    /// ECONNREFUSED, once, if the socket is connected and the peer's port was not bound.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        receive!(buffer, |put| self.receive(Mode::Take, put).await)
    }

    /// Polls [`UdpSocket::recv_from`], for hand-written futures. An error alone does not wake the
    /// task, as with tokio.
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.poll_into(context, buffer, Mode::Take)
    }

    /// Returns the next datagram without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none, even if the socket has an error, as with tokio; with a
    /// datagram as [`UdpSocket::recv_from`].
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        receive!(buffer, |put| self.try_receive(Mode::Take, put))
    }

    /// Receives as [`UdpSocket::recv_from`] does, into a growing buffer.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn recv_buf_from<B: BufMut>(&self, buffer: &mut B) -> io::Result<(usize, SocketAddr)> {
        receive!(buf buffer, |put| self.receive(Mode::Take, put).await)
    }

    /// Receives as [`UdpSocket::try_recv_from`] does, into a growing buffer.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_recv_buf_from<B: BufMut>(&self, buffer: &mut B) -> io::Result<(usize, SocketAddr)> {
        receive!(buf buffer, |put| self.try_receive(Mode::Take, put))
    }

    /// Waits for the next datagram, and leaves it in the queue.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        receive!(buffer, |put| self.receive(Mode::Peek, put).await)
    }

    /// Polls [`UdpSocket::peek_from`], for hand-written futures.
    pub fn poll_peek_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.poll_into(context, buffer, Mode::Peek)
    }

    /// Returns the next datagram without waiting, and leaves it in the queue.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        receive!(buffer, |put| self.try_receive(Mode::Peek, put))
    }

    /// Waits for the next datagram; returns its source address, and leaves it in the queue.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.receive(Mode::Peek, |_| {}).await
    }

    /// Polls [`UdpSocket::peek_sender`], for hand-written futures.
    pub fn poll_peek_sender(&self, context: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.poll_receive(Some(context), Interest::READABLE, Mode::Peek, |_| {})
    }

    /// Returns the source address of the next datagram without waiting, and leaves it in the
    /// queue.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.try_receive(Mode::Peek, |_| {})
    }
}

/// Receiving without the source address.
impl UdpSocket {
    /// Waits for the next datagram from the address that the socket is connected to, or from any
    /// if it is not connected.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv_from(buffer).await?.0)
    }

    /// Polls [`UdpSocket::recv`], for hand-written futures. An error alone does not wake the task,
    /// as with tokio.
    pub fn poll_recv(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_recv_from(context, buffer).map_ok(drop)
    }

    /// Receives as [`UdpSocket::recv`] does, without waiting.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.try_recv_from(buffer)?.0)
    }

    /// Receives as [`UdpSocket::recv`] does, into a growing buffer.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn recv_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        Ok(self.recv_buf_from(buffer).await?.0)
    }

    /// Receives as [`UdpSocket::try_recv`] does, into a growing buffer.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_recv_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        Ok(self.try_recv_buf_from(buffer)?.0)
    }

    /// Waits for the next datagram, and leaves it in the queue.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.peek_from(buffer).await?.0)
    }

    /// Polls [`UdpSocket::peek`], for hand-written futures.
    pub fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_peek_from(context, buffer).map_ok(drop)
    }

    /// Returns the next datagram without waiting, and leaves it in the queue.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.try_peek_from(buffer)?.0)
    }
}

impl UdpSocket {
    async fn receive(&self, mode: Mode, mut put: impl FnMut(&[u8])) -> io::Result<SocketAddr> {
        poll_fn(|context| self.poll_receive(Some(context), OR_ERROR, mode, &mut put)).await
    }

    fn try_receive(&self, mode: Mode, put: impl FnMut(&[u8])) -> io::Result<SocketAddr> {
        now_or_would_block(self.poll_receive(None, Interest::READABLE, mode, put))
    }

    fn poll_into(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        mode: Mode,
    ) -> Poll<io::Result<SocketAddr>> {
        self.poll_receive(Some(context), Interest::READABLE, mode, |bytes| {
            buffer.put_slice(&bytes[..bytes.len().min(buffer.remaining())]);
        })
    }

    /// Receives if the socket is ready and the task has budget; stores the datagram with `put`.
    fn poll_receive(
        &self,
        context: Option<&mut Context<'_>>,
        interest: Interest,
        mode: Mode,
        put: impl FnMut(&[u8]),
    ) -> Poll<io::Result<SocketAddr>> {
        coop::poll_or_try(context, |context| self.receive_if_ready(context, interest, mode, put))
    }

    fn receive_if_ready(
        &self,
        mut context: Option<&mut Context<'_>>,
        interest: Interest,
        mode: Mode,
        mut put: impl FnMut(&[u8]),
    ) -> Poll<io::Result<SocketAddr>> {
        let mut awaited = Ready::READABLE;
        if interest.is_error() {
            awaited |= Ready::ERROR;
        }
        let ready = self.readiness() & awaited;
        let inbox = &self.socket.inbox;
        if ready.is_empty() {
            if let Some(context) = context.as_deref_mut() {
                inbox.wait(context);
            }
            return Poll::Pending;
        }
        if let Some(error) = self.socket.state().error.take() {
            return Poll::Ready(Err(error.into()));
        }
        let received = inbox.poll(context, &self.host.shared().recorder, |queue| {
            let first = if mode == Mode::Take { queue.pop_front() } else { queue.front().cloned() };
            first.expect("polled").0
        });
        let Poll::Ready((bytes, from)) = received else {
            self.clear_readiness(ready);
            return Poll::Pending;
        };
        if mode == Mode::Take {
            self.socket.state().unread -= bytes.len();
        }
        put(&bytes);
        Poll::Ready(Ok(from))
    }
}
