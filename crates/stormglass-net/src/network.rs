//! Hosts, where they are, and what they share.

use crate::fault::{Faults, Sent};
use crate::link::{Link, Power};
use crate::mirror::Mirrored;
use crate::ports::{Owner, Ports, Protocol, bound_to};
use crate::profile::{LinkProfile, NetProfile};
use crate::socket::Conn;
use crate::unix::Paths;
use indexmap::IndexMap;
use madsim::runtime::{Handle, NodeHandle};
use madsim::task::NodeId;
use rustc_hash::FxBuildHasher;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use stormglass_core::{Keep, Recorder, Scope, Seed, SimTime, Stream, Symbol};
use stormglass_rt as rt;

/// A network. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) profile: NetProfile,
    classes: Classes,
    seed: Seed,
    pub(crate) recorder: Recorder,
    pub(crate) faults: Faults,
    state: Mutex<State>,
    /// Where the kernels of all hosts do their work: it goes on when a process is killed.
    kernel: OnceLock<NodeHandle>,
}

/// The profiles of links by their class, each kept once for all of its links.
struct Classes {
    loopback: Arc<LinkProfile>,
    zone: Arc<LinkProfile>,
    wan: Arc<LinkProfile>,
}

#[derive(Default)]
pub(crate) struct State {
    hosts: Vec<HostInfo>,
    host_index: BTreeMap<String, HostId>,
    /// Only looked up, never walked through.
    addresses: IndexMap<IpAddr, HostId, FxBuildHasher>,
    /// Links that are not as their class, the later rule before the earlier.
    special: Vec<(glob::Pattern, glob::Pattern, Arc<LinkProfile>)>,
    pub(crate) ports: Ports,
    pub(crate) paths: Paths,
    connections: BTreeMap<u64, Weak<Conn>>,
    connection_last: u64,
    /// The nodes that hosts are mounted on.
    nodes: BTreeMap<NodeId, HostId>,
    pub(crate) mirrored: Mirrored,
    /// What arrived where nobody listens. Dropped outside of timer callbacks, when the network is next touched.
    dead_letters: Vec<Box<dyn Any + Send>>,
}

struct HostInfo {
    name: Arc<str>,
    place: Place,
    symbol: Symbol,
    power: Arc<Power>,
    ip: IpAddr,
    /// Chance for what concerns the host alone: its lookups, and faults of these and of its ports.
    names: Option<Stream>,
    faults: Option<Box<Stream>>,
    /// Those of its links that were ever used, by the number of the host at the other end.
    links: Vec<Option<Arc<Link>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostId(pub(crate) u32);

impl HostId {
    fn v4(self) -> Ipv4Addr {
        let [_, a, b, c] = (self.0 + 1).to_be_bytes();
        Ipv4Addr::new(10, a, b, c)
    }

    fn v6(self) -> Ipv6Addr {
        Ipv6Addr::from((0xfd << 120) | u128::from(self.0 + 1))
    }
}

/// Where a host is, which decides what its links cost.
///
/// ```
/// use stormglass_core::Seed;
/// use stormglass_net::{NetProfile, Network, Place};
///
/// let network = Network::new(NetProfile::instant(), Seed(1));
/// let here = network.host_at("here", Place::machine("m1").zone("eu-west-1a"));
/// let there = network.host_at("there", Place::machine("m2").zone("us-east-1b"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    machine: String,
    zone: String,
}

impl Place {
    /// On this machine: hosts of one machine reach each other over loopback.
    pub fn machine(name: &str) -> Place {
        Place { machine: name.to_string(), zone: String::new() }
    }

    /// In this zone: between zones the profile's `wan` counts. Default: one zone for all who name none.
    #[must_use]
    pub fn zone(mut self, name: &str) -> Place {
        self.zone = name.to_string();
        self
    }
}

/// A host and a port on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub(crate) host: HostId,
    /// The port.
    pub port: u16,
}

