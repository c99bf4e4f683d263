//! Receiving Unix datagrams.

use super::kernel::Received;
use super::{SocketAddr, UnixDatagram};
use crate::interest::Interest;
use bytes::BufMut;
use std::io;
use std::task::{Context, Poll};
use tokio::io::ReadBuf;

impl UnixDatagram {
    /// Waits for the next datagram; returns its length. One that does not fit into the buffer is
    /// truncated.
    ///
    /// # Errors
    ///
    /// ECONNRESET, once, if the peer has connected to another socket.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv_from(buffer).await?.0)
    }

    /// Receives as [`UnixDatagram::recv`] does, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no datagram; as [`UnixDatagram::recv`].
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.try_recv_from(buffer)?.0)
    }

    /// Polls [`UnixDatagram::recv`], for hand-written futures.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::recv`].
    pub fn poll_recv(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_recv_from(context, buffer).map_ok(drop)
    }

    /// Receives as [`UnixDatagram::recv`] does, into a growing buffer.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::recv`].
    pub async fn recv_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        Ok(self.recv_buf_from(buffer).await?.0)
    }

    /// Receives as [`UnixDatagram::recv_buf`] does, without waiting.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::try_recv`].
    pub fn try_recv_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        Ok(self.try_recv_buf_from(buffer)?.0)
    }

    /// Waits for the next datagram; returns its length and its source, which is unnamed unless the
    /// sender has bound its socket.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::recv`].
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let Received { bytes, from } =
            self.async_io(Interest::READABLE, || self.socket.receive(&self.host)).await?;
        Ok((copy(&bytes, buffer), from))
    }

    /// Receives as [`UnixDatagram::recv_from`] does, without waiting.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::try_recv`].
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let Received { bytes, from } = self.try_io(Interest::READABLE, || self.socket.receive(&self.host))?;
        Ok((copy(&bytes, buffer), from))
    }

    /// Polls [`UnixDatagram::recv_from`], for hand-written futures.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::recv`].
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let readiness = &self.socket.readiness;
        let received = readiness.poll_io(Interest::READABLE, context, || self.socket.receive(&self.host));
        received.map_ok(|Received { bytes, from }| {
            buffer.put_slice(&bytes[..bytes.len().min(buffer.remaining())]);
            from
        })
    }

    /// Receives as [`UnixDatagram::recv_from`] does, into a growing buffer.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::recv`].
    pub async fn recv_buf_from<B: BufMut>(&self, buffer: &mut B) -> io::Result<(usize, SocketAddr)> {
        let received = self.async_io(Interest::READABLE, || self.socket.receive(&self.host)).await?;
        Ok(put(received, buffer))
    }

    /// Receives as [`UnixDatagram::recv_buf_from`] does, without waiting.
    ///
    /// # Errors
    ///
    /// As [`UnixDatagram::try_recv`].
    pub fn try_recv_buf_from<B: BufMut>(&self, buffer: &mut B) -> io::Result<(usize, SocketAddr)> {
        let received = self.try_io(Interest::READABLE, || self.socket.receive(&self.host))?;
        Ok(put(received, buffer))
    }
}

/// Copies what fits; returns how much.
fn copy(bytes: &[u8], buffer: &mut [u8]) -> usize {
    let len = bytes.len().min(buffer.len());
    buffer[..len].copy_from_slice(&bytes[..len]);
    len
}

/// Appends what fits into the part of the buffer that is allocated.
fn put<B: BufMut>(Received { bytes, from }: Received, buffer: &mut B) -> (usize, SocketAddr) {
    let len = bytes.len().min(buffer.chunk_mut().len());
    buffer.put_slice(&bytes[..len]);
    (len, from)
}
