//! Writing result files atomically, and the error that names the file.

use std::path::{Path, PathBuf};

/// What is wrong with a folder of results, or with writing one.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The file system says no.
    #[error("{file}: {doing}: {source}", file = file.display())]
    File {
        /// The file or folder.
        file: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why it did not work.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{file}: {problem}", file = file.display())]
    Wrong {
        /// The file or folder.
        file: PathBuf,
        /// What is wrong, and the remedy.
        problem: String,
    },
}

impl ResultsError {
    pub(crate) fn file(file: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> ResultsError {
        move |source| ResultsError::File { file: file.into(), doing, source }
    }

    pub(crate) fn wrong(file: &Path, problem: impl Into<String>) -> ResultsError {
        ResultsError::Wrong { file: file.into(), problem: problem.into() }
    }
}

/// Writes a file so that it is there whole or not at all: under another name, made durable, then renamed.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut std::fs::File) -> Result<(), ResultsError>,
) -> Result<(), ResultsError> {
    // Two processes that write the same part do not write the same temporary file.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = std::fs::File::create(&temporary)
        .map_err(ResultsError::file(&temporary, "cannot be made"))
        .and_then(|mut file| {
            write(&mut file)?;
            file.sync_all().map_err(ResultsError::file(&temporary, "cannot be made durable"))?;
            std::fs::rename(&temporary, path).map_err(ResultsError::file(path, "cannot be put in place"))
        });
    if written.is_err() {
        // What is left of it is of no use; the error that is told is the first one.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
