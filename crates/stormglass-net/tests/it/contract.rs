//! The sockets' contract: the same test bodies run on the simulated sockets and on tokio's with
//! the kernel's loopback, and have to make the same observations, numbers and texts of errors
//! included.

use stormglass_core::{Latency, Seed};
use stormglass_fs::{Disk, DiskProfile};
use stormglass_net::{NetProfile, Network};

/// The bodies with the simulated network as `net`.
mod simulated {
    use std::os::unix::fs::FileTypeExt as _;
    use stormglass_fs as fs;
    use stormglass_net::{self as net, Interest};
    use stormglass_rt::sleep;
    include!("contract/bodies.rs");
    include!("contract/readiness.rs");
    include!("contract/options.rs");
    include!("contract/datagrams.rs");
    include!("contract/budget.rs");
    include!("contract/unix.rs");
    include!("contract/polled.rs");

    fn spawn(task: impl std::future::Future<Output = ()> + Send + 'static) {
        drop(madsim::task::spawn_local(task));
    }

    fn make_fifo(path: &std::path::Path) {
        fs::mount::current().unwrap().create_fifo(path).unwrap();
    }
}

/// The bodies with tokio's sockets as `net`.
mod real {
    use std::os::unix::fs::FileTypeExt as _;
    use tokio::fs;
    use tokio::io::Interest;
    use tokio::net;
    use tokio::time::sleep;
    include!("contract/bodies.rs");
    include!("contract/readiness.rs");
    include!("contract/options.rs");
    include!("contract/datagrams.rs");
    include!("contract/budget.rs");
    include!("contract/unix.rs");
    include!("contract/polled.rs");

    fn spawn(task: impl std::future::Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }

    fn make_fifo(path: &std::path::Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
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
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        disk.create_dir_all(env!("CARGO_TARGET_TMPDIR")).await.unwrap();
        let _mounted = (network.host("node").mount(), disk.mount());
        simulated().await
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let in_reality = runtime.block_on(real());
    assert!(!in_reality.is_empty());
    let differs = |(simulated, real): &(&String, &String)| simulated != real;
    let differences: Vec<_> = in_simulation.iter().zip(&in_reality).filter(differs).collect();
    assert!(differences.is_empty(), "(simulated, real): {differences:#?}");
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
    a_broadcast_needs_permission
    abstract_names_end_with_their_socket
    unix_sockets_are_bound_before_they_connect
    socket_files_outlive_their_sockets
    unix_datagrams_arrive_in_order
    unix_datagrams_wait_for_room
    unix_datagrams_are_shut_down
    a_unix_datagram_socket_changes_its_peer
    pipes_end_with_their_ends
    pipes_hold_16_pages
    unix_streams_echo
    unix_paths_are_bound_once
    a_unix_pair_is_connected
    names_resolve_to_addresses
    an_accepted_stream_is_assumed_to_be_ready
    a_read_that_takes_everything_leaves_the_stream_ready
    try_io_clears_readiness_on_would_block
    async_io_calls_until_it_does_not_block
    ready_reports_closed_directions
    a_full_window_is_not_writable
    reads_fill_several_buffers
    halves_have_the_methods_of_the_stream
    tcp_sockets_have_linux_options
    accepted_streams_inherit_their_listeners_options
    only_a_linger_of_zero_resets
    udp_sockets_have_linux_options
    multicast_groups_are_joined_and_left
    listeners_share_a_port_if_all_ask_for_it
    a_new_udp_socket_is_writable_after_a_turn_of_the_driver
    an_error_does_not_make_a_udp_socket_readable
    peeks_leave_the_datagram
    destinations_are_checked
    broadcasts_arrive_on_the_own_host
    multicast_arrives_at_members
    a_poll_completes_128_ready_operations
    listeners_are_polled_for_connections
    tcp_streams_are_polled_for_readiness
    unix_streams_are_polled_for_readiness
    datagrams_are_sent_and_received_by_polls
    keepalive_is_an_option_of_a_socket
    unix_datagram_sockets_are_polled_for_room
    fifos_are_opened_as_their_options_say
}