impl Network {
    /// A network without hosts. A link's latencies come from the seed's stream `("net", from, to)`.
    pub fn new(profile: NetProfile, seed: Seed) -> Network {
        Network::recorded(profile, seed, &Recorder::new(Keep::Nothing))
    }

    /// As [`Network::new`], with a recorder for its events.
    pub fn recorded(profile: NetProfile, seed: Seed, recorder: &Recorder) -> Network {
        let state = Mutex::new(State::default());
        let (recorder, faults, kernel) = (recorder.clone(), Faults::default(), OnceLock::new());
        let NetProfile { loopback, link: zone, wan, .. } = profile.clone();
        let classes = Classes { loopback: loopback.into(), zone: zone.into(), wan: wan.into() };
        Network { shared: Arc::new(Shared { profile, classes, seed, recorder, faults, state, kernel }) }
    }

    /// The host of this name, on a machine of its own.
    pub fn host(&self, name: &str) -> Host {
        self.host_at(name, Place::machine(name))
    }

    /// The host of this name on this machine; hosts of one machine reach each other over loopback. A host that
    /// is known already stays where it is.
    pub fn host_on(&self, name: &str, machine: &str) -> Host {
        self.host_at(name, Place::machine(machine))
    }

    /// The host of this name at this place. A host that is known already stays where it is.
    ///
    /// Its address is the next of `10.0.0.0/8`, from `10.0.0.1`, and the same number of `fd00::/8`.
    pub fn host_at(&self, name: &str, place: Place) -> Host {
        let shared = &self.shared;
        let symbol = shared.recorder.symbol(name);
        let mut state = shared.lock();
        let next = HostId(state.hosts.len() as u32);
        let id = *state.host_index.entry(name.to_string()).or_insert(next);
        if id == next {
            let ip = next.v4();
            state.addresses.insert(ip.into(), id);
            state.addresses.insert(next.v6().into(), id);
            let (name, power, ip) = (name.into(), Arc::default(), ip.into());
            let (names, faults, links) = (None, None, Vec::new());
            state.hosts.push(HostInfo { name, place, symbol, power, ip, names, faults, links });
        }
        drop(state);
        Host { network: self.clone(), id }
    }

