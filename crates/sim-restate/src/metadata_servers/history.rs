//! Clients that write and read, and the check that their histories are linearizable.

use crate::metadata_servers::servers::{Servers, ask, client_host, swap};
use crate::metadata_servers::settings::ChaosSettings;
use crate::metadata_servers::workload::KeyOperation;
use sim_raft::Refusal;
use sim_raft::api::{Precondition, RefusalKind, Reply, Request, Write};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::Stream;
use stormglass_core::linearizability::{Call, Linearizable, Object, check, first_unexplained};
use stormglass_core::workload::Step;
use stormglass_net::Host;
use stormglass_rt as rt;
use stormglass_sim::World;

/// The maximal number of steps of the search for a linearization of each key; a successful search
/// takes about as many steps as there are operations.
const STEPS_MAX: u64 = 1_000_000;

/// So many operations before the first response that cannot be explained are noted.
const NOTED: usize = 20;

/// A value of the store: its version and its mark, which no two writes share.
pub type Marked = Option<(u64, u64)>;

/// A client's operation on one key, with its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A read of this value.
    Read(Marked),
    /// A write on condition that the key has this version.
    Put {
        /// The version of the condition.
        found: Option<u64>,
        /// The value of the write.
        value: (u64, u64),
        /// Whether the write succeeded. Ignored for an operation without a known end.
        written: bool,
    },
    /// A delete of the key on condition that it has this version.
    Delete {
        /// The version of the condition.
        found: u64,
        /// Whether the delete succeeded.
        written: bool,
    },
}

/// Returns what an operation did. The result of an operation without a response is not known.
fn described(Call { operation, ended, .. }: &Call<Operation>) -> String {
    let condition = |found: Option<u64>| {
        found.map_or("the key does not exist".into(), |version| format!("the key has version {version}"))
    };
    let result = |written| match (ended, written) {
        (None, _) => "",
        (Some(_), true) => ", which succeeded",
        (Some(_), false) => ", which was refused",
    };
    match *operation {
        Operation::Read(_) if ended.is_none() => "a read".into(),
        Operation::Read(None) => "a read that found nothing".into(),
        Operation::Read(Some((version, mark))) => format!("a read of version {version}, {}", writer(mark)),
        Operation::Put { found, written, value: (_, mark) } => {
            format!("{} if {}{}", writer(mark), condition(found), result(written))
        }
        Operation::Delete { found, written } => {
            format!("a delete if {}{}", condition(Some(found)), result(written))
        }
    }
}

/// Returns the name of a write, as its mark has it.
fn writer(mark: u64) -> String {
    format!("write {} of client {}", mark & u64::from(u32::MAX), mark >> 32)
}

/// A key of the metadata store.
#[derive(Clone, Copy, Debug)]
pub struct Key;

/// The state of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyState {
    value: Marked,
    /// Whether it was deleted before. From then on a leader may refuse a write whose condition holds:
    /// the early refusals of Restate rely on keys that are never deleted.
    was_deleted: bool,
}

impl Object for Key {
    type State = KeyState;
    type Operation = Operation;

    fn apply(&self, state: &KeyState, operation: &Operation, seen: bool) -> Option<KeyState> {
        let KeyState { value: current, was_deleted } = *state;
        let version = current.map(|(version, _)| version);
        let (holds, written, after) = match *operation {
            Operation::Read(value) => return (!seen || value == current).then_some(*state),
            Operation::Put { found, value, written } => (version == found, written, Some(value)),
            Operation::Delete { found, written } => (version == Some(found), written, None),
        };
        let after = KeyState { value: after, was_deleted: was_deleted || after.is_none() };
        match (seen, holds, written) {
            (true, true, false) => was_deleted.then_some(*state),
            (true, false, true) => None,
            (_, true, _) => Some(after),
            (_, false, _) => Some(*state),
        }
    }
}

