//! What a network knows of its connections and Unix listeners, without knowing their types.

use crate::address::HostId;
use crate::error::EADDRINUSE;
use crate::ports::Owner;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use stormglass_rt::Process;

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client = 0,
    Server = 1,
}

impl Side {
    pub(crate) fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// A connection, as the network's registry sees it.
pub(crate) trait RegisteredConnection: Send + Sync {
    /// Returns the state of the socket at one end.
    fn snapshot(&self, side: Side) -> SocketSnapshot;

    /// The names of the client's and of the server's host.
    fn host_names(&self) -> (&str, &str);

    /// Resets both ends at the same time, as a middlebox does that has lost its state of the
    /// connection.
    fn reset_both_ends(&self);
}

/// The state of the socket at one end of a connection.
pub(crate) struct SocketSnapshot {
    /// This end's host, then the other's; so in `addresses`.
    pub(crate) hosts: [HostId; 2],
    pub(crate) addresses: [SocketAddr; 2],
    pub(crate) state: &'static str,
    pub(crate) unread: u64,
    pub(crate) outstanding: u64,
    /// Whether a process has the socket open.
    pub(crate) is_open: bool,
}

/// The connections of a network.
#[derive(Default)]
pub(crate) struct Connections {
    by_number: BTreeMap<u64, Weak<dyn RegisteredConnection>>,
    last: u64,
}

impl Connections {
    /// Returns the number of the next connection.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(crate) fn insert(&mut self, number: u64, connection: Weak<dyn RegisteredConnection>) {
        self.by_number.insert(number, connection);
    }

    pub(crate) fn remove(&mut self, number: u64) {
        self.by_number.remove(&number);
    }

    /// The connections in the order in which they were made; some may be gone.
    pub(crate) fn list(&self) -> Vec<Weak<dyn RegisteredConnection>> {
        self.by_number.values().cloned().collect()
    }
}

/// A machine and a path on it, which name a Unix listener.
pub(crate) type UnixName = (String, PathBuf);

/// The Unix listeners of all machines.
#[derive(Default)]
pub(crate) struct UnixListeners(BTreeMap<UnixName, UnixBound>);

/// What is bound to a Unix name.
struct UnixBound {
    host: HostId,
    backlog: Owner,
    /// The process that has bound it. Nothing is bound any more once that has ended.
    process: Process,
}

impl UnixListeners {
    /// Binds a name for the current process. Returns the backlog of a listener whose process has
    /// ended; the caller drops it without the network's lock.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub(crate) fn bind(&mut self, name: UnixName, host: HostId, backlog: Owner) -> io::Result<Option<Owner>> {
        if self.0.get(&name).is_some_and(|bound| !bound.process.check_ended()) {
            return Err(EADDRINUSE.into());
        }
        let bound = UnixBound { host, backlog, process: Process::current() };
        Ok(self.0.insert(name, bound).map(|ended| ended.backlog))
    }

    /// The listener's host and its backlog, unless its process is known to have ended.
    pub(crate) fn find<T: Send + Sync + 'static>(&self, name: &UnixName) -> Option<(HostId, Arc<T>)> {
        let UnixBound { host, backlog, process } = self.0.get(name)?;
        if process.has_ended() {
            return None;
        }
        Some((*host, backlog.clone().downcast().ok()?))
    }

    /// Removes a listener, if this is its backlog. The caller drops it without the network's lock.
    pub(crate) fn remove<T>(&mut self, name: &UnixName, backlog: &Arc<T>) -> Option<Owner> {
        let bound = &self.0.get(name)?.backlog;
        let is_own = std::ptr::addr_eq(Arc::as_ptr(bound), Arc::as_ptr(backlog));
        if is_own { self.0.remove(name).map(|bound| bound.backlog) } else { None }
    }
}