    /// Gives links another profile than their class has, those that are there and those that come: from and to hosts whose
    /// names match these patterns of shell wildcards. The last rule that matches counts.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn set_link(&self, from: &str, to: &str, profile: LinkProfile) -> Result<(), glob::PatternError> {
        let (from, to) = (glob::Pattern::new(from)?, glob::Pattern::new(to)?);
        let mut state = self.shared.lock();
        let profile = Arc::new(profile);
        for link in state.links() {
            if from.matches(&link.names.0) && to.matches(&link.names.1) {
                link.set_profile(profile.clone());
            }
        }
        state.special.insert(0, (from, to, profile));
        Ok(())
    }

    /// Ends the work of all hosts' kernels: what was lost is not sent again. For whoever ends a world.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn shut_down(&self) {
        if let Some(kernel) = self.shared.kernel.get() {
            Handle::current().kill(kernel.id());
        }
    }

    /// The recorder of this network's events.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directed link between two hosts.
    pub(crate) fn link(&self, from: HostId, to: HostId) -> Arc<Link> {
        let mut state = self.lock();
        if !state.dead_letters.is_empty() {
            let letters = std::mem::take(&mut state.dead_letters);
            // Outside of the lock: a letter may hold a connection, which says goodbye.
            drop(state);
            drop(letters);
            state = self.lock();
        }
        if let Some(Some(link)) = state.host(from).links.get(to.0 as usize) {
            return link.clone();
        }
        let (source, target) = (state.host(from), state.host(to));
        let names = (source.name.clone(), target.name.clone());
        let special =
            state.special.iter().find(|(from, to, _)| from.matches(&names.0) && to.matches(&names.1));
        let profile = match special {
            Some((_, _, profile)) => profile,
            None if source.place.machine == target.place.machine => &self.classes.loopback,
            None if source.place.zone == target.place.zone => &self.classes.zone,
            None => &self.classes.wan,
        };
        let subject = self.recorder.symbol(&format!("{} -> {}", names.0, names.1));
        let ends = (source.power.clone(), target.power.clone());
        let link = Arc::new(Link::new(profile.clone(), self.seed, names, ends, (subject, target.symbol)));
        let (links, to) = (&mut state.hosts[from.0 as usize].links, to.0 as usize);
        links.resize(links.len().max(to + 1), None);
        links[to] = Some(link.clone());
        link
    }

    /// Every link that was ever used, in order of hosts.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.lock().links().cloned().collect()
    }

    /// The connections that are there.
    pub(crate) fn connections(&self) -> Vec<Arc<Conn>> {
        let state = self.lock();
        let connections: Vec<Weak<Conn>> = state.connections.values().cloned().collect();
        drop(state);
        // Upgraded outside of the lock: the last one to let go of a connection asks for it.
        connections.iter().filter_map(Weak::upgrade).collect()
    }

    /// Enters a connection, between these ports and addresses.
    pub(crate) fn enter(&self, connection: impl FnOnce(u64) -> Arc<Conn>) -> Arc<Conn> {
        let number = {
            let mut state = self.lock();
            state.connection_last += 1;
            state.connection_last
        };
        let connection = connection(number);
        self.lock().connections.insert(number, Arc::downgrade(&connection));
        connection
    }

    /// Forgets a connection that is over.
    pub(crate) fn forget(&self, number: u64, hosts: [HostId; 2], addresses: [SocketAddr; 2]) {
        let mut state = self.lock();
        state.connections.remove(&number);
        let [client, server] = addresses;
        state.ports.forget(hosts[0], client.port(), server);
        state.ports.forget(hosts[1], server.port(), client);
    }

    /// Binds a port; gives the port, which is a free one if it was 0.
    pub(crate) fn bind(
        &self,
        protocol: Protocol,
        host: HostId,
        at: (Option<IpAddr>, u16),
        reuse: bool,
        owner: Owner,
    ) -> io::Result<u16> {
        // Ports may be bound before the run begins.
        let now = if rt::running() { rt::now() } else { SimTime::ZERO };
        let mut state = self.lock();
        let HostInfo { name, faults, .. } = &mut state.hosts[host.0 as usize];
        let chance = || self.seed.stream(("net", &**name, "fault"));
        if self.faults.apply(Sent::Bind, at.1, (name, name), faults, chance).in_use {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.ports.bind(protocol, host, at, reuse, now, owner)
    }

    pub(crate) fn unbind(&self, protocol: Protocol, host: HostId, at: (Option<IpAddr>, u16)) {
        let mut state = self.lock();
        // What it owned is dropped outside of the lock.
        let owner = state.ports.owner(protocol, host, at).cloned();
        state.ports.unbind(protocol, host, at);
        drop(state);
        drop(owner);
    }

    /// The inbox at an address; `None` if nobody has it, `InvalidData` if it speaks another type.
    pub(crate) fn inbox<T: Send + Sync + 'static>(
        &self,
        protocol: Protocol,
        host: HostId,
        at: (Option<IpAddr>, u16),
    ) -> io::Result<Option<Arc<T>>> {
        let Some(owner) = self.lock().ports.owner(protocol, host, at).cloned() else { return Ok(None) };
        if owner.is::<crate::ports::Reserved>() {
            return Ok(None);
        }
        let Ok(inbox) = owner.downcast::<T>() else {
            let why = format!("port {} is bound with another message type", at.1);
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        };
        Ok(Some(inbox))
    }

    /// Keeps something that may not be dropped in a timer's callback.
    pub(crate) fn bury(&self, letter: impl Any + Send) {
        self.lock().dead_letters.push(Box::new(letter));
    }

    pub(crate) fn delayed_ack(&self) -> Duration {
        self.profile.delayed_ack
    }

    /// Makes the place where the kernels work, which a timer's callback may not do, nor what is dropped with a node that is killed.
    pub(crate) fn start_kernel(&self) -> &NodeHandle {
        self.kernel.get_or_init(|| Handle::current().create_node().name("kernel of the network").build())
    }

    /// Runs it where the kernels work. Asks madsim for no node, if there is the place: a caller may be dropped while madsim holds the list of them.
    pub(crate) fn in_kernel(&self, scope: Scope, work: impl Future<Output = ()> + Send + 'static) {
        self.start_kernel().spawn(rt::follow(&self.recorder, scope, work));
    }

    /// The host's name.
    pub(crate) fn name(&self, host: HostId) -> String {
        self.lock().host(host).name.to_string()
    }

    /// The host's own address.
    pub(crate) fn ip(&self, host: HostId) -> IpAddr {
        self.lock().host(host).ip
    }

    /// The address that a host uses towards another's.
    pub(crate) fn source(&self, host: HostId, there: IpAddr) -> IpAddr {
        match (there, self.ip(host)) {
            (IpAddr::V4(_), IpAddr::V6(_)) => host.v4().into(),
            (IpAddr::V6(_), IpAddr::V4(_)) => host.v6().into(),
            (_, ip) => ip,
        }
    }

    /// The machine that the host is on.
    pub(crate) fn machine(&self, host: HostId) -> String {
        self.lock().host(host).place.machine.clone()
    }

    /// The host that this address means on this host; `None` if it is nobody's.
    pub(crate) fn host_of(&self, here: HostId, ip: IpAddr) -> Option<HostId> {
        if ip.is_loopback() || ip.is_unspecified() {
            return Some(here);
        }
        self.lock().addresses.get(&ip.to_canonical()).copied()
    }

    /// Looks a name up: how long that takes, and the addresses.
    pub(crate) fn resolve(&self, here: HostId, name: &str) -> (Duration, io::Result<Vec<IpAddr>>) {
        let mut state = self.lock();
        let found = state.host_index.get(name).map(|&id| state.host(id).ip);
        let HostInfo { name: from, names, faults, .. } = &mut state.hosts[here.0 as usize];
        let chance = || self.seed.stream(("net", &**from, "fault"));
        let applied = self.faults.apply(Sent::Lookup, 0, (from, name), faults, chance);
        let names = names.get_or_insert_with(|| self.seed.stream(("net", &**from, "names")));
        let latency = self.profile.lookup.at(names.draw()) + applied.delay;
        let unknown =
            || Err(io::Error::other("failed to lookup address information: Name or service not known"));
        let result = if applied.unresolved {
            Err(io::Error::other(
                "failed to lookup address information: Temporary failure in name resolution",
            ))
        } else {
            found.map_or_else(unknown, |ip| Ok(vec![ip]))
        };
        (latency, result)
    }
}

