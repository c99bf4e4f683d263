//! The journal, `rows.jsonl`: one line of JSON per finished row, so that a killed process loses no
//! finished row.

use super::files::ResultsError;
use super::row::Row;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The journal `rows.jsonl`, open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Returns the journal's path in a folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("rows.jsonl")
    }

    /// Opens the journal of a folder for appending, or creates it. An incomplete last line, which a
    /// killed process leaves, is truncated.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, or another process has it open for writing.
    pub fn open(folder: &Path) -> Result<Journal, ResultsError> {
        let path = Journal::path(folder);
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(ResultsError::file(&path, "cannot be opened"))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => ResultsError::wrong(
                &path,
                "another process is writing it: wait for that process, or choose another folder",
            ),
            TryLockError::Error(error) => ResultsError::file(&path, "cannot be locked")(error),
        })?;
        let whole = end_of_last_line(&mut file).map_err(ResultsError::file(&path, "cannot be read"))?;
        let cut = file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole)));
        cut.map_err(ResultsError::file(&path, "cannot be truncated"))?;
        Ok(Journal { path, file })
    }

    /// Reads the rows of a folder's journal, one by one.
    ///
    /// # Errors
    ///
    /// If the file cannot be read. The iterator returns an error for a line that is not a row.
    pub fn rows(folder: &Path) -> Result<Rows, ResultsError> {
        let path = Journal::path(folder);
        let file = File::open(&path).map_err(ResultsError::file(&path, "cannot be opened"))?;
        Ok(Rows { path, lines: BufReader::new(file), number: 0, line: Vec::new() })
    }

    /// Appends a row. After this returns, killing the process does not lose it (a power loss may:
    /// there is no fsync).
    ///
    /// # Errors
    ///
    /// If the write fails, for example on a full disk. The row is then not in the journal; earlier
    /// rows remain.
    pub fn append(&mut self, row: &Row) -> Result<(), ResultsError> {
        let mut line = serde_json::to_vec(row).expect("a row is plain data");
        line.push(b'\n');
        self.file.write_all(&line).map_err(ResultsError::file(&self.path, "cannot be written"))
    }
}

/// The rows of a journal.
#[derive(Debug)]
pub struct Rows {
    path: PathBuf,
    lines: BufReader<File>,
    number: u64,
    line: Vec<u8>,
}

impl Rows {
    /// Returns the journal's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Iterator for Rows {
    type Item = Result<Row, ResultsError>;

    fn next(&mut self) -> Option<Result<Row, ResultsError>> {
        self.line.clear();
        self.number += 1;
        match self.lines.read_until(b'\n', &mut self.line) {
            Err(error) => Some(Err(ResultsError::file(&self.path, "cannot be read")(error))),
            Ok(_) if !self.line.ends_with(b"\n") => None,
            Ok(_) => Some(serde_json::from_slice(&self.line).map_err(|error| {
                let number = self.number;
                let problem = format!(
                    "line {number} is not a row of a sweep ({error}): delete the folder and play the sweep again"
                );
                ResultsError::wrong(&self.path, problem)
            })),
        }
    }
}

/// Returns the offset at which the last complete line ends.
fn end_of_last_line(file: &mut File) -> std::io::Result<u64> {
    const STEP: u64 = 1 << 16;
    let mut end = file.seek(SeekFrom::End(0))?;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut bytes = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        if let Some(place) = bytes.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
