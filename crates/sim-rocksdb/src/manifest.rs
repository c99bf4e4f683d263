//! The MANIFEST: which files make up the database.

use crate::error::EngineError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state that a MANIFEST file records; `CURRENT` names the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The last file number that was assigned.
    pub(crate) last_file_number: u64,
    /// The number of the MANIFEST file.
    pub(crate) number: u64,
    /// The number of the WAL in use.
    pub(crate) log_number: u64,
    /// The column families with the number of each one's SST file, if it has one.
    pub(crate) families: BTreeMap<String, Option<u64>>,
}

impl Manifest {
    /// Assigns the next file number.
    pub(crate) fn new_file_number(&mut self) -> u64 {
        self.last_file_number += 1;
        self.last_file_number
    }

    /// Encodes a record of the whole state: its length, then the state.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, EngineError> {
        let state = encode(self)?;
        let mut record = (state.len() as u32).to_le_bytes().to_vec();
        record.extend(state);
        Ok(record)
    }

    /// Returns the last complete record of a MANIFEST file.
    pub(crate) fn last(mut bytes: &[u8]) -> Result<Manifest, EngineError> {
        let mut last = None;
        while let Some((length, rest)) = bytes.split_first_chunk() {
            let Some((record, next)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else {
                break;
            };
            last = Some(decode(record)?);
            bytes = next;
        }
        last.ok_or_else(|| EngineError::Corrupt("the MANIFEST has no complete record".into()))
    }
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EngineError> {
    postcard::to_stdvec(value).map_err(|error| EngineError::Corrupt(error.to_string()))
}

pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, EngineError> {
    postcard::from_bytes(bytes).map_err(|error| EngineError::Corrupt(error.to_string()))
}
