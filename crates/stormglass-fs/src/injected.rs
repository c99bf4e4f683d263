//! The records of rules and stalls that code has installed on a disk, for reports.

use crate::fault::{DiskEffect, DiskRule, Slowdown};
use std::ops::Range;
use stormglass_core::{Injected, SimTime};

/// Returns the record of a rule that is installed at this time on the disk of this name.
pub(crate) fn of_rule(disk: &str, rule: &DiskRule, at: SimTime) -> Injected {
    let during = &rule.trigger.during;
    Injected {
        at: at.max(during.start),
        end: Some(during.end).filter(|end| *end < SimTime::MAX),
        text: text_of(disk, rule),
        from: Some(disk.to_string()),
        to: None,
        cuts: false,
    }
}

/// Returns the record of a stall of the device of the disk of this name.
pub(crate) fn of_stall(disk: &str, during: &Range<SimTime>, factor: Slowdown) -> Injected {
    let text = match factor.get() {
        infinite if infinite.is_infinite() => format!("disk of {disk} stalls"),
        factor => format!("disk of {disk} {factor} times slower"),
    };
    let (at, end) = (during.start, Some(during.end).filter(|end| *end < SimTime::MAX));
    Injected { at, end, text, from: Some(disk.to_string()), to: None, cuts: false }
}

/// Returns what a rule does: `slow fsync, fdatasync on node-1:*.log, 3 times`.
fn text_of(disk: &str, rule: &DiskRule) -> String {
    let (target, trigger) = (&rule.target, &rule.trigger);
    let effect = match &rule.effect {
        DiskEffect::Fail(error) => error.to_string(),
        DiskEffect::Delay(_) => "slow".into(),
        DiskEffect::Slow(factor) => format!("{} times slower", factor.get()),
        DiskEffect::Short => "short".into(),
        DiskEffect::ShortDirectory => "short reads of directories".into(),
        DiskEffect::Corrupt(corruption) => corruption.to_string(),
    };
    let share = match trigger.probability {
        whole if whole >= 1.0 => String::new(),
        part => format!(" {:.0} % of", part * 100.0),
    };
    let kinds = match target.kinds.as_slice() {
        [] if share.is_empty() => String::new(),
        [] => " operations".into(),
        kinds => format!(" {}", kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")),
    };
    let path = target.path.as_ref().map(|path| format!(":{}", path.as_str())).unwrap_or_default();
    let times = match trigger.times {
        u64::MAX => String::new(),
        1 => ", once".into(),
        times => format!(", {times} times"),
    };
    let flaps = trigger
        .flapping
        .map_or_else(String::new, |flapping| format!(", {:?} of {:?}", flapping.on, flapping.period));
    format!("{effect}{share}{kinds} on {disk}{path}{times}{flaps}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::DiskError;
    use std::time::Duration;
    use stormglass_core::{Kind, Latency};

    #[test]
    fn a_rule_is_recorded_with_its_effect_operations_and_times() {
        let fails =
            DiskRule::new(DiskEffect::Fail(DiskError::Io)).on([Kind::Fsync, Kind::Fdatasync]).times(1);
        let record = of_rule("node-1", &fails, SimTime::from_nanos(7));
        assert_eq!(record.text, "EIO fsync, fdatasync on node-1, once");
        assert_eq!((record.at.as_nanos(), record.end, record.from.as_deref()), (7, None, Some("node-1")));
        let slow =
            DiskRule::new(DiskEffect::Delay(Latency::Constant(Duration::from_millis(3)))).path("*.log");
        let slow = slow.with_probability(0.5).during(SimTime::from_nanos(9)..SimTime::from_nanos(11));
        let record = of_rule("node-1", &slow, SimTime::from_nanos(7));
        assert_eq!(record.text, "slow 50 % of operations on node-1:*.log");
        assert_eq!((record.at.as_nanos(), record.end), (9, Some(SimTime::from_nanos(11))));
    }
}
