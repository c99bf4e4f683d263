//! The operations of a written workload: what a client asks of one key.

use std::fmt;
use std::str::FromStr;

/// An operation of a workload on the key of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOperation {
    /// A read.
    Get(u32),
    /// A write on condition that the key has the version that the client saw last; of a key that it has
    /// not seen, that the key does not exist.
    Put(u32),
    /// A delete on condition that the key has the version that the client saw last. A read, if the
    /// client has seen no value.
    Delete(u32),
}

impl KeyOperation {
    /// Returns the number of the key.
    pub fn key(self) -> u32 {
        let (KeyOperation::Get(key) | KeyOperation::Put(key) | KeyOperation::Delete(key)) = self;
        key
    }
}

impl fmt::Display for KeyOperation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyOperation::Get(key) => write!(formatter, "get {key}"),
            KeyOperation::Put(key) => write!(formatter, "put {key}"),
            KeyOperation::Delete(key) => write!(formatter, "delete {key}"),
        }
    }
}

impl FromStr for KeyOperation {
    type Err = String;

    fn from_str(text: &str) -> Result<KeyOperation, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let wrong = || format!("`{text}` is not `get N`, `put N` or `delete N`");
        let &[verb, key] = words.as_slice() else { return Err(wrong()) };
        let key = key.parse().map_err(|_| wrong())?;
        match verb {
            "get" => Ok(KeyOperation::Get(key)),
            "put" => Ok(KeyOperation::Put(key)),
            "delete" => Ok(KeyOperation::Delete(key)),
            _ => Err(wrong()),
        }
    }
}
