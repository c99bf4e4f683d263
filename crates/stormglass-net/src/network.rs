//! A network: its hosts, their links, ports and connections, and the kernel tasks that outlive
//! processes.

use crate::address::{HostId, NamespaceId};
use crate::error::EADDRINUSE;
use crate::fault::{Faults, Segment, Sent};
use crate::groups::Groups;
use crate::link::{Link, Transit};
use crate::location::Location;
use crate::madsim_network::{MadsimNetwork, MountedHosts};
use crate::ports::{At, Binding, Owner, Ports, Protocol, Reserved, Reuse, Site};
use crate::power::Power;
use crate::profile::{LinkProfile, NetProfile};
use crate::registry::{Connections, RegisteredConnection, UnixNames};
use indexmap::IndexMap;
use madsim::runtime::{Handle, NodeHandle};
use madsim::task::NodeId;
use rustc_hash::FxBuildHasher;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use stormglass_core::fault::OldAddress;
use stormglass_core::{Keep, Recorder, Scope, Seed, SimTime, Stream, Symbol};
use stormglass_rt::{self as rt, Process};

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
    /// The madsim node on which the tasks of all hosts' kernels run: they go on when a process is
    /// killed.
    kernel: OnceLock<NodeHandle>,
}

/// The profiles of links by class, each stored once for all links of the class.
struct Classes {
    loopback: Arc<LinkProfile>,
    zone: Arc<LinkProfile>,
    wan: Arc<LinkProfile>,
}

#[derive(Default)]
pub(crate) struct State {
    hosts: Vec<HostInfo>,
    host_index: BTreeMap<String, HostId>,
    /// Only looked up, never iterated over.
    addresses: IndexMap<IpAddr, HostId, FxBuildHasher>,
    /// The namespaces that hosts share, by machine and name.
    namespaces: BTreeMap<(String, String), NamespaceId>,
    /// The exceptions of [`Network::set_link`], the later before the earlier.
    special: Vec<(glob::Pattern, glob::Pattern, Arc<LinkProfile>)>,
    pub(crate) ports: Ports,
    pub(crate) unix_names: UnixNames,
    pub(crate) groups: Groups,
    connections: Connections,
    /// The nodes that hosts are mounted on.
    nodes: BTreeMap<NodeId, HostId>,
    madsim: MadsimNetwork,
    /// Values that arrived where nothing listens. Dropped outside of timer callbacks, when a link
    /// is next looked up.
    undeliverable: Vec<Box<dyn Any + Send>>,
    /// How many addresses hosts have given up for new ones.
    renewed: u32,
}

struct HostInfo {
    name: Arc<str>,
    location: Location,
    namespace: NamespaceId,
    symbol: Symbol,
    power: Arc<Power>,
    ip: IpAddr,
    /// The number that the host's default addresses have.
    addresses: HostId,
    /// The stream of chance for lookups of names.
    names: Option<Stream>,
    /// The stream of chance for faults of lookups and of ports.
    faults: Option<Box<Stream>>,
    /// The host's links that were ever used, by the number of the receiving host.
    links: Vec<Option<Arc<Link>>>,
}

/// The number before those of addresses that replace others: they begin at `10.128.0.1`.
const RENEWED: u32 = (128 << 16) - 1;

impl Network {
    /// Creates a network without hosts. A link's latencies come from the seed's stream `("net",
    /// from, to)`.
    pub fn new(profile: NetProfile, seed: Seed) -> Network {
        Network::recorded(profile, seed, &Recorder::new(Keep::Nothing))
    }

    /// Creates a network as [`Network::new`] does, with a recorder for its events.
    pub fn recorded(profile: NetProfile, seed: Seed, recorder: &Recorder) -> Network {
        let state = Mutex::new(State::default());
        let (recorder, faults, kernel) = (recorder.clone(), Faults::default(), OnceLock::new());
        let NetProfile { loopback, link: zone, wan, .. } = profile.clone();
        let classes = Classes { loopback: loopback.into(), zone: zone.into(), wan: wan.into() };
        Network { shared: Arc::new(Shared { profile, classes, seed, recorder, faults, state, kernel }) }
    }

