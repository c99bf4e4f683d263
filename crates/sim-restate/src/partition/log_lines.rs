//! The log lines of partitions that tests wait for.

use super::PartitionId;
use crate::log::Lsn;

/// Returns the line for the start of a partition.
pub fn started_text(id: PartitionId) -> String {
    format!("partition {} started", id.0)
}

/// Returns whether a line is that for the start of a partition.
pub(crate) fn is_started_text(text: &str) -> bool {
    text.starts_with("partition ") && text.ends_with(" started")
}

/// Returns the line for the import of a snapshot.
pub fn import_text(snapshot: &str) -> String {
    format!("importing snapshot {snapshot}")
}

/// Returns the line for a partition that stops at a gap in its log and has no repository to go on
/// from.
pub fn gap_text(id: PartitionId, to: Lsn) -> String {
    format!("{id} stopped due to a log gap up to {to}, and no snapshot repository is configured")
}
