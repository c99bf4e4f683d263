//! Faults of links between hosts, of a host's ports and of its name lookups.

use super::{InvalidRule, Pattern, Rule, RuleEffect, RuleTarget};
use crate::latency::{HumanDuration, Latency};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A rule that affects messages on links.
///
/// ```
/// use stormglass_core::fault::{LinkEffect, LinkRule};
///
/// // What node-1 sends is lost, every tenth time; what is sent to it arrives.
/// let lossy = LinkRule::new(LinkEffect::Lose).from("node-1").with_probability(0.1);
/// // Nothing passes between these.
/// let cut = LinkRule::new(LinkEffect::Lose).from("node-1").to("node-[23]").both_ways();
/// assert!(lossy.validate().is_ok() && cut.validate().is_ok());
/// ```
pub type LinkRule = Rule<LinkEffect, LinkTarget>;

/// The effect of a rule on a message.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEffect {
    /// The message is lost in transit.
    Lose,
    /// The message takes longer by this latency.
    Delay(Latency),
    /// A one-way message arrives twice.
    Duplicate,
    /// A one-way message of bytes arrives with one random bit flipped; any other message fails its
    /// checksum and is lost.
    Corrupt,
    /// A connect is refused.
    Refuse,
    /// Binding a port fails with `AddrInUse`: another process has the port.
    PortInUse,
    /// A name lookup fails temporarily.
    Unresolved,
    /// A read of a byte stream returns only a part of the data that has arrived, of random size
    /// and at least one byte; the next read returns more. TCP promises no more than that: data
    /// arrives in pieces of any size (read(2), tcp(7)).
    ShortRead,
    /// A write to a byte stream accepts only a part of the data, of random size and at least one
    /// byte, as with a send buffer that is nearly full (write(2)).
    ShortWrite,
}

/// The kind of message that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A one-way message.
    Datagram,
    /// A segment of a stream.
    Segment,
    /// A segment of a handshake, an acknowledgement, a reset.
    Control,
    /// The SYN of a new connection.
    Syn,
    /// A port is bound.
    Bind,
    /// A name lookup; its destination is the name.
    Lookup,
    /// A read of data that was sent on a byte stream.
    Read,
    /// A write of data that is sent on a byte stream.
    Write,
}

/// Conditions on messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkTarget {
    /// The hosts that send the message; all if absent.
    pub from: Option<Pattern>,
    /// The hosts that receive the message; all if absent.
    pub to: Option<Pattern>,
    /// The service's port; all if absent.
    pub port: Option<u16>,
    /// Whether messages in the other direction match too.
    pub both_ways: bool,
}

/// A message, with the fields that rules compare.
#[derive(Clone, Copy, Debug)]
pub struct LinkOperation<'a> {
    /// The kind of message.
    pub sent: Sent,
    /// The service's port.
    pub port: u16,
    /// The host that sends.
    pub from: &'a str,
    /// The host that receives it, or the name of the lookup.
    pub to: &'a str,
}

impl<E> Rule<E, LinkTarget> {
    /// Limits the rule to messages from hosts whose name matches this pattern of shell wildcards:
    /// `node-[12]`.
    #[must_use]
    pub fn from(mut self, pattern: &str) -> Self {
        self.target.from = Some(pattern.into());
        self
    }

    /// Limits the rule to messages to hosts whose name matches this pattern of shell wildcards.
    #[must_use]
    pub fn to(mut self, pattern: &str) -> Self {
        self.target.to = Some(pattern.into());
        self
    }

    /// Limits the rule to this port of a service: the messages to it, and its responses.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.target.port = Some(port);
        self
    }

    /// Extends the rule to messages in the other direction.
    #[must_use]
    pub fn both_ways(mut self) -> Self {
        self.target.both_ways = true;
        self
    }
}