    /// Sets the profile of links from hosts to hosts whose names match these shell wildcard
    /// patterns, instead of their class's profile; both existing links and future ones. The last
    /// call that matches counts.
    ///
    /// # Errors
    ///
    /// An invalid pattern.
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

    /// Ends the tasks of all hosts' kernels, at the end of a simulated world: nothing is
    /// retransmitted afterwards.
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

    /// Updates madsim's own network, if a runtime is running.
    pub(crate) fn update_madsim_network(&self) {
        if rt::is_in_run() {
            self.shared.update_madsim_network(rt::now());
        }
    }
}

/// Links, and what is sent over them.
impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the directed link between two hosts; creates it when it is first used.
    pub(crate) fn link(&self, from: HostId, to: HostId) -> Arc<Link> {
        let mut state = self.lock();
        if !state.undeliverable.is_empty() {
            let values = std::mem::take(&mut state.undeliverable);
            // Dropped without the lock: a value may hold a connection, which sends a FIN when it
            // is dropped.
            drop(state);
            drop(values);
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
            None if source.location.machine == target.location.machine => &self.classes.loopback,
            None if source.location.zone == target.location.zone => &self.classes.zone,
            None => &self.classes.wan,
        };
        let subject = self.recorder.symbol(&format!("{} -> {}", names.0, names.1));
        let power = (source.power.clone(), target.power.clone());
        let link = Arc::new(Link::new(profile.clone(), self.seed, names, power, (subject, target.symbol)));
        let (links, to) = (&mut state.hosts[from.0 as usize].links, to.0 as usize);
        links.resize(links.len().max(to + 1), None);
        links[to] = Some(link.clone());
        link
    }

    /// Returns every link that was ever used, in order of hosts.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.lock().links().cloned().collect()
    }

    /// Sends a message or segment over a link now. Returns `None` if it is lost, which is
    /// recorded.
    pub(crate) fn send(&self, link: &Link, what: Sent, segment: Segment) -> Option<Transit> {
        link.send(&self.faults, &self.recorder, what, segment)
    }

    /// Sends a segment without data (an acknowledgement, a reset, part of a handshake) over a link
    /// now. Returns its latency, or `None` if it is lost.
    pub(crate) fn send_control(&self, link: &Link, segment: Segment) -> Option<Duration> {
        self.send(link, Sent::Control, segment).map(|transit| transit.latency)
    }

    /// Stores a value that arrived where nothing listens: a timer's callback must not drop it.
    pub(crate) fn drop_later(&self, value: impl Any + Send) {
        self.lock().undeliverable.push(Box::new(value));
    }
}

/// Connections and ports.
impl Shared {
    /// Returns the connections that exist.
    pub(crate) fn connections(&self) -> Vec<Arc<dyn RegisteredConnection>> {
        let state = self.lock();
        let connections = state.connections.list();
        drop(state);
        // Upgraded without the lock: dropping the last reference to a connection takes it.
        connections.iter().filter_map(Weak::upgrade).collect()
    }

