//! The inputs from which a run can be repeated.

use crate::seed::Branch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The inputs of a run: if any of them changes, the trace may differ. Written into every artefact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Identity {
    /// The version of this format.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    #[serde(with = "crate::seed::number")]
    #[schemars(with = "crate::seed::SeedForm")]
    pub seed: u64,
    /// The branches of the run: none, unless it was found by importance splitting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<Branch>,
    /// The model's name, empty where the scenario has none.
    pub model: String,
    /// The profile's name.
    pub profile: String,
    /// The build that ran it.
    pub build: Build,
}

/// The code that ran: the same inputs with other code may give another trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Build {
    /// The commit of the workspace that was built, `unknown` outside a repository.
    pub commit: String,
    /// The first bytes of the SHA-256 of its `Cargo.lock`.
    pub lock_hash: String,
    /// The version of the compiler.
    pub rustc: String,
}

impl Build {
    /// Returns the differences between this build and `other` as text; empty if there are none.
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
    /// The version of the format that this code writes and reads.
    pub const SCHEMA: u32 = 1;
}
