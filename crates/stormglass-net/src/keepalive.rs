//! The settings of TCP keepalive.

use std::time::Duration;

/// The settings of TCP keepalive: when an idle connection is probed, see
/// [`crate::TcpStreamExt::set_keepalive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// How long the connection is idle before the first probe. Default: 2 h, Linux's
    /// `tcp_keepalive_time`. A real kernel takes whole seconds.
    pub time: Duration,
    /// The time between two probes. Default: 75 s, Linux's `tcp_keepalive_intvl`. A real kernel
    /// takes whole seconds.
    pub interval: Duration,
    /// How many probes may stay unanswered before the connection is broken. Default: 9, Linux's
    /// `tcp_keepalive_probes`.
    pub retries: u32,
}

impl Default for Keepalive {
    fn default() -> Keepalive {
        Keepalive { time: Duration::from_secs(7200), interval: Duration::from_secs(75), retries: 9 }
    }
}
