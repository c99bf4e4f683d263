//! Rows as they come, one line each, so that whatever ends the process leaves every finished row.

use super::{ResultsError, Row};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use stormglass_core::trace::TraceHash;
use stormglass_core::{EventId, Length, Outcome, SimTime, Verdict, Wait};

/// `rows.jsonl`, open for more.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// A row as a line: short, since there are many.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    history: usize,
    seed: u64,
    verdict: Verdict,
    #[serde(borrow)]
    waits: Vec<WaitLine<'a>>,
    counters: BTreeMap<String, u64>,
    events: u64,
    hash: TraceHash,
    ended: u64,
}

/// Name, node, parameter, beginning, deadline, length, whether it ended; times in nanoseconds.
#[derive(Serialize, Deserialize)]
struct WaitLine<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Option<Cow<'a, str>>,
    u64,
    u64,
    u64,
    bool,
);

impl Journal {
    /// Its place in a folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("rows.jsonl")
    }

    /// Opens that of a folder for more, and makes it if there is none. A line that was cut short, by whatever ended the process that wrote it, is taken away.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written.
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
        self.file.write_all(&line(row)).map_err(ResultsError::file(&self.path, "cannot be written"))
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

impl Iterator for Rows {
    type Item = Result<Row, ResultsError>;

    fn next(&mut self) -> Option<Result<Row, ResultsError>> {
        self.line.clear();
        self.number += 1;
        match self.lines.read_until(b'\n', &mut self.line) {
            Err(error) => Some(Err(ResultsError::file(&self.path, "cannot be read")(error))),
            Ok(_) if !self.line.ends_with(b"\n") => None,
            Ok(_) => Some(parse(&self.line).map_err(|error| {
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

fn line(row: &Row) -> Vec<u8> {
    let Row { history, seed, outcome } = row;
    let wait = |wait: &'_ Wait| {
        let (length, ended) = match wait.length {
            Length::Observed(length) => (length, true),
            Length::Censored(length) => (length, false),
        };
        let nanos = |duration: Duration| duration.as_nanos() as u64;
        (wait.began.as_nanos(), nanos(wait.deadline), nanos(length), ended)
    };
    let waits = outcome.waits.iter().map(|it| {
        let (began, deadline, length, ended) = wait(it);
        let parameter = it.parameter.as_deref().map(Cow::Borrowed);
        WaitLine(it.name.as_str().into(), it.node.as_str().into(), parameter, began, deadline, length, ended)
    });
    let line = Line {
        history: *history,
        seed: *seed,
        verdict: outcome.verdict.clone(),
        waits: waits.collect(),
        counters: outcome.counters.clone(),
        events: outcome.events,
        hash: outcome.trace_hash,
        ended: outcome.ended.as_nanos(),
    };
    let mut bytes = serde_json::to_vec(&line).expect("a row is plain data");
    bytes.push(b'\n');
    bytes
}

fn parse(bytes: &[u8]) -> Result<Row, serde_json::Error> {
    let line: Line<'_> = serde_json::from_slice(bytes)?;
    let wait = |WaitLine(name, node, parameter, began, deadline, length, ended)| {
        let length = Duration::from_nanos(length);
        Wait {
            name: Cow::into_owned(name),
            node: Cow::into_owned(node),
            began: SimTime::from_nanos(began),
            deadline: Duration::from_nanos(deadline),
            parameter: parameter.map(|parameter: Cow<'_, str>| Cow::Owned(parameter.into_owned())),
            length: if ended { Length::Observed(length) } else { Length::Censored(length) },
            end: EventId::START,
        }
    };
    let outcome = Outcome {
        verdict: line.verdict,
        waits: line.waits.into_iter().map(wait).collect(),
        counters: line.counters,
        events: line.events,
        trace_hash: line.hash,
        ended: SimTime::from_nanos(line.ended),
    };
    Ok(Row { history: line.history, seed: line.seed, outcome })
}
