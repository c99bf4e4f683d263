//! All that is needed to run the same run again.

use crate::seed::Branch;
use serde::{Deserialize, Serialize};

/// What a run is: change any of it and the trace may differ. Written into every artefact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Identity {
    /// The version of this form.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// The branches that it takes: none, unless it was found by splitting runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<Branch>,
    /// The model's name, empty where the scenario has none.
    pub model: String,
    /// The profile's name.
    pub profile: String,
    /// The code it was run by.
    pub build: Build,
}

/// Which code ran: the same inputs under other code may give another trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Build {
    /// The commit of the workspace that was built, `unknown` outside a repository.
    pub commit: String,
    /// The first bytes of the SHA-256 of its `Cargo.lock`.
    pub lock_hash: String,
    /// The compiler.
    pub rustc: String,
}

impl Build {
    /// What differs between this build and another, in words; empty if nothing does.
    pub fn differences(&self, other: &Build) -> Vec<String> {
        let fields = [
            ("commit", &self.commit, &other.commit),
            ("lock file", &self.lock_hash, &other.lock_hash),
            ("compiler", &self.rustc, &other.rustc),
        ];
        let differing = fields.into_iter().filter(|(_, ours, theirs)| ours != theirs);
        differing.map(|(field, ours, theirs)| format!("{field}: {theirs} then, {ours} now")).collect()
    }
}

impl Identity {
    /// The version of the form that this code writes and reads.
    pub const SCHEMA: u32 = 1;
}
