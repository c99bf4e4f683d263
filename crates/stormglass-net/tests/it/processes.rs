//! Processes that are killed, and what their kernel releases: ports and the names of Unix sockets.

use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::task::NodeId;
use std::io;
use std::time::Duration;
use stormglass_core::Seed;
use stormglass_net::{
    Endpoint, Host, Listener, NetProfile, Network, Service, TcpListener, TcpStream, UdpSocket, UnixListener,
    UnixStream,
};
use stormglass_rt::ProcessTracker;

/// Everything that binds something.
type Bound = (TcpListener, UdpSocket, UnixListener, Listener<(), ()>, Service<(), ()>, Endpoint<()>);

async fn bind() -> io::Result<Bound> {
    let host = Host::current()?;
    Ok((
        TcpListener::bind("0.0.0.0:80").await?,
        UdpSocket::bind("0.0.0.0:80").await?,
        UnixListener::bind("/run/server.sock")?,
        host.listen(81)?,
        host.serve(82)?,
        host.bind(81)?,
    ))
}

/// Starts an incarnation of the node, which binds everything and keeps it; returns whether that
/// succeeds.
fn start(node: NodeId) -> tokio::sync::oneshot::Receiver<io::Result<()>> {
    let (sender, bound) = tokio::sync::oneshot::channel();
    current(node).spawn(async move {
        let (result, _open) = match bind().await {
            Ok(open) => (Ok(()), Some(open)),
            Err(error) => (Err(error), None),
        };
        sender.send(result).unwrap();
        std::future::pending::<()>().await;
    });
    bound
}

fn current(node: NodeId) -> NodeHandle {
    Handle::current().get_node(node).unwrap()
}

/// Counts in how many of 100 seeds a new process cannot bind what the one before had bound, which
/// `restart` ends, whether or not madsim tells of kills.
fn failures(tracked: bool, restart: fn(NodeId)) -> usize {
    let fails = |seed: &u64| {
        let runtime = Runtime::with_seed_and_config(*seed, madsim::Config::default());
        let _tracker = tracked.then(|| ProcessTracker::new(&runtime));
        runtime.block_on(async {
            let network = Network::new(NetProfile::instant(), Seed(*seed));
            let node = Handle::current().create_node().build().id();
            let _mounted = network.host("server").mount_on(node);
            let _client = network.host("client").mount();
            start(node).await.unwrap().unwrap();
            restart(node);
            let again = start(node).await.unwrap();
            let failed = again.is_err();
            stormglass_rt::sleep(Duration::from_secs(1)).await;
            if !failed {
                // The sockets of the process before were dropped meanwhile, and released nothing.
                let error = current(node).spawn(bind()).await.unwrap().unwrap_err();
                assert_eq!(error.raw_os_error(), Some(98));
                TcpStream::connect("server:80").await.unwrap();
                let unix = UnixStream::connect("/run/server.sock");
                current(node).spawn(unix).await.unwrap().unwrap();
            }
            failed
        })
    };
    (0..100).filter(fails).count()
}

fn kill_and_restart(node: NodeId) {
    Handle::current().kill(node);
    Handle::current().restart(node);
}

#[test]
fn a_new_process_binds_what_a_killed_one_had_bound() {
    assert_eq!(failures(false, kill_and_restart), 0);
    assert_eq!(failures(true, kill_and_restart), 0);
}

#[test]
fn a_restart_without_a_kill_releases_ports() {
    assert_eq!(failures(false, |node| Handle::current().restart(node)), 0);
}

#[test]
fn a_process_that_is_killed_twice_releases_ports() {
    let twice = |node| {
        Handle::current().kill(node);
        Handle::current().kill(node);
        Handle::current().restart(node);
        // This incarnation binds too, and is killed before it runs.
        drop(start(node));
        kill_and_restart(node);
    };
    assert_eq!(failures(false, twice), 0);
    assert_eq!(failures(true, twice), 0);
}

/// The port of a living process stays taken, for its own tasks and for another process on the same
/// host.
#[test]
fn a_living_process_keeps_its_ports() {
    for tracked in [false, true] {
        let runtime = Runtime::new();
        let _tracker = tracked.then(|| ProcessTracker::new(&runtime));
        runtime.block_on(async {
            let network = Network::new(NetProfile::instant(), Seed(1));
            let [one, other] = [0; 2].map(|_| Handle::current().create_node().build().id());
            let host = network.host("server");
            let _mounted = (host.mount_on(one), host.mount_on(other));
            start(one).await.unwrap().unwrap();
            for node in [one, other] {
                let error = start(node).await.unwrap().unwrap_err();
                assert_eq!(error.to_string(), "Address already in use (os error 98)");
            }
            // A process that has ended without a restart.
            Handle::current().kill(one);
            start(other).await.unwrap().unwrap();
        });
    }
}