/// The operations of all clients. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<BTreeMap<String, Vec<Call<Operation>>>>>);

/// An operation in flight.
struct InFlight {
    key: String,
    index: usize,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Call<Operation>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, key: &str, operation: Operation) -> InFlight {
        let mut histories = self.lock();
        let calls = histories.entry(key.to_string()).or_default();
        calls.push(Call { began: rt::now(), ended: None, operation });
        InFlight { key: key.to_string(), index: calls.len() - 1 }
    }

    fn end(&self, InFlight { key, index }: InFlight, operation: Operation) {
        let mut histories = self.lock();
        let call = &mut histories.get_mut(&key).expect("it has begun")[index];
        (call.ended, call.operation) = (Some(rt::now()), operation);
    }

    /// Removes an operation that had no effect that any client could observe, such as a read
    /// without an end.
    fn never_happened(&self, InFlight { key, index }: InFlight) {
        let mut histories = self.lock();
        histories.get_mut(&key).expect("it has begun")[index].operation = Operation::Read(None);
    }

    /// Reports the first response, of any key, that no order of the operations on its key explains, and
    /// notes the operations before it.
    pub fn judge(&self, world: &World) {
        let histories = self.lock();
        let mut unexplained = Vec::new();
        for (key, calls) in &*histories {
            match check(&Key, KeyState::default(), calls, STEPS_MAX) {
                Linearizable::Yes => {}
                Linearizable::No => {
                    let call = first_unexplained(&Key, KeyState::default(), calls, STEPS_MAX)
                        .map(|call| &calls[call]);
                    let ended = call.and_then(|call| call.ended).unwrap_or(rt::now());
                    unexplained.push((ended, key, call));
                }
                Linearizable::Unknown(steps) => {
                    world.note(&format!("linearizable: {key} was given up after {steps} steps"));
                }
            }
        }
        let Some((at, key, call)) = unexplained.into_iter().min_by_key(|(ended, key, _)| (*ended, *key))
        else {
            return;
        };
        let mut before: Vec<_> = histories[key].iter().filter(|call| call.began <= at).collect();
        before.sort_by_key(|call| call.began);
        for call in &before[before.len().saturating_sub(NOTED)..] {
            let to = call.ended.map_or("without a response".into(), |ended| format!("to {ended}"));
            world.note(&format!("{key}: {}, from {} {to}", described(call), call.began));
        }
        let what = call.map_or("what was seen".into(), |call| {
            format!("{}, from {} to {at}", described(call), call.began)
        });
        let evidence = format!("no order of {} operations on {key} explains {what}", histories[key].len());
        world.violated_at(at, "linearizable", evidence);
    }
}

/// One client.
pub struct Client {
    host: Host,
    settings: ChaosSettings,
    servers: Vec<String>,
    choice: Stream,
    history: History,
    number: u32,
    written: u64,
    /// The last known leader: the server that served the last request, or the leader that the last
    /// refusal named.
    leader: Option<String>,
    /// The versions that the client has observed.
    seen: BTreeMap<String, Option<u64>>,
}

impl Client {
    /// Returns a client with a random stream of its own, on a machine of its own.
    pub fn new(
        world: &World,
        servers: &Servers,
        settings: &ChaosSettings,
        number: u32,
        history: &History,
    ) -> Client {
        Client {
            host: client_host(world, number),
            settings: settings.clone(),
            servers: servers.nodes().iter().map(|node| node.name().to_string()).collect(),
            choice: world.seed().stream(("client", u64::from(number))),
            history: history.clone(),
            number,
            written: 0,
            leader: None,
            seen: BTreeMap::new(),
        }
    }

