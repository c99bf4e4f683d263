//! The HTTP ingress: accepts invocations, finds the partition's leader, and repeats the request
//! until the leader answers.
//!
//! Source: restatedev/restate `crates/ingress-http`, `crates/worker-api` / March 2025
//! `crates/ingress-dispatcher`.

use crate::log::Generation;
use crate::metadata::Metadata;
use crate::partition::PartitionId;
use crate::partition::protocol::{Invoke, Invoked, PARTITION_PORT};
use crate::partition::settings::PlacedBy;
use crate::partition::state::{Handler, InvocationId, Key};
use crate::partition::views::Views;
use crate::peers::Peers;
use crate::settings::ClusterSettings;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stormglass_core::{Recorder, Seed, Symbol};
use stormglass_net::{Host, Service};
use stormglass_rt as rt;

/// The port of the ingress.
pub const INGRESS_PORT: u16 = 8080;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `GET /restate/health`.
    Health,
    /// `POST /Counter/{object}/{handler}`, with an idempotency key or without.
    Invoke {
        /// The counter.
        object: u64,
        /// The handler.
        handler: Handler,
        /// The header `idempotency-key`.
        idempotency_key: Option<u64>,
    },
}

/// A response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// 200, with the counter's value if it was requested.
    Ok(Option<i64>),
    /// 404: this node knows no such service.
    NotFound,
}

/// What an ingress needs of its node.
pub(crate) struct Parts {
    pub(crate) host: Host,
    pub(crate) me: Generation,
    pub(crate) metadata: Metadata,
    pub(crate) views: Views,
    pub(crate) settings: Arc<ClusterSettings>,
    pub(crate) seed: Seed,
}

struct Ingress {
    parts: Parts,
    peers: Peers<Invoke, Invoked>,
    recorder: Recorder,
    back_off: Symbol,
    /// The number of requests so far.
    taken: AtomicU64,
}

/// Serves the requests that wait at the port, and those that arrive later.
pub(crate) fn start(parts: Parts, mut service: Service<Request, Response>) {
    let recorder = parts.host.network().recorder().clone();
    let peers = Peers::new(&parts.host, PARTITION_PORT, parts.settings.network.connect_timeout);
    let back_off = recorder.symbol("ingress back-off");
    let ingress = Ingress { parts, peers, recorder: recorder.clone(), back_off, taken: AtomicU64::new(0) };
    let ingress = Arc::new(ingress);
    rt::spawn(&recorder.clone(), "ingress", async move {
        while let Some(call) = service.next().await {
            let (request, reply) = call.split();
            match request {
                Request::Health => reply.send(Response::Ok(None)),
                Request::Invoke { object, handler, idempotency_key } => {
                    let ingress = ingress.clone();
                    rt::spawn(&recorder, "ingress request", async move {
                        let response = ingress.invoke(object, handler, idempotency_key).await;
                        reply.send(response);
                    });
                }
            }
        }
    });
}

impl Ingress {
    async fn invoke(&self, object: u64, handler: Handler, key: Option<u64>) -> Response {
        // In Restate's ingress only the end of the connection ends a wait for the answer.
        const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
        let Parts { metadata, settings, seed, me, .. } = &self.parts;
        let (Some(_), Some(table)) = (metadata.schema.get(), metadata.partition_table.get()) else {
            return Response::NotFound;
        };
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let key = key.map_or(Key::Once(*me, number), Key::Idempotent);
        let partition = PartitionId::of(object, table.partitions);
        let invoke = Invoke { partition, id: InvocationId { object, key }, handler };
        let retry = &settings.partition.ingress_retry;
        let mut delays = None;
        loop {
            if let Some(leader) = self.leader(partition)
                && let Ok(Invoked::Value(value)) = self.peers.call(&leader, LIMIT, invoke).await
            {
                return Response::Ok(Some(value));
            }
            let jitter = || seed.stream(("ingress", u64::from(me.id.0), u64::from(me.generation), number));
            let delay = delays.get_or_insert_with(|| retry.delays(jitter())).next().unwrap_or(retry.max);
            rt::pause(&self.recorder, self.back_off, delay).await;
        }
    }

    /// Returns the node that leads a partition, as far as this node knows.
    fn leader(&self, partition: PartitionId) -> Option<String> {
        let Parts { metadata, views, settings, .. } = &self.parts;
        let leader = match settings.partition.placed_by {
            PlacedBy::Epochs => views.get().get(&partition)?.leader?.1.id,
            PlacedBy::Table => metadata.partition_table.get()?.placement.get(&partition)?.leader?,
        };
        metadata.name_of(leader)
    }
}

/// Binds the port: requests wait there until [`start`] serves them.
///
/// # Errors
///
/// `AddrInUse`.
pub(crate) fn bind(host: &Host) -> io::Result<Service<Request, Response>> {
    host.serve(INGRESS_PORT)
}
