//! Logs as files, plain or gzipped.

use super::mapping::{Mapping, Start};
use crate::results::ResultsError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The first start in each log of a folder and of the folders in it: files that end in `.jsonl`, `.json`, `.log` or `.txt`, with or without `.gz`. What stands before the line with which
/// a process begins is left out, and so are files without one.
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
            "has no start of a process in {} logs: the mapping's `start.line` or `timestamp` fits no line",
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
            // The next start is another.
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

/// Since 1970.
#[expect(clippy::disallowed_types, reason = "what a log says of its own time")]
fn time_of(line: &str, mapping: &Mapping) -> Option<Duration> {
    let text = mapping.timestamp.0.captures(line)?.get(1)?.as_str();
    let at = humantime::parse_rfc3339_weak(text).ok()?;
    at.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()
}
