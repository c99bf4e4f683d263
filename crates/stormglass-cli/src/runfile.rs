//! Run files: everything needed to replay a run on any machine.

use crate::error::CliError;
use crate::files::write;
use serde::{Deserialize, Serialize};
use std::path::Path;
use stormglass_core::Identity;
use stormglass_core::identity::Build;
use stormglass_sim::Run;

/// Returns the build of this binary.
pub(crate) fn current_build() -> Build {
    Build {
        commit: env!("STORMGLASS_COMMIT").into(),
        lock_hash: env!("STORMGLASS_LOCK_HASH").into(),
        rustc: env!("STORMGLASS_RUSTC").into(),
    }
}

/// The content of a run file.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "tools", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RunFile {
    /// The inputs of the run.
    pub(crate) identity: Identity,
    /// The value of every parameter.
    #[cfg_attr(feature = "tools", schemars(with = "std::collections::BTreeMap<String, serde_json::Value>"))]
    pub(crate) settings: toml::Table,
}

impl RunFile {
    pub(crate) fn of(run: &Run<'_>) -> RunFile {
        RunFile { identity: run.identity(current_build()), settings: run.settings().table().clone() }
    }

    pub(crate) fn read(path: &Path) -> Result<RunFile, CliError> {
        let fail = |problem: String| CliError::RunFile { file: path.into(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
        let file: RunFile = toml::from_str(&text).map_err(|error| {
            fail(format!("is not a run file that `run --save` wrote: {}", error.to_string().trim_end()))
        })?;
        if file.identity.schema != Identity::SCHEMA {
            let found = file.identity.schema;
            return Err(fail(format!(
                "schema {found} is unknown, this version reads {}: write the file again with `run --save`",
                Identity::SCHEMA
            )));
        }
        Ok(file)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), CliError> {
        let text = toml::to_string(self).expect("a run is plain data");
        write(path, &text)
    }
}
