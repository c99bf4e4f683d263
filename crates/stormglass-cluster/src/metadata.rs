//! What a node knows of the cluster, and how it comes to know it.

use crate::settings::ClusterSettings;
use serde::{Deserialize, Serialize};
use stormglass_core::{Recorder, Seed};
use stormglass_raft::client::Document;
use stormglass_raft::server::{NodesWatch, publish};
use stormglass_raft::{MetadataClient, NodesConfiguration};
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
    pub fn fetch(
        &self,
        client: &MetadataClient,
        settings: &ClusterSettings,
        seed: Seed,
        node: &str,
        life: u32,
        recorder: &Recorder,
    ) {
        let back_off = recorder.symbol("metadata fetch back-off");
        let delays = |kind: &str| {
            let stream = seed.stream(("metadata-fetch", node, kind, u64::from(life)));
            settings.node.metadata_fetch_retry.delays(stream)
        };
        for (kind, watch) in
            [(PARTITION_TABLE, Some(&self.partition_table)), (SCHEMA, None), (LOGS, Some(&self.logs))]
        {
            let (client, mut delays) = (client.clone(), delays(kind));
            let (watch, own) = (watch.cloned(), recorder.clone());
            rt::spawn(recorder, &format!("fetch {kind}"), async move {
                loop {
                    match (client.get::<Versioned>(kind).await, &watch) {
                        (Ok(_), None) => return,
                        (Ok(Some(document)), Some(watch)) => return raise(watch, document.version),
                        _ => match delays.next() {
                            Some(delay) => rt::pause(&own, back_off, delay).await,
                            None => return,
                        },
                    }
                }
            });
        }
        let (client, mut delays) = (client.clone(), delays("nodes"));
        let (nodes, own) = (self.nodes.clone(), recorder.clone());
        rt::spawn(recorder, "fetch nodes_config", async move {
            loop {
                if let Ok(Some(document)) = client.get::<NodesConfiguration>(NodesConfiguration::KEY).await {
                    return publish(&nodes, &document);
                }
                match delays.next() {
                    Some(delay) => rt::pause(&own, back_off, delay).await,
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