impl RuleEffect<LinkTarget> for LinkEffect {
    fn can_affect(&self, operation: &LinkOperation<'_>) -> bool {
        let sent = operation.sent;
        match self {
            LinkEffect::Lose => {
                matches!(sent, Sent::Datagram | Sent::Segment | Sent::Control | Sent::Syn)
            }
            LinkEffect::Delay(_) => !matches!(sent, Sent::Bind | Sent::Read | Sent::Write),
            LinkEffect::Duplicate | LinkEffect::Corrupt => sent == Sent::Datagram,
            LinkEffect::Refuse => sent == Sent::Syn,
            LinkEffect::PortInUse => sent == Sent::Bind,
            LinkEffect::Unresolved => sent == Sent::Lookup,
            LinkEffect::ShortRead => sent == Sent::Read,
            LinkEffect::ShortWrite => sent == Sent::Write,
        }
    }

    fn validate(&self) -> Result<(), InvalidRule> {
        if let LinkEffect::Delay(by) = self { InvalidRule::of_latency("by", by) } else { Ok(()) }
    }
}

impl RuleTarget for LinkTarget {
    type Operation<'a> = LinkOperation<'a>;

    fn matches(&self, operation: &LinkOperation<'_>) -> bool {
        self.port.is_none_or(|port| port == operation.port) && self.connects(operation.from, operation.to)
    }

    fn validate(&self) -> Result<(), InvalidRule> {
        self.from.as_ref().map_or(Ok(()), |from| from.validate("from"))?;
        self.to.as_ref().map_or(Ok(()), |to| to.validate("to"))
    }
}

impl LinkTarget {
    /// Returns whether the conditions can match messages from one host to another, on any port.
    pub fn connects(&self, from: &str, to: &str) -> bool {
        let is = |pattern: &Option<Pattern>, name| pattern.as_ref().is_none_or(|it| it.matches(name));
        let one_way = |from, to| is(&self.from, from) && is(&self.to, to);
        one_way(from, to) || self.both_ways && one_way(to, from)
    }

    /// Returns whether the conditions name neither hosts nor ports.
    pub fn is_everywhere(&self) -> bool {
        self.from.is_none() && self.to.is_none() && self.port.is_none()
    }
}

/// Returns the pairs of hosts that a partition into these groups cuts off from each other.
///
/// ```
/// use stormglass_core::fault::across;
///
/// let groups = [vec!["n1", "n2"], vec!["n3"]];
/// assert_eq!(across(&groups).collect::<Vec<_>>(), [("n1", "n3"), ("n2", "n3")]);
/// ```
pub fn across<'a, G, N>(groups: &'a [G]) -> impl Iterator<Item = (&'a str, &'a str)>
where
    G: AsRef<[N]>,
    N: AsRef<str> + 'a,
{
    groups.iter().enumerate().flat_map(move |(place, group)| {
        let later = groups[place + 1..].iter().flat_map(AsRef::as_ref);
        later.flat_map(move |other| group.as_ref().iter().map(move |one| (one.as_ref(), other.as_ref())))
    })
}

