//! Hosts, their links and their ports.

use crate::fault::{Faults, Sent};
use crate::profile::{LinkProfile, NetProfile};
use crate::retransmission::{Handshake, Retransmission};
use madsim::runtime::{Handle, NodeHandle};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use stormglass_core::latency::transfer;
use stormglass_core::{Keep, Kind, Recorder, Scope, Seed, SimTime, Stream, Symbol};
use stormglass_rt as rt;

/// A network. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    profile: NetProfile,
    seed: Seed,
    pub(crate) recorder: Recorder,
    pub(crate) faults: Faults,
    state: Mutex<State>,
    /// Where the kernels of all hosts do their work: it goes on when a process is killed.
    kernel: OnceLock<NodeHandle>,
}

#[derive(Default)]
struct State {
    hosts: Vec<HostInfo>,
    host_index: BTreeMap<String, HostId>,
    links: BTreeMap<(HostId, HostId), Arc<Link>>,
    ports: BTreeMap<(Protocol, Address), Arc<dyn Any + Send + Sync>>,
    /// What arrived where nobody listens. Dropped outside of timer callbacks, when the network is next touched.
    dead_letters: Vec<Box<dyn Any + Send>>,
}

struct HostInfo {
    name: String,
    machine: String,
    symbol: Symbol,
    power: Arc<Power>,
}

/// Whether a host is on, and in its how manyth life.
#[derive(Debug, Default)]
pub(crate) struct Power {
    off: AtomicU32,
    life: AtomicU32,
}

impl Power {
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn life(&self) -> u32 {
        self.life.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostId(u32);

/// A host and a port on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub(crate) host: HostId,
    /// The port.
    pub port: u16,
}

/// What kind of socket has a port; each kind has its own numbers, as UDP and TCP do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Datagram,
    Stream,
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
        Network { shared: Arc::new(Shared { profile, seed, recorder, faults, state, kernel }) }
    }

    /// The host of this name, on a machine of its own.
    pub fn host(&self, name: &str) -> Host {
        self.host_on(name, name)
    }

    /// The host of this name on this machine; hosts of one machine reach each other over loopback. A host that
    /// is known already stays where it is.
    pub fn host_on(&self, name: &str, machine: &str) -> Host {
        let symbol = self.shared.recorder.symbol(name);
        let mut state = self.shared.lock();
        let next = HostId(state.hosts.len() as u32);
        let id = *state.host_index.entry(name.to_string()).or_insert(next);
        if id == next {
            let (name, machine, power) = (name.to_string(), machine.to_string(), Arc::default());
            state.hosts.push(HostInfo { name, machine, symbol, power });
        }
        drop(state);
        Host { network: self.clone(), id }
    }
}

impl Network {
    /// The recorder of this network's events.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }
}

impl Shared {
    /// What was sent from host to host, in order of hosts.
    pub(crate) fn links(&self) -> Vec<(String, String, Counters)> {
        let state = self.lock();
        let links = state.links.values();
        links.map(|link| (link.names.0.clone(), link.names.1.clone(), link.counters())).collect()
    }

