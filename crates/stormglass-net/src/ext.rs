//! Socket options that tokio leaves to `socket2`.

use crate::keepalive::Keepalive;
use std::io;

/// Options of TCP streams for which tokio has no method.
pub trait TcpStreamExt {
    /// Sets keepalive: the kernel probes the other end while the connection is idle, and so
    /// detects that it has gone. The stream then fails with `TimedOut`, or with `ConnectionReset`
    /// if the other end is back without its state of the connection. `None` for no probes, which
    /// is the default.
    ///
    /// # Errors
    ///
    /// Those of the real socket option; the simulated one has none.
    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()>;
}
