//! The write-ahead log (WAL): records of a length, a checksum and a batch.

use crate::table::Family;
use serde::{Deserialize, Serialize};
use std::io;
use stormglass_fs::{File, FileExt};

/// Changes that are applied atomically.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch(Vec<Change>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Change {
    Put {
        family: u8,
        #[serde(with = "serde_bytes")]
        key: Vec<u8>,
        #[serde(with = "serde_bytes")]
        value: Vec<u8>,
    },
    Delete {
        family: u8,
        #[serde(with = "serde_bytes")]
        key: Vec<u8>,
    },
}

impl Batch {
    /// Creates an empty batch.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Adds a write of a key in the column family of this index.
    pub fn put(&mut self, family: usize, key: &[u8], value: &[u8]) {
        self.0.push(Change::Put { family: family as u8, key: key.to_vec(), value: value.to_vec() });
    }

    /// Adds a deletion of a key in the column family of this index.
    pub fn delete(&mut self, family: usize, key: &[u8]) {
        self.0.push(Change::Delete { family: family as u8, key: key.to_vec() });
    }

    /// Whether the batch has no changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn apply(self, families: &mut [Family]) {
        for change in self.0 {
            match change {
                Change::Put { family, key, value } => {
                    families[usize::from(family)].table.insert(key, value);
                }
                Change::Delete { family, key } => {
                    families[usize::from(family)].table.remove(&key);
                }
            }
        }
    }

    /// Returns the indexes of the column families that the batch changes.
    pub(crate) fn families(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|change| match change {
            Change::Put { family, .. } | Change::Delete { family, .. } => usize::from(*family),
        })
    }
}

/// An open WAL.
#[derive(Debug)]
pub(crate) struct Wal {
    file: File,
    len: u64,
}

/// RocksDB's record header is 4 bytes of checksum, 2 of length, 1 of type; ours is 4 and 4.
const HEADER: usize = 8;

impl Wal {
    /// Creates a WAL on a file whose records begin after `len` bytes.
    pub(crate) fn new(file: File, len: u64) -> Wal {
        Wal { file, len }
    }

    pub(crate) async fn append(&mut self, batch: &Batch) -> io::Result<()> {
        let mut record = postcard::to_extend(batch, vec![0; HEADER]).map_err(io::Error::other)?;
        let (header, payload) = record.split_at_mut(HEADER);
        header[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        header[4..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        self.file.write_all_at(&record, self.len).await?;
        self.len += record.len() as u64;
        Ok(())
    }

    pub(crate) async fn sync(&self) -> io::Result<()> {
        self.file.sync_data().await
    }
}

/// What recovery does with a WAL that ends in a damaged record, as after a power loss during a
/// write: RocksDB's `WALRecoveryMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WalRecoveryMode {
    /// Ignores the damaged record at the end.
    #[default]
    TolerateCorruptedTailRecords,
    /// Fails to open the database.
    AbsoluteConsistency,
}

/// Returns the batches of a WAL up to its end or its first damaged record, and whether there is a
/// damaged record.
pub(crate) fn replay(mut bytes: &[u8]) -> (Vec<Batch>, bool) {
    let mut batches = Vec::new();
    while let Some((header, rest)) = bytes.split_at_checked(HEADER) {
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let Some((payload, next)) = rest.split_at_checked(word(0) as usize) else { break };
        if crc32fast::hash(payload) != word(4) {
            break;
        }
        let Ok(batch) = postcard::from_bytes(payload) else { break };
        batches.push(batch);
        bytes = next;
    }
    (batches, !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn log(batches: &[Batch]) -> Vec<u8> {
        use stormglass_core::Seed;
        use stormglass_fs::{Disk, DiskProfile};
        madsim::runtime::Runtime::new().block_on(async {
            let disk = Disk::new("d", DiskProfile::instant(), Seed(1));
            let mut wal = Wal::new(disk.create("wal").await.unwrap(), 0);
            for batch in batches {
                wal.append(batch).await.unwrap();
            }
            disk.read("wal").await.unwrap()
        })
    }

    fn batches(count: u8) -> Vec<Batch> {
        let batch = |n: u8| {
            let mut batch = Batch::new();
            batch.put(0, &[n], &vec![n; usize::from(n)]);
            batch.delete(1, &[n]);
            batch
        };
        (1..=count).map(batch).collect()
    }

    proptest! {
        /// Wherever a WAL is truncated and whichever bit flips, replay returns a prefix of the
        /// written batches.
        #[test]
        fn replay_of_a_damaged_wal_returns_a_prefix(count in 1u8..8, cut: prop::sample::Index, flip in any::<Option<prop::sample::Index>>()) {
            let written = batches(count);
            let mut bytes = log(&written);
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Some(flip) = flip.filter(|_| !bytes.is_empty()) {
                let at = flip.index(bytes.len());
                bytes[at] ^= 0x10;
            }
            let (read, _) = replay(&bytes);
            prop_assert!(written.starts_with(&read));
        }
    }

    #[test]
    fn replay_of_an_undamaged_wal_returns_every_batch() {
        assert_eq!(replay(&log(&batches(5))), (batches(5), false));
        let mut torn = log(&batches(5));
        torn.pop();
        assert_eq!(replay(&torn), (batches(4), true));
    }
}