impl State {
    fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.hosts.iter().flat_map(|host| host.links.iter().flatten())
    }

    fn host(&self, id: HostId) -> &HostInfo {
        &self.hosts[id.0 as usize]
    }

    /// The names of the hosts that are mounted on nodes.
    pub(crate) fn mounted(&self) -> Vec<(NodeId, String)> {
        self.nodes.iter().map(|(&node, &host)| (node, self.host(host).name.to_string())).collect()
    }

    pub(crate) fn any_off(&self) -> bool {
        self.hosts.iter().any(|host| host.power.is_off())
    }

    pub(crate) fn is_off(&self, name: &str) -> bool {
        self.host_index.get(name).is_some_and(|&id| self.host(id).power.is_off())
    }

    /// The names of all hosts, by their numbers.
    pub(crate) fn names(&self) -> Vec<String> {
        self.hosts.iter().map(|host| host.name.to_string()).collect()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let hosts: Vec<&str> = state.hosts.iter().map(|host| &*host.name).collect();
        f.debug_struct("Network").field("hosts", &hosts).finish_non_exhaustive()
    }
}

/// A host on the network.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) network: Network,
    pub(crate) id: HostId,
}

/// A host that is mounted on a node; dropping it takes the host away from the node.
pub type Mount = rt::Mount<Host>;

