//! Which files make up the database.

use crate::EngineError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state that a manifest records and `CURRENT` points to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The number of the last file that got one.
    pub(crate) next_file: u64,
    /// The number of the manifest's own file.
    pub(crate) number: u64,
    /// The log in use.
    pub(crate) log: u64,
    /// The column families and the number of each one's table file, if it has one.
    pub(crate) families: BTreeMap<String, Option<u64>>,
}

impl Manifest {
    pub(crate) fn file_number(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file
    }

    /// A record of the whole state: its length, then itself.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, EngineError> {
        let state = encode(self)?;
        let mut record = (state.len() as u32).to_le_bytes().to_vec();
        record.extend(state);
        Ok(record)
    }

    /// The last complete record of a manifest file.
    pub(crate) fn last(mut bytes: &[u8]) -> Result<Manifest, EngineError> {
        let mut last = None;
        while let Some((length, rest)) = bytes.split_first_chunk() {
            let Some((record, next)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else {
                break;
            };
            last = Some(decode(record)?);
            bytes = next;
        }
        last.ok_or_else(|| EngineError::Corrupt("the manifest has no record".into()))
    }
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EngineError> {
    postcard::to_stdvec(value).map_err(|error| EngineError::Corrupt(error.to_string()))
}

pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, EngineError> {
    postcard::from_bytes(bytes).map_err(|error| EngineError::Corrupt(error.to_string()))
}
