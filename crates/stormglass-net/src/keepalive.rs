//! How idle connections are probed.

use std::time::Duration;

/// How an idle connection is probed, see [`crate::TcpStreamExt::set_keepalive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// How long nothing has come before the first probe. Default: 2 h, Linux's `tcp_keepalive_time`. A real kernel takes whole seconds.
    pub time: Duration,
    /// From probe to probe. Default: 75 s, Linux's `tcp_keepalive_intvl`. A real kernel takes whole seconds.
    pub interval: Duration,
    /// How many go unanswered before the connection is broken. Default: 9, Linux's `tcp_keepalive_probes`.
    pub retries: u32,
}

impl Default for Keepalive {
    fn default() -> Keepalive {
        Keepalive { time: Duration::from_secs(7200), interval: Duration::from_secs(75), retries: 9 }
    }
}
