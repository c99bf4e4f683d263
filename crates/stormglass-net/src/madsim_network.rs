//! Applies the rules of this network to madsim's own network, between the nodes that hosts are
//! mounted on.
//!
//! madsim's network has clogged links, one loss rate and one latency range. So a rule that loses
//! everything on a link clogs it while the rule is active; a rule without hosts and ports that
//! loses with a probability, or delays, changes the loss rate and the latency range of all links.

use crate::fault::{Action, Faults, LinkEffect};
use madsim::net::{Config, NetSim};
use madsim::task::NodeId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use stormglass_core::SimTime;

/// What was changed in madsim's own network.
#[derive(Debug, Default)]
pub(crate) struct MadsimNetwork {
    clogged: BTreeSet<(NodeId, NodeId)>,
    /// Its configuration without faults.
    config: Option<Config>,
}

/// A node that a host is mounted on.
pub(crate) struct MountedNode {
    pub(crate) node: NodeId,
    pub(crate) host: Arc<str>,
    pub(crate) is_off: bool,
}

impl MadsimNetwork {
    /// Whether nothing is changed in madsim's network.
    pub(crate) fn is_clean(&self) -> bool {
        self.clogged.is_empty() && self.config.is_none()
    }

    /// Changes madsim's network to what the rules and the hosts without power say now.
    pub(crate) fn update(&mut self, faults: &Faults, nodes: &[MountedNode], now: SimTime) {
        let network = NetSim::current();
        let mut clogged = BTreeSet::new();
        for from in nodes {
            for to in nodes {
                let dead = from.node != to.node && (from.is_off || to.is_off);
                if dead || faults.loses_all(&from.host, &to.host, now) {
                    clogged.insert((from.node, to.node));
                }
            }
        }
        for &(from, to) in self.clogged.difference(&clogged) {
            network.unclog_link(from, to);
        }
        for &(from, to) in clogged.difference(&self.clogged) {
            network.clog_link(from, to);
        }
        self.clogged = clogged;
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
}

impl Faults {
    /// Whether a rule loses everything that is sent over this link now.
    fn loses_all(&self, from: &str, to: &str, now: SimTime) -> bool {
        self.any(|rule| {
            matches!(rule.effect, Action::Effect(LinkEffect::Lose))
                && rule.target.port.is_none()
                && rule.trigger.is_steady()
                && rule.trigger.probability == 1.0
                && rule.trigger.is_on(now)
                && rule.target.connects(from, to)
        })
    }

    /// The loss rate, the smallest and the largest delay that rules add to every link now.
    fn everywhere(&self, now: SimTime) -> (f64, (Duration, Duration)) {
        let (mut kept, mut delay) = (1.0, (Duration::ZERO, Duration::ZERO));
        self.each(|rule| {
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
