//! Broadcast and multicast: which hosts receive.

use crate::address::HostId;
use crate::ip_options::Interface;
use crate::network::{Shared, State};
use crate::ports::Protocol;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

impl Shared {
    /// Returns the hosts that receive a broadcast: one of each namespace of the sender's zone, the
    /// sender's own included.
    pub(crate) fn broadcast_receivers(&self, from: HostId, to: SocketAddr, over: Interface) -> Vec<HostId> {
        let is_receiver = |state: &State, host: HostId| match over {
            Interface::Loopback => state.namespace(host) == state.namespace(from),
            Interface::Network => state.zone(host) == state.zone(from),
        };
        self.receivers(to, is_receiver)
    }

    /// Returns the hosts that receive what a host sends to a multicast group: one of each
    /// namespace that is a member and that the datagram reaches.
    pub(crate) fn group_receivers(
        &self,
        from: HostId,
        to: SocketAddr,
        over: Interface,
        ttl: u32,
        loops: bool,
    ) -> Vec<HostId> {
        let is_receiver = |state: &State, host: HostId| {
            let is_own = state.namespace(host) == state.namespace(from);
            let is_near = state.zone(host) == state.zone(from);
            let reaches = match over {
                // The loopback interface always delivers to its own namespace.
                Interface::Loopback => is_own,
                Interface::Network if is_own => loops,
                Interface::Network => ttl > 1 || ttl == 1 && is_near,
            };
            reaches && state.is_member(host, to.ip(), over)
        };
        self.receivers(to, is_receiver)
    }

    fn receivers(&self, to: SocketAddr, is_receiver: impl Fn(&State, HostId) -> bool) -> Vec<HostId> {
        let state = self.lock();
        let mut namespaces = BTreeSet::new();
        let hosts: Vec<HostId> = state
            .hosts()
            .filter(|&host| is_receiver(&state, host) && namespaces.insert(state.namespace(host)))
            .collect();
        drop(state);
        let receiver = |host| self.receiver(Protocol::Datagram, host, to.ip().into(), to.port());
        hosts.into_iter().map(receiver).collect()
    }
}

impl State {
    /// A socket of the host joins a multicast group.
    pub(crate) fn join_group(&mut self, host: HostId, group: IpAddr, over: Interface) {
        self.groups.join(self.namespace(host), group, over);
    }

    /// A socket of the host leaves a multicast group that it has joined.
    pub(crate) fn leave_group(&mut self, host: HostId, group: IpAddr, over: Interface) {
        self.groups.leave(self.namespace(host), group, over);
    }

    /// Whether a socket of the host's namespace is a member of a multicast group.
    pub(crate) fn is_member(&self, host: HostId, group: IpAddr, over: Interface) -> bool {
        self.groups.is_member(self.namespace(host), group, over)
    }
}