/// A fault of links, as a plan names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum LinkFault {
    /// All messages between the hosts are lost.
    Cut {
        /// The hosts at one end.
        from: Pattern,
        /// The hosts at the other end.
        to: Pattern,
        /// Whether only messages from `from` to `to` are affected. Default: false.
        #[serde(default)]
        one_way: bool,
    },
    /// The groups of hosts cannot communicate with each other. Hosts in no group communicate with
    /// all hosts.
    Partition {
        /// The groups, two or more.
        groups: Vec<Vec<Pattern>>,
    },
    /// A link is cut and heals periodically.
    Flap {
        /// The hosts at one end.
        from: Pattern,
        /// The hosts at the other end.
        to: Pattern,
        /// The period.
        #[serde(with = "HumanDuration")]
        period: Duration,
        /// How long the link is cut at the start of each period.
        #[serde(with = "HumanDuration")]
        down: Duration,
    },
    /// Messages and segments are lost.
    LossyLink {
        /// The hosts at one end. Default: all.
        #[serde(default = "all")]
        from: Pattern,
        /// The hosts at the other end. Default: all.
        #[serde(default = "all")]
        to: Pattern,
        /// Whether only messages from `from` to `to` are affected. Default: false.
        #[serde(default)]
        one_way: bool,
        /// The probability of a loss. Range: 0 to 1.
        probability: f64,
    },
    /// Messages and segments take longer.
    SlowLink {
        /// The hosts at one end. Default: all.
        #[serde(default = "all")]
        from: Pattern,
        /// The hosts at the other end. Default: all.
        #[serde(default = "all")]
        to: Pattern,
        /// Whether only messages from `from` to `to` are affected. Default: false.
        #[serde(default)]
        one_way: bool,
        /// The additional latency.
        by: Latency,
    },
    /// Datagrams arrive twice.
    DuplicatingLink {
        /// The hosts at one end. Default: all.
        #[serde(default = "all")]
        from: Pattern,
        /// The hosts at the other end. Default: all.
        #[serde(default = "all")]
        to: Pattern,
        /// The probability of a duplicate. Range: 0 to 1.
        probability: f64,
    },
    /// Datagrams arrive with a flipped bit.
    CorruptingLink {
        /// The hosts at one end. Default: all.
        #[serde(default = "all")]
        from: Pattern,
        /// The hosts at the other end. Default: all.
        #[serde(default = "all")]
        to: Pattern,
        /// The probability of a flipped bit. Range: 0 to 1.
        probability: f64,
    },
    /// Reads of byte streams (TCP and Unix streams) return only a part of the data that has
    /// arrived: [`LinkEffect::ShortRead`].
    ShortReads {
        /// The hosts that have sent the data. Default: all.
        #[serde(default = "all")]
        from: Pattern,
        /// The hosts that read it. Default: all.
        #[serde(default = "all")]
        to: Pattern,
        /// The probability of a short read. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// Writes to byte streams (TCP and Unix streams) accept only a part of the data:
    /// [`LinkEffect::ShortWrite`].
    ShortWrites {
        /// The hosts that write the data. Default: all.
        #[serde(default = "all")]
        from: Pattern,
        /// The hosts that it is sent to. Default: all.
        #[serde(default = "all")]
        to: Pattern,
        /// The probability of a short write. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// Connects are refused.
    Refuse {
        /// The hosts that connect. Default: all.
        #[serde(default = "all")]
        from: Pattern,
        /// The hosts that they connect to.
        to: Pattern,
    },
    /// Name lookups fail.
    Unresolved {
        /// The hosts that look up the names. Default: all.
        #[serde(default = "all")]
        from: Pattern,
        /// The names. Default: all.
        #[serde(default = "all")]
        name: Pattern,
    },
    /// A port cannot be bound.
    PortInUse {
        /// The hosts.
        node: Pattern,
        /// The port.
        port: u16,
    },
}

fn all() -> Pattern {
    "*".into()
}

fn always() -> f64 {
    1.0
}

impl LinkFault {
    pub(super) const KINDS: &[&str] = &[
        "cut",
        "partition",
        "flap",
        "lossy-link",
        "slow-link",
        "duplicating-link",
        "corrupting-link",
        "short-reads",
        "short-writes",
        "refuse",
        "unresolved",
        "port-in-use",
    ];

    /// Returns the rules of this fault: one, or for a partition one for each pair of hosts in
    /// different groups.
    pub fn rules(&self) -> Vec<LinkRule> {
        use LinkEffect::{
            Corrupt, Delay, Duplicate, Lose, PortInUse, Refuse, ShortRead, ShortWrite, Unresolved,
        };
        let between = |effect, from: &str, to: &str| {
            let rule = LinkRule::new(effect);
            // A rule for all hosts names no host: madsim's own network supports loss and delay
            // only for all links at once.
            let rule = if from == "*" { rule } else { rule.from(from) };
            if to == "*" { rule } else { rule.to(to) }
        };
        let rule = |effect, from: &Pattern, to: &Pattern| between(effect, from.as_str(), to.as_str());
        let directed = |rule: LinkRule, one_way: &bool| if *one_way { rule } else { rule.both_ways() };
        vec![match self {
            LinkFault::Cut { from, to, one_way } => directed(rule(Lose, from, to), one_way),
            LinkFault::Partition { groups } => {
                let cut = |(one, other)| between(Lose, one, other).both_ways();
                return across(groups).map(cut).collect();
            }
            LinkFault::Flap { from, to, period, down } => {
                rule(Lose, from, to).both_ways().flapping(*period, *down)
            }
            LinkFault::LossyLink { from, to, one_way, probability } => {
                directed(rule(Lose, from, to), one_way).with_probability(*probability)
            }
            LinkFault::SlowLink { from, to, one_way, by } => {
                directed(rule(Delay(by.clone()), from, to), one_way)
            }
            LinkFault::DuplicatingLink { from, to, probability } => {
                rule(Duplicate, from, to).both_ways().with_probability(*probability)
            }
            LinkFault::CorruptingLink { from, to, probability } => {
                rule(Corrupt, from, to).both_ways().with_probability(*probability)
            }
            LinkFault::ShortReads { from, to, probability } => {
                rule(ShortRead, from, to).with_probability(*probability)
            }
            LinkFault::ShortWrites { from, to, probability } => {
                rule(ShortWrite, from, to).with_probability(*probability)
            }
            LinkFault::Refuse { from, to } => rule(Refuse, from, to),
            LinkFault::Unresolved { from, name } => rule(Unresolved, from, name),
            LinkFault::PortInUse { node, port } => rule(PortInUse, node, &all()).port(*port),
        }]
    }

    pub(super) fn validate(&self) -> Result<(), InvalidRule> {
        if let LinkFault::Partition { groups } = self
            && (groups.len() < 2 || groups.iter().any(Vec::is_empty))
        {
            let problem = "there must be two or more, and none of them empty".into();
            return Err(InvalidRule { field: "groups", problem });
        }
        for rule in self.rules() {
            rule.validate().map_err(|error| InvalidRule { field: self.field(error.field), ..error })?;
        }
        Ok(())
    }

    /// Returns the name that a plan uses for this field of a rule.
    fn field(&self, field: &'static str) -> &'static str {
        match (self, field) {
            (LinkFault::Partition { .. }, _) => "groups",
            (LinkFault::Unresolved { .. }, "to") => "name",
            (LinkFault::PortInUse { .. }, "from") => "node",
            _ => field,
        }
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = |one_way: &bool| if *one_way { "→" } else { "↔" };
        match self {
            LinkFault::Cut { from, to, one_way } => write!(f, "cut {from} {} {to}", arrow(one_way)),
            LinkFault::Partition { groups } => {
                let group =
                    |group: &Vec<Pattern>| group.iter().map(Pattern::as_str).collect::<Vec<&str>>().join(" ");
                write!(f, "partition {}", groups.iter().map(group).collect::<Vec<_>>().join(" | "))
            }
            LinkFault::Flap { from, to, period, down } => {
                write!(f, "flap {from} ↔ {to}, cut {down:?} of {period:?}")
            }
            LinkFault::LossyLink { from, to, one_way, probability } => {
                write!(f, "lose {:.0} % of {from} {} {to}", probability * 100.0, arrow(one_way))
            }
            LinkFault::SlowLink { from, to, one_way, .. } => {
                write!(f, "slow link {from} {} {to}", arrow(one_way))
            }
            LinkFault::DuplicatingLink { from, to, probability } => {
                write!(f, "duplicate {:.0} % of {from} ↔ {to}", probability * 100.0)
            }
            LinkFault::CorruptingLink { from, to, probability } => {
                write!(f, "corrupt {:.0} % of {from} ↔ {to}", probability * 100.0)
            }
            LinkFault::ShortReads { from, to, probability } => {
                write!(f, "short reads, {:.0} % of {from} → {to}", probability * 100.0)
            }
            LinkFault::ShortWrites { from, to, probability } => {
                write!(f, "short writes, {:.0} % of {from} → {to}", probability * 100.0)
            }
            LinkFault::Refuse { from, to } => write!(f, "refuse connects {from} → {to}"),
            LinkFault::Unresolved { from, name } => write!(f, "{from} cannot resolve {name}"),
            LinkFault::PortInUse { node, port } => write!(f, "port {port} of {node} is in use"),
        }
    }
}
