//! The machine and the zone of a host.

/// The machine and the zone of a host, which decide what its links cost.
///
/// ```
/// use stormglass_core::Seed;
/// use stormglass_net::{Location, NetProfile, Network};
///
/// let network = Network::new(NetProfile::instant(), Seed(1));
/// let here = network.host_at("here", Location::machine("m1").zone("eu-west-1a"));
/// let there = network.host_at("there", Location::machine("m2").zone("us-east-1b"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub(crate) machine: String,
    pub(crate) zone: String,
}

impl Location {
    /// Returns a location on this machine. Hosts of one machine reach each other over loopback.
    pub fn machine(name: &str) -> Location {
        Location { machine: name.to_string(), zone: String::new() }
    }

    /// Sets the zone. Links between two zones have the profile's `wan`. Default: one zone, shared
    /// by all locations that name none.
    #[must_use]
    pub fn zone(mut self, name: &str) -> Location {
        self.zone = name.to_string();
        self
    }
}
