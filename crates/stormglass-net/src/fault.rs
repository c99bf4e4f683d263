//! Faults: rules on links.
//!
//! A [`LinkRule`] says which directed links it affects (by the names of their hosts), when, and what it does to what is sent
//! over them. It is installed on a network with [`crate::Network::inject`] and removed with its guard. Without a rule nothing is
//! drawn and nothing changes.
//!
//! | effect | one-way messages | streams, calls, connects |
//! | --- | --- | --- |
//! | [`LinkEffect::Lose`] | are gone | are sent again after a timeout, as TCP does: see below |
//! | [`LinkEffect::Delay`] | arrive later | arrive later, and what follows them |
//! | [`LinkEffect::Duplicate`] | arrive twice, the copy after a latency of its own | are not affected: TCP drops copies |
//! | [`LinkEffect::Corrupt`] | arrive with a flipped bit; those that are not bytes are gone | are not affected: TCP checks, and sends again |
//! | [`LinkEffect::Refuse`] | are not affected | connects are refused after a round trip, whoever listens |
//!
//! Two more affect no link: [`LinkEffect::PortInUse`] the binding of ports, by the host `from`, and
//! [`LinkEffect::Unresolved`] lookups of names, by the host `from`, of the name `to`.
//!
//! A lost segment of a stream is sent again one round trip and 200 ms later (Linux: `TCP_RTO_MIN`), then after twice as long, and so
//! on up to 2 min (`TCP_RTO_MAX`), 15 times (`tcp_retries2`), about a quarter of an hour; then the connection is broken. When
//! three more have been sent behind it, their acknowledgements tell of the loss a round trip later (RFC 5681). A
//! lost segment of a handshake is sent again after 1 s, 2 s, 4 s and so on, 6 times (`tcp_syn_retries`, RFC 6298):
//! connecting fails with `TimedOut` after 127 s. A link that loses everything is cut; what was sent over it arrives with the
//! first attempt after it has healed.

use crate::queue::MessageQueue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
pub(crate) use stormglass_core::fault::Sent;
pub use stormglass_core::fault::{InvalidRule, LinkEffect, LinkRule, LinkTarget, Pattern};
use stormglass_core::fault::{LinkOperation, Registry, Rule, RuleEffect};
use stormglass_core::{SimTime, Stream};
use stormglass_rt as rt;

/// What an installed rule does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Effect(LinkEffect),
    /// Messages are held here.
    Hold(MessageQueue),
}

/// An installed rule.
pub(crate) type ActiveRule = Rule<Action, LinkTarget>;

impl RuleEffect<LinkTarget> for Action {
    fn can_affect(&self, operation: &LinkOperation<'_>) -> bool {
        match self {
            Action::Effect(effect) => effect.can_affect(operation),
            Action::Hold(_) => matches!(operation.sent, Sent::Datagram | Sent::Segment),
        }
    }
}

/// What a rule and a line want to know of what is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// How many bytes, 0 if it has no size.
    pub(crate) bytes: u64,
    /// The service's port.
    pub(crate) port: u16,
}

/// What all the rules together do to something that is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    pub(crate) lost: bool,
    pub(crate) delay: Duration,
    pub(crate) twice: bool,
    pub(crate) corrupted: bool,
    pub(crate) refused: bool,
    pub(crate) in_use: bool,
    pub(crate) unresolved: bool,
    /// Where it is held back.
    pub(crate) held: Option<MessageQueue>,
}

/// The rules of one network.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Registry<Action, LinkTarget>>,
    /// Whether there are any.
    any: AtomicBool,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Registry<Action, LinkTarget>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn install(&self, rule: ActiveRule) -> Result<u64, InvalidRule> {
        let number = self.lock().install(rule)?;
        self.any.store(true, Ordering::Relaxed);
        Ok(number)
    }

    pub(crate) fn remove(&self, number: u64) {
        let mut rules = self.lock();
        rules.remove(number);
        self.any.store(!rules.is_empty(), Ordering::Relaxed);
    }

    /// Returns how often this rule was applied.
    pub(crate) fn applied(&self, number: u64) -> u64 {
        self.lock().applied(number)
    }

    /// Whether there are no rules: whatever is sent asks this first.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Relaxed)
    }

    /// Whether the condition holds for a rule; asks them in order.
    pub(crate) fn any(&self, condition: impl FnMut(&ActiveRule) -> bool) -> bool {
        !self.is_empty() && self.lock().rules().any(condition)
    }

    /// When a rule is on or off next.
    pub(crate) fn next_change(&self, number: u64, now: SimTime) -> Option<SimTime> {
        self.lock().get(number)?.trigger.next_change(now)
    }

    /// Calls `look` with each rule, in order.
    pub(crate) fn each(&self, look: impl FnMut(&ActiveRule)) {
        if !self.is_empty() {
            self.lock().rules().for_each(look);
        }
    }

    /// Applies every rule to what is sent now. Delays add up. The stream is made when a rule is on.
    pub(crate) fn apply(
        &self,
        sent: Sent,
        port: u16,
        (from, to): (&str, &str),
        stream: &mut Option<Box<Stream>>,
        make: impl FnOnce() -> Stream,
    ) -> Applied {
        let mut applied = Applied::default();
        if self.is_empty() {
            return applied;
        }
        let (now, mut rules) = (rt::now(), self.lock());
        if !rules.any_on(now) {
            return applied;
        }
        let stream = stream.get_or_insert_with(|| Box::new(make()));
        let operation = LinkOperation { sent, port, from, to };
        rules.apply(&operation, now, stream, |action, stream| match action {
            Action::Hold(queue) => {
                applied.held.get_or_insert_with(|| queue.clone());
            }
            Action::Effect(LinkEffect::Lose) => applied.lost = true,
            Action::Effect(LinkEffect::Delay(latency)) => applied.delay += latency.at(stream.draw()),
            Action::Effect(LinkEffect::Duplicate) => applied.twice = true,
            Action::Effect(LinkEffect::Corrupt) => applied.corrupted = true,
            Action::Effect(LinkEffect::Refuse) => applied.refused = true,
            Action::Effect(LinkEffect::PortInUse) => applied.in_use = true,
            Action::Effect(LinkEffect::Unresolved) => applied.unresolved = true,
        });
        applied
    }
}
