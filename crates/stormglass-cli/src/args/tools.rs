//! The arguments of the commands that only the program `stormglass` has.

use clap::ValueEnum;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// The folder that is made. Its last part is the crate's name: lower-case letters, digits, `-` and `_`.
    pub(crate) folder: PathBuf,
    /// The folder of Stormglass on which the crate depends. Default: the one from which this program was built.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) stormglass: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Schema {
    /// The file format.
    #[arg(value_enum)]
    pub(crate) format: Format,
}

/// A file format that has a JSON schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A fault plan, for `--plan`.
    Plan,
    /// A sweep, for `sweep`.
    Sweep,
    /// A profile of a machine, for `--profile`.
    Profile,
    /// A run, which `run --save` writes and `replay` reads.
    Run,
    /// A mapping of log lines, for `calibrate --mapping`.
    Mapping,
    /// What commands print with `--json`, version 1: one object per line.
    Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The folder. It is created if it does not exist.
    pub(crate) folder: PathBuf,
}
