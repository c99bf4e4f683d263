//! Applies the rules of this network to madsim's own network, between the nodes that hosts are
//! mounted on.
//!
//! madsim's network has clogged links, one loss rate and one latency range. So a rule that loses
//! everything on a link clogs it while the rule is active; a rule without hosts and ports that
//! loses with a probability, or delays, changes the loss rate and the latency range of all links.

use crate::address::HostId;
use crate::fault::{Action, ActiveRule, Faults, LinkEffect, Pattern};
use madsim::net::{Config, NetSim};
use madsim::task::NodeId;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stormglass_core::SimTime;

/// What was changed in madsim's own network.
///
/// An update costs as much as what changes: the links of the rules that became active or inactive,
/// of the hosts that lost or got power, and of new nodes. Patterns are compared once for each rule
/// and node.
#[derive(Debug, Default)]
pub(crate) struct MadsimNetwork {
    /// The nodes that hosts are mounted on, as of the last update.
    nodes: BTreeMap<NodeId, HostId>,
    /// The links that active rules clog, by the rule's number.
    by_rule: BTreeMap<u64, Links>,
    /// The links of the nodes whose hosts have no power.
    by_outage: BTreeMap<NodeId, Links>,
    clogs: Clogs,
    /// Its configuration without faults.
    config: Option<Config>,
}

/// What is mounted on the nodes.
pub(crate) trait MountedHosts {
    /// Returns the nodes and their hosts.
    fn nodes(&self) -> &BTreeMap<NodeId, HostId>;

    /// Returns a host's name.
    fn name(&self, host: HostId) -> &str;

    /// Returns whether a host has no power.
    fn is_off(&self, host: HostId) -> bool;
}

/// How many rules and outages clog each link.
#[derive(Debug, Default)]
struct Clogs(BTreeMap<(NodeId, NodeId), u32>);

impl Clogs {
    fn add(&mut self, network: &NetSim, link: (NodeId, NodeId)) {
        let count = self.0.entry(link).or_default();
        *count += 1;
        if *count == 1 {
            network.clog_link(link.0, link.1);
        }
    }

    fn remove(&mut self, network: &NetSim, link: (NodeId, NodeId)) {
        let count = self.0.get_mut(&link).expect("the link was added");
        *count -= 1;
        if *count == 0 {
            self.0.remove(&link);
            network.unclog_link(link.0, link.1);
        }
    }
}

/// The links from some nodes to others, and those of the other direction.
#[derive(Debug)]
struct Links {
    from: Vec<NodeId>,
    to: Vec<NodeId>,
    both_ways: bool,
}

impl Links {
    fn each(&self, mut visit: impl FnMut((NodeId, NodeId))) {
        for &from in &self.from {
            for &to in &self.to {
                visit((from, to));
                if self.both_ways {
                    visit((to, from));
                }
            }
        }
    }

    /// Adds a node, and visits the links that it adds.
    fn add_node(&mut self, node: NodeId, is_from: bool, is_to: bool, visit: impl FnMut((NodeId, NodeId))) {
        let both_ways = self.both_ways;
        // The links from the nodes before to the new one, then those from the new one.
        let (before, new) = (self.from.clone(), vec![node]);
        self.from.extend(is_from.then_some(node));
        self.to.extend(is_to.then_some(node));
        let mut visit = visit;
        if is_to {
            Links { from: before, to: new.clone(), both_ways }.each(&mut visit);
        }
        if is_from {
            let to = std::mem::take(&mut self.to);
            let added = Links { from: new, to, both_ways };
            added.each(&mut visit);
            self.to = added.to;
        }
    }
}

impl MadsimNetwork {
    /// Whether nothing is changed in madsim's network.
    pub(crate) fn is_clean(&self) -> bool {
        self.clogs.0.is_empty() && self.config.is_none()
    }

    /// Changes madsim's network to what the rules and the hosts without power say now.
    pub(crate) fn update(&mut self, faults: &Faults, hosts: &impl MountedHosts, now: SimTime) {
        let network = NetSim::current();
        self.update_nodes(&network, faults, hosts);
        self.update_rules(&network, faults, hosts, now);
        self.update_outages(&network, hosts);
        let (loss, delay) = faults.everywhere(now);
        if self.config.is_none() && loss == 0.0 && delay.1.is_zero() {
            return;
        }
        network.update_config(|config| {
            let base = self.config.get_or_insert_with(|| config.clone());
            config.packet_loss_rate = 1.0 - (1.0 - base.packet_loss_rate) * (1.0 - loss);
            config.send_latency = base.send_latency.start + delay.0..base.send_latency.end + delay.1;
        });
    }

