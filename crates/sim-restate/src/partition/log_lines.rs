//! The log lines of a partition that tests wait for.

use super::PartitionId;
use crate::log::Lsn;

/// What a partition's start is recorded as.
pub fn started_text(id: PartitionId) -> String {
    format!("partition {} started", id.0)
}

/// Whether this is what a partition's start is recorded as.
pub(crate) fn is_started_text(text: &str) -> bool {
    text.starts_with("partition ") && text.ends_with(" started")
}

/// What an import is noted as.
pub fn import_text(snapshot: &str) -> String {
    format!("importing snapshot {snapshot}")
}

/// What a partition is noted with that cannot go on.
pub fn gap_text(id: PartitionId, to: Lsn) -> String {
    format!("{id} stopped due to a log gap up to {to}, and no snapshot repository is configured")
}
