//! What a network knows of its connections and Unix sockets, without knowing their types.

use crate::address::{HostId, NamespaceId};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Weak;
use stormglass_rt::SpecialFile;

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

/// The names of Unix sockets that are no files: abstract ones, and paths where no disk is mounted.
/// Each network namespace has its own.
#[derive(Default)]
pub(crate) struct UnixNames {
    by_name: BTreeMap<(NamespaceId, Vec<u8>), SpecialFile>,
    last_automatic: u32,
}

impl UnixNames {
    /// Makes a name of a namespace refer to this file.
    pub(crate) fn insert(&mut self, namespace: NamespaceId, name: &[u8], file: &SpecialFile) {
        self.by_name.insert((namespace, name.to_vec()), file.clone());
    }

    /// Returns what a name refers to.
    pub(crate) fn find(&self, namespace: NamespaceId, name: &[u8]) -> Option<SpecialFile> {
        self.by_name.get(&(namespace, name.to_vec())).cloned()
    }

    /// Removes a name, unless it refers to another file by now.
    pub(crate) fn remove(&mut self, namespace: NamespaceId, name: &[u8], file: &SpecialFile) {
        let key = (namespace, name.to_vec());
        if self.by_name.get(&key).is_some_and(|found| found.is_same(file)) {
            self.by_name.remove(&key);
        }
    }

    /// Returns the number of the next automatic name, of 20 bits.
    pub(crate) fn next_automatic(&mut self) -> u32 {
        self.last_automatic = (self.last_automatic + 1) & 0xf_ffff;
        self.last_automatic
    }
}
