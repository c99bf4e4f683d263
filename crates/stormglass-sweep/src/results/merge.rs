//! Shards put together.

use super::{Manifest, ResultsError, Row, table};
use crate::schedule::Schedule;
use crate::shard::Shard;
use crate::tally::Tally;
use std::path::{Path, PathBuf};

/// Puts the shards of a sweep together: their tables become the one that a single machine gives, bit for bit. The memory that this takes is some megabytes for each
/// shard, however many rows there are; with a rule for stopping some bytes for each row as well.
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
    // What one machine plays, row by row; each is the next one of some shard.
    let mut tally = Tally::new(&plan);
    let mut schedule = Schedule::new(whole.stop, whole.target, Shard::WHOLE);
    let rows = table::write(into, &plan, |put| {
        let mut heads = Vec::new();
        for (folder, _) in &shards {
            let mut reader = table::Reader::open(folder)?;
            heads.push((reader.next().transpose()?, reader));
        }
        while let Some(round) = schedule.next(&plan, &tally) {
            for job in round {
                let is_it = |row: &Row| (row.history, row.seed) == (job.history, job.seed);
                let Some((head, reader)) =
                    heads.iter_mut().find(|(head, _)| head.as_ref().is_some_and(is_it))
                else {
                    let problem = format!(
                        "cannot be made whole: no shard has seed {} of the history {} in its place; play the shards again",
                        job.seed, job.history
                    );
                    return Err(ResultsError::wrong(into, problem));
                };
                let next = reader.next().transpose()?;
                if let Some(row) = std::mem::replace(head, next) {
                    // Only a rule for stopping asks what rows come to.
                    if whole.stop.is_some() {
                        tally.add(&plan, &row);
                    }
                    put(&row)?;
                }
            }
        }
        match heads.iter().position(|(head, _)| head.is_some()) {
            None => Ok(()),
            Some(place) => Err(ResultsError::wrong(
                shards[place].0,
                "has rows that the sweep does not play: play this shard again",
            )),
        }
    })?;
    whole.rows = Some(rows);
    whole.write(into)?;
    Ok(whole)
}
