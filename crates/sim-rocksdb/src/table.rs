//! What a column family holds, and the file that it is flushed to.

use crate::EngineError;
use crate::manifest;
use serde_bytes::Bytes;
use std::collections::BTreeMap;

/// Keys and values, in order.
pub(crate) type Table = BTreeMap<Vec<u8>, Vec<u8>>;

/// The bytes of its file.
pub(crate) fn encode(table: &Table) -> Result<Vec<u8>, EngineError> {
    let entries: Vec<(&Bytes, &Bytes)> =
        table.iter().map(|(key, value)| (Bytes::new(key), Bytes::new(value))).collect();
    manifest::encode(&entries)
}

/// What a file holds.
pub(crate) fn decode(file: &[u8]) -> Result<Table, EngineError> {
    let entries: Vec<(&[u8], &[u8])> = manifest::decode(file)?;
    Ok(entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
}
