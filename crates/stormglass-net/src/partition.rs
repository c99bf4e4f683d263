//! Network partitions by shape. Each is a set of cuts that its guard removes.

use crate::fault::{InvalidRule, LinkEffect, LinkRule};
use crate::inject::FaultGuard;
use crate::network::Network;
pub use stormglass_core::fault::across;

/// An active partition; dropping it heals the network.
#[derive(Debug)]
#[must_use = "dropping the guard heals the network"]
pub struct Partition {
    _cuts: Vec<FaultGuard>,
}

impl Network {
    /// Cuts the links between these two hosts, both ways. Names are shell wildcard patterns, here
    /// and below.
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn cut(&self, one: &str, other: &str) -> Result<Partition, InvalidRule> {
        self.cut_all([(one, other)])
    }

    /// Cuts the link from the first host to the second; the other direction works.
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn cut_one_way(&self, from: &str, to: &str) -> Result<Partition, InvalidRule> {
        let cut = self.inject(LinkRule::new(LinkEffect::Lose).from(from).to(to))?;
        Ok(Partition { _cuts: vec![cut] })
    }

    /// Cuts this host's links to all of these hosts, except itself.
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn isolate(&self, host: &str, hosts: &[&str]) -> Result<Partition, InvalidRule> {
        self.cut_all(hosts.iter().filter(|other| **other != host).map(|other| (host, *other)))
    }

    /// Splits hosts into two groups; of an odd number the first group is the larger one, a
    /// majority.
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn halves(&self, hosts: &[&str]) -> Result<Partition, InvalidRule> {
        let (one, other) = hosts.split_at(hosts.len().div_ceil(2));
        self.partition(&[one, other])
    }

    /// Splits hosts into two groups and a bridge, the middle host, which both groups reach
    /// (Jepsen's `bridge`).
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn bridge(&self, hosts: &[&str]) -> Result<Partition, InvalidRule> {
        let middle = hosts.len() / 2;
        self.partition(&[&hosts[..middle], &hosts[(middle + 1).min(hosts.len())..]])
    }

    /// Splits hosts into groups that do not reach each other. A host in no group reaches all
    /// hosts, as a bridge does.
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use stormglass_net::{NetProfile, Network};
    ///
    /// let network = Network::new(NetProfile::instant(), Seed(1));
    /// // n3 reaches both halves, and neither reaches the other.
    /// let bridge = network.partition(&[&["n1", "n2"], &["n4", "n5"]])?;
    /// drop(bridge);
    /// # Ok::<(), stormglass_net::fault::InvalidRule>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn partition(&self, groups: &[&[&str]]) -> Result<Partition, InvalidRule> {
        self.cut_all(across(groups))
    }

    /// Arranges hosts in a ring: each reaches its neighbours within `reach` on both sides and no
    /// other host. With a reach of half of a majority every host reaches a majority, and no two
    /// hosts reach the same one (Jepsen's majority rings).
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn ring(&self, hosts: &[&str], reach: usize) -> Result<Partition, InvalidRule> {
        let count = hosts.len();
        let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other)));
        let apart = pairs.filter(|(one, other)| (other - one).min(count - (other - one)) > reach);
        self.cut_all(apart.map(|(one, other)| (hosts[one], hosts[other])))
    }

    /// Arranges five hosts or more so that every host reaches a majority, and no two reach the
    /// same one (Jepsen's `majorities-ring`): the ring with the smallest reach that does so.
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn majorities_ring(&self, hosts: &[&str]) -> Result<Partition, InvalidRule> {
        // A host reaches 2 · reach + 1 hosts, itself included, and a majority of n is n / 2 + 1.
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
