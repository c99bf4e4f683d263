//! The record of a rule that code has installed, for reports.

use crate::fault::{LinkEffect, LinkRule};
use std::time::Duration;
use stormglass_core::fault::Pattern;
use stormglass_core::{Injected, SimTime};

/// Returns the record of a rule that is installed at this time.
pub(crate) fn record_of(rule: &LinkRule, at: SimTime) -> Injected {
    let during = &rule.trigger.during;
    let pattern = |pattern: &Option<Pattern>| pattern.as_ref().map(|pattern| pattern.as_str().to_string());
    Injected {
        at: at.max(during.start),
        end: Some(during.end).filter(|end| *end < SimTime::MAX),
        text: text_of(rule),
        from: pattern(&rule.target.from),
        to: pattern(&rule.target.to),
        cuts: cuts(rule),
    }
}

/// Whether a rule loses every message of its links.
fn cuts(rule: &LinkRule) -> bool {
    let trigger = &rule.trigger;
    let is_whole = trigger.after == 0 && trigger.times == u64::MAX && trigger.probability >= 1.0;
    rule.effect == LinkEffect::Lose && rule.target.port.is_none() && is_whole && trigger.flapping.is_none()
}

/// Returns what a rule does: `cut node-1 ↔ node-2`.
fn text_of(rule: &LinkRule) -> String {
    let (target, trigger) = (&rule.target, &rule.trigger);
    let end = |pattern: &Option<Pattern>| match pattern {
        Some(pattern) => pattern.as_str().to_string(),
        None => "*".into(),
    };
    let arrow = if target.both_ways { "↔" } else { "→" };
    let port = target.port.map(|port| format!(" port {port}")).unwrap_or_default();
    let links = format!("{} {arrow} {}{port}", end(&target.from), end(&target.to));
    let share = match trigger.probability {
        whole if whole >= 1.0 => String::new(),
        part => format!("{:.0} % of ", part * 100.0),
    };
    let times = match trigger.times {
        u64::MAX => String::new(),
        times => format!(", {times} times"),
    };
    let flaps = trigger.flapping.map_or_else(String::new, |flapping| {
        let [on, period]: [Duration; 2] = [flapping.on, flapping.period];
        format!(", {on:?} of {period:?}")
    });
    let effect = match rule.effect {
        _ if cuts(rule) => "cut",
        LinkEffect::Lose => "lose",
        LinkEffect::Delay(_) => "delay",
        LinkEffect::Duplicate => "duplicate",
        LinkEffect::Corrupt => "corrupt",
        LinkEffect::Refuse => "refuse connections",
        LinkEffect::PortInUse => "port in use",
        LinkEffect::Unresolved => "fail lookups",
        LinkEffect::ShortRead => "shorten reads",
        LinkEffect::ShortWrite => "shorten writes",
    };
    format!("{effect} {share}{links}{times}{flaps}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_one_only_if_every_message_is_lost() {
        let cut = LinkRule::new(LinkEffect::Lose).from("node-1").to("node-[23]");
        let record = |rule: LinkRule| record_of(&rule, SimTime::from_nanos(7));
        let whole = record(cut.clone().both_ways());
        assert_eq!((whole.text.as_str(), whole.cuts), ("cut node-1 ↔ node-[23]", true));
        let part = record(cut.clone().with_probability(0.25));
        assert_eq!((part.text.as_str(), part.cuts), ("lose 25 % of node-1 → node-[23]", false));
        let late = record(cut.during(SimTime::from_nanos(9)..SimTime::from_nanos(11)));
        assert_eq!((late.at.as_nanos(), late.end), (9, Some(SimTime::from_nanos(11))));
    }
}
