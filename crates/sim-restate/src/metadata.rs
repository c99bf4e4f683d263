//! What a node knows of the cluster, and how it comes to know it.
//!
//! Four documents of the metadata store, each with a version: the cluster's configuration, the chains of logs, the partition table, the schema. A node fetches
//! each until it is there, again at an interval, and at once when a peer has spoken of a newer one; what it has written itself it knows.

use crate::log::Logs;
use crate::partition::table::PartitionTable;
use serde::{Deserialize, Serialize};
use sim_raft::client::{ClientError, Document};
use sim_raft::{MetadataClient, NodeId, NodesConfiguration, RetryPolicy};
use sim_raft::{NodesWatch, publish};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use stormglass_core::{Recorder, Seed};
use stormglass_rt as rt;
use stormglass_rt::{Alarm, Watch};

/// The services that are registered: as many as there were registrations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// From 1.
    pub version: u64,
    /// The hosts of the services, in the order of their registration.
    pub deployments: Vec<String>,
}

impl Schema {
    /// The document's key. It has no value until something is registered.
    pub const KEY: &str = "schema_registry";
}

impl Document for Schema {
    fn version(&self) -> u64 {
        self.version
    }
}

/// A document, if it is known.
pub type Known<D> = Option<Arc<D>>;

/// The versions of the documents; 0 for one that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The cluster's configuration.
    pub nodes: u64,
    /// The chains of logs.
    pub logs: u64,
    /// The partition table.
    pub partition_table: u64,
    /// The schema.
    pub schema: u64,
}

/// The documents that a node knows. Clones share them.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The cluster's configuration.
    pub nodes: NodesWatch,
    /// The chains of logs.
    pub logs: Watch<Known<Logs>>,
    /// The partition table.
    pub partition_table: Watch<Known<PartitionTable>>,
    /// The schema.
    pub schema: Watch<Known<Schema>>,
    /// The newest versions that anybody has spoken of.
    heard_of: Watch<Versions>,
}

impl Metadata {
    /// Nothing known yet.
    pub fn new(recorder: &Recorder) -> Metadata {
        Metadata {
            nodes: Watch::new(recorder, None),
            logs: Watch::new(recorder, None),
            partition_table: Watch::new(recorder, None),
            schema: Watch::new(recorder, None),
            heard_of: Watch::new(recorder, Versions::default()),
        }
    }

    /// The versions of what is known.
    pub fn versions(&self) -> Versions {
        Versions {
            nodes: version(&self.nodes),
            logs: version(&self.logs),
            partition_table: version(&self.partition_table),
            schema: version(&self.schema),
        }
    }

    /// Hears what versions a peer has: what is newer than what is known will be fetched.
    pub fn hear_of(&self, versions: Versions) {
        self.heard_of.change(|heard| {
            let before = *heard;
            heard.nodes = heard.nodes.max(versions.nodes);
            heard.logs = heard.logs.max(versions.logs);
            heard.partition_table = heard.partition_table.max(versions.partition_table);
            heard.schema = heard.schema.max(versions.schema);
            *heard != before
        });
    }

    /// Starts the tasks that fetch each document until it is known, one for each kind as in 1.7. The schema is
    /// asked for once: no value is an answer.
    pub fn fetch(&self, fetcher: &Fetcher) {
        let Metadata { nodes, logs, partition_table, schema, .. } = self.clone();
        fetcher.start(PartitionTable::KEY, move |document| learn_some(&partition_table, document));
        fetcher.start(Schema::KEY, move |document| {
            learn_some(&schema, document);
            true
        });
        fetcher.start(Logs::KEY, move |document| learn_some(&logs, document));
        fetcher.start(NodesConfiguration::KEY, move |document: Option<NodesConfiguration>| {
            document.inspect(|document| publish(&nodes, document)).is_some()
        });
    }

    /// Starts the tasks that fetch each document again: after each `interval`, and when somebody has spoken of a newer one.
    pub fn keep_fresh(&self, fetcher: &Fetcher, interval: Duration) {
        let due = |of: fn(&Versions) -> u64| Due { metadata: self.clone(), of, interval };
        let Metadata { nodes, logs, partition_table, schema, .. } = self.clone();
        fetcher.repeat(NodesConfiguration::KEY, due(|versions| versions.nodes), move |document| {
            publish(&nodes, &document);
        });
        fetcher.repeat(Logs::KEY, due(|versions| versions.logs), move |document| learn(&logs, document));
        fetcher.repeat(PartitionTable::KEY, due(|versions| versions.partition_table), move |document| {
            learn(&partition_table, document);
        });
        fetcher
            .repeat(Schema::KEY, due(|versions| versions.schema), move |document| learn(&schema, document));
    }

