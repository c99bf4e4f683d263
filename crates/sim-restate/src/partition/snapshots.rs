//! The snapshot repository: a directory that all nodes can reach.
//!
//! A snapshot is a directory with the partition's files and a description; `latest.json` points to
//! the newest one. Files are written as the `object_store` crate's `LocalFileSystem` does, under
//! another name first and without a sync; the pointer only moves to newer snapshots. Source:
//! restatedev/restate `crates/partition-store/src/snapshots/repository.rs` (March 2025:
//! `crates/worker/src/partition/snapshots`).

use super::PartitionId;
use crate::log::Lsn;
use serde::{Deserialize, Serialize};
use sim_raft::RetryPolicy;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_core::{Recorder, Stream};
use stormglass_fs::{Disk, FileExt};
use stormglass_rt as rt;

/// The contents of `latest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub id: String,
    /// The last record that it includes.
    pub min_applied_lsn: Lsn,
    /// Its file.
    pub file: String,
}

/// The repository, as one node reaches it. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Repository {
    disk: Disk,
    retry: RetryPolicy,
    jitter: Stream,
}

impl Repository {
    /// Returns the repository on this disk; `jitter` is the node's own stream.
    pub fn new(disk: &Disk, retry: &RetryPolicy, jitter: Stream) -> Repository {
        Repository { disk: disk.clone(), retry: retry.clone(), jitter }
    }

    /// Returns the newest snapshot of a partition, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the disk, once all attempts of the retry policy have failed.
    pub async fn latest(&self, partition: PartitionId) -> io::Result<Option<Snapshot>> {
        let (disk, path) = (&self.disk, &directory(partition).join("latest.json"));
        self.retry_io(|| async move {
            if !disk.try_exists(path).await? {
                return Ok(None);
            }
            serde_json::from_slice(&disk.read(path).await?).map(Some).map_err(io::Error::other)
        })
        .await
    }

    /// Publishes a file of a node as a snapshot of a partition, and makes it the newest unless
    /// there is a newer one.
    ///
    /// # Errors
    ///
    /// Those of both disks, once all attempts of the retry policy have failed.
    pub async fn publish(
        &self,
        partition: PartitionId,
        id: &str,
        lsn: Lsn,
        from: &Disk,
        file: &Path,
    ) -> io::Result<Snapshot> {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let snapshot = Snapshot { id: id.to_string(), min_applied_lsn: lsn, file: name };
        let directory = directory(partition);
        let own = directory.join(id);
        self.retry_io(|| self.disk.create_dir_all(&own)).await?;
        let bytes = from.read(file).await?;
        self.put(&own.join(&snapshot.file), &bytes).await?;
        let description = serde_json::to_vec(&snapshot).map_err(io::Error::other)?;
        self.put(&own.join("metadata.json"), &description).await?;
        let newest = self.latest(partition).await?;
        if newest.is_none_or(|newest| newest.min_applied_lsn < lsn) {
            self.put(&directory.join("latest.json"), &description).await?;
        }
        Ok(snapshot)
    }

    /// Copies a snapshot's file to a node's disk, into a new directory, and returns its path
    /// there.
    ///
    /// # Errors
    ///
    /// Those of both disks, once all attempts of the retry policy have failed.
    pub async fn download(
        &self,
        partition: PartitionId,
        snapshot: &Snapshot,
        to: &Disk,
        staging: &Path,
    ) -> io::Result<PathBuf> {
        let own = directory(partition).join(&snapshot.id);
        let from = own.join(&snapshot.file);
        let description = own.join("metadata.json");
        self.retry_io(|| self.disk.read(&description)).await?;
        let bytes = self.retry_io(|| self.disk.read(&from)).await?;
        to.create_dir_all(staging).await?;
        let path = staging.join(&snapshot.file);
        let file = to.create(&path).await?;
        file.write_all_at(&bytes, 0).await?;
        Ok(path)
    }

    /// Writes a file under a temporary name, then renames it.
    async fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (disk, temporary) = (&self.disk, &path.with_extension("part"));
        self.retry_io(|| async move {
            let file = disk.create(temporary).await?;
            file.write_all_at(bytes, 0).await?;
            disk.rename(temporary, path).await
        })
        .await
    }

    async fn retry_io<T, F: Future<Output = io::Result<T>>>(&self, attempt: impl Fn() -> F) -> io::Result<T> {
        let mut delays = None;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => {
                    let delays = delays.get_or_insert_with(|| self.retry.delays(self.jitter.clone()));
                    let recorder: &Recorder = self.disk.recorder();
                    let delay = delays.next().ok_or(error)?;
                    rt::pause(recorder, recorder.symbol("snapshot repository back-off"), delay).await;
                }
            }
        }
    }
}

fn directory(partition: PartitionId) -> PathBuf {
    Path::new("/snapshots").join(partition.0.to_string())
}
