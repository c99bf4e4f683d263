//! The machine, the network namespace and the zone of a host.

/// The machine, the network namespace and the zone of a host. Machine and zone decide what its
/// links cost, the namespace with which hosts it shares loopback and ports.
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
    /// The namespace's name on the machine; `None` for one of the host's own.
    pub(crate) namespace: Option<String>,
    pub(crate) zone: String,
}

impl Location {
    /// Returns a location on this machine, in a network namespace of its own. Hosts of one machine
    /// communicate at loopback's cost.
    pub fn machine(name: &str) -> Location {
        Location { machine: name.to_string(), namespace: None, zone: String::new() }
    }

    /// Sets the machine's network namespace of this name (`network_namespaces(7)`). Its hosts are
    /// as processes that run on one machine, or in one pod: 127.0.0.1 is the same for all of them,
    /// each may bind the address of another one, and a port that one has bound at an address is in
    /// use for all, ephemeral ones included. The host whose process has bound a port receives what
    /// is sent to it, over the link to that host. The kernel begins its search of a free port at a
    /// random one, as Linux does: a program that binds port 0, reads the number, closes the socket
    /// and has a server bind that port later may find it taken.
    ///
    /// Names, addresses, links and faults stay those of the single hosts, and so do the ports of
    /// messages ([`crate::Host::bind`], [`crate::Host::listen`], [`crate::Host::serve`]), which are
    /// bound at the host's own address.
    ///
    /// Default: a namespace of the host's own, as a container has. Each host of a machine may bind
    /// the same port, as the services of a Compose file or of pods do, and 127.0.0.1 is the host
    /// itself.
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use stormglass_net::{Location, NetProfile, Network, TcpListener, TcpStream};
    ///
    /// let runtime = madsim::runtime::Runtime::new();
    /// runtime.block_on(async {
    ///     let network = Network::new(NetProfile::instant(), Seed(1));
    ///     let here = Location::machine("laptop").namespace("host");
    ///     let server = runtime.create_node().build();
    ///     let _server = network.host_at("server", here.clone()).mount_on(server.id());
    ///     let _client = network.host_at("client", here).mount();
    ///
    ///     let _listener = server.spawn(TcpListener::bind("127.0.0.1:80")).await.unwrap()?;
    ///     TcpStream::connect("127.0.0.1:80").await?;
    ///     let error = TcpListener::bind("127.0.0.1:80").await.unwrap_err();
    ///     assert_eq!(error.to_string(), "Address already in use (os error 98)");
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Location {
        self.namespace = Some(name.to_string());
        self
    }

    /// Returns the machine's name.
    pub fn machine_name(&self) -> &str {
        &self.machine
    }

    pub(crate) fn shares_namespace(&self) -> bool {
        self.namespace.is_some()
    }

    /// Sets the zone. Links between two zones have the profile's `wan`. Default: one zone, shared
    /// by all locations that name none.
    #[must_use]
    pub fn zone(mut self, name: &str) -> Location {
        self.zone = name.to_string();
        self
    }
}