    /// Creates a connection and registers it under a number of its own.
    pub(crate) fn register<C: RegisteredConnection + 'static>(
        &self,
        connection: impl FnOnce(u64) -> Arc<C>,
    ) -> Arc<C> {
        let number = self.lock().connections.next_number();
        let connection = connection(number);
        let weak = Arc::downgrade(&connection);
        self.lock().connections.insert(number, weak);
        connection
    }

    /// Removes a closed connection from the registry, and releases its ports.
    pub(crate) fn unregister(&self, number: u64, hosts: [HostId; 2], addresses: [SocketAddr; 2]) {
        let mut state = self.lock();
        state.connections.remove(number);
        let [client, server] = addresses;
        let namespaces = hosts.map(|host| state.namespace(host));
        state.ports.release(namespaces[0], client.port(), server);
        state.ports.release(namespaces[1], server.port(), client);
    }

    /// Binds a port of a host for the current process, or a free one if it is 0.
    pub(crate) fn bind(
        &self,
        protocol: Protocol,
        (host, at): (HostId, At),
        port: u16,
        reuse: Reuse,
        owner: Owner,
    ) -> io::Result<Binding> {
        // Ports may be bound before the run begins.
        let now = if rt::is_in_run() { rt::now() } else { SimTime::ZERO };
        let owner = (owner, Process::current());
        let mut state = self.lock();
        let State { hosts, ports, undeliverable, .. } = &mut *state;
        let HostInfo { name, faults, namespace, .. } = &mut hosts[host.0 as usize];
        let chance = || self.seed.stream(("net", &**name, "fault"));
        if self.faults.apply(Sent::Bind, port, (name, name), faults, chance).in_use {
            return Err(EADDRINUSE.into());
        }
        let site = Site { namespace: *namespace, host, at };
        let mut released = Vec::new();
        let binding = ports.bind(protocol, site, (port, reuse), now, owner, &mut released);
        undeliverable.extend(released.into_iter().map(|owner| Box::new(owner) as Box<dyn Any + Send>));
        binding
    }

    pub(crate) fn unbind(&self, protocol: Protocol, host: HostId, binding: Binding) {
        let mut state = self.lock();
        let namespace = state.namespace(host);
        let owner = state.ports.unbind(protocol, namespace, binding);
        drop(state);
        // Dropped without the lock: connections may wait in it.
        drop(owner);
    }

    /// Returns the host that receives packets to a port at these addresses of `host`: where hosts
    /// share a namespace, the one whose process has bound the port.
    pub(crate) fn receiver(&self, protocol: Protocol, host: HostId, at: At, port: u16) -> HostId {
        self.receiver_of_flow(protocol, host, at, port, 0)
    }

    /// As [`Shared::receiver`], where `flow` selects one of listeners that share the port.
    pub(crate) fn receiver_of_flow(
        &self,
        protocol: Protocol,
        host: HostId,
        at: At,
        port: u16,
        flow: u64,
    ) -> HostId {
        if at == At::Host {
            return host;
        }
        let state = self.lock();
        if !state.host(host).location.shares_namespace() {
            return host;
        }
        let bound = state.ports.find(protocol, &state.site(host, at), port, flow);
        bound.map_or(host, |bound| bound.host)
    }

    /// Returns the inbox that is bound to a port at these addresses of `host`, or `None` if there
    /// is none.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the inbox has another message type.
    pub(crate) fn inbox<T: Send + Sync + 'static>(
        &self,
        protocol: Protocol,
        host: HostId,
        at: At,
        port: u16,
    ) -> io::Result<Option<Arc<T>>> {
        self.inbox_of(protocol, host, at, port, 0)
    }

    /// As [`Shared::inbox`], where `flow` selects one of listeners that share the port.
    ///
    /// # Errors
    ///
    /// As [`Shared::inbox`].
    pub(crate) fn inbox_of<T: Send + Sync + 'static>(
        &self,
        protocol: Protocol,
        host: HostId,
        at: At,
        port: u16,
        flow: u64,
    ) -> io::Result<Option<Arc<T>>> {
        let state = self.lock();
        let bound = state.ports.find(protocol, &state.site(host, at), port, flow);
        let Some(owner) = bound.map(|bound| bound.owner.clone()) else { return Ok(None) };
        drop(state);
        if owner.is::<Reserved>() {
            return Ok(None);
        }
        let Ok(inbox) = owner.downcast::<T>() else {
            let why = format!("port {port} is bound with another message type");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        };
        Ok(Some(inbox))
    }
}

/// The kernel's tasks, and madsim's own network.
impl Shared {
    /// Creates the madsim node of the kernels, if there is none. Neither a timer's callback nor
    /// the destructor of a killed node's task may do that.
    pub(crate) fn start_kernel(&self) -> &NodeHandle {
        self.kernel.get_or_init(|| Handle::current().create_node().name("kernel of the network").build())
    }

