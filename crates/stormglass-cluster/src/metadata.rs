//! What a node knows of the cluster, and how it comes to know it.

use serde::{Deserialize, Serialize};
use stormglass_core::{Recorder, Seed};
use stormglass_raft::client::Document;
use stormglass_raft::server::{NodesWatch, publish};
use stormglass_raft::{MetadataClient, NodesConfiguration, RetryPolicy};
use stormglass_rt as rt;
use stormglass_rt::Watch;

/// A cluster-wide document of which a start needs only that it is there: logs, partition table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Versioned {
    /// From 1.
    pub version: u64,
    /// Stands for its contents.
    pub contents: Vec<u8>,
}

impl Document for Versioned {
    fn version(&self) -> u64 {
        self.version
    }
}

/// The key of the loglet chains.
pub const LOGS: &str = "bifrost_config";
/// The key of the partition table.
pub const PARTITION_TABLE: &str = "partition_table";
/// The key of the schema registry. It has no value until something is registered.
pub const SCHEMA: &str = "schema_registry";

/// The versions that a node knows. Clones share them.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The cluster's configuration.
    pub nodes: NodesWatch,
    /// The version of the logs, 0 if unknown.
    pub logs: Watch<u64>,
    /// The version of the partition table, 0 if unknown.
    pub partition_table: Watch<u64>,
}

impl Metadata {
    /// Nothing known yet.
    pub fn new(recorder: &Recorder) -> Metadata {
        Metadata {
            nodes: Watch::new(recorder, None),
            logs: Watch::new(recorder, 0),
            partition_table: Watch::new(recorder, 0),
        }
    }

    /// Starts the tasks that fetch each document until it is known, one for each kind as in 1.7. The schema is
    /// asked for once: no value is an answer.
    pub fn fetch(&self, fetcher: &Fetcher) {
        let (nodes, logs, table) = (self.nodes.clone(), self.logs.clone(), self.partition_table.clone());
        let version = |watch: Watch<u64>| {
            move |document: Option<Versioned>| {
                document.is_some_and(|document| {
                    raise(&watch, document.version);
                    true
                })
            }
        };
        fetcher.start(PARTITION_TABLE, version(table));
        fetcher.start(SCHEMA, |_: Option<Versioned>| true);
        fetcher.start(LOGS, version(logs));
        fetcher.start(NodesConfiguration::KEY, move |document: Option<NodesConfiguration>| {
            document.is_some_and(|document| {
                publish(&nodes, &document);
                true
            })
        });
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
        let stream = self.seed.stream(("metadata-fetch", &self.node, key, u64::from(self.life)));
        let mut delays = self.retry.delays(stream);
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
}

/// Makes a version known if it is newer.
pub fn raise(watch: &Watch<u64>, version: u64) {
    watch.change(|known| {
        let newer = *known < version;
        *known = version.max(*known);
        newer
    });
}
