//! TCP streams.

use crate::byte_stream::{ByteStream, byte_stream_methods};
use crate::ext::TcpStreamExt;
use crate::keepalive::Keepalive;
use crate::stream_halves::byte_stream_halves;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::ReadBuf;

/// A TCP connection, named after `tokio::net::TcpStream`.
///
/// A write does not wait while the buffers of both ends have room (`NetProfile::send_buffer`,
/// `receive_buffer`), and small segments are not delayed (as with `TCP_NODELAY`). Dropping the
/// stream closes it: with a FIN after the data that was written, or with an RST if there is unread
/// data.
pub struct TcpStream {
    pub(crate) socket: ByteStream,
    no_delay: AtomicBool,
}

byte_stream_methods!(TcpStream, halves);

pub(crate) mod halves {
    use super::TcpStream;
    use std::net::SocketAddr;
    super::byte_stream_halves!(TcpStream, SocketAddr);
}

impl TcpStream {
    pub(crate) fn new(socket: ByteStream) -> TcpStream {
        TcpStream { socket, no_delay: AtomicBool::new(false) }
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.socket.local())
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.socket.peer())
    }

    /// Reads data and leaves it in the receive buffer.
    ///
    /// # Errors
    ///
    /// The connection's error, once.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        poll_fn(|context| self.poll_peek(context, &mut buffer)).await
    }

    /// Polls [`TcpStream::peek`], for hand-written futures.
    pub fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        self.socket.poll_peek_bytes(Some(context), buffer)
    }

    /// Returns the value that [`TcpStream::set_nodelay`] set. Default: `false`.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.no_delay.load(Ordering::Relaxed))
    }

    /// Sets `TCP_NODELAY`. This changes nothing: small segments are never delayed.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_nodelay(&self, no_delay: bool) -> io::Result<()> {
        self.no_delay.store(no_delay, Ordering::Relaxed);
        Ok(())
    }

    /// Makes dropping the stream reset the connection (`SO_LINGER` of 0 s).
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.socket.set_zero_linger(true);
        Ok(())
    }

    /// Sets `SO_LINGER`: `Some(0 s)` as [`TcpStream::set_zero_linger`], `None` for the default.
    /// Other times are not simulated: dropping never blocks.
    ///
    /// # Errors
    ///
    /// `Unsupported` for other times.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        match linger {
            Some(time) if !time.is_zero() => Err(io::ErrorKind::Unsupported.into()),
            linger => {
                self.socket.set_zero_linger(linger.is_some());
                Ok(())
            }
        }
    }

    /// Returns the value that [`TcpStream::set_linger`] set.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.zero_linger().then_some(Duration::ZERO))
    }
}

impl TcpStreamExt for TcpStream {
    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.socket.set_keepalive(keepalive);
        Ok(())
    }
}