    /// Writes and reads until the future is dropped.
    pub async fn work(mut self) {
        loop {
            let key = key_name(self.choice.below(u64::from(self.settings.keys)) as u32);
            let kind = self.choice.below(10);
            match self.seen.get(&key).copied() {
                Some(found) if kind < 5 => drop(self.put(&key, found).await),
                Some(Some(found)) if kind < 6 => self.delete(&key, found).await,
                _ => self.read(&key).await,
            }
            let longest = self.settings.pause_longest.as_nanos() as u64;
            rt::sleep(Duration::from_nanos(self.choice.below(longest.max(1)))).await;
        }
    }

    /// Takes these steps of a workload, one after the other.
    pub async fn follow(mut self, steps: Vec<Step<KeyOperation>>) {
        for Step { pause, operation, .. } in steps {
            rt::sleep(pause).await;
            let key = key_name(operation.key());
            let seen = self.seen.get(&key).copied().flatten();
            match (operation, seen) {
                (KeyOperation::Put(_), found) => drop(self.put(&key, found).await),
                (KeyOperation::Delete(_), Some(found)) => self.delete(&key, found).await,
                (KeyOperation::Get(_) | KeyOperation::Delete(_), _) => self.read(&key).await,
            }
        }
    }

    /// Reads the key, then writes it on condition of the version read, until a write is acknowledged.
    pub async fn until_written(mut self, key: &str) {
        loop {
            self.read(key).await;
            let found = self.seen.get(key).copied().flatten();
            if self.put(key, found).await {
                return;
            }
            rt::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn read(&mut self, key: &str) {
        let in_flight = self.history.begin(key, Operation::Read(None));
        if let Ok(Reply::Value(value)) = self.ask(Request::Get { key: key.into() }).await {
            let marked = value.map(|value| (value.version, mark(&value.bytes)));
            self.seen.insert(key.into(), marked.map(|(version, _)| version));
            self.history.end(in_flight, Operation::Read(marked));
        }
    }

    async fn put(&mut self, key: &str, found: Option<u64>) -> bool {
        self.written += 1;
        let mark = u64::from(self.number) << 32 | self.written;
        let version = found.unwrap_or(0) + 1;
        let write = swap(key, found, mark.to_le_bytes().to_vec());
        let operation = |written| Operation::Put { found, value: (version, mark), written };
        let written = self.write(key, write, operation).await;
        if written {
            self.seen.insert(key.into(), Some(version));
        }
        written
    }

    async fn delete(&mut self, key: &str, found: u64) {
        let write = Write::Delete { key: key.into(), precondition: Precondition::MatchesVersion(found) };
        if self.write(key, write, |written| Operation::Delete { found, written }).await {
            self.seen.insert(key.into(), None);
        }
    }

    async fn write(&mut self, key: &str, write: Write, operation: impl Fn(bool) -> Operation) -> bool {
        // The history has the operation from its beginning: if the client is stopped meanwhile,
        // the operation has no end.
        let in_flight = self.history.begin(key, operation(true));
        match self.ask(Request::Write(write)).await {
            Ok(_) => {
                self.history.end(in_flight, operation(true));
                true
            }
            Err(Refusal { kind: RefusalKind::PreconditionFailed { found }, .. }) => {
                self.seen.insert(key.into(), found);
                self.history.end(in_flight, operation(false));
                false
            }
            Err(refusal) => {
                if !refusal.ambiguous {
                    self.history.never_happened(in_flight);
                }
                self.seen.remove(key);
                false
            }
        }
    }

    async fn ask(&mut self, request: Request) -> Result<Reply, Refusal> {
        let any = self.choice.below(self.servers.len() as u64) as usize;
        let server = self.leader.take().unwrap_or_else(|| self.servers[any].clone());
        let answer = ask(&self.host, &server, request, self.settings.request_timeout).await;
        self.leader = match &answer {
            Ok(_) | Err(Refusal { kind: RefusalKind::PreconditionFailed { .. }, .. }) => Some(server),
            Err(refusal) => refusal.leader.as_ref().map(|leader| leader.host.clone()),
        };
        answer
    }
}

fn key_name(number: u32) -> String {
    format!("key-{number}")
}

fn mark(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}
