//! Sending Unix datagrams.

use super::UnixDatagram;
use crate::interest::Interest;
use std::io;
use std::path::Path;
use std::task::{Context, Poll};

impl UnixDatagram {
    /// Sends a datagram to the socket that this one is connected to.
    ///
    /// # Errors
    ///
    /// ENOTCONN; ECONNREFUSED, once, if the peer is closed; EPIPE after a shutdown; EMSGSIZE above
    /// 212,960 bytes.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.async_io(Interest::WRITABLE, || self.send_now(bytes, None)).await
    }

    /// Sends as [`UnixDatagram::send`] does, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the receiver's queue or the send buffer is full; as [`UnixDatagram::send`].
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, || self.send_now(bytes, None))
    }

    /// Polls [`UnixDatagram::send`], for hand-written futures.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::send`].
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket.readiness.poll_io(Interest::WRITABLE, context, || self.send_now(bytes, None))
    }

    /// Sends a datagram to the socket at a path.
    ///
    /// # Errors
    ///
    /// Those of [`UnixDatagram::connect`] and [`UnixDatagram::send`].
    pub async fn send_to<P: AsRef<Path>>(&self, bytes: &[u8], target: P) -> io::Result<usize> {
        let path = target.as_ref();
        self.async_io(Interest::WRITABLE, || self.send_now(bytes, Some(path))).await
    }

    /// Sends as [`UnixDatagram::send_to`] does, without waiting.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::try_send`] and [`UnixDatagram::send_to`].
    pub fn try_send_to<P: AsRef<Path>>(&self, bytes: &[u8], target: P) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, || self.send_now(bytes, Some(target.as_ref())))
    }

    /// Polls [`UnixDatagram::send_to`], for hand-written futures.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::send_to`].
    pub fn poll_send_to<P: AsRef<Path>>(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        target: P,
    ) -> Poll<io::Result<usize>> {
        let path = target.as_ref();
        self.socket.readiness.poll_io(Interest::WRITABLE, context, || self.send_now(bytes, Some(path)))
    }

    fn send_now(&self, bytes: &[u8], path: Option<&Path>) -> io::Result<usize> {
        self.socket.send(&self.host, bytes, path.map(|path| || self.target(path)))
    }
}
