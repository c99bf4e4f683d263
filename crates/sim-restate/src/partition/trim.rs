//! Trimming a partition's log.

use super::PartitionId;
use crate::canary::Canary;
use crate::log::Lsn;
use crate::log::client::{Log, LogUnavailable};
use crate::oracle::Oracle;

/// Trims a partition's log up to the last record in a snapshot.
///
/// # Errors
///
/// Those of [`Log::trim`].
pub(crate) async fn trim_to_snapshot(
    log: &Log,
    oracle: &Oracle,
    canary: Canary,
    id: PartitionId,
    archived: Lsn,
) -> Result<(), LogUnavailable> {
    let to = if canary == Canary::TrimsBeyondTheSnapshot { archived.next() } else { archived };
    let trimmed = log.trim(id.log(), to).await?;
    oracle.trimmed(id.log(), trimmed, archived);
    Ok(())
}
