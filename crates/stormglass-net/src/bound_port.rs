//! A port that a socket has bound.

use crate::address::HostId;
use crate::network::Shared;
use crate::ports::{At, Binding, Owner, Protocol, Reuse};
use std::fmt;
use std::io;
use std::sync::Arc;

/// A port that a socket has bound; dropping it unbinds the port.
pub(crate) struct BoundPort {
    network: Arc<Shared>,
    protocol: Protocol,
    host: HostId,
    binding: Binding,
}

impl BoundPort {
    /// Binds a port of a host for the current process, or a free one if it is 0. `reuse`
    /// says with what it shares the port.
    ///
    /// # Errors
    ///
    /// EADDRINUSE.
    pub(crate) fn bind(
        network: &Arc<Shared>,
        protocol: Protocol,
        (host, at): (HostId, At),
        port: u16,
        reuse: impl Into<Reuse>,
        owner: Owner,
    ) -> io::Result<BoundPort> {
        let binding = network.bind(protocol, (host, at), port, reuse.into(), owner)?;
        Ok(BoundPort { network: network.clone(), protocol, host, binding })
    }

    /// The port's number.
    pub(crate) fn port(&self) -> u16 {
        self.binding.port
    }
}

impl Drop for BoundPort {
    fn drop(&mut self) {
        self.network.unbind(self.protocol, self.host, self.binding);
    }
}

impl fmt::Debug for BoundPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoundPort").field(&self.port()).finish()
    }
}
