//! Installs faults on a network.

use crate::fault::{Action, ActiveRule, InvalidRule, LinkRule};
use crate::injected::record_of;
use crate::network::{Network, Shared};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use stormglass_core::{Scope, SimTime};
use stormglass_rt as rt;

impl Network {
    /// Installs a rule. It is active until the guard is dropped.
    ///
    /// ```
    /// use stormglass_net::fault::{LinkEffect, LinkRule};
    /// use stormglass_net::{NetProfile, Network};
    /// use stormglass_core::Seed;
    ///
    /// let network = Network::new(NetProfile::instant(), Seed(1));
    /// // What node-1 sends is lost, every tenth time; what is sent to it arrives.
    /// let lossy = network.inject(LinkRule::new(LinkEffect::Lose).from("node-1").with_probability(0.1))?;
    /// // Nothing passes between these two, until the guard is dropped.
    /// let cut = network.inject(LinkRule::new(LinkEffect::Lose).from("node-1").to("node-[23]").both_ways())?;
    /// # Ok::<(), stormglass_net::fault::InvalidRule>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A wrong pattern, probability or period: see [`InvalidRule`].
    pub fn inject(&self, rule: LinkRule) -> Result<FaultGuard, InvalidRule> {
        let guard = self.install(rule.clone().map(Action::Effect))?;
        self.recorder().record_injected("", guard.rule, || record_of(&rule, now()));
        Ok(guard)
    }

    /// As [`Network::inject`], for a fault of a plan: reports know it from the plan, so the trace has no
    /// record of it.
    ///
    /// # Errors
    ///
    /// As [`Network::inject`].
    pub fn inject_planned(&self, rule: LinkRule) -> Result<FaultGuard, InvalidRule> {
        self.install(rule.map(Action::Effect))
    }

    pub(crate) fn install(&self, rule: ActiveRule) -> Result<FaultGuard, InvalidRule> {
        let rule = self.shared.faults.install(rule)?;
        self.update_madsim_network();
        self.schedule_madsim_updates(rule);
        Ok(FaultGuard { network: self.clone(), rule })
    }

    /// Updates madsim's own network whenever this rule becomes active or inactive, until it is
    /// removed. A rule that does so once uses timers without a task, which do not change the order
    /// of tasks; a rule that flaps has a task from its first change on.
    fn schedule_madsim_updates(&self, rule: u64) {
        if !rt::is_in_run() || !self.shared.has_mounted_nodes() {
            return;
        }
        let next = |last| self.shared.faults.next_change(rule, last);
        let Some(first) = next(rt::now()) else { return };
        let second = next(first);
        let flaps = second.and_then(next).is_some();
        if flaps {
            self.shared.start_kernel();
        }
        let update = |at, follow| {
            let update = MadsimUpdate { network: Arc::downgrade(&self.shared), at, follow };
            rt::wake_at(at, &Waker::from(Arc::new(update)));
        };
        update(first, flaps.then_some(rule));
        if let Some(second) = second.filter(|_| !flaps) {
            update(second, None);
        }
    }
}

/// Returns the simulated time; outside of a run its start.
fn now() -> SimTime {
    if rt::is_in_run() { rt::now() } else { SimTime::ZERO }
}

/// An installed rule; dropping it removes the rule.
#[derive(Debug)]
#[must_use = "dropping the guard removes the rule"]
pub struct FaultGuard {
    network: Network,
    rule: u64,
}

impl FaultGuard {
    /// Returns how often this rule was applied.
    pub fn applied(&self) -> u64 {
        self.network.shared.faults.applied(self.rule)
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        self.network.shared.faults.remove(self.rule);
        self.network.recorder().end_injected("", self.rule, now());
        self.network.update_madsim_network();
    }
}

/// Updates madsim's own network at a moment at which a rule becomes active or inactive. A timer
/// wakes it.
struct MadsimUpdate {
    network: Weak<Shared>,
    at: SimTime,
    /// The rule to follow from then on, if it flaps.
    follow: Option<u64>,
}

impl Wake for MadsimUpdate {
    fn wake(self: Arc<Self>) {
        let Some(network) = self.network.upgrade() else { return };
        network.update_madsim_network(self.at);
        if let Some(rule) = self.follow {
            network.spawn_in_kernel(Scope::default(), follow(self.network.clone(), rule, self.at));
        }
    }
}

/// Updates madsim's own network at each change of a rule that flaps.
async fn follow(network: Weak<Shared>, rule: u64, mut last: SimTime) {
    loop {
        let Some(shared) = network.upgrade() else { return };
        let Some(at) = shared.faults.next_change(rule, last) else { return };
        drop(shared);
        rt::sleep_until(at).await;
        let Some(shared) = network.upgrade() else { return };
        shared.update_madsim_network(at);
        last = at;
    }
}
