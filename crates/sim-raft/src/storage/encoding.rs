//! The encoding of stored values: postcard for our own types, protobuf for those of raft-rs.

use serde::Serialize;
use sim_rocksdb::EngineError;

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EngineError> {
    postcard::to_stdvec(value).map_err(|error| EngineError::Corrupt(error.to_string()))
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, EngineError> {
    postcard::from_bytes(bytes).map_err(|error| EngineError::Corrupt(error.to_string()))
}

pub(super) fn write<M: protobuf::Message>(message: &M) -> Result<Vec<u8>, EngineError> {
    message.write_to_bytes().map_err(|error| EngineError::Corrupt(error.to_string()))
}

pub(super) fn parse<M: protobuf::Message>(bytes: &[u8]) -> Result<M, EngineError> {
    M::parse_from_bytes(bytes).map_err(|error| EngineError::Corrupt(error.to_string()))
}
