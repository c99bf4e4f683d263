//! The errors of the engine.

use std::io;

/// An error of opening or writing a database.
#[derive(Debug)]
pub enum EngineError {
    /// A file operation failed.
    Io(io::Error),
    /// Files are missing, damaged, or contradict each other.
    Corrupt(String),
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EngineError::Io(error) => error.fmt(f),
            EngineError::Corrupt(what) => write!(f, "corrupt database: {what}"),
        }
    }
}

impl std::error::Error for EngineError {}

impl From<io::Error> for EngineError {
    fn from(error: io::Error) -> EngineError {
        EngineError::Io(error)
    }
}
