//! The manifest, `manifest.json`: which sweep a results folder belongs to.

use super::files::{ResultsError, replace};
use crate::plan::Plan;
use crate::shard::Shard;
use crate::stats::stopping::{Stop, Target};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use stormglass_core::identity::Build;

/// The sweep, build and shard of a results folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// The version of the format.
    pub schema: u32,
    /// The sweep's name: its file name without extension.
    pub sweep: String,
    /// The build that played it.
    pub build: Build,
    /// Its cells and histories.
    pub plan: Plan,
    /// The target failure rate.
    pub target: Target,
    /// The stopping rule, if there is one.
    pub stop: Option<Stop>,
    /// The part of the sweep in this folder.
    pub shard: Shard,
    /// The number of rows of the table; `None` while the sweep runs.
    pub rows: Option<u64>,
}

impl Manifest {
    /// The version of the format that this code writes and reads.
    pub const SCHEMA: u32 = 1;

    /// Returns the manifest's path in a folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("manifest.json")
    }

    /// Reads the manifest of a folder; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not a manifest of this version.
    pub fn read(folder: &Path) -> Result<Option<Manifest>, ResultsError> {
        let path = Manifest::path(folder);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ResultsError::file(&path, "cannot be read")(error)),
        };
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|error| ResultsError::wrong(&path, format!("is not a manifest of a sweep: {error}")))?;
        if manifest.schema != Manifest::SCHEMA {
            let problem = format!(
                "schema {} is unknown, this version reads {}: play the sweep again",
                manifest.schema,
                Manifest::SCHEMA
            );
            return Err(ResultsError::wrong(&path, problem));
        }
        Ok(Some(manifest))
    }

    /// Reads the manifest of a folder whose sweep has finished.
    ///
    /// # Errors
    ///
    /// Those of [`Manifest::read`]; also if there is no manifest, or the sweep has not finished.
    pub fn finished(folder: &Path) -> Result<Manifest, ResultsError> {
        let Some(manifest) = Manifest::read(folder)? else {
            return Err(ResultsError::wrong(
                folder,
                "has no manifest.json, so it is not a results folder: name a folder that `sweep --out` or `merge --out` wrote",
            ));
        };
        if manifest.rows.is_none() {
            let problem = format!(
                "the sweep is not finished: continue it with `sweep … --shard {} --out {} --resume`",
                manifest.shard,
                folder.display()
            );
            return Err(ResultsError::wrong(folder, problem));
        }
        Ok(manifest)
    }

    /// Writes the manifest into a folder.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ResultsError> {
        let path = Manifest::path(folder);
        let text = serde_json::to_string_pretty(self).expect("a manifest is plain data");
        replace(&path, |file| {
            file.write_all(text.as_bytes()).map_err(ResultsError::file(&path, "cannot be written"))
        })
    }

    /// Returns why rows of `other` cannot be combined with rows of this manifest; `None` if they
    /// can.
    pub fn difference(&self, other: &Manifest) -> Option<String> {
        if let Some(difference) = self.build.differences(&other.build).first() {
            return Some(format!("was played by another build ({difference})"));
        }
        if self.sweep != other.sweep {
            return Some(format!("has results of the sweep {}, not {}", other.sweep, self.sweep));
        }
        let is_the_same_but =
            |other: &Plan| Plan { settings: self.plan.settings.clone(), ..other.clone() } == self.plan;
        if self.plan.settings != other.plan.settings && is_the_same_but(&other.plan) {
            return Some(
                "was played with a model, profile or fault plan whose file has changed since".into(),
            );
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
            return Some(format!("was played with a sweep file that has changed since ({where_})"));
        }
        if (self.target, self.stop) != (other.target, other.stop) {
            return Some("was played with a sweep file whose `target` or `stop` has changed since".into());
        }
        (self.shard.count != other.shard.count).then(|| {
            format!("has shard {}, which has another number of shards than {}", other.shard, self.shard)
        })
    }
}
