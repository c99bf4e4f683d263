//! Writing result files atomically, and the error that names the file.

use std::path::{Path, PathBuf};

/// An error in a results folder, or in writing one.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// An I/O error.
    #[error("{file}: {doing}: {source}", file = file.display())]
    File {
        /// The file or folder.
        file: PathBuf,
        /// The operation that failed.
        doing: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// The file's content is wrong.
    #[error("{file}: {problem}", file = file.display())]
    Wrong {
        /// The file or folder.
        file: PathBuf,
        /// What is wrong, and what to do.
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

/// Writes a file atomically: to a temporary file, fsync, rename.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut std::fs::File) -> Result<(), ResultsError>,
) -> Result<(), ResultsError> {
    // The process id keeps two processes that write the same shard from sharing a temporary file.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = std::fs::File::create(&temporary)
        .map_err(ResultsError::file(&temporary, "cannot be created"))
        .and_then(|mut file| {
            write(&mut file)?;
            file.sync_all().map_err(ResultsError::file(&temporary, "fsync failed"))?;
            std::fs::rename(&temporary, path)
                .map_err(ResultsError::file(path, "the temporary file cannot be renamed to it"))
        });
    if written.is_err() {
        // A failure to remove it is ignored: the first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
