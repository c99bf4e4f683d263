//! What tokio leaves to `socket2`.

use crate::keepalive::Keepalive;
use std::io;

/// What streams can do that tokio's have no method for.
pub trait TcpStreamExt {
    /// Has the connection probed while nothing comes from the other end, so that one that has vanished is noticed: the stream then fails with
    /// `TimedOut`, or `ConnectionReset` if it is back and knows nothing. `None` for never, which is the default.
    ///
    /// # Errors
    ///
    /// Those of the real socket; the simulated one has none.
    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()>;
}
