//! What sockets do: the same bodies, word for word, on the simulated ones and on tokio's with the kernel's loopback, with the same
//! observations, kinds and numbers of errors included.

use stormglass_core::{Latency, Seed};
use stormglass_net::{NetProfile, Network};

/// The bodies with the simulated network as `net`.
mod simulated {
    use stormglass_net as net;
    use stormglass_rt::sleep;
    include!("contract/bodies.rs");

    fn spawn(task: impl std::future::Future<Output = ()> + Send + 'static) {
        drop(madsim::task::spawn_local(task));
    }
}

/// The bodies with tokio's as `net`.
mod real {
    use tokio::net;
    use tokio::time::sleep;
    include!("contract/bodies.rs");

    fn spawn(task: impl std::future::Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }
}

/// Runs a body on both and compares what was seen, line by line, so that a difference names its step.
fn on_both(simulated: impl AsyncFnOnce() -> Vec<String>, real: impl AsyncFnOnce() -> Vec<String>) {
    let in_simulation = madsim::runtime::Runtime::new().block_on(async {
        let mut profile = NetProfile::instant();
        // As long as a wake-up takes.
        profile.loopback.latency = Latency::from_micros(20);
        let network = Network::new(profile, Seed(1));
        let _mounted = network.host("node").mount();
        simulated().await
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let in_reality = runtime.block_on(real());
    assert!(!in_reality.is_empty());
    for (simulated, real) in in_simulation.iter().zip(&in_reality) {
        assert_eq!(simulated, real, "left is simulated, right is real");
    }
    assert_eq!(in_simulation.len(), in_reality.len());
}

macro_rules! contract {
    ($($body:ident)+) => {$(
        #[test]
        fn $body() {
            on_both(simulated::$body, real::$body);
        }
    )+};
}

contract! {
    a_stream_there_and_back
    refused
    addresses_in_use
    addresses_that_are_not_ours
    a_connection_is_made_before_it_is_accepted
    a_full_backlog_is_silent
    half_closed
    closed_with_something_unread
    closed_while_the_other_writes
    zero_linger_resets
    a_listener_that_goes
    partial_reads
    peeking
    what_can_be_done_now
    a_writer_waits_for_its_reader
    everything_in_order
    split_halves
    reunited_halves
    ports_in_time_wait
    datagrams
    datagrams_are_cut_off
    connected_datagrams
    datagrams_too_large
    a_datagram_to_nobody
    unix_streams
    unix_names
    a_unix_pair
    names_and_addresses
}
