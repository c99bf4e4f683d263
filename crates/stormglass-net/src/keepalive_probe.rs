//! Keepalive: the kernel's task that probes an idle connection.

use crate::error::{ECONNRESET, ETIMEDOUT};
use crate::keepalive::Keepalive;
use crate::registry::Side;
use crate::socket_pair::{ProbeAnswer, SocketPair};
use std::sync::{Arc, Weak};
use stormglass_rt as rt;

/// Sets keepalive for one socket; `None` for no probes.
pub(crate) fn set_keepalive(pair: &Arc<SocketPair>, side: Side, keepalive: Option<Keepalive>) {
    let setting = {
        let mut socket = pair.socket(side);
        socket.keepalive_setting += 1;
        socket.received_last = rt::now();
        socket.keepalive_setting
    };
    if let Some(keepalive) = keepalive {
        let network = &pair.network;
        let probes = send_probes(Arc::downgrade(pair), side, keepalive, setting);
        network.spawn_in_kernel(network.recorder.scope(), probes);
    }
}

/// Probes the other end while no segment arrives from it, until the connection ends or keepalive
/// is set again.
async fn send_probes(pair: Weak<SocketPair>, side: Side, keepalive: Keepalive, setting: u32) {
    let mut unanswered = 0;
    let mut due = rt::now() + keepalive.time;
    loop {
        rt::sleep_until(due).await;
        let Some(pair) = pair.upgrade() else { return };
        let mut socket = pair.socket(side);
        if socket.reset.is_some() || socket.closed || socket.keepalive_setting != setting {
            return;
        }
        let idle_until = socket.received_last + keepalive.time;
        if idle_until > rt::now() {
            (due, unanswered) = (idle_until, 0);
            continue;
        }
        let cause = pair.network.recorder.scope().last();
        if unanswered == keepalive.retries {
            drop(socket);
            return pair.reset(side, ETIMEDOUT, cause);
        }
        drop(socket);
        match pair.probe(side) {
            ProbeAnswer::None => unanswered += 1,
            ProbeAnswer::UnknownConnection => {
                return pair.reset(side, ECONNRESET, cause);
            }
            ProbeAnswer::Acknowledged(latency) => {
                socket = pair.socket(side);
                socket.received_last = rt::now() + latency;
            }
        }
        due = rt::now() + keepalive.interval;
    }
}
