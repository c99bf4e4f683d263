//! The machine on which the processes of a test run.

use stormglass_net::Location;
use stormglass_sim::{Node, World};

/// Returns the node of this name, a process on the test's machine. The real tests start all
/// processes on one machine, so these share its loopback and its ports. (Source:
/// `crates/local-cluster-runner/src/node/mod.rs`; the sockets of a node that the model has as ports
/// of messages are Unix sockets in the node's own directory there, or TCP ports that were free
/// before it starts.)
pub(crate) fn process_of_test(world: &World, name: &str) -> Node {
    world.node_at(name, Location::machine(World::MACHINE).namespace("host"))
}