    /// Spawns a task of a host's kernel. Does not ask madsim for a node if the kernels' exists
    /// already: the caller may be a destructor that runs while madsim has its list of nodes
    /// locked.
    pub(crate) fn spawn_in_kernel(&self, scope: Scope, task: impl Future<Output = ()> + Send + 'static) {
        self.start_kernel().spawn(rt::scoped(&self.recorder, scope, task));
    }

    pub(crate) fn has_mounted_nodes(&self) -> bool {
        !self.lock().nodes.is_empty()
    }

    /// Updates madsim's own network to the rules and the hosts without power.
    pub(crate) fn update_madsim_network(&self, now: SimTime) {
        let mut state = self.lock();
        let any_off = state.hosts.iter().any(|host| host.power.is_off());
        if self.faults.is_empty() && !any_off && state.madsim.is_clean() {
            return;
        }
        let State { hosts, nodes, madsim, .. } = &mut *state;
        madsim.update(&self.faults, &Mounted { hosts, nodes }, now);
    }
}

/// Hosts and their addresses.
impl Shared {
    /// Returns the host of this name; creates it at this location if there is none.
    pub(crate) fn host(&self, name: &str, location: Location) -> HostId {
        let symbol = self.recorder.symbol(name);
        let mut state = self.lock();
        let next = HostId(state.hosts.len() as u32);
        let id = *state.host_index.entry(name.to_string()).or_insert(next);
        if id == next {
            let ip = next.v4();
            state.addresses.insert(ip.into(), id);
            state.addresses.insert(next.v6().into(), id);
            let (name, power, ip) = (name.into(), Arc::default(), ip.into());
            let (names, faults, links) = (None, None, Vec::new());
            let own = NamespaceId(next.0);
            let namespace = match &location.namespace {
                None => own,
                Some(name) => {
                    let stream = || self.seed.stream(("net", &*location.machine, "ports", &**name));
                    let State { namespaces, ports, .. } = &mut *state;
                    let name = (location.machine.clone(), name.clone());
                    *namespaces.entry(name).or_insert_with(|| {
                        ports.ephemeral.randomize(own, stream());
                        own
                    })
                }
            };
            state.hosts.push(HostInfo {
                name,
                location,
                namespace,
                symbol,
                power,
                ip,
                addresses: id,
                names,
                faults,
                links,
            });
        }
        id
    }

    /// Makes this the host of a node.
    pub(crate) fn mount(&self, host: HostId, node: NodeId) {
        self.lock().nodes.insert(node, host);
    }

    pub(crate) fn power(&self, host: HostId) -> Arc<Power> {
        self.lock().host(host).power.clone()
    }

    /// The host's name.
    pub(crate) fn name(&self, host: HostId) -> String {
        self.lock().host(host).name.to_string()
    }

