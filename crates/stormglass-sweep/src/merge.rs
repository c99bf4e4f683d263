//! Merges the shards of a sweep into one results folder.

use crate::results::{Manifest, ResultsError, Row, table};
use crate::schedule::Schedule;
use crate::shard::Shard;
use crate::tally::Tally;
use std::path::{Path, PathBuf};

/// Merges the shards of a sweep: the result is byte for byte the table that a single machine
/// writes. Without a stopping rule the shards are read one after the other, so memory does not grow
/// with the number of rows or shards; with one, all shards are read at once, and each row takes
/// some bytes.
///
/// # Errors
///
/// If a shard is missing, unfinished, given twice, or belongs to another sweep or build.
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
                format!("has shard {}, and so has {}: leave one out", manifest.shard, twin.display()),
            ));
        }
        shards.push((folder, manifest));
    }
    shards.sort_by_key(|(_, manifest)| manifest.shard.index);
    let Some((_, first)) = shards.first() else {
        return Err(ResultsError::wrong(into, "no folders to merge: name the shards' folders"));
    };
    let count = first.shard.count;
    let missing: Vec<String> = (0..count)
        .filter(|index| shards.iter().all(|(_, manifest)| manifest.shard.index != *index))
        .map(|index| format!("{index}/{count}"))
        .collect();
    if !missing.is_empty() {
        return Err(ResultsError::wrong(
            into,
            format!(
                "cannot be merged: the shards {} are missing; name their folders too",
                missing.join(", ")
            ),
        ));
    }
    std::fs::create_dir_all(into).map_err(ResultsError::file(into, "cannot be created"))?;
    let mut whole = Manifest { shard: Shard::WHOLE, rows: None, ..first.clone() };
    let plan = whole.plan.clone();
    // The rows in the order in which one machine plays them; each is the next row of some shard.
    let mut tally = Tally::new(&plan);
    let mut schedule = Schedule::new(whole.stop, whole.target, Shard::WHOLE);
    let rows = table::write(into, &plan, |put| {
        // The open shards and their next rows: without a stopping rule, one shard at a time.
        let mut heads: Vec<(Option<Row>, table::Reader)> = Vec::new();
        let mut closed = shards.iter().map(|(folder, _)| *folder);
        while let Some(round) = schedule.next(&plan, &tally) {
            for job in round {
                let is_it = |head: &Option<Row>| {
                    head.as_ref().is_some_and(|row| (row.history, row.seed) == (job.history, job.seed))
                };
                let place = loop {
                    if let Some(place) = heads.iter().position(|(head, _)| is_it(head)) {
                        break place;
                    }
                    let Some(folder) = closed.next() else {
                        let problem = format!(
                            "cannot be merged: no shard has seed {} of history {} as its next row; play the shards again",
                            job.seed, job.history
                        );
                        return Err(ResultsError::wrong(into, problem));
                    };
                    heads.push(begin(folder)?);
                };
                let (head, reader) = &mut heads[place];
                let next = reader.next().transpose()?;
                if let Some(row) = std::mem::replace(head, next) {
                    // Only a stopping rule needs the counts.
                    if whole.stop.is_some() {
                        tally.add(&plan, &row);
                    }
                    put(&row)?;
                }
                if heads[place].0.is_none() {
                    heads.swap_remove(place);
                }
            }
        }
        for folder in closed {
            heads.push(begin(folder)?);
        }
        if heads.iter().any(|(head, _)| head.is_some()) {
            let problem =
                "cannot be merged: the shards have rows that the sweep does not play; play the shards again";
            return Err(ResultsError::wrong(into, problem));
        }
        Ok(())
    })?;
    whole.rows = Some(rows);
    whole.write(into)?;
    Ok(whole)
}

/// Opens a shard: its first row, and the reader of the rest.
fn begin(folder: &Path) -> Result<(Option<Row>, table::Reader), ResultsError> {
    let mut reader = table::Reader::open(folder)?;
    Ok((reader.next().transpose()?, reader))
}
