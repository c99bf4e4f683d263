//! Latencies, bandwidths and buffer sizes of a network, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::Latency;
use stormglass_core::latency::HumanDuration;

/// The latencies, bandwidths and buffer sizes of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NetProfile {
    /// Between hosts of one machine.
    pub loopback: LinkProfile,
    /// Between hosts of different machines in one zone.
    pub link: LinkProfile,
    /// Between hosts of different zones.
    pub wan: LinkProfile,
    /// Round trips of a connection's handshake after TCP's own: 1 for TLS 1.3, 0 for plain HTTP/2
    /// with prior knowledge. Range: 0 to 10. Default: 0.
    pub handshake_round_trips: u8,
    /// How long a client's kernel delays an acknowledgement on an interactive connection, which
    /// stalls responses of servers without `TCP_NODELAY`; Linux: 40 ms. Default: 0 s, which stands
    /// for `TCP_NODELAY`.
    #[serde(with = "HumanDuration")]
    pub delayed_ack: Duration,
    /// The latency of a name lookup. Default: 0 s.
    pub lookup: Latency,
    /// Bytes that a byte stream's sender may have in transit. Together with the receiver's buffer
    /// this is the window, the bytes in transit and unread before a writer waits, and so it bounds
    /// the throughput: one window in a round trip. Default: 2 MiB, half of Linux's largest
    /// `tcp_wmem` (4 MiB, half of it bookkeeping).
    pub send_buffer: u32,
    /// Bytes that a byte stream's receiver buffers unread. Default: 3 MiB, half of Linux's largest
    /// `tcp_rmem` (6 MiB; `tcp_adv_win_scale` 1).
    pub receive_buffer: u32,
    /// Bytes of datagrams that a socket buffers unread; datagrams that arrive at a full buffer are
    /// lost. Default: 212,992, Linux's `rmem_default`.
    pub datagram_buffer: u32,
}

impl Default for NetProfile {
    fn default() -> NetProfile {
        NetProfile {
            loopback: LinkProfile::default(),
            link: LinkProfile::default(),
            wan: LinkProfile::default(),
            handshake_round_trips: 0,
            delayed_ack: Duration::ZERO,
            lookup: Latency::ZERO,
            send_buffer: 2 << 20,
            receive_buffer: 3 << 20,
            datagram_buffer: 212_992,
        }
    }
}

impl NetProfile {
    /// Returns the profile of a network on which nothing takes time.
    pub fn instant() -> NetProfile {
        NetProfile::default()
    }
}

/// The cost of a directed link: the transmission time on the line, one message after the other,
/// then `delay + latency`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LinkProfile {
    /// From sending to arrival, one way. Default: 0 s.
    pub latency: Latency,
    /// Added to the latency of each message. Default: 0 s.
    #[serde(with = "HumanDuration")]
    pub delay: Duration,
    /// Transmission time of one MiB, one message after the other: the inverse of the bandwidth,
    /// for messages that have a size. 10 Mbit/s is 839 ms. Default: 0 s, unlimited bandwidth.
    #[serde(with = "HumanDuration")]
    pub per_mib: Duration,
}

impl Default for LinkProfile {
    fn default() -> LinkProfile {
        LinkProfile { latency: Latency::ZERO, delay: Duration::ZERO, per_mib: Duration::ZERO }
    }
}