impl Host {
    /// A port of this host, as others name it.
    pub fn address(&self, port: u16) -> Address {
        Address { host: self.id, port }
    }

    /// The network that it is on.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Its name, which resolves to its address.
    pub fn name(&self) -> String {
        self.shared().name(self.id)
    }

    /// Its address.
    pub fn ip(&self) -> IpAddr {
        self.shared().ip(self.id)
    }

    /// Gives it one more address: the one that its name resolves to and that it uses from now on.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if another host has it.
    pub fn set_ip(&self, ip: IpAddr) -> io::Result<()> {
        let mut state = self.shared().lock();
        if state.addresses.get(&ip).is_some_and(|&other| other != self.id) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.addresses.insert(ip, self.id);
        state.hosts[self.id.0 as usize].ip = ip;
        Ok(())
    }

    /// Makes this the host of the node at work: [`crate::TcpStream`] and the others that are named after tokio's are on it there, in
    /// all lives of the node, until the guard is dropped.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn mount(&self) -> Mount {
        self.mount_on(rt::node())
    }

    /// As [`Host::mount`], for another node.
    pub fn mount_on(&self, node: NodeId) -> Mount {
        self.shared().lock().nodes.insert(node, self.id);
        self.network.mirror();
        rt::mount(node, self.clone())
    }

    /// The host that is mounted on the node at work.
    ///
    /// # Errors
    ///
    /// `Unsupported` with [`NotMounted`] when there is none.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn current() -> io::Result<Host> {
        rt::mounted().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, NotMounted(rt::node())))
    }

    /// Takes the host's power away until the guard is dropped: it sends nothing, not even goodbye, and nothing reaches it. Its
    /// peers' connections are half-open; when it is back, it answers what they send with a reset. Its tasks are not this
    /// crate's: kill its node while the power is off.
    pub fn power_off(&self) -> PowerOff {
        let power = self.shared().lock().host(self.id).power.clone();
        power.take();
        self.network.mirror();
        PowerOff { network: self.network.clone(), power }
    }

    /// Binds an address of this host; gives the port.
    pub(crate) fn bind_address(
        &self,
        protocol: Protocol,
        address: SocketAddr,
        reuse: bool,
        owner: Owner,
    ) -> io::Result<u16> {
        let shared = self.shared();
        if shared.host_of(self.id, address.ip()) != Some(self.id) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        shared.bind(protocol, self.id, bound_to(address), reuse, owner)
    }

    /// The address that it uses towards another.
    pub(crate) fn source_towards(&self, there: IpAddr) -> IpAddr {
        let local = there.is_loopback() || there.is_unspecified();
        match there {
            IpAddr::V4(_) if local => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) if local => Ipv6Addr::LOCALHOST.into(),
            there => self.shared().source(self.id, there),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.network.shared
    }
}

/// No host is mounted on the node at work. Inside an `io::Error` of the kind `Unsupported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no host is mounted on {0}: call Host::mount there, or Host::mount_on with its id, and keep the guard"
)]
pub struct NotMounted(NodeId);

/// A host without power; dropping it gives the power back.
#[derive(Debug)]
#[must_use = "dropping the guard gives the power back"]
pub struct PowerOff {
    network: Network,
    power: Arc<Power>,
}

impl Drop for PowerOff {
    fn drop(&mut self) {
        self.power.give_back();
        self.network.mirror();
    }
}
