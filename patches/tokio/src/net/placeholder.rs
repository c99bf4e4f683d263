//! Placeholders: real sockets, never connected, that stand for simulated ones where a library wants
//! a descriptor, to set an option or to convert to the standard library's type and back.

use socket2::{Domain, SockRef, Socket, Type};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;
use stormglass_sockets::TcpStream;

thread_local! {
    /// The streams that the standard library's type stands for.
    static CONVERTED: RefCell<BTreeMap<RawFd, Arc<dyn TcpStream>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Creates a placeholder.
pub fn create(v6: bool) -> io::Result<OwnedFd> {
    let socket = Socket::new(if v6 { Domain::IPV6 } else { Domain::IPV4 }, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Makes a placeholder stand for this stream.
pub fn convert(stream: Arc<dyn TcpStream>, placeholder: OwnedFd) -> std::net::TcpStream {
    let before = CONVERTED.with_borrow_mut(|converted| converted.insert(placeholder.as_raw_fd(), stream));
    drop(before);
    placeholder.into()
}

/// Returns the stream that a placeholder stands for, with the options that it has.
pub fn convert_back(placeholder: &std::net::TcpStream) -> io::Result<Arc<dyn TcpStream>> {
    let stream = CONVERTED.with_borrow_mut(|converted| converted.remove(&placeholder.as_raw_fd()));
    let stream = stream.ok_or_else(|| super::unsupported("a socket that the standard library has made"))?;
    apply_options(SockRef::from(placeholder), &*stream)?;
    Ok(stream)
}

/// Sets the options of a placeholder on a stream.
pub fn apply_options(placeholder: SockRef<'_>, stream: &dyn TcpStream) -> io::Result<()> {
    if placeholder.tcp_nodelay()? {
        stream.set_nodelay(true)?;
    }
    if placeholder.linger()? == Some(Duration::ZERO) {
        stream.set_zero_linger()?;
    }
    if placeholder.keepalive()? {
        let (time, interval) = (placeholder.tcp_keepalive_time()?, placeholder.tcp_keepalive_interval()?);
        stream.set_keepalive(Some((time, interval, placeholder.tcp_keepalive_retries()?)))?;
    }
    Ok(())
}
