//! Reads and writes the files that a command line names.

use crate::error::CliError;
use std::io::ErrorKind;
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

/// Checks that a file can be written later: its folder exists, and it is no folder itself.
///
/// # Errors
///
/// [`CliError::Write`], with the reason and what would be right.
pub(crate) fn check_writable(file: &Path) -> Result<(), CliError> {
    let fail = |kind, problem: String| {
        Err(CliError::Write { file: file.into(), source: std::io::Error::new(kind, problem) })
    };
    if file.is_dir() {
        return fail(ErrorKind::IsADirectory, "it is a folder: name a file in it".into());
    }
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            let problem = format!("there is no folder {}: create it first", folder.display());
            fail(ErrorKind::NotFound, problem)
        }
        _ => Ok(()),
    }
}
