//! Exit codes, and the errors of wrong input.

use std::path::PathBuf;
use stormglass_core::Verdict;
use stormglass_sim::SettingsError;
#[cfg(feature = "sweep")]
use stormglass_sweep::{ResultsError, SpaceError};

/// The exit code of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Every run passed.
    Held = 0,
    /// A run failed: a wait timed out, a property was violated, too little happened, the run stalled
    /// or panicked. Or a property held in none of many runs and had to hold in one.
    Failed = 1,
    /// The command line or a file is invalid.
    Usage = 2,
    /// Two runs with the same seed diverged.
    Nondeterminism = 3,
    /// A defect of Stormglass.
    Internal = 4,
}

impl Exit {
    /// All exit codes, in the order of their numbers.
    pub const ALL: [Exit; 5] = [Exit::Held, Exit::Failed, Exit::Usage, Exit::Nondeterminism, Exit::Internal];

    /// Returns what the exit code means.
    pub fn about(self) -> &'static str {
        match self {
            Exit::Held => "Every run passed.",
            Exit::Failed => {
                "A run failed: a wait timed out, a property was violated, too little happened, the run stalled or \
                 panicked; or a property held in none of many runs and had to hold in one; or a gate of a sweep was \
                 not met."
            }
            Exit::Usage => {
                "The command line or a file is invalid. The message names it and says what would be right."
            }
            Exit::Nondeterminism => "Two runs with the same seed diverged.",
            Exit::Internal => "Stormglass has a defect. Please report it with the command line.",
        }
    }

    /// Returns the exit code for a run with this verdict.
    pub(crate) fn of(verdict: &Verdict) -> Exit {
        if verdict.is_passed() { Exit::Held } else { Exit::Failed }
    }
}

/// An invalid input.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{file}: {problem}", file = file.display())]
    RunFile { file: PathBuf, problem: String },
    #[error("{file}: cannot be written: {source}", file = file.display())]
    Write { file: PathBuf, source: std::io::Error },
    #[cfg(feature = "sweep")]
    #[error(transparent)]
    Space(#[from] SpaceError),
    #[cfg(feature = "sweep")]
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error("{file}: {problem}", file = file.display())]
    Config { file: PathBuf, problem: String },
    #[error("{0}")]
    Conflict(String),
    #[cfg(feature = "debug")]
    #[error("the terminal cannot be used: {0}")]
    Terminal(std::io::Error),
}

impl CliError {
    /// Returns the exit code for the error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            CliError::Settings(_)
            | CliError::RunFile { .. }
            | CliError::Write { .. }
            | CliError::Config { .. }
            | CliError::Conflict(_) => Exit::Usage,
            #[cfg(feature = "debug")]
            CliError::Terminal(_) => Exit::Usage,
            #[cfg(feature = "sweep")]
            CliError::Space(_) | CliError::Results(_) => Exit::Usage,
        }
    }
}
