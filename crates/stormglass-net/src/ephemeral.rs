//! Which free port the kernel of a network namespace chooses, where a program names none.

use crate::address::NamespaceId;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use stormglass_core::Stream;

/// The ports that a kernel chooses from (Linux: `net.ipv4.ip_local_port_range`).
pub(crate) const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// How many there are: an even number.
const COUNT: u64 = 28_232;

/// Which ports a kernel tries first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Preference {
    /// Odd ones, for TCP's `bind` (Linux: `inet_csk_find_open_port`).
    Odd,
    /// Even ones, for TCP's `connect` (Linux: `__inet_hash_connect`).
    Even,
    /// None, for UDP (Linux: `udp_lib_get_port`).
    None,
}

/// The choice of ephemeral ports, by network namespace.
///
/// In a namespace that hosts share, the kernel begins at a random port, as Linux does: a program
/// that binds port 0, reads the number and closes the socket may find the port taken by another
/// one. In a namespace of one host it takes the next port after the last one.
#[derive(Default)]
pub(crate) struct EphemeralPorts {
    random: BTreeMap<NamespaceId, Stream>,
    last: BTreeMap<NamespaceId, u16>,
}

impl EphemeralPorts {
    /// Has the kernel of a namespace begin at a random port. Each choice takes one draw.
    pub(crate) fn randomize(&mut self, namespace: NamespaceId, stream: Stream) {
        self.random.insert(namespace, stream);
    }

    /// Returns a free port, or `None` if there is none.
    pub(crate) fn choose(
        &mut self,
        namespace: NamespaceId,
        preference: Preference,
        free: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        if let Some(stream) = self.random.get_mut(&namespace) {
            let first = match (stream.below(COUNT), preference) {
                (offset, Preference::Odd) => offset | 1,
                (offset, Preference::Even) => offset & !1,
                (offset, Preference::None) => offset,
            };
            let of_parity = |first: u64| (0..COUNT / 2).map(move |step| (first + 2 * step) % COUNT);
            let offsets = of_parity(first).chain(of_parity(first ^ 1));
            return offsets.map(|offset| *EPHEMERAL.start() + offset as u16).find(|&port| free(port));
        }
        let last = self.last.get(&namespace).copied().unwrap_or(*EPHEMERAL.end());
        let later = last.saturating_add(1).max(*EPHEMERAL.start())..=*EPHEMERAL.end();
        let port = later.chain(*EPHEMERAL.start()..=last).find(|&port| free(port))?;
        self.last.insert(namespace, port);
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use stormglass_core::Seed;

    const SHARED: NamespaceId = NamespaceId(0);

    /// Chooses a port that `taken` does not contain, as the kernel of a shared namespace does with
    /// this seed.
    fn choose(seed: u64, preference: Preference, taken: &BTreeSet<u16>) -> Option<u16> {
        let mut ports = EphemeralPorts::default();
        ports.randomize(SHARED, Seed(seed).stream("ports"));
        ports.choose(SHARED, preference, |port| !taken.contains(&port))
    }

    #[test]
    fn a_shared_namespace_chooses_preferred_ports_first_and_at_last_any() {
        for (preference, preferred) in [(Preference::Odd, 1), (Preference::Even, 0)] {
            let is_preferred = |port: &u16| port % 2 == preferred;
            let all: BTreeSet<u16> = EPHEMERAL.filter(is_preferred).collect();
            for seed in 0..100 {
                assert!(is_preferred(&choose(seed, preference, &BTreeSet::new()).unwrap()));
                assert!(!is_preferred(&choose(seed, preference, &all).unwrap()));
            }
        }
        // Whatever the kernel prefers, it finds the only port that is free.
        for preference in [Preference::Odd, Preference::Even, Preference::None] {
            for last in [*EPHEMERAL.start(), 40_000, 40_001, *EPHEMERAL.end()] {
                let taken = EPHEMERAL.filter(|&port| port != last).collect();
                assert_eq!(choose(1, preference, &taken), Some(last));
            }
            assert_eq!(choose(1, preference, &EPHEMERAL.collect()), None);
        }
    }

    /// 1,000 choices of 28,232 ports: 500 ± 3 standard deviations of 16 in each half.
    #[test]
    fn choices_of_a_shared_namespace_are_spread() {
        for preference in [Preference::Odd, Preference::Even, Preference::None] {
            let low = |&seed: &u64| choose(seed, preference, &BTreeSet::new()).unwrap() < 32_768 + 14_116;
            let count = (0..1_000).filter(low).count();
            assert!((452..=548).contains(&count), "{count}");
        }
    }

    #[test]
    fn a_namespace_of_one_host_takes_the_next_port() {
        let mut ports = EphemeralPorts::default();
        let mut choose = || ports.choose(NamespaceId(1), Preference::Odd, |port| port != 32_769).unwrap();
        assert_eq!([choose(), choose()], [32_768, 32_770]);
    }
}
