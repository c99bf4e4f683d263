//! `new`: lays out a crate with a service in tokio and its test.

use crate::args::New;
use crate::error::{CliError, Exit};
use crate::files::write;
use crate::output::Output;
use std::path::{Path, PathBuf};

/// The files, with `NAME`, `IDENTIFIER` and `STORMGLASS` for the crate's name, its name in Rust and the
/// folder of Stormglass.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("../../templates/Cargo.toml.in")),
    (".cargo/config.toml", include_str!("../../templates/config.toml.in")),
    (".gitignore", "/target\n"),
    ("src/lib.rs", include_str!("../../templates/lib.rs.in")),
    ("tests/durable.rs", include_str!("../../templates/durable.rs.in")),
];

pub(crate) fn new(args: &New, output: &mut Output) -> Result<Exit, CliError> {
    let folder = &args.folder;
    let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_letter) {
        let problem = "a crate's name has lower-case letters, digits, `-` and `_`, and begins with a letter";
        return Err(CliError::Conflict(format!("FOLDER {}: {problem}", folder.display())));
    }
    if folder.exists() {
        return Err(CliError::Conflict(format!("{} exists already: choose another name", folder.display())));
    }
    let stormglass = stormglass(args)?;
    for (file, text) in FILES {
        let text = text
            .replace("STORMGLASS", &stormglass.to_string_lossy())
            .replace("IDENTIFIER", &name.replace('-', "_"))
            .replace("NAME", &name);
        let file = folder.join(file);
        let parent = file.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|source| CliError::Write { file: parent.into(), source })?;
        write(&file, &text)?;
        output.print(&format!("{}\n", file.display()));
    }
    output.print(&format!("\nTo play 50 runs of its test: cd {} && cargo test\n", folder.display()));
    Ok(Exit::Held)
}

/// Returns the folder of Stormglass, as an absolute path.
fn stormglass(args: &New) -> Result<PathBuf, CliError> {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = args.stormglass.as_ref().unwrap_or(&built_from);
    let is_stormglass = folder.join("crates/stormglass-tokio/Cargo.toml").exists();
    folder.canonicalize().ok().filter(|_| is_stormglass).ok_or_else(|| {
        let found = folder.display();
        CliError::Conflict(format!(
            "{found} has no crates of Stormglass: name its folder with --stormglass FOLDER"
        ))
    })
}
