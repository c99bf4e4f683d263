//! Faults: rules on links.
//!
//! A fault says which directed links it strikes (by the names of their hosts), when, and what it does to what is sent over
//! them. It is installed on a network with [`crate::Network::inject`] and goes with its guard. Without a fault nothing is drawn and
//! nothing changes.
//!
//! | effect | one-way messages | streams, calls, connects |
//! | --- | --- | --- |
//! | [`Effect::Lose`] | are gone | are sent again after a timeout, as TCP does: see below |
//! | [`Effect::Delay`] | arrive later | arrive later, and what follows them |
//! | [`Effect::Duplicate`] | arrive twice, the copy after a latency of its own | are not struck: TCP drops copies |
//! | [`Effect::Corrupt`] | arrive with a bit turned over; those that are not bytes are gone | are not struck: TCP checks, and sends again |
//! | [`Effect::Refuse`] | are not struck | connects are refused after a round trip, whoever listens |
//!
//! Two more strike no link: [`Effect::PortInUse`] the binding of ports, by the host `from`, and [`Effect::Unresolved`] lookups of names, by the
//! host `from`, of the name `to`.
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
use stormglass_core::trigger::{NoProbability, Trigger};
use stormglass_core::{Latency, SimTime, Stream};
use stormglass_rt as rt;

/// A rule: which links are struck, and how.
///
/// ```
/// use stormglass_net::fault::{Effect, Fault};
/// use stormglass_net::{NetProfile, Network};
/// use stormglass_core::Seed;
///
/// let network = Network::new(NetProfile::instant(), Seed(1));
/// // What node-1 sends to anybody is lost, every tenth time; what it is sent arrives.
/// let lossy = network.inject(Fault::new(Effect::Lose).from("node-1").with_probability(0.1))?;
/// // Nothing passes between these two, until the guard is dropped.
/// let cut = network.inject(Fault::new(Effect::Lose).from("node-1").to("node-[23]").both_ways())?;
/// # Ok::<(), stormglass_net::fault::InvalidFault>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    deed: Deed,
    from: Option<String>,
    to: Option<String>,
    port: Option<u16>,
    both_ways: bool,
    trigger: Trigger,
}

/// What a fault does to what is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It is lost on its way.
    Lose,
    /// It takes longer by this.
    Delay(Latency),
    /// A one-way message arrives twice.
    Duplicate,
    /// A one-way message of bytes arrives with one bit turned over, drawn by chance; another one fails its checksum and is gone.
    Corrupt,
    /// A connect is refused.
    Refuse,
    /// Binding a port fails with `AddrInUse`: somebody else has it.
    PortInUse,
    /// Looking a name up fails, for now.
    Unresolved,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Effect(Effect),
    /// It is held back here.
    Hold(MessageQueue),
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// A one-way message.
    Datagram,
    /// A segment of a stream.
    Segment,
    /// A segment of a handshake, an acknowledgement, a reset.
    Control,
    /// The segment that asks for a connection.
    Syn,
    /// A port is bound.
    Bind,
    /// A name is looked up; it is "sent" to the name.
    Lookup,
}

/// What a rule and a line want to know of what is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// How many bytes, 0 if it has no size.
    pub(crate) bytes: u64,
    /// The service's port.
    pub(crate) port: u16,
}

impl Deed {
    fn concerns(&self, sent: Sent) -> bool {
        let effect = match self {
            Deed::Effect(effect) => effect,
            Deed::Hold(_) => return matches!(sent, Sent::Datagram | Sent::Segment),
        };
        match effect {
            Effect::Lose => !matches!(sent, Sent::Bind | Sent::Lookup),
            Effect::Delay(_) => sent != Sent::Bind,
            Effect::Duplicate | Effect::Corrupt => sent == Sent::Datagram,
            Effect::Refuse => sent == Sent::Syn,
            Effect::PortInUse => sent == Sent::Bind,
            Effect::Unresolved => sent == Sent::Lookup,
        }
    }
}

/// A fault that is none.
#[derive(Debug, thiserror::Error)]
pub enum InvalidFault {
    /// Its pattern of hosts is none.
    #[error("the pattern {pattern:?} is none: {source}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// Its probability is not between 0 and 1.
    #[error(transparent)]
    Probability(#[from] NoProbability),
}

impl Fault {
    /// A fault that strikes everything, always.
    pub fn new(effect: Effect) -> Fault {
        Fault::that(Deed::Effect(effect))
    }

    /// A rule that holds back.
    pub(crate) fn held() -> Fault {
        Fault::that(Deed::Hold(MessageQueue::default()))
    }

    fn that(deed: Deed) -> Fault {
        Fault { deed, from: None, to: None, port: None, both_ways: false, trigger: Trigger::default() }
    }

    pub(crate) fn deed(&self) -> &Deed {
        &self.deed
    }

    /// Only what is sent by hosts whose name matches this pattern of shell wildcards: `node-[12]`.
    #[must_use]
    pub fn from(mut self, pattern: &str) -> Fault {
        self.from = Some(pattern.to_string());
        self
    }

