//! A column family, and the SST file that it is flushed to.

use crate::error::EngineError;
use crate::manifest;
use serde_bytes::Bytes;
use std::collections::BTreeMap;

/// Keys and values in order: what the SST file and the memtable of a column family hold together.
pub(crate) type Table = BTreeMap<Vec<u8>, Vec<u8>>;

/// An open column family.
#[derive(Debug)]
pub(crate) struct Family {
    /// Its name; empty for a dropped family, whose index is free.
    pub(crate) name: String,
    /// Its contents.
    pub(crate) table: Table,
}

/// Encodes a table as the contents of an SST file.
pub(crate) fn encode(table: &Table) -> Result<Vec<u8>, EngineError> {
    let entries: Vec<(&Bytes, &Bytes)> =
        table.iter().map(|(key, value)| (Bytes::new(key), Bytes::new(value))).collect();
    manifest::encode(&entries)
}

/// Decodes the contents of an SST file.
pub(crate) fn decode(file: &[u8]) -> Result<Table, EngineError> {
    let entries: Vec<(&[u8], &[u8])> = manifest::decode(file)?;
    Ok(entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
}