    /// The name of a node.
    pub fn name_of(&self, node: NodeId) -> Option<String> {
        name_of(&self.nodes, node)
    }
}

/// The name of a node in the configuration that is known.
pub(crate) fn name_of(nodes: &NodesWatch, node: NodeId) -> Option<String> {
    nodes.with(|nodes| nodes.as_ref()?.nodes.get(&node).map(|node| node.name.clone()))
}

/// The version of a document, 0 if it is not known.
fn version<D: Document>(watch: &Watch<Known<D>>) -> u64 {
    watch.with(|document| document.as_ref().map_or(0, |document| document.version()))
}

/// Makes a document known if it is newer than what is known.
pub fn learn<D: Document>(watch: &Watch<Known<D>>, document: D) {
    watch.change(|known| {
        let newer = known.as_ref().is_none_or(|known| known.version() < document.version());
        if newer {
            *known = Some(Arc::new(document));
        }
        newer
    });
}

/// Changes a document in the store as [`MetadataClient::update`] does, and makes known what it is then.
///
/// # Errors
///
/// Those of the metadata store, and of `change`.
pub async fn update<D: Document>(
    client: &MetadataClient,
    watch: &Watch<Known<D>>,
    key: &str,
    change: impl FnMut(Option<&D>) -> Result<Option<D>, ClientError>,
) -> Result<(), ClientError> {
    let document = client.update::<D>(key, change).await?;
    document.into_iter().for_each(|document| learn(watch, document));
    Ok(())
}

/// As [`learn`], if there is a document. Says whether there is.
fn learn_some<D: Document>(watch: &Watch<Known<D>>, document: Option<D>) -> bool {
    document.map(|document| learn(watch, document)).is_some()
}

/// When a document is to be fetched again.
struct Due {
    metadata: Metadata,
    /// Its version among all.
    of: fn(&Versions) -> u64,
    interval: Duration,
}

impl Due {
    async fn wait(&self) {
        let known = (self.of)(&self.metadata.versions());
        let mut alarm = Alarm::new(rt::now() + self.interval);
        poll_fn(|context| {
            if self.metadata.heard_of.poll_until(context, |heard| (self.of)(heard) > known).is_ready() {
                return Poll::Ready(());
            }
            alarm.poll(context)
        })
        .await;
    }

    fn is_behind(&self) -> bool {
        (self.of)(&self.metadata.heard_of.get()) > (self.of)(&self.metadata.versions())
    }
}

/// What the fetching of a node's metadata needs.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// The client.
    pub client: MetadataClient,
    /// How a fetch is repeated.
    pub retry: RetryPolicy,
    /// The run's seed, for jitter.
    pub seed: Seed,
    /// The node.
    pub node: String,
    /// How often it has started.
    pub life: u32,
    /// The recorder of its pauses.
    pub recorder: Recorder,
}

impl Fetcher {
    /// Fetches a document in a task of its own, again until `accept` takes what is found.
    fn start<D: Document + Send + 'static>(
        &self,
        key: &'static str,
        accept: impl Fn(Option<D>) -> bool + Send + 'static,
    ) {
        let mut delays = self.retry.delays(self.stream("metadata-fetch", key));
        let (client, recorder) = (self.client.clone(), self.recorder.clone());
        let back_off = recorder.symbol("metadata fetch back-off");
        rt::spawn(&self.recorder, &format!("fetch {key}"), async move {
            loop {
                if client.get::<D>(key).await.is_ok_and(&accept) {
                    return;
                }
                match delays.next() {
                    Some(delay) => rt::pause(&recorder, back_off, delay).await,
                    None => return,
                }
            }
        });
    }

    /// Fetches a document in a task of its own whenever it is due.
    fn repeat<D: Document + Send + 'static>(
        &self,
        key: &'static str,
        due: Due,
        learn: impl Fn(D) + Send + 'static,
    ) {
        let mut delays = self.retry.delays(self.stream("metadata-refresh", key));
        let (client, recorder) = (self.client.clone(), self.recorder.clone());
        let back_off = recorder.symbol("metadata refresh back-off");
        rt::spawn(&self.recorder, &format!("refresh {key}"), async move {
            loop {
                due.wait().await;
                delays.reset();
                loop {
                    let found = client.get::<D>(key).await;
                    let answered = found.is_ok();
                    found.ok().flatten().into_iter().for_each(&learn);
                    // What a peer has spoken of may not have reached whoever was asked.
                    match delays.next() {
                        Some(delay) if !answered || due.is_behind() => {
                            rt::pause(&recorder, back_off, delay).await
                        }
                        _ => break,
                    }
                }
            }
        });
    }

    fn stream(&self, what: &str, key: &str) -> stormglass_core::Stream {
        self.seed.stream((what, &self.node, key, u64::from(self.life)))
    }
}
