//! Faults of a node's clock.

use super::{InvalidRule, Pattern};
use crate::signed_duration::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A fault of the clocks of nodes.
///
/// A real machine's processes share its clock. If a plan's nodes are processes of one machine, name
/// all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum ClockFault {
    /// The time of day is wrong by an offset. When the fault ends, NTP has noticed it and steps the
    /// clock back.
    ClockSkew {
        /// The nodes.
        node: Pattern,
        /// The offset; below 0 the clock is slow. Range: -365 days to 365 days, except 0.
        offset: SignedDuration,
    },
    /// The oscillator has another frequency, so the time of day and the monotonic clock run faster
    /// or slower. When the fault ends, the frequency is right again; the deviation stays.
    ClockDrift {
        /// The nodes.
        node: Pattern,
        /// The difference of the frequency in millionths; below 0 the clock is slow. Range: -100000
        /// to 100000, which is what Linux can correct (`adjtimex(2)`: a tick 10 % shorter or
        /// longer); a quartz has up to 100.
        ppm: f64,
    },
    /// The time of day is set, as NTP and `date --set` step it. It stays so.
    ClockJump {
        /// The nodes.
        node: Pattern,
        /// How far, from the time that the clock shows; below 0 it is set back. Range: -365 days to
        /// 365 days, except 0.
        offset: SignedDuration,
    },
}

/// The largest difference of frequency, in millionths.
const PPM_LIMIT: f64 = 100_000.0;

impl ClockFault {
    pub(super) const KINDS: &[&str] = &["clock-skew", "clock-drift", "clock-jump"];

    /// Returns the nodes whose clocks are affected.
    pub fn node(&self) -> &Pattern {
        let (ClockFault::ClockSkew { node, .. }
        | ClockFault::ClockDrift { node, .. }
        | ClockFault::ClockJump { node, .. }) = self;
        node
    }

    pub(super) fn validate(&self) -> Result<(), InvalidRule> {
        self.node().validate("node")?;
        let wrong = |field, problem: &str| Err(InvalidRule { field, problem: problem.into() });
        match self {
            ClockFault::ClockSkew { offset, .. } | ClockFault::ClockJump { offset, .. } => {
                if *offset == SignedDuration::ZERO {
                    return wrong("offset", "is 0, which changes nothing");
                }
                if offset.is_over_a_year() {
                    return wrong("offset", "the range is -365days to 365days");
                }
            }
            ClockFault::ClockDrift { ppm, .. } => {
                if !(-PPM_LIMIT..=PPM_LIMIT).contains(ppm) {
                    return wrong("ppm", "the range is -100000 to 100000");
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for ClockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClockFault::ClockSkew { node, offset } => write!(f, "clock of {node} wrong by {offset}"),
            ClockFault::ClockDrift { node, ppm } => write!(f, "clock of {node} drifts by {ppm} ppm"),
            ClockFault::ClockJump { node, offset } => write!(f, "clock of {node} jumps by {offset}"),
        }
    }
}
