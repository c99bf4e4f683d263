//! The members of multicast groups. Plain data.

use crate::address::NamespaceId;
use crate::ip_options::Interface;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// How many sockets of each network namespace are members of each group, by the interface over which.
#[derive(Default)]
pub(crate) struct Groups(BTreeMap<(IpAddr, Interface), BTreeMap<NamespaceId, u32>>);

impl Groups {
    /// A socket of the namespace joins a group.
    pub(crate) fn join(&mut self, namespace: NamespaceId, group: IpAddr, over: Interface) {
        *self.0.entry((group, over)).or_default().entry(namespace).or_default() += 1;
    }

    /// A socket of the namespace leaves a group that it has joined.
    pub(crate) fn leave(&mut self, namespace: NamespaceId, group: IpAddr, over: Interface) {
        let members = self.0.get_mut(&(group, over)).expect("the socket has joined");
        let sockets = members.get_mut(&namespace).expect("the socket has joined");
        *sockets -= 1;
        if *sockets == 0 {
            members.remove(&namespace);
        }
        if members.is_empty() {
            self.0.remove(&(group, over));
        }
    }

    pub(crate) fn is_member(&self, namespace: NamespaceId, group: IpAddr, over: Interface) -> bool {
        self.0.get(&(group, over)).is_some_and(|members| members.contains_key(&namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_member_while_one_of_its_sockets_is() {
        let (group, over) = (IpAddr::from([239, 1, 2, 3]), Interface::Network);
        let mut groups = Groups::default();
        groups.join(NamespaceId(2), group, over);
        groups.join(NamespaceId(1), group, over);
        groups.join(NamespaceId(1), group, over);
        groups.leave(NamespaceId(1), group, over);
        assert!(groups.is_member(NamespaceId(1), group, over));
        groups.leave(NamespaceId(1), group, over);
        assert!(!groups.is_member(NamespaceId(1), group, over));
        assert!(groups.is_member(NamespaceId(2), group, over));
        assert!(!groups.is_member(NamespaceId(2), group, Interface::Loopback));
    }
}
