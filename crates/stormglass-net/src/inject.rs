//! Installs faults on a network.

use crate::fault::{Fault, InvalidFault};
use crate::network::{Network, Shared};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use stormglass_core::{Scope, SimTime};
use stormglass_rt as rt;

impl Network {
    /// Installs a fault. It stays installed until the guard is dropped.
    ///
    /// # Errors
    ///
    /// An invalid fault: see [`InvalidFault`].
    pub fn inject(&self, fault: Fault) -> Result<FaultGuard, InvalidFault> {
        let rule = self.shared.faults.install(fault)?;
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

/// An installed fault; dropping it removes the fault.
#[derive(Debug)]
#[must_use = "dropping the guard removes the fault"]
pub struct FaultGuard {
    network: Network,
    rule: u64,
}

impl FaultGuard {
    /// Returns how often this fault was applied.
    pub fn struck(&self) -> u64 {
        self.network.shared.faults.struck(self.rule)
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        self.network.shared.faults.remove(self.rule);
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
