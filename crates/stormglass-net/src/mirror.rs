//! madsim's own network suffers what this one suffers, between nodes that hosts are mounted on.
//!
//! It knows links that are clogged, one loss rate and one latency range. So rules that lose everything on a link clog it, for as long as they
//! are on; rules without hosts and ports that lose by a probability or delay change the rate and the range of all links.

use crate::fault::{Action, LinkEffect};
use crate::network::{Network, Shared};
use madsim::net::{Config, NetSim};
use madsim::task::NodeId;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;
use stormglass_core::{Scope, SimTime};
use stormglass_rt as rt;

/// What was done to madsim's network.
#[derive(Debug, Default)]
pub(crate) struct Mirrored {
    clogged: BTreeSet<(NodeId, NodeId)>,
    /// Its configuration without faults.
    config: Option<Config>,
}

impl Mirrored {
    /// Whether madsim's network is as if nothing had been done to it.
    fn is_clean(&self) -> bool {
        self.clogged.is_empty() && self.config.is_none()
    }
}

impl Network {
    /// Has madsim's network be as the rules say now.
    pub(crate) fn mirror(&self) {
        if rt::running() {
            self.shared.mirror(rt::now());
        }
    }

    /// Has that done again whenever this rule begins or ends to be on, until it is taken away. What only begins and ends does so by
    /// timers without a task, which disturb no run; what changes again and again has one from its first change on.
    pub(crate) fn mirror_changes(&self, rule: u64) {
        if !rt::running() || self.shared.lock().mounted().is_empty() {
            return;
        }
        let next = |last| self.shared.faults.next_change(rule, last);
        let Some(first) = next(rt::now()) else { return };
        let second = next(first);
        let flaps = second.and_then(next).is_some();
        if flaps {
            self.shared.start_kernel();
        }
        let change = |at, then| {
            let change = Change { network: Arc::downgrade(&self.shared), at, then };
            rt::wake_at(at, &Waker::from(Arc::new(change)));
        };
        change(first, flaps.then_some(rule));
        if let Some(second) = second.filter(|_| !flaps) {
            change(second, None);
        }
    }
}

/// A moment at which a rule begins or ends to be on.
struct Change {
    network: Weak<Shared>,
    at: SimTime,
    /// The rule that is to be followed from then on.
    then: Option<u64>,
}

impl Wake for Change {
    fn wake(self: Arc<Self>) {
        let Some(network) = self.network.upgrade() else { return };
        network.mirror(self.at);
        if let Some(rule) = self.then {
            network.in_kernel(Scope::default(), follow(self.network.clone(), rule, self.at));
        }
    }
}

/// Does it for a rule that changes again and again.
async fn follow(network: Weak<Shared>, rule: u64, mut last: SimTime) {
    loop {
        let Some(shared) = network.upgrade() else { return };
        let Some(at) = shared.faults.next_change(rule, last) else { return };
        drop(shared);
        rt::sleep_until(at).await;
        let Some(shared) = network.upgrade() else { return };
        shared.mirror(at);
        last = at;
    }
}

impl Shared {
    fn mirror(&self, now: SimTime) {
        let nodes = {
            let state = self.lock();
            let quiet = self.faults.is_empty() && !state.any_off() && state.mirrored.is_clean();
            if quiet { return } else { state.mounted() }
        };
        let network = NetSim::current();
        let off = |name: &str| self.lock().is_off(name);
        let mut clogged = BTreeSet::new();
        for (from, source) in &nodes {
            for (to, target) in &nodes {
                let dead = from != to && (off(source) || off(target));
                if dead || self.faults.loses_all(source, target, now) {
                    clogged.insert((*from, *to));
                }
            }
        }
        let mut state = self.lock();
        let mirrored = &mut state.mirrored;
        for &(from, to) in mirrored.clogged.difference(&clogged) {
            network.unclog_link(from, to);
        }
        for &(from, to) in clogged.difference(&mirrored.clogged) {
            network.clog_link(from, to);
        }
        mirrored.clogged = clogged;
        let (loss, delay) = self.faults.everywhere(now);
        if mirrored.config.is_none() && loss == 0.0 && delay.1.is_zero() {
            return;
        }
        network.update_config(|config| {
            let base = mirrored.config.get_or_insert_with(|| config.clone());
            config.packet_loss_rate = 1.0 - (1.0 - base.packet_loss_rate) * (1.0 - loss);
            config.send_latency = base.send_latency.start + delay.0..base.send_latency.end + delay.1;
        });
    }
}

impl crate::fault::Faults {
    /// Whether what is sent from here to there is lost, all of it, now.
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

    /// The loss rate and the least and the largest delay that rules put on every link now.
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
