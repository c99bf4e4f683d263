//! The sockets' contract: the same test bodies run on the simulated sockets and on tokio's with
//! the kernel's loopback, and have to make the same observations, kinds and numbers of errors
//! included.

use stormglass_core::{Latency, Seed};
use stormglass_net::{NetProfile, Network};

/// The bodies with the simulated network as `net`.
mod simulated {
    use stormglass_net as net;
    use stormglass_rt::sleep;
    include!("contract/bodies.rs");
    include!("contract/polled.rs");

    fn spawn(task: impl std::future::Future<Output = ()> + Send + 'static) {
        drop(madsim::task::spawn_local(task));
    }
}

/// The bodies with tokio's sockets as `net`.
mod real {
    use tokio::net;
    use tokio::time::sleep;
    include!("contract/bodies.rs");
    include!("contract/polled.rs");

    fn spawn(task: impl std::future::Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }
}

/// Runs a body on both and compares the observations line by line, so that a difference names its
/// step.
fn on_both(simulated: impl AsyncFnOnce() -> Vec<String>, real: impl AsyncFnOnce() -> Vec<String>) {
    let in_simulation = madsim::runtime::Runtime::new().block_on(async {
        let mut profile = NetProfile::instant();
        // The latency of a wake-up.
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
    a_stream_echoes
    connecting_to_a_closed_port_is_refused
    bound_addresses_are_in_use
    foreign_addresses_are_not_available
    a_connection_is_established_before_accept
    a_full_backlog_drops_syns
    a_half_closed_stream_still_receives
    closing_with_unread_data_resets
    writing_to_a_closed_stream_is_reset
    zero_linger_resets
    dropping_a_listener_resets_its_backlog
    reads_can_be_partial
    peek_leaves_the_data
    try_operations_return_would_block
    a_writer_waits_for_its_reader
    bytes_arrive_in_order
    split_halves_close_independently
    halves_can_be_reunited
    closed_ports_stay_in_time_wait
    datagrams_arrive_with_their_source
    long_datagrams_are_truncated
    connected_sockets_filter_datagrams
    oversized_datagrams_are_rejected
    a_datagram_to_an_unbound_port_is_refused
    unix_streams_echo
    unix_paths_are_bound_once
    a_unix_pair_is_connected
    names_resolve_to_addresses
    listeners_are_polled_for_connections
    tcp_streams_are_polled_for_readiness
    unix_streams_are_polled_for_readiness
    datagrams_are_sent_and_received_by_polls
    keepalive_is_an_option_of_a_socket
}