    /// Only what is sent to hosts whose name matches this pattern of shell wildcards.
    #[must_use]
    pub fn to(mut self, pattern: &str) -> Fault {
        self.to = Some(pattern.to_string());
        self
    }

    /// Only what belongs to this port of a service: what is sent to it, and what it answers.
    #[must_use]
    pub fn port(mut self, port: u16) -> Fault {
        self.port = Some(port);
        self
    }

    /// What is sent the other way, too.
    #[must_use]
    pub fn both_ways(mut self) -> Fault {
        self.both_ways = true;
        self
    }

    stormglass_core::trigger_methods!("`(\"net\", from, to, \"fault\")`");
}

/// A fault at work.
#[derive(Debug)]
pub(crate) struct Rule {
    number: u64,
    pub(crate) deed: Deed,
    from: Option<glob::Pattern>,
    to: Option<glob::Pattern>,
    pub(crate) port: Option<u16>,
    both_ways: bool,
    pub(crate) trigger: Trigger,
}

impl Rule {
    /// Whether it names neither hosts nor ports.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.from.is_none() && self.to.is_none() && self.port.is_none()
    }

    pub(crate) fn matches(&self, from: &str, to: &str) -> bool {
        let one_way = |from: &str, to: &str| {
            let is = |pattern: &Option<glob::Pattern>, name: &str| {
                pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
            };
            is(&self.from, from) && is(&self.to, to)
        };
        one_way(from, to) || self.both_ways && one_way(to, from)
    }
}

/// What all the faults together do to something that is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strike {
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

/// The faults of one network, in the order in which they were installed.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    installed: Mutex<Installed>,
    /// Whether there are any.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Installed {
    rules: Vec<Rule>,
    number_last: u64,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Installed> {
        self.installed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn install(&self, fault: Fault) -> Result<u64, InvalidFault> {
        let pattern = |pattern: Option<String>| {
            let compiled = pattern.as_deref().map(glob::Pattern::new).transpose();
            compiled.map_err(|source| InvalidFault::Pattern { pattern: pattern.unwrap_or_default(), source })
        };
        let Fault { deed, from, to, port, both_ways, trigger } = fault;
        trigger.validate()?;
        let (from, to) = (pattern(from)?, pattern(to)?);
        let mut installed = self.lock();
        installed.number_last += 1;
        let number = installed.number_last;
        installed.rules.push(Rule { number, deed, from, to, port, both_ways, trigger });
        self.any.store(true, Ordering::Relaxed);
        Ok(number)
    }

    pub(crate) fn remove(&self, number: u64) {
        let mut installed = self.lock();
        installed.rules.retain(|rule| rule.number != number);
        self.any.store(!installed.rules.is_empty(), Ordering::Relaxed);
    }

    /// How often this rule has struck.
    pub(crate) fn struck(&self, number: u64) -> u64 {
        let installed = self.lock();
        installed.rules.iter().find(|rule| rule.number == number).map_or(0, |rule| rule.trigger.struck())
    }

    /// Whether there are none: who sends asks this first.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Relaxed)
    }

    /// Whether the condition holds for a rule; asks them in order.
    pub(crate) fn any(&self, condition: impl FnMut(&Rule) -> bool) -> bool {
        !self.is_empty() && self.lock().rules.iter().any(condition)
    }

    /// When a rule is on or off next.
    pub(crate) fn next_change(&self, number: u64, now: SimTime) -> Option<SimTime> {
        let installed = self.lock();
        installed.rules.iter().find(|rule| rule.number == number)?.trigger.next_change(now)
    }

    /// Has each rule looked at, in order.
    pub(crate) fn each(&self, look: impl FnMut(&Rule)) {
        if !self.is_empty() {
            self.lock().rules.iter().for_each(look);
        }
    }

    /// Asks every fault about what is sent now. Delays add up. Their stream is made when there are any.
    pub(crate) fn strike(
        &self,
        sent: Sent,
        port: u16,
        (from, to): (&str, &str),
        stream: &mut Option<Box<Stream>>,
        make: impl FnOnce() -> Stream,
    ) -> Strike {
        let mut strike = Strike::default();
        if self.is_empty() {
            return strike;
        }
        let (now, stream, mut installed) =
            (rt::now(), stream.get_or_insert_with(|| Box::new(make())), self.lock());
        for rule in &mut installed.rules {
            let concerned = rule.deed.concerns(sent)
                && rule.port.is_none_or(|only| only == port)
                && rule.matches(from, to);
            if concerned && rule.trigger.strikes(now, stream) {
                let effect = match &rule.deed {
                    Deed::Effect(effect) => effect,
                    Deed::Hold(queue) => {
                        strike.held.get_or_insert_with(|| queue.clone());
                        continue;
                    }
                };
                match effect {
                    Effect::Lose => strike.lost = true,
                    Effect::Delay(latency) => strike.delay += latency.at(stream.draw()),
                    Effect::Duplicate => strike.twice = true,
                    Effect::Corrupt => strike.corrupted = true,
                    Effect::Refuse => strike.refused = true,
                    Effect::PortInUse => strike.in_use = true,
                    Effect::Unresolved => strike.unresolved = true,
                }
            }
        }
        strike
    }
}
