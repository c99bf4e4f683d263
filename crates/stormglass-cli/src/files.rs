//! Reads and writes the files that a command line names.

use crate::error::CliError;
use std::path::Path;
#[cfg(feature = "sweep")]
use stormglass_sim::SettingsError;

/// Reads a file.
#[cfg(feature = "sweep")]
pub(crate) fn read(file: &Path) -> Result<String, CliError> {
    let fail = |source| SettingsError::File { file: file.display().to_string(), source };
    Ok(std::fs::read_to_string(file).map_err(fail)?)
}

/// Writes a file.
pub(crate) fn write(file: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(file, text).map_err(|source| CliError::Write { file: file.into(), source })
}
