//! The metadata client of a node.
//!
//! As Restate's `grpc/client.rs`: the client keeps its endpoint while it works. After a refusal
//! with a leader hint it repeats the call at the hinted node immediately, at most three times.
//! After any other failure it changes to another endpoint and returns the error to the caller,
//! which has its own retry policy. A call that is connected has no deadline.

use crate::api::{Answer, FABRIC_PORT, Precondition, Refusal, RefusalKind, Reply, Request, Value, Write};
use crate::known_nodes::NodesWatch;
use crate::nodes::{MetadataState, NodesConfiguration};
use crate::settings::{ClientSettings, NextEndpoint};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_core::{Kind, Recorder, Seed, Stream, Symbol};
use stormglass_net::{Channel, Host};
use stormglass_rt::{self as rt, Watch};

/// A client of the metadata servers. Clones share endpoint and connections.
#[derive(Clone, Debug)]
pub struct MetadataClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    host: Host,
    settings: ClientSettings,
    recorder: Recorder,
    back_off: Symbol,
    conflict: Symbol,
    /// The configured endpoints: host names.
    endpoints: Vec<String>,
    name: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: String,
    channels: BTreeMap<String, Arc<Channel<Request, Answer>>>,
    choice: Stream,
    jitter: Stream,
    /// The source of endpoints besides the configured ones.
    nodes: Option<NodesWatch>,
}

/// The error of a failed call.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// The call can be retried. A write may or may not have taken effect.
    #[error("{0}")]
    Retryable(String),
    /// The precondition did not hold; for an update, after every attempt that the retry policy
    /// allows.
    #[error("lost to other writers: {0}")]
    Conflict(String),
    /// The call cannot succeed.
    #[error("{0}")]
    Terminal(String),
}

/// A document of the metadata store.
pub trait Document: Serialize + DeserializeOwned {
    /// Returns the version of the document, from 1.
    fn version(&self) -> u64;
}

impl Document for NodesConfiguration {
    fn version(&self) -> u64 {
        self.version
    }
}

impl MetadataClient {
    /// Creates the client of a node (`name`, in this `incarnation`) on this host, with these
    /// endpoints.
    ///
    /// # Panics
    ///
    /// When `endpoints` is empty.
    pub fn new(
        host: Host,
        name: &str,
        incarnation: u32,
        settings: ClientSettings,
        endpoints: &[String],
        seed: Seed,
    ) -> MetadataClient {
        assert!(!endpoints.is_empty(), "a client needs at least one endpoint");
        let recorder = host.network().recorder().clone();
        let stream = |what| seed.stream(("metadata-client", name, what, u64::from(incarnation)));
        let mut choice = stream("endpoint");
        let current = endpoints[choice.below(endpoints.len() as u64) as usize].clone();
        let state =
            State { current, channels: BTreeMap::new(), choice, jitter: stream("jitter"), nodes: None };
        MetadataClient {
            shared: Arc::new(Shared {
                host,
                settings,
                back_off: recorder.symbol("metadata write conflict back-off"),
                conflict: recorder.symbol("metadata write conflict"),
                recorder,
                endpoints: endpoints.to_vec(),
                name: name.to_string(),
                state: Mutex::new(state),
            }),
        }
    }

    /// Adds the metadata servers of the configuration that its node knows to the endpoints. Once
    /// that configuration contains its own node, they are the only endpoints.
    #[must_use]
    pub fn with_nodes(self, nodes: NodesWatch) -> MetadataClient {
        self.shared.lock().nodes = Some(nodes);
        self
    }

    /// Makes `endpoint` the current one.
    pub fn prefer(&self, endpoint: &str) {
        self.shared.lock().current = endpoint.to_string();
    }

