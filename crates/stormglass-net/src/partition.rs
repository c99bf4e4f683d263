//! Partitions by their shapes. Each is a set of cuts that goes with its guard.

use crate::fault::{FaultGuard, InvalidRule, LinkEffect, LinkRule};
use crate::network::Network;
pub use stormglass_core::fault::across;

/// A partition at work; dropping it heals the network.
#[derive(Debug)]
#[must_use = "dropping the guard heals the network"]
pub struct Partition {
    _cuts: Vec<FaultGuard>,
}

impl Network {
    /// Cuts these two hosts off from each other. Names are patterns of shell wildcards, here and below.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn cut(&self, one: &str, other: &str) -> Result<Partition, InvalidRule> {
        self.cut_all([(one, other)])
    }

    /// Nothing gets from the one to the other; the way back is free.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn cut_one_way(&self, from: &str, to: &str) -> Result<Partition, InvalidRule> {
        let cut = self.inject(LinkRule::new(LinkEffect::Lose).from(from).to(to))?;
        Ok(Partition { _cuts: vec![cut] })
    }

    /// Cuts this host off from all these, itself excepted.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn isolate(&self, host: &str, hosts: &[&str]) -> Result<Partition, InvalidRule> {
        self.cut_all(hosts.iter().filter(|other| **other != host).map(|other| (host, *other)))
    }

    /// Splits hosts into two groups; of an odd number the first is the larger one, a majority.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn halves(&self, hosts: &[&str]) -> Result<Partition, InvalidRule> {
        let (one, other) = hosts.split_at(hosts.len().div_ceil(2));
        self.partition(&[one, other])
    }

    /// Splits hosts into two groups and a bridge, the host in the middle, that both groups see (Jepsen's `bridge`).
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn bridge(&self, hosts: &[&str]) -> Result<Partition, InvalidRule> {
        let middle = hosts.len() / 2;
        self.partition(&[&hosts[..middle], &hosts[(middle + 1).min(hosts.len())..]])
    }

    /// Splits hosts into groups that do not reach each other. Hosts that are in none reach everybody, as a bridge does.
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use stormglass_net::{NetProfile, Network};
    ///
    /// let network = Network::new(NetProfile::instant(), Seed(1));
    /// // n3 sees both halves, and neither sees the other.
    /// let bridge = network.partition(&[&["n1", "n2"], &["n4", "n5"]])?;
    /// drop(bridge);
    /// # Ok::<(), stormglass_net::fault::InvalidRule>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn partition(&self, groups: &[&[&str]]) -> Result<Partition, InvalidRule> {
        self.cut_all(across(groups))
    }

    /// Arranges hosts in a ring: each reaches its neighbours within `reach` on both sides and nobody else. With a reach of
    /// half of a majority every host sees a majority, and no two see the same one (Jepsen's majority rings).
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn ring(&self, hosts: &[&str], reach: usize) -> Result<Partition, InvalidRule> {
        let count = hosts.len();
        let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other)));
        let apart = pairs.filter(|(one, other)| (other - one).min(count - (other - one)) > reach);
        self.cut_all(apart.map(|(one, other)| (hosts[one], hosts[other])))
    }

    /// Has every host see a majority, and no two the same (Jepsen's `majorities-ring`), of five hosts or more: the ring with the smallest reach
    /// that does it.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn majorities_ring(&self, hosts: &[&str]) -> Result<Partition, InvalidRule> {
        // 2 · reach + 1 hosts are seen, and a majority of n is n / 2 + 1.
        self.ring(hosts, (hosts.len() / 2).div_ceil(2))
    }

    fn cut_all<'a>(
        &self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Partition, InvalidRule> {
        let cut = |(one, other)| self.inject(LinkRule::new(LinkEffect::Lose).from(one).to(other).both_ways());
        Ok(Partition { _cuts: pairs.into_iter().map(cut).collect::<Result<_, _>>()? })
    }
}