    /// The names of all hosts, by their numbers.
    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().hosts.iter().map(|host| host.name.to_string()).collect()
    }

    /// The host's own address.
    pub(crate) fn ip(&self, host: HostId) -> IpAddr {
        self.lock().host(host).ip
    }

    /// Gives the host one more address, which becomes its own.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if another host has it.
    pub(crate) fn set_ip(&self, host: HostId, ip: IpAddr) -> io::Result<()> {
        let mut state = self.lock();
        if state.addresses.get(&ip).is_some_and(|&other| other != host) {
            return Err(EADDRINUSE.into());
        }
        state.addresses.insert(ip, host);
        state.hosts[host.0 as usize].ip = ip;
        Ok(())
    }

    /// Takes all addresses of the host away, and gives it new ones. Returns the IPv4 address, which
    /// becomes its own.
    pub(crate) fn renew_ip(&self, host: HostId, old: OldAddress) -> IpAddr {
        let (name, location) = {
            let state = self.lock();
            (state.host(host).name.clone(), state.host(host).location.clone())
        };
        let none = match old {
            OldAddress::Hang => None,
            OldAddress::Refuse => Some(self.host(&format!("old address of {name}"), location)),
        };
        let mut state = self.lock();
        let State { hosts, addresses, renewed, .. } = &mut *state;
        *renewed += 1;
        let info = &mut hosts[host.0 as usize];
        info.addresses = HostId(RENEWED + *renewed);
        info.ip = info.addresses.v4().into();
        let (ip, new) = (info.ip, info.addresses);
        if let Some(none) = none {
            addresses.values_mut().filter(|id| **id == host).for_each(|id| *id = none);
            info.power.restart();
        } else {
            addresses.retain(|_, id| *id != host);
            // Connections keep the links of the old address, which stay off.
            info.power = info.power.give_up();
            info.links.clear();
            for other in hosts.iter_mut() {
                if let Some(link) = other.links.get_mut(host.0 as usize) {
                    *link = None;
                }
            }
        }
        addresses.insert(ip, host);
        addresses.insert(new.v6().into(), host);
        ip
    }

    /// The source address that a host uses towards another address.
    pub(crate) fn source(&self, host: HostId, there: IpAddr) -> IpAddr {
        let (ip, addresses) = {
            let state = self.lock();
            (state.host(host).ip, state.host(host).addresses)
        };
        match (there, ip) {
            (IpAddr::V4(_), IpAddr::V6(_)) => addresses.v4().into(),
            (IpAddr::V6(_), IpAddr::V4(_)) => addresses.v6().into(),
            (_, ip) => ip,
        }
    }
    pub(crate) fn shares_namespace(&self, host: HostId) -> bool {
        self.lock().host(host).location.shares_namespace()
    }

    /// Whether an address is one of the host's namespace: loopback, and those of every host in it.
    pub(crate) fn is_local(&self, host: HostId, ip: IpAddr) -> bool {
        let Some(other) = self.host_of(host, ip) else { return false };
        let state = self.lock();
        state.namespace(other) == state.namespace(host)
    }

    /// Returns the host that has this address, as seen from host `here`; `None` if no host has it.
    pub(crate) fn host_of(&self, here: HostId, ip: IpAddr) -> Option<HostId> {
        if ip.is_loopback() || ip.is_unspecified() {
            return Some(here);
        }
        self.lock().addresses.get(&ip.to_canonical()).copied()
    }

    /// Looks up a name: returns how long that takes, and the addresses.
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

/// The hosts that are mounted on nodes.
struct Mounted<'a> {
    hosts: &'a [HostInfo],
    nodes: &'a BTreeMap<NodeId, HostId>,
}

impl MountedHosts for Mounted<'_> {
    fn nodes(&self) -> &BTreeMap<NodeId, HostId> {
        self.nodes
    }

    fn name(&self, host: HostId) -> &str {
        &self.hosts[host.0 as usize].name
    }

    fn is_off(&self, host: HostId) -> bool {
        self.hosts[host.0 as usize].power.is_off()
    }
}

impl State {
    fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.hosts.iter().flat_map(|host| host.links.iter().flatten())
    }

    fn host(&self, id: HostId) -> &HostInfo {
        &self.hosts[id.0 as usize]
    }

    /// All hosts, in order.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..self.hosts.len() as u32).map(HostId)
    }

    /// The host's zone.
    pub(crate) fn zone(&self, host: HostId) -> &str {
        &self.host(host).location.zone
    }

    /// The host's network namespace.
    pub(crate) fn namespace(&self, host: HostId) -> NamespaceId {
        self.host(host).namespace
    }

    fn site(&self, host: HostId, at: At) -> Site {
        Site { namespace: self.namespace(host), host, at }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let hosts: Vec<&str> = state.hosts.iter().map(|host| &*host.name).collect();
        f.debug_struct("Network").field("hosts", &hosts).finish_non_exhaustive()
    }
}
