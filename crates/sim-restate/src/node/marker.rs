//! The cluster marker: a small file that ties a data directory to its cluster.
//!
//! As in `cluster_marker.rs`: written to a temporary file, synced, renamed over the old one, and
//! the directory synced: two syncs at each start, and two more once the node has joined for the
//! first time (`init.rs`).

use serde::{Deserialize, Serialize};
use std::io;
use stormglass_fs::{Disk, FileExt};

const DIRECTORY: &str = "/data";
const MARKER: &str = "/data/.cluster-marker";
const TEMPORARY: &str = "/data/.tmp-cluster-marker";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Marker {
    cluster: String,
    provisioned: bool,
}

/// Creates the marker of a new directory, or rewrites that of an old one, which updates the
/// version in it. Returns whether the cluster is provisioned.
pub(super) async fn validate_or_create(disk: &Disk) -> io::Result<bool> {
    disk.create_dir_all(DIRECTORY).await?;
    let marker = if disk.try_exists(MARKER).await? { read(disk).await? } else { Marker::default() };
    write(disk, &marker).await?;
    Ok(marker.provisioned)
}

/// Marks the cluster as provisioned.
pub(super) async fn mark_provisioned(disk: &Disk) -> io::Result<()> {
    let marker = read(disk).await?;
    write(disk, &Marker { provisioned: true, ..marker }).await
}

async fn read(disk: &Disk) -> io::Result<Marker> {
    serde_json::from_slice(&disk.read(MARKER).await?).map_err(io::Error::other)
}

async fn write(disk: &Disk, marker: &Marker) -> io::Result<()> {
    let file = disk.create(TEMPORARY).await?;
    file.write_all_at(&serde_json::to_vec(marker).map_err(io::Error::other)?, 0).await?;
    file.sync_all().await?;
    disk.rename(TEMPORARY, MARKER).await?;
    disk.open(DIRECTORY).await?.sync_all().await
}
