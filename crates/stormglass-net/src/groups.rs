//! The members of multicast groups. Plain data.

use crate::address::HostId;
use crate::ip_options::Interface;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// How many sockets of each host are members of each group, by the interface over which.
#[derive(Default)]
pub(crate) struct Groups(BTreeMap<(IpAddr, Interface), BTreeMap<HostId, u32>>);

impl Groups {
    /// A socket of the host joins a group.
    pub(crate) fn join(&mut self, host: HostId, group: IpAddr, over: Interface) {
        *self.0.entry((group, over)).or_default().entry(host).or_default() += 1;
    }

    /// A socket of the host leaves a group that it has joined.
    pub(crate) fn leave(&mut self, host: HostId, group: IpAddr, over: Interface) {
        let members = self.0.get_mut(&(group, over)).expect("the socket has joined");
        let sockets = members.get_mut(&host).expect("the socket has joined");
        *sockets -= 1;
        if *sockets == 0 {
            members.remove(&host);
        }
        if members.is_empty() {
            self.0.remove(&(group, over));
        }
    }

    /// The hosts that have a member, in order.
    pub(crate) fn members(&self, group: IpAddr, over: Interface) -> Vec<HostId> {
        self.0.get(&(group, over)).map_or_else(Vec::new, |members| members.keys().copied().collect())
    }

    pub(crate) fn is_member(&self, host: HostId, group: IpAddr, over: Interface) -> bool {
        self.0.get(&(group, over)).is_some_and(|members| members.contains_key(&host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_member_while_one_of_its_sockets_is() {
        let (group, over) = (IpAddr::from([239, 1, 2, 3]), Interface::Network);
        let mut groups = Groups::default();
        groups.join(HostId(2), group, over);
        groups.join(HostId(1), group, over);
        groups.join(HostId(1), group, over);
        assert_eq!(groups.members(group, over), [HostId(1), HostId(2)]);
        groups.leave(HostId(1), group, over);
        assert!(groups.is_member(HostId(1), group, over));
        groups.leave(HostId(1), group, over);
        assert_eq!(groups.members(group, over), [HostId(2)]);
        assert!(!groups.is_member(HostId(2), group, Interface::Loopback));
    }
}
