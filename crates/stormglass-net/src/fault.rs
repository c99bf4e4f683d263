//! Faults: rules on links.
//!
//! A [`LinkRule`] states which directed links it affects (by the names of their hosts), when, and
//! what effect it has on messages on them. [`crate::Network::inject`] installs a rule on a
//! network, and the returned guard removes it. Without a rule no random number is drawn and
//! nothing changes.
//!
//! | effect | one-way messages | streams, calls, connects |
//! | --- | --- | --- |
//! | [`LinkEffect::Lose`] | are lost | are retransmitted after a timeout, as by TCP: see below |
//! | [`LinkEffect::Delay`] | arrive later | arrive later, as do the segments after them |
//! | [`LinkEffect::Duplicate`] | arrive twice, the duplicate with its own latency | are not affected: TCP drops duplicates |
//! | [`LinkEffect::Corrupt`] | arrive with a flipped bit; messages that are not bytes are lost | are not affected: TCP detects it and retransmits |
//! | [`LinkEffect::ShortRead`], [`LinkEffect::ShortWrite`] | are not affected | reads return, and writes accept, only a part of the bytes; message streams and calls are not affected |
//! | [`LinkEffect::Refuse`] | are not affected | connects are refused after a round trip, even if a process listens |
//!
//! Two effects do not affect links: [`LinkEffect::PortInUse`] affects the binding of ports by the
//! host `from`, and [`LinkEffect::Unresolved`] affects lookups of the name `to` by the host
//! `from`.
//!
//! TCP retransmits a lost segment of a stream one round trip and 200 ms later (Linux:
//! `TCP_RTO_MIN`), then after twice as long, and so on up to 2 min (`TCP_RTO_MAX`), 15 times
//! (`tcp_retries2`), about a quarter of an hour; then the connection is broken. If three more
//! segments follow it, their acknowledgements trigger a fast retransmit a round trip later (RFC
//! 5681). A lost segment of a handshake is retransmitted after 1 s, 2 s, 4 s and so on, 6 times
//! (`tcp_syn_retries`, RFC 6298): connecting fails with `TimedOut` after 127 s. A link that loses
//! everything is cut; the segments sent on it arrive with the first retransmission after the cut
//! heals.

use crate::queue::MessageQueue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
pub(crate) use stormglass_core::fault::Sent;
pub use stormglass_core::fault::{InvalidRule, LinkEffect, LinkRule, LinkTarget, Pattern};
use stormglass_core::fault::{LinkOperation, Registry, Rule, RuleEffect};
use stormglass_core::{SimTime, Stream};
use stormglass_rt as rt;

/// The action of an installed rule.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Effect(LinkEffect),
    /// Messages are held in this queue.
    Hold(MessageQueue),
}

/// A rule with an action.
pub(crate) type ActiveRule = Rule<Action, LinkTarget>;

impl RuleEffect<LinkTarget> for Action {
    fn can_affect(&self, operation: &LinkOperation<'_>) -> bool {
        match self {
            Action::Effect(effect) => effect.can_affect(operation),
            Action::Hold(_) => matches!(operation.sent, Sent::Datagram | Sent::Segment),
        }
    }
}

/// The size and port of a message that is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// The size in bytes, 0 if the message has no size.
    pub(crate) bytes: u64,
    /// The service's port.
    pub(crate) port: u16,
}

/// The combined effect of all rules on a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    pub(crate) lost: bool,
    pub(crate) delay: Duration,
    pub(crate) twice: bool,
    pub(crate) corrupted: bool,
    pub(crate) refused: bool,
    pub(crate) in_use: bool,
    pub(crate) unresolved: bool,
    /// The random number that selects the size of a short read or write.
    pub(crate) short: Option<u64>,
    /// The queue that holds the message.
    pub(crate) held: Option<MessageQueue>,
}

/// The rules of one network.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Registry<Action, LinkTarget>>,
    /// Whether any rule is installed.
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

    /// Returns how many operations this rule was applied to.
    pub(crate) fn applied(&self, number: u64) -> u64 {
        self.lock().applied(number)
    }

    /// Returns whether no rule is installed. Every send checks this first, without the lock.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Relaxed)
    }

    /// Returns whether the condition holds for any rule, checked in order.
    pub(crate) fn any(&self, condition: impl FnMut(&ActiveRule) -> bool) -> bool {
        !self.is_empty() && self.lock().rules().any(condition)
    }

    /// Returns the time at which a rule turns on or off next.
    pub(crate) fn next_change(&self, number: u64, now: SimTime) -> Option<SimTime> {
        self.lock().get(number)?.trigger.next_change(now)
    }

    /// Calls `visit` with each rule, in order.
    pub(crate) fn each(&self, visit: impl FnMut(&ActiveRule)) {
        if !self.is_empty() {
            self.lock().rules().for_each(visit);
        }
    }

    /// Applies every rule to a message that is sent now. Delays add up. The stream is created on
    /// the first call for which a rule is on.
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
            Action::Effect(LinkEffect::ShortRead | LinkEffect::ShortWrite) => {
                applied.short = Some(stream.draw());
            }
        });
        applied
    }
}