    /// Sends a request to the current endpoint, and follows leader hints.
    ///
    /// # Errors
    ///
    /// [`ClientError::Retryable`] if the endpoint is not available, [`ClientError::Conflict`] if
    /// the precondition does not hold, [`ClientError::Terminal`] otherwise.
    pub async fn call(&self, request: Request) -> Result<Reply, ClientError> {
        let mut hops = self.shared.settings.hint_hops;
        loop {
            let (endpoint, channel) = self.current();
            let refusal = match self.send(&channel, request.clone()).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(refusal)) => refusal,
                Err(error) => Refusal::unavailable(format!("{endpoint}: {error}"), None),
            };
            match refusal {
                Refusal { kind: RefusalKind::PreconditionFailed { .. }, message, .. } => {
                    return Err(ClientError::Conflict(message));
                }
                Refusal { kind: RefusalKind::Internal, message, .. } => {
                    self.change_endpoint(&endpoint);
                    return Err(ClientError::Terminal(message));
                }
                Refusal { leader: Some(leader), .. } if hops > 0 => {
                    hops -= 1;
                    self.shared.lock().current = leader.host;
                }
                Refusal { message, .. } => {
                    self.change_endpoint(&endpoint);
                    return Err(ClientError::Retryable(format!("{endpoint}: {message}")));
                }
            }
        }
    }

    async fn send(&self, channel: &Channel<Request, Answer>, request: Request) -> io::Result<Answer> {
        channel.connect_within(self.shared.settings.connect_timeout).await?;
        channel.call(request).await
    }

    /// Reads a document (linearizable).
    ///
    /// # Errors
    ///
    /// As [`MetadataClient::call`].
    pub async fn get<D: Document>(&self, key: &str) -> Result<Option<D>, ClientError> {
        match self.call(Request::Get { key: key.into() }).await? {
            Reply::Value(None) => Ok(None),
            Reply::Value(Some(value)) => postcard::from_bytes(&value.bytes)
                .map(Some)
                .map_err(|error| ClientError::Terminal(format!("{key}: {error}"))),
            other => Err(ClientError::Terminal(format!("{key}: {other:?} is no answer to a read"))),
        }
    }

    /// Writes a document if the precondition holds.
    ///
    /// # Errors
    ///
    /// As [`MetadataClient::call`].
    pub async fn put<D: Document>(
        &self,
        key: &str,
        document: &D,
        precondition: Precondition,
    ) -> Result<(), ClientError> {
        let bytes =
            postcard::to_stdvec(document).map_err(|error| ClientError::Terminal(error.to_string()))?;
        let value = Value { version: document.version(), bytes };
        let write = Write::Put { key: key.into(), value, precondition };
        self.call(Request::Write(write)).await.map(drop)
    }

    /// Reads, changes and writes a document, and repeats that after a conflict with another
    /// writer. `change` returns the next document, or `None` to leave it unchanged. Returns the
    /// document afterwards.
    ///
    /// # Errors
    ///
    /// As [`MetadataClient::call`]; a conflict only after the retry policy's last attempt.
    pub async fn update<D: Document>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<&D>) -> Result<Option<D>, ClientError>,
    ) -> Result<Option<D>, ClientError> {
        let mut delays = self.shared.settings.conflict_retry.delays(self.jitter());
        loop {
            let read = self.get::<D>(key).await?;
            let Some(next) = change(read.as_ref())? else { return Ok(read) };
            let precondition = match &read {
                Some(document) => Precondition::MatchesVersion(document.version()),
                None => Precondition::DoesNotExist,
            };
            match self.put(key, &next, precondition).await {
                Err(ClientError::Conflict(message)) => {
                    let recorder = &self.shared.recorder;
                    recorder.record(
                        rt::now(),
                        Kind::Note,
                        self.shared.conflict,
                        std::time::Duration::ZERO,
                        next.version(),
                    );
                    let delay = delays.next().ok_or(ClientError::Conflict(message))?;
                    rt::pause(recorder, self.shared.back_off, delay).await;
                }
                other => return other.map(|()| Some(next)),
            }
        }
    }

    /// Returns a stream for the jitter of one series of attempts.
    fn jitter(&self) -> Stream {
        Seed(self.shared.lock().jitter.draw()).stream("conflict-retry")
    }

    fn current(&self) -> (String, Arc<Channel<Request, Answer>>) {
        let mut state = self.shared.lock();
        let name = state.current.clone();
        let host = &self.shared.host;
        let dial = || Arc::new(host.channel(host.network().host(&name).address(FABRIC_PORT)));
        let channel = state.channels.entry(name.clone()).or_insert_with(dial).clone();
        (name, channel)
    }

    /// Changes the endpoint after `failed` has failed.
    fn change_endpoint(&self, failed: &str) {
        let mut state = self.shared.lock();
        let endpoints = self.shared.endpoints(&state);
        state.current = match self.shared.settings.next_endpoint {
            NextEndpoint::RoundRobin => {
                let next = endpoints.iter().position(|name| name == failed).map_or(0, |index| index + 1);
                endpoints[next % endpoints.len()].clone()
            }
            NextEndpoint::Any => endpoints[state.choice.below(endpoints.len() as u64) as usize].clone(),
            NextEndpoint::Another => {
                let others: Vec<&String> = endpoints.iter().filter(|name| *name != failed).collect();
                if others.is_empty() {
                    return;
                }
                others[state.choice.below(others.len() as u64) as usize].clone()
            }
        };
    }
}

impl Shared {
    /// Returns the endpoints to choose from: the configured ones and those of the known
    /// configuration, or only these once it contains the own node.
    fn endpoints(&self, state: &State) -> Vec<String> {
        let Some(nodes) = state.nodes.as_ref().and_then(Watch::get) else { return self.endpoints.clone() };
        let members = nodes.nodes.values().filter(|node| node.metadata == MetadataState::Member);
        let learned: Vec<String> = members.map(|node| node.name.clone()).collect();
        if nodes.find(&self.name).is_some() && !learned.is_empty() {
            return learned;
        }
        let more = learned.into_iter().filter(|name| !self.endpoints.contains(name));
        self.endpoints.iter().cloned().chain(more).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
