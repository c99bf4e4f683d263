//! Restart policies: whether an orchestrator starts a process again that has ended, and when.

use std::process::ExitStatus;
use std::time::Duration;
use stormglass_net::OldAddress;

/// A restart policy, as orchestrators have them: which ends of a process it answers with a start,
/// after which delay, and whether the node comes back with another address.
///
/// It is about ends that no fault of a plan has caused: the main task returns or panics, the program
/// exits, a signal ends it, or the scenario kills it. After a fault the process starts again when the
/// fault is over; if it crashes during a fault that keeps it down, it starts when both the delay and
/// the fault are over.
///
/// ```
/// use stormglass_sim::restart::{BackOff, Restart};
///
/// let pod = Restart::always().back_off(BackOff::KUBERNETES);
/// let container = Restart::on_failure();
/// assert_ne!(pod, container);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    condition: Condition,
    back_off: BackOff,
    new_address: Option<OldAddress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Never,
    OnFailure,
    Always,
}

/// The delay between the end of a process and its next start: it doubles with each restart up to a
/// limit, and begins anew after the process has run for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// Whether the first restart has no delay.
    pub first_at_once: bool,
    /// The first delay.
    pub first: Duration,
    /// The longest delay.
    pub longest: Duration,
    /// How long the process has to run for the delay to begin anew.
    pub reset_after: Duration,
}

impl BackOff {
    /// Docker's: 100 ms, doubled up to a minute, anew after 10 s ("Start containers
    /// automatically", `docker run --restart`).
    pub const DOCKER: BackOff = BackOff {
        first_at_once: false,
        first: Duration::from_millis(100),
        longest: Duration::from_secs(60),
        reset_after: Duration::from_secs(10),
    };

    /// The kubelet's: at once, then 10 s, doubled up to 5 minutes, anew after 10 minutes ("Pod
    /// Lifecycle", `CrashLoopBackOff`).
    pub const KUBERNETES: BackOff = BackOff {
        first_at_once: true,
        first: Duration::from_secs(10),
        longest: Duration::from_secs(300),
        reset_after: Duration::from_secs(600),
    };

    /// Returns the delay before a restart, by the number of restarts before it.
    pub fn delay(&self, before: u32) -> Duration {
        let doublings = match (self.first_at_once, before) {
            (true, 0) => return Duration::ZERO,
            (true, before) => before - 1,
            (false, before) => before,
        };
        self.first.saturating_mul(2u32.saturating_pow(doublings)).min(self.longest)
    }
}

impl Restart {
    /// Never, which is the default: only the end of a fault starts the process again.
    pub fn never() -> Restart {
        Restart { condition: Condition::Never, back_off: BackOff::DOCKER, new_address: None }
    }

    /// When the process ends with another exit code than 0, or by a signal. Back-off:
    /// [`BackOff::DOCKER`].
    pub fn on_failure() -> Restart {
        Restart { condition: Condition::OnFailure, ..Restart::never() }
    }

    /// However the process ends. Back-off: [`BackOff::DOCKER`].
    pub fn always() -> Restart {
        Restart { condition: Condition::Always, ..Restart::never() }
    }

    /// Sets the delays.
    #[must_use]
    pub fn back_off(self, back_off: BackOff) -> Restart {
        Restart { back_off, ..self }
    }

    /// Lets the node come back with another address, and says what becomes of the old one.
    #[must_use]
    pub fn new_address(self, old: OldAddress) -> Restart {
        Restart { new_address: Some(old), ..self }
    }
}

/// A policy at work on one node.
pub(crate) struct Restarts {
    policy: Restart,
    /// The number of restarts since the back-off began.
    count: u32,
}

/// The answer of a policy to the end of a process.
pub(crate) struct Next {
    pub(crate) delay: Duration,
    pub(crate) new_address: Option<OldAddress>,
}

impl Restarts {
    pub(crate) fn new(policy: Restart) -> Restarts {
        Restarts { policy, count: 0 }
    }

    /// Returns what follows the end of a process that has run for this time, if it is started
    /// again.
    pub(crate) fn after(&mut self, status: ExitStatus, ran: Duration) -> Option<Next> {
        let Restart { condition, back_off, new_address } = &self.policy;
        let starts = match condition {
            Condition::Never => false,
            Condition::OnFailure => !status.success(),
            Condition::Always => true,
        };
        if !starts {
            return None;
        }
        if ran >= back_off.reset_after {
            self.count = 0;
        }
        let delay = back_off.delay(self.count);
        self.count += 1;
        Some(Next { delay, new_address: *new_address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    const FAILED: i32 = 1 << 8;

    fn delays(back_off: BackOff, ran: impl Fn(u32) -> Duration) -> Vec<u128> {
        let mut restarts = Restarts::new(Restart::on_failure().back_off(back_off));
        let status = ExitStatus::from_raw(FAILED);
        let mut delay = |n| restarts.after(status, ran(n)).map(|next| next.delay.as_millis());
        (0..12).map(|n| delay(n).unwrap_or(u128::MAX)).collect()
    }

    #[test]
    fn delays_double_up_to_their_limit() {
        let short = |_| Duration::from_secs(1);
        let docker = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000];
        assert_eq!(delays(BackOff::DOCKER, short), docker);
        let kubelet = delays(BackOff::KUBERNETES, short);
        assert_eq!(kubelet[..8], [0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    }

    #[test]
    fn a_process_that_ran_long_enough_begins_the_delays_anew() {
        let ran = |n| Duration::from_secs(if n == 5 { 10 } else { 9 });
        let delays = delays(BackOff::DOCKER, ran);
        assert_eq!(delays[3..8], [800, 1_600, 100, 200, 400]);
    }

    #[test]
    fn a_policy_answers_failures_or_all_ends_or_none() {
        for (policy, on_success, on_failure) in [
            (Restart::never(), false, false),
            (Restart::on_failure(), false, true),
            (Restart::always(), true, true),
        ] {
            let mut restarts = Restarts::new(policy);
            let mut starts = |raw| restarts.after(ExitStatus::from_raw(raw), Duration::ZERO).is_some();
            assert_eq!((starts(0), starts(FAILED), starts(9)), (on_success, on_failure, on_failure));
        }
    }
}
