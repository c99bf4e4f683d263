//! Shards put together.

use super::{Manifest, ResultsError, Row, table};
use crate::shard::Shard;
use std::path::{Path, PathBuf};

/// Puts the shards of a sweep together: their tables become the one that a single machine gives, bit for bit. The memory that this takes is some megabytes for each
/// shard, however many rows there are.
///
/// # Errors
///
/// A shard that is missing, unfinished, there twice, or of another sweep or build.
pub fn merge(folders: &[PathBuf], into: &Path) -> Result<Manifest, ResultsError> {
    let mut shards: Vec<(&PathBuf, Manifest)> = Vec::new();
    for folder in folders {
        let manifest = Manifest::finished(folder)?;
        if let Some((_, first)) = shards.first()
            && let Some(difference) = first.difference(&manifest)
        {
            return Err(ResultsError::wrong(folder, difference));
        }
        if let Some((twin, _)) = shards.iter().find(|(_, other)| other.shard == manifest.shard) {
            return Err(ResultsError::wrong(
                folder,
                format!("is shard {}, as {} is: leave one out", manifest.shard, twin.display()),
            ));
        }
        shards.push((folder, manifest));
    }
    let Some((_, first)) = shards.first() else {
        return Err(ResultsError::wrong(into, "there is nothing to merge: name the shards' folders"));
    };
    let count = first.shard.count;
    let missing: Vec<String> = (0..count)
        .filter(|index| shards.iter().all(|(_, manifest)| manifest.shard.index != *index))
        .map(|index| format!("{index}/{count}"))
        .collect();
    if !missing.is_empty() {
        return Err(ResultsError::wrong(
            into,
            format!("cannot be made whole: the shards {} are missing", missing.join(", ")),
        ));
    }
    std::fs::create_dir_all(into).map_err(ResultsError::file(into, "cannot be made"))?;
    let mut whole = Manifest { shard: Shard::WHOLE, rows: None, ..first.clone() };
    let plan = whole.plan.clone();
    let key = |row: &Row| (row.seed - plan.histories[row.history].seeds.start, row.history);
    let rows = table::write(into, &plan, |put| {
        let mut readers = Vec::new();
        for (folder, _) in &shards {
            readers.push(table::Reader::open(folder)?);
        }
        let mut heads: Vec<Option<Row>> = Vec::new();
        for reader in &mut readers {
            heads.push(reader.next().transpose()?);
        }
        loop {
            let first = heads
                .iter()
                .enumerate()
                .filter_map(|(place, head)| head.as_ref().map(|row| (key(row), place)))
                .min();
            let Some((_, place)) = first else { return Ok(()) };
            let next = readers[place].next().transpose()?;
            if let Some(row) = std::mem::replace(&mut heads[place], next) {
                put(&row)?;
            }
        }
    })?;
    whole.rows = Some(rows);
    whole.write(into)?;
    Ok(whole)
}
