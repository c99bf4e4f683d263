//! The results of a sweep on disk: a journal while it runs, a Parquet table when it has ended, and
//! a manifest that describes both.

mod files;
pub mod journal;
pub mod manifest;
mod row;
pub mod table;

pub use files::ResultsError;
pub use journal::Journal;
pub use manifest::Manifest;
pub use row::Row;
