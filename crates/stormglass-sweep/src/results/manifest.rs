//! What a folder of results is.

use super::files::{ResultsError, replace};
use crate::plan::Plan;
use crate::shard::Shard;
use crate::stats::stopping::{Stop, Target};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use stormglass_core::identity::Build;

/// What the runs of a folder are, and by which code: `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// The version of this form.
    pub schema: u32,
    /// The sweep's name: that of its file.
    pub sweep: String,
    /// The code that played it.
    pub build: Build,
    /// Its cells and histories.
    pub plan: Plan,
    /// The flake rate that is asked for.
    pub target: Target,
    /// When a cell ends.
    pub stop: Option<Stop>,
    /// Which part of it this is.
    pub shard: Shard,
    /// How many rows the table has; nothing while the sweep runs.
    pub rows: Option<u64>,
}

impl Manifest {
    /// The version of the form that this code writes and reads.
    pub const SCHEMA: u32 = 1;

    /// Its place in a folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("manifest.json")
    }

    /// Reads that of a folder; `None` if there is none.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is no manifest of this version.
    pub fn read(folder: &Path) -> Result<Option<Manifest>, ResultsError> {
        let path = Manifest::path(folder);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ResultsError::file(&path, "cannot be read")(error)),
        };
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|error| ResultsError::wrong(&path, format!("is no manifest of a sweep: {error}")))?;
        if manifest.schema != Manifest::SCHEMA {
            let problem = format!(
                "has schema {}, this version reads {}: play the sweep again",
                manifest.schema,
                Manifest::SCHEMA
            );
            return Err(ResultsError::wrong(&path, problem));
        }
        Ok(Some(manifest))
    }

    /// Reads that of a folder whose sweep has ended.
    ///
    /// # Errors
    ///
    /// As [`Manifest::read`]; no manifest, or a sweep that has not ended.
    pub fn finished(folder: &Path) -> Result<Manifest, ResultsError> {
        let Some(manifest) = Manifest::read(folder)? else {
            return Err(ResultsError::wrong(
                folder,
                "has no manifest.json: it is no folder of a sweep's results",
            ));
        };
        if manifest.rows.is_none() {
            let problem = format!(
                "is not finished: go on with `sweep … --shard {} --out {} --resume`",
                manifest.shard,
                folder.display()
            );
            return Err(ResultsError::wrong(folder, problem));
        }
        Ok(manifest)
    }

    /// Writes it into a folder.
    ///
    /// # Errors
    ///
    /// A folder that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ResultsError> {
        let path = Manifest::path(folder);
        let text = serde_json::to_string_pretty(self).expect("a manifest is plain data");
        replace(&path, |file| {
            file.write_all(text.as_bytes()).map_err(ResultsError::file(&path, "cannot be written"))
        })
    }

    /// What keeps rows of `other` from standing beside rows of this one, in words; nothing if nothing does.
    pub fn difference(&self, other: &Manifest) -> Option<String> {
        if let Some(difference) = self.build.differences(&other.build).first() {
            return Some(format!("was played by another build ({difference})"));
        }
        if self.sweep != other.sweep {
            return Some(format!("is of the sweep {}, not {}", other.sweep, self.sweep));
        }
        let is_the_same_but =
            |other: &Plan| Plan { settings: self.plan.settings.clone(), ..other.clone() } == self.plan;
        if self.plan.settings != other.plan.settings && is_the_same_but(&other.plan) {
            return Some("is of a model, profile or plan whose file has changed since".into());
        }
        if self.plan != other.plan {
            let cell = self.plan.cells.iter().zip(&other.plan.cells).find(|(ours, theirs)| ours != theirs);
            let where_ = cell.map_or_else(
                || {
                    format!(
                        "it had {} cells, now there are {}",
                        other.plan.cells.len(),
                        self.plan.cells.len()
                    )
                },
                |(ours, theirs)| {
                    format!(
                        "first at the cell {}, {}: then {}",
                        ours.cell.case,
                        ours.cell.label(),
                        theirs.cell.label()
                    )
                },
            );
            return Some(format!("is of a sweep file that has changed since ({where_})"));
        }
        if (self.target, self.stop) != (other.target, other.stop) {
            return Some("is of a sweep file whose target or stop rule has changed since".into());
        }
        (self.shard.count != other.shard.count)
            .then(|| format!("is shard {}, of another number of shards than {}", other.shard, self.shard))
    }
}