    /// The bound ports, and whether each is for datagrams.
    pub(crate) fn ports(&self) -> Vec<(String, bool, u16)> {
        let state = self.lock();
        let name = |host: HostId| state.hosts[host.0 as usize].name.clone();
        let ports = state.ports.keys();
        ports.map(|(kind, at)| (name(at.host), *kind == Protocol::Datagram, at.port)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directed link between two hosts.
    pub(crate) fn link(&self, from: HostId, to: HostId) -> Arc<Link> {
        let mut state = self.lock();
        drop(std::mem::take(&mut state.dead_letters));
        if let Some(link) = state.links.get(&(from, to)) {
            return link.clone();
        }
        let (source, target) = (&state.hosts[from.0 as usize], &state.hosts[to.0 as usize]);
        let same_machine = source.machine == target.machine;
        let profile = if same_machine { &self.profile.loopback } else { &self.profile.link };
        let link = Arc::new(Link {
            profile: profile.clone(),
            state: Mutex::new(LinkState {
                latencies: self.seed.stream(("net", &source.name, &target.name)),
                faults: self.seed.stream(("net", &source.name, &target.name, "fault")),
                counters: Counters::default(),
                line_free: SimTime::ZERO,
            }),
            names: (source.name.clone(), target.name.clone()),
            ends: (source.power.clone(), target.power.clone()),
            subject: self.recorder.symbol(&format!("{} -> {}", source.name, target.name)),
            target: target.symbol,
        });
        state.links.insert((from, to), link.clone());
        link
    }

    pub(crate) fn bind(
        &self,
        protocol: Protocol,
        address: Address,
        inbox: Arc<dyn Any + Send + Sync>,
    ) -> io::Result<()> {
        let mut state = self.lock();
        if state.ports.contains_key(&(protocol, address)) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.ports.insert((protocol, address), inbox);
        Ok(())
    }

    pub(crate) fn unbind(&self, protocol: Protocol, address: Address) {
        self.lock().ports.remove(&(protocol, address));
    }

    /// The inbox at an address; `None` if nobody has it, `InvalidData` if it speaks another type.
    pub(crate) fn inbox<T: Clone + Send + Sync + 'static>(
        &self,
        protocol: Protocol,
        address: Address,
    ) -> io::Result<Option<T>> {
        let Some(inbox) = self.lock().ports.get(&(protocol, address)).cloned() else { return Ok(None) };
        match inbox.downcast_ref::<T>() {
            Some(inbox) => Ok(Some(inbox.clone())),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("port {} is bound with another message type", address.port),
            )),
        }
    }

    pub(crate) fn bury(&self, letter: Box<dyn Any + Send>) {
        self.lock().dead_letters.push(letter);
    }

    pub(crate) fn delayed_ack(&self) -> Duration {
        self.profile.delayed_ack
    }

    /// Runs it where the kernels work.
    pub(crate) fn in_kernel(&self, scope: Scope, work: impl Future<Output = ()> + Send + 'static) {
        let kernel =
            self.kernel.get_or_init(|| Handle::current().create_node().name("kernel of the network").build());
        kernel.spawn(rt::follow(&self.recorder, scope, work));
    }

    /// What a handshake costs, and whether somebody listens: the inbox, or the refusal a round trip later.
    pub(crate) async fn shake_hands<T: Clone + Send + Sync + 'static>(
        &self,
        from: HostId,
        to: Address,
    ) -> io::Result<T> {
        let began = rt::now();
        let (there, back) = (self.link(from, to.host), self.link(to.host, from));
        let result = self.shake(&there, &back, to).await;
        let kind = if result.is_ok() { Kind::Connect } else { Kind::Refuse };
        let now = rt::now();
        self.recorder.record(now, kind, there.subject, now - began, u64::from(to.port));
        result
    }

    async fn shake<T: Clone + Send + Sync + 'static>(
        &self,
        there: &Link,
        back: &Link,
        to: Address,
    ) -> io::Result<T> {
        let mut patience = Handshake::new();
        let inbox = loop {
            let attempt = rt::now();
            if let Some(Passage { latency, refused, .. }) = there.send(self, Sent::Syn, 0) {
                rt::sleep(latency).await;
                let inbox = if refused { Ok(None) } else { self.inbox::<T>(Protocol::Stream, to) };
                if let Some(latency) = back.attempt(self, 0) {
                    rt::sleep(latency).await;
                    break inbox;
                }
            }
            rt::sleep_until(attempt + patience.next()?).await;
        };
        let inbox = inbox?.ok_or(io::ErrorKind::ConnectionRefused)?;
        for _ in 0..self.profile.handshake_round_trips {
            let mut patience = Retransmission::new();
            loop {
                let attempt = rt::now();
                if let (Some(there), Some(back)) = (there.attempt(self, 0), back.attempt(self, 0)) {
                    rt::sleep(there + back).await;
                    break;
                }
                rt::sleep_until(attempt + patience.next(there.latency_last() * 2)?).await;
            }
        }
        Ok(inbox)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let hosts: Vec<&str> = state.hosts.iter().map(|host| host.name.as_str()).collect();
        f.debug_struct("Network").field("hosts", &hosts).field("ports", &state.ports.keys()).finish()
    }
}

