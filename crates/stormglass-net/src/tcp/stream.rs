//! TCP streams.

use crate::byte_stream::{ByteStream, byte_stream_methods};
use crate::ext::TcpStreamExt;
use crate::ip_options::ip_option_methods;
use crate::keepalive::Keepalive;
use crate::socket_pair::lock;
use crate::stream_halves::byte_stream_halves;
use crate::tcp::options::TcpOptions;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;
use stormglass_rt::Descriptor;
use tokio::io::ReadBuf;

/// A TCP connection, named after `tokio::net::TcpStream`.
///
/// A write does not wait while the buffers of both ends have room (`NetProfile::send_buffer`,
/// `receive_buffer`), and small segments are not delayed (as with `TCP_NODELAY`). Dropping the
/// stream closes it: with a FIN after the data that was written, or with an RST if there is unread
/// data.
pub struct TcpStream {
    pub(crate) socket: ByteStream,
    options: Mutex<TcpOptions>,
    _descriptor: Descriptor,
}

byte_stream_methods!(TcpStream, halves);

pub(crate) mod halves {
    use super::TcpStream;
    use std::net::SocketAddr;
    super::byte_stream_halves!(TcpStream, SocketAddr);

    macro_rules! peek_methods {
        ($Half:ty) => {
            impl $Half {
                /// Reads data and leaves it in the receive buffer.
                ///
                /// # Errors
                ///
                /// The connection's error, once.
                pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                    AsRef::<TcpStream>::as_ref(self).peek(buffer).await
                }

                /// Polls [`Self::peek`], for hand-written futures.
                pub fn poll_peek(
                    &mut self,
                    context: &mut Context<'_>,
                    buffer: &mut ReadBuf<'_>,
                ) -> Poll<io::Result<usize>> {
                    AsRef::<TcpStream>::as_ref(self).poll_peek(context, buffer)
                }
            }
        };
    }

    peek_methods!(ReadHalf<'_>);
    peek_methods!(OwnedReadHalf);
}

ip_option_methods!(TcpStream);

impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &TcpStream {
        self
    }
}

impl TcpStream {
    /// Makes the stream of an established connection with these options.
    pub(crate) fn new(socket: ByteStream, options: TcpOptions, descriptor: Descriptor) -> TcpStream {
        if options.is_zero_linger() {
            socket.set_zero_linger(true);
        }
        if options.keepalive {
            socket.set_keepalive(Some(Keepalive::default()));
        }
        TcpStream { socket, options: Mutex::new(options), _descriptor: descriptor }
    }

    fn options(&self) -> MutexGuard<'_, TcpOptions> {
        lock(&self.options)
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
        Ok(self.options().no_delay)
    }

    /// Sets `TCP_NODELAY`. This changes nothing: small segments are never delayed.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_nodelay(&self, no_delay: bool) -> io::Result<()> {
        self.options().no_delay = no_delay;
        Ok(())
    }

    /// Returns the value that [`TcpStream::set_quickack`] set. Default: `true`.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn quickack(&self) -> io::Result<bool> {
        Ok(self.options().quick_ack)
    }

    /// Sets `TCP_QUICKACK`. This changes nothing: acknowledgements are never delayed. Linux
    /// changes the value by itself as the connection goes on, the simulation does not.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_quickack(&self, quick_ack: bool) -> io::Result<()> {
        self.options().quick_ack = quick_ack;
        Ok(())
    }

    /// Makes dropping the stream reset the connection (`SO_LINGER` of 0 s).
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.change_linger(Some(Duration::ZERO));
        Ok(())
    }

    /// Sets `SO_LINGER`. Less than a second is [`TcpStream::set_zero_linger`]. With more, closing
    /// sends a FIN as without the option; on Linux it also blocks the thread until the peer has
    /// acknowledged everything, at most for this time, which is not simulated.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    #[deprecated = "`SO_LINGER` causes the socket to block the thread on drop"]
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.change_linger(linger);
        Ok(())
    }

    fn change_linger(&self, linger: Option<Duration>) {
        let mut options = self.options();
        options.set_linger(linger);
        self.socket.set_zero_linger(options.is_zero_linger());
    }

    /// Returns the value that [`TcpStream::set_linger`] set, in whole seconds. Default: `None`.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.options().linger())
    }
}

// As tokio's: no operation leaves the socket in a state that a panic could make visible.
impl UnwindSafe for TcpStream {}
impl RefUnwindSafe for TcpStream {}

impl TcpStreamExt for TcpStream {
    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.socket.set_keepalive(keepalive);
        Ok(())
    }
}
