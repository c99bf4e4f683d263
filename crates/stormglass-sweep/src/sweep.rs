//! Plays a sweep.

use crate::pool::in_order;
use crate::results::{Journal, Manifest, ResultsError, Row, table};
use crate::schedule::{Job, Schedule};
use crate::tally::Tally;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use stormglass_core::Outcome;

/// Where the rows of a sweep are stored.
#[derive(Clone, Copy, Debug)]
pub enum RowStorage<'a> {
    /// Nowhere; only their counts are kept in memory.
    Counts,
    /// In a new folder.
    In(&'a Path),
    /// In a folder that may already have rows of this sweep, which are not played again.
    Resume(&'a Path),
}

/// Plays the sweep of a manifest and returns its counts. `play` plays one seed of a history, on
/// many threads at once. `progress` is called for each row, in order, with true if the row was
/// already stored; it can stop the sweep, which can then be resumed.
///
/// # Errors
///
/// If the folder cannot be written or has results of another sweep, or the disk is full. Rows that
/// were written remain.
pub fn sweep(
    manifest: &Manifest,
    keep: RowStorage<'_>,
    jobs: NonZeroUsize,
    play: impl Fn(usize, u64) -> Outcome + Sync,
    mut progress: impl FnMut(&Row, &Tally, bool) -> ControlFlow<()>,
) -> Result<Tally, ResultsError> {
    let plan = &manifest.plan;
    let mut tally = Tally::new(plan);
    let mut schedule = Schedule::new(manifest.stop, manifest.target, manifest.shard);
    let (folder, resume) = match keep {
        RowStorage::Counts => (None, false),
        RowStorage::In(folder) => (Some(folder), false),
        RowStorage::Resume(folder) => (Some(folder), true),
    };
    let (mut journal, mut known) = (None, None);
    if let Some(folder) = folder {
        if prepare(folder, manifest, resume)? {
            for row in table::Reader::open(folder)? {
                let row = row?;
                tally.add(plan, &row);
                if progress(&row, &tally, true).is_break() {
                    break;
                }
            }
            return Ok(tally);
        }
        journal = Some(Journal::open(folder)?);
        known = Some(Journal::rows(folder)?);
    }
    let mut ended = false;
    while let Some(round) = schedule.next(plan, &tally) {
        let round: Vec<Job> = round.collect();
        let mut left = round.as_slice();
        while let (Some(rows), Some((job, rest))) = (&mut known, left.split_first()) {
            let Some(row) = rows.next().transpose()? else {
                known = None;
                break;
            };
            if (row.history, row.seed) != (job.history, job.seed) {
                let problem = format!(
                    "a row of seed {} is not the run that this sweep plays next: delete the folder and play the sweep again",
                    row.seed
                );
                return Err(ResultsError::wrong(rows.path(), problem));
            }
            tally.add(plan, &row);
            if progress(&row, &tally, true).is_break() {
                return Ok(tally);
            }
            left = rest;
        }
        let mut failed = None;
        in_order(
            0..left.len() as u64,
            jobs,
            |place| {
                let Job { history, seed, .. } = left[place as usize];
                Row { history, seed, outcome: play(history, seed) }
            },
            |_, row| {
                if let Some(Err(error)) = journal.as_mut().map(|journal| journal.append(&row)) {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
                tally.add(plan, &row);
                let flow = progress(&row, &tally, false);
                ended |= flow.is_break();
                flow
            },
        );
        if let Some(error) = failed {
            return Err(error);
        }
        if ended {
            return Ok(tally);
        }
    }
    if let (Some(folder), Some(journal)) = (folder, journal) {
        drop(journal);
        finish(folder, manifest)?;
    }
    Ok(tally)
}

/// Creates the folder, or checks that its content belongs to this sweep; returns true if that sweep
/// has finished.
fn prepare(folder: &Path, manifest: &Manifest, resume: bool) -> Result<bool, ResultsError> {
    std::fs::create_dir_all(folder).map_err(ResultsError::file(folder, "cannot be created"))?;
    match Manifest::read(folder)? {
        None => manifest.write(folder).map(|()| false),
        Some(_) if !resume => {
            let problem = "already has results of a sweep: continue with --resume, or choose another folder";
            Err(ResultsError::wrong(folder, problem))
        }
        Some(there) => {
            let shard = (there.shard != manifest.shard)
                .then(|| format!("has shard {}, not {}", there.shard, manifest.shard));
            match manifest.difference(&there).or(shard) {
                Some(difference) => {
                    Err(ResultsError::wrong(folder, format!("{difference}: choose another folder")))
                }
                None => Ok(there.rows.is_some()),
            }
        }
    }
}

/// Converts the journal into the table. If interrupted, it can be repeated.
fn finish(folder: &Path, manifest: &Manifest) -> Result<(), ResultsError> {
    let rows = table::write(folder, &manifest.plan, |put| {
        for row in Journal::rows(folder)? {
            put(&row?)?;
        }
        Ok(())
    })?;
    Manifest { rows: Some(rows), ..manifest.clone() }.write(folder)?;
    let journal = Journal::path(folder);
    std::fs::remove_file(&journal).map_err(ResultsError::file(&journal, "cannot be removed"))
}
