//! Reads the phases of real starts from log files, plain or gzipped.

use super::mapping::{Mapping, Start};
use crate::results::ResultsError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reads the first start in each log file of a folder and its subfolders: files that end in
/// `.jsonl`, `.json`, `.log` or `.txt`, with or without `.gz`. Lines before the one that marks the
/// process's start are skipped, and so are files without such a line.
///
/// # Errors
///
/// A folder or a file that cannot be read; no start in any of them.
pub fn read(folder: &Path, mapping: &Mapping) -> Result<Vec<Start>, ResultsError> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.sort();
    let mut starts = Vec::new();
    for file in &files {
        starts.extend(read_file(file, mapping)?);
    }
    if starts.is_empty() {
        let problem = format!(
            "no line of its {} log files matches the mapping's `start.line` and `timestamp`; correct the mapping or name another folder",
            files.len()
        );
        return Err(ResultsError::wrong(folder, problem));
    }
    Ok(starts)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ResultsError> {
    let entries = std::fs::read_dir(folder).map_err(ResultsError::file(folder, "cannot be read"))?;
    for entry in entries {
        let path = entry.map_err(ResultsError::file(folder, "cannot be read"))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        if path.is_dir() {
            list(&path, files)?;
        } else if [".jsonl", ".json", ".log", ".txt"].iter().any(|end| name.ends_with(end)) {
            files.push(path);
        }
    }
    Ok(())
}

fn read_file(path: &Path, mapping: &Mapping) -> Result<Option<Start>, ResultsError> {
    let file = File::open(path).map_err(ResultsError::file(path, "cannot be opened"))?;
    let zipped = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = if zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut found: Option<(Duration, Start)> = None;
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.map_err(ResultsError::file(path, "cannot be read"))?;
        let line = String::from_utf8_lossy(&line);
        let Some(at) = time_of(&line, mapping) else { continue };
        let begins = mapping.start.line.0.is_match(&line);
        match &mut found {
            // Only the first start counts.
            Some(_) if begins => break,
            None if begins => found = Some((at, Start::new())),
            None => {}
            Some((began, start)) => {
                for phase in mapping.phases.iter().filter(|phase| phase.line.0.is_match(&line)) {
                    start.entry(phase.name.clone()).or_insert(at.saturating_sub(*began));
                }
            }
        }
    }
    Ok(found.map(|(_, start)| start))
}

/// Returns the time of a line since 1970; `None` if the mapping's `timestamp` does not match.
#[expect(clippy::disallowed_types, reason = "a log line has a time of the real clock")]
fn time_of(line: &str, mapping: &Mapping) -> Option<Duration> {
    let text = mapping.timestamp.0.captures(line)?.get(1)?.as_str();
    let at = humantime::parse_rfc3339_weak(text).ok()?;
    at.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()
}
