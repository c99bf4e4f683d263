//! Hosts, their links and their ports.

use crate::profile::{LinkProfile, NetProfile};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::{Keep, Kind, Recorder, Seed, Stream, Symbol};
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
    state: Mutex<State>,
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
        Network { shared: Arc::new(Shared { profile, seed, recorder: recorder.clone(), state }) }
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
            state.hosts.push(HostInfo { name: name.to_string(), machine: machine.to_string(), symbol });
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
            stream: Mutex::new(self.seed.stream(("net", &source.name, &target.name))),
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

    /// What a handshake costs, and whether somebody listens: the inbox, or the refusal a round trip later.
    pub(crate) async fn shake_hands<T: Clone + Send + Sync + 'static>(
        &self,
        from: HostId,
        to: Address,
    ) -> io::Result<T> {
        let began = rt::now();
        let (there, back) = (self.link(from, to.host), self.link(to.host, from));
        rt::sleep(there.draw()).await;
        let inbox = self.inbox::<T>(Protocol::Stream, to);
        rt::sleep(back.draw()).await;
        if let Ok(Some(_)) = inbox {
            for _ in 0..self.profile.handshake_round_trips {
                rt::sleep(there.draw() + back.draw()).await;
            }
        }
        let (kind, result) = match inbox {
            Ok(Some(inbox)) => (Kind::Connect, Ok(inbox)),
            Ok(None) => (Kind::Refuse, Err(io::ErrorKind::ConnectionRefused.into())),
            Err(error) => (Kind::Refuse, Err(error)),
        };
        let now = rt::now();
        self.recorder.record(now, kind, there.subject, now - began, u64::from(to.port));
        result
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
    stream: Mutex<Stream>,
    pub(crate) subject: Symbol,
    /// The host at its end.
    pub(crate) target: Symbol,
}

impl Link {
    pub(crate) fn draw(&self) -> Duration {
        let draw = self.stream.lock().unwrap_or_else(PoisonError::into_inner).draw();
        self.profile.delay + self.profile.latency.at(draw)
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

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.network.shared
    }
}
