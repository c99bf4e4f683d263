//! The rules on links and disks that a scenario installed itself, for reports.

use crate::time::SimTime;

/// A rule on links or on a disk that code has installed, not a plan. It is kept with the events of a trace and is
/// no part of its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// When it became active.
    pub at: SimTime,
    /// When its guard was dropped or its time was over; `None` at the end of the run.
    pub end: Option<SimTime>,
    /// What it does: `cut node-1 ↔ node-2`.
    pub text: String,
    /// The pattern of the hosts that send, or the name of the disk; `None` for all.
    pub from: Option<String>,
    /// The pattern of the hosts that receive; `None` for all, and for a disk.
    pub to: Option<String>,
    /// Whether it loses every message of its links.
    pub cuts: bool,
}
