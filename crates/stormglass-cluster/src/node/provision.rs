//! Provisioning a new cluster, as node-1 does by itself.
//!
//! The own metadata server is asked to become the first member; then logs and partition table are written, each
//! repeated until it works. Whoever finds a document there leaves it.

use crate::metadata::{LOGS, Metadata, PARTITION_TABLE, Versioned, raise};
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Symbol};
use stormglass_raft::client::ClientError;
use stormglass_raft::settings::Delays;
use stormglass_raft::{MetadataClient, NodesConfiguration, Request};
use stormglass_rt as rt;

/// The name of the cluster.
const CLUSTER: &str = "stormglass";

pub(super) async fn provision(
    client: MetadataClient,
    name: String,
    delays: Delays,
    back_off: Symbol,
    metadata: Metadata,
    recorder: Recorder,
) {
    // Auto-provisioning talks to the node's own server and keeps to it.
    client.prefer(&name);
    let first = NodesConfiguration::first(CLUSTER, &name);
    for (document, known) in [
        (None, None),
        (Some(LOGS), Some(&metadata.logs)),
        (Some(PARTITION_TABLE), Some(&metadata.partition_table)),
    ] {
        let mut delays = delays.clone();
        loop {
            let done = match document {
                None => client.call(Request::Provision { nodes: first.clone() }).await.map(|_| ()),
                Some(key) => write_if_absent(&client, key).await,
            };
            match (done, delays.next()) {
                (Ok(()), _) => break,
                (Err(_), Some(delay)) => rt::pause(&recorder, back_off, delay).await,
                (Err(_), None) => return,
            }
        }
        known.into_iter().for_each(|known| raise(known, 1));
    }
    let subject = recorder.symbol("cluster provisioned");
    recorder.record(rt::now(), Kind::Note, subject, Duration::ZERO, 0);
}

pub(super) async fn write_if_absent(client: &MetadataClient, key: &str) -> Result<(), ClientError> {
    let first = Versioned { version: 1, contents: vec![0; 200] };
    client.update::<Versioned>(key, |found| Ok(found.is_none().then(|| first.clone()))).await.map(drop)
}