    /// Adds the links of nodes that were mounted since the last update to those that are clogged.
    fn update_nodes(&mut self, network: &NetSim, faults: &Faults, hosts: &impl MountedHosts) {
        let MadsimNetwork { nodes, by_rule, by_outage, clogs, .. } = self;
        if nodes == hosts.nodes() {
            return;
        }
        if nodes.iter().any(|(node, host)| hosts.nodes().get(node) != Some(host)) {
            // A node has another host: what applies to it is determined again.
            by_rule.values().chain(by_outage.values()).for_each(|links| {
                links.each(|link| clogs.remove(network, link));
            });
            by_rule.clear();
            by_outage.clear();
            nodes.clone_from(hosts.nodes());
            return;
        }
        for (&node, &host) in hosts.nodes() {
            if nodes.insert(node, host).is_some() {
                continue;
            }
            faults.each(|number, rule| {
                if let Some(links) = by_rule.get_mut(&number) {
                    let (is_from, is_to) = ends(rule, hosts.name(host));
                    links.add_node(node, is_from, is_to, |link| clogs.add(network, link));
                }
            });
            for links in by_outage.values_mut() {
                links.add_node(node, false, true, |link| clogs.add(network, link));
            }
        }
    }

    fn update_rules(&mut self, network: &NetSim, faults: &Faults, hosts: &impl MountedHosts, now: SimTime) {
        let MadsimNetwork { nodes, by_rule, clogs, .. } = self;
        let mut active = BTreeSet::new();
        faults.each(|number, rule| {
            if !loses_all(rule, now) {
                return;
            }
            active.insert(number);
            by_rule.entry(number).or_insert_with(|| {
                let mut links = Links { from: Vec::new(), to: Vec::new(), both_ways: rule.target.both_ways };
                for (&node, &host) in &*nodes {
                    let (is_from, is_to) = ends(rule, hosts.name(host));
                    links.from.extend(is_from.then_some(node));
                    links.to.extend(is_to.then_some(node));
                }
                links.each(|link| clogs.add(network, link));
                links
            });
        });
        by_rule.retain(|number, links| {
            let is_active = active.contains(number);
            if !is_active {
                links.each(|link| clogs.remove(network, link));
            }
            is_active
        });
    }

    fn update_outages(&mut self, network: &NetSim, hosts: &impl MountedHosts) {
        let MadsimNetwork { nodes, by_outage, clogs, .. } = self;
        for (&node, &host) in &*nodes {
            if !hosts.is_off(host) {
                if let Some(links) = by_outage.remove(&node) {
                    links.each(|link| clogs.remove(network, link));
                }
            } else if let Entry::Vacant(entry) = by_outage.entry(node) {
                let to = nodes.keys().copied().filter(|other| *other != node).collect();
                let links = Links { from: vec![node], to, both_ways: true };
                links.each(|link| clogs.add(network, link));
                entry.insert(links);
            }
        }
    }
}

/// Returns whether a rule loses everything that is sent over its links now.
fn loses_all(rule: &ActiveRule, now: SimTime) -> bool {
    matches!(rule.effect, Action::Effect(LinkEffect::Lose))
        && rule.target.port.is_none()
        && rule.trigger.is_steady()
        && rule.trigger.probability == 1.0
        && rule.trigger.is_on(now)
}

/// Returns whether a host is at the sending, and at the receiving end of a rule's links.
fn ends(rule: &ActiveRule, host: &str) -> (bool, bool) {
    let is_at = |end: &Option<Pattern>| end.as_ref().is_none_or(|pattern| pattern.matches(host));
    (is_at(&rule.target.from), is_at(&rule.target.to))
}

impl Faults {
    /// The loss rate, the smallest and the largest delay that rules add to every link now.
    fn everywhere(&self, now: SimTime) -> (f64, (Duration, Duration)) {
        let (mut kept, mut delay) = (1.0, (Duration::ZERO, Duration::ZERO));
        self.each(|_, rule| {
            let all = rule.target.is_everywhere() && rule.trigger.is_steady() && rule.trigger.is_on(now);
            match &rule.effect {
                Action::Effect(LinkEffect::Lose) if all && rule.trigger.probability < 1.0 => {
                    kept *= 1.0 - rule.trigger.probability;
                }
                Action::Effect(LinkEffect::Delay(latency)) if all && rule.trigger.probability == 1.0 => {
                    delay.0 += latency.at(0);
                    delay.1 += latency.at(u64::MAX);
                }
                _ => {}
            }
        });
        (1.0 - kept, delay)
    }
}
