//! Rows as they come, one line of JSON each, so that whatever ends the process leaves every finished row.

use super::files::ResultsError;
use super::row::Row;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// `rows.jsonl`, open for more.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Its place in a folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("rows.jsonl")
    }

    /// Opens that of a folder for more, and makes it if there is none. A line that was cut short, by whatever ended the process that wrote it, is taken away.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written, or that another process writes.
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
                "is being written by another process: wait for it, or choose another folder",
            ),
            TryLockError::Error(error) => ResultsError::file(&path, "cannot be locked")(error),
        })?;
        let whole = end_of_last_line(&mut file).map_err(ResultsError::file(&path, "cannot be read"))?;
        let cut = file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole)));
        cut.map_err(ResultsError::file(&path, "cannot be cut"))?;
        Ok(Journal { path, file })
    }

    /// The rows of a folder's journal, one by one.
    ///
    /// # Errors
    ///
    /// A file that cannot be read; from the iterator, a line that is no row.
    pub fn rows(folder: &Path) -> Result<Rows, ResultsError> {
        let path = Journal::path(folder);
        let file = File::open(&path).map_err(ResultsError::file(&path, "cannot be opened"))?;
        Ok(Rows { path, lines: BufReader::new(file), number: 0, line: Vec::new() })
    }

    /// Appends a row. When this returns, no end of this process takes it away.
    ///
    /// # Errors
    ///
    /// A disk that is full, for example: the row is then not in the journal, and what is before it stays.
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
    /// The journal.
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
                    "line {number} is no row ({error}): take the folder away and play the sweep again"
                );
                ResultsError::wrong(&self.path, problem)
            })),
        }
    }
}

/// Where the last whole line ends.
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
