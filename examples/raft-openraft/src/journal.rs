//! The log and the vote, in one file of records: each a line with its checksum. A restart reads them
//! up to the first line that a power loss has cut off or mixed up; what came after it was never
//! acknowledged.

use crate::{Bugs, Types};
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    AnyError, Entry, ErrorSubject, ErrorVerb, LogId, LogState, RaftLogReader, StorageError, StorageIOError,
    Vote,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

const NAME: &str = "journal";

#[derive(Debug, Serialize, Deserialize)]
enum Record {
    Vote(Vote<u64>),
    Entry(Entry<Types>),
    /// All entries up to this one are committed.
    Committed(LogId<u64>),
    /// All entries from this one on are gone: another leader has other ones.
    Truncate(LogId<u64>),
    /// All entries up to this one are gone: a snapshot has them.
    Purge(LogId<u64>),
}

#[derive(Debug, Default)]
struct Contents {
    vote: Option<Vote<u64>>,
    entries: BTreeMap<u64, Entry<Types>>,
    purged: Option<LogId<u64>>,
    committed: Option<LogId<u64>>,
}

impl Contents {
    fn add(&mut self, record: Record) {
        match record {
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Entry(entry) => drop(self.entries.insert(entry.log_id.index, entry)),
            Record::Committed(upto) => self.committed = Some(upto),
            Record::Truncate(from) => drop(self.entries.split_off(&from.index)),
            Record::Purge(upto) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                self.purged = Some(upto);
            }
        }
    }

    /// The records from which the contents follow.
    fn records(&self) -> impl Iterator<Item = Record> {
        let vote = self.vote.map(Record::Vote);
        let purged = self.purged.map(Record::Purge);
        let committed = self.committed.map(Record::Committed);
        let entries = self.entries.values().cloned().map(Record::Entry);
        vote.into_iter().chain(purged).chain(entries).chain(committed)
    }
}

#[derive(Debug)]
struct State {
    contents: Contents,
    file: File,
    bugs: Bugs,
}

/// The log and the vote of a node.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Mutex<State>>);

impl Journal {
    /// Opens the journal in the working directory.
    pub async fn open(bugs: Bugs) -> io::Result<Journal> {
        let bytes = match tokio::fs::read(NAME).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let (mut contents, mut end) = (Contents::default(), 0);
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let Some(record) = record_of(line) else { break };
            contents.add(record);
            end += line.len();
        }
        let file = OpenOptions::new().create(true).append(true).open(NAME).await?;
        file.set_len(end as u64).await?;
        file.sync_all().await?;
        File::open(".").await?.sync_all().await?;
        Ok(Journal(Arc::new(Mutex::new(State { contents, file, bugs }))))
    }
}

impl State {
    async fn write(&mut self, records: Vec<Record>, is_synced: bool) -> io::Result<()> {
        let mut text = Vec::new();
        for record in records {
            text.extend(line_of(&record)?);
            self.contents.add(record);
        }
        self.file.write_all(&text).await?;
        if is_synced { self.file.sync_data().await } else { self.file.flush().await }
    }

    /// Writes the journal anew, without what was cut off.
    async fn compact(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        for record in self.contents.records() {
            text.extend(line_of(&record)?);
        }
        let mut file = File::create("journal.new").await?;
        file.write_all(&text).await?;
        file.sync_all().await?;
        tokio::fs::rename("journal.new", NAME).await?;
        File::open(".").await?.sync_all().await?;
        self.file = OpenOptions::new().append(true).open(NAME).await?;
        Ok(())
    }
}

fn line_of(record: &Record) -> io::Result<Vec<u8>> {
    let json = serde_json::to_string(record)?;
    Ok(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).into_bytes())
}

fn record_of(line: &[u8]) -> Option<Record> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (checksum, json) = line.split_once(' ')?;
    let is_whole = u32::from_str_radix(checksum, 16) == Ok(crc32fast::hash(json.as_bytes()));
    if is_whole { serde_json::from_str(json).ok() } else { None }
}

/// A failed operation of the disk, as openraft wants it: it stops the node.
pub fn storage(error: io::Error) -> StorageError<u64> {
    StorageIOError::new(ErrorSubject::Store, ErrorVerb::Write, AnyError::new(&error)).into()
}

impl RaftLogReader<Types> for Journal {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<Types>>, StorageError<u64>> {
        Ok(self.0.lock().await.contents.entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }
}

impl RaftLogStorage<Types> for Journal {
    type LogReader = Journal;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError<u64>> {
        let contents = &self.0.lock().await.contents;
        let last = contents.entries.values().next_back().map(|entry| entry.log_id);
        Ok(LogState { last_purged_log_id: contents.purged, last_log_id: last.or(contents.purged) })
    }

    async fn get_log_reader(&mut self) -> Journal {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), StorageError<u64>> {
        let mut state = self.0.lock().await;
        let is_synced = !state.bugs.unsynced_vote;
        state.write(vec![Record::Vote(*vote)], is_synced).await.map_err(storage)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, StorageError<u64>> {
        Ok(self.0.lock().await.contents.vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId<u64>>) -> Result<(), StorageError<u64>> {
        let mut state = self.0.lock().await;
        match committed {
            Some(upto) if !state.bugs.unsaved_commit => {
                let is_synced = !state.bugs.unsynced_log;
                state.write(vec![Record::Committed(upto)], is_synced).await.map_err(storage)
            }
            _ => Ok(()),
        }
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<u64>>, StorageError<u64>> {
        Ok(self.0.lock().await.contents.committed)
    }

    async fn append<I>(&mut self, entries: I, flushed: LogFlushed<Types>) -> Result<(), StorageError<u64>>
    where
        I: IntoIterator<Item = Entry<Types>> + Send,
        I::IntoIter: Send,
    {
        let records = entries.into_iter().map(Record::Entry).collect();
        let mut state = self.0.lock().await;
        let is_synced = !state.bugs.unsynced_log;
        flushed.log_io_completed(state.write(records, is_synced).await);
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Result<(), StorageError<u64>> {
        let mut state = self.0.lock().await;
        if state.bugs.lost_truncation {
            state.contents.add(Record::Truncate(from));
            return Ok(());
        }
        state.write(vec![Record::Truncate(from)], true).await.map_err(storage)
    }

    async fn purge(&mut self, upto: LogId<u64>) -> Result<(), StorageError<u64>> {
        let mut state = self.0.lock().await;
        state.contents.add(Record::Purge(upto));
        state.compact().await.map_err(storage)
    }
}