/// One direction between two hosts.
#[derive(Debug)]
pub(crate) struct Link {
    profile: LinkProfile,
    state: Mutex<LinkState>,
    names: (String, String),
    pub(crate) ends: (Arc<Power>, Arc<Power>),
    pub(crate) subject: Symbol,
    /// The host at its end.
    pub(crate) target: Symbol,
}

/// What becomes of something that is sent and not lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    pub(crate) latency: Duration,
    /// How long its copy takes, if there is one.
    pub(crate) copy: Option<Duration>,
    /// Whether it is refused, if it can be.
    refused: bool,
}

#[derive(Debug)]
struct LinkState {
    latencies: Stream,
    faults: Stream,
    counters: Counters,
    /// When the line has put everything on its way that was sent before.
    line_free: SimTime,
}

/// What was sent over one direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages and segments, those that were sent again included.
    pub sent: u64,
    /// How many of them were lost.
    pub lost: u64,
    /// How long the last one took that was not.
    pub latency_last: Duration,
}

impl Link {
    /// Sends a segment of this size now: how long it takes, or nothing if it is lost, which is recorded.
    pub(crate) fn attempt(&self, network: &Shared, bytes: u64) -> Option<Duration> {
        self.send(network, Sent::Segment, bytes).map(|passage| passage.latency)
    }

    /// As [`Link::attempt`], for anything.
    pub(crate) fn send(&self, network: &Shared, what: Sent, bytes: u64) -> Option<Passage> {
        let mut state = self.lock();
        let LinkState { latencies, faults, counters, line_free } = &mut *state;
        let mut latency = self.profile.delay + self.profile.latency.at(latencies.draw());
        if bytes > 0 && !self.profile.per_mib.is_zero() {
            // What is lost has been on the line too.
            let now = rt::now();
            *line_free = now.max(*line_free) + transfer(self.profile.per_mib, bytes);
            latency += *line_free - now;
        }
        let strike = network.faults.strike(what, &self.names.0, &self.names.1, faults);
        counters.sent += 1;
        if strike.lost || self.ends.0.is_off() || self.ends.1.is_off() {
            counters.lost += 1;
            drop(state);
            let recorder = &network.recorder;
            recorder.record_in(recorder.scope(), rt::now(), Kind::Lose, self.subject, Duration::ZERO, 0);
            return None;
        }
        counters.latency_last = latency + strike.delay;
        // A copy that is made on the way takes its own time, drawn where it changes nothing else.
        let copy = strike.twice.then(|| self.profile.delay + self.profile.latency.at(faults.draw()));
        Some(Passage { latency: counters.latency_last, copy, refused: strike.refused })
    }

    pub(crate) fn latency_last(&self) -> Duration {
        self.counters().latency_last
    }

    pub(crate) fn counters(&self) -> Counters {
        self.lock().counters
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A host on the network.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) network: Network,
    pub(crate) id: HostId,
}

impl Host {
    /// A port of this host, as others name it.
    pub fn address(&self, port: u16) -> Address {
        Address { host: self.id, port }
    }

    /// The network that it is on.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Takes the host's power away until the guard is dropped: it sends nothing, not even goodbye, and nothing reaches it. Its
    /// peers' connections are half-open; when it is back, it answers what they send with a reset. Its tasks are not this
    /// crate's: kill its node while the power is off.
    pub fn power_off(&self) -> PowerOff {
        let power = self.network.shared.lock().hosts[self.id.0 as usize].power.clone();
        power.off.fetch_add(1, Ordering::Relaxed);
        power.life.fetch_add(1, Ordering::Relaxed);
        PowerOff(power)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.network.shared
    }
}

/// A host without power; dropping it gives the power back.
#[derive(Debug)]
#[must_use = "dropping the guard gives the power back"]
pub struct PowerOff(Arc<Power>);

impl Drop for PowerOff {
    fn drop(&mut self) {
        self.0.off.fetch_sub(1, Ordering::Relaxed);
    }
}
