//! Transactions, and the check of what a crash left of them.
//!
//! Each transaction sets twelve counters to its number, adds three rows to a log and removes those
//! of the transaction three before it. A row has a body of 1,500 bytes that depends on the
//! transaction in every byte. A transaction changes about ten pages, and redb writes them elsewhere
//! than the last.

use crate::database::{Database, Error};
use redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use std::fmt;

/// How many transactions a process commits before it closes the database.
pub const TRANSACTIONS: u64 = 6;

/// In `Durable::EveryThird` a transaction of this many is durable.
const THIRD: u64 = 3;

const COUNTERS: u64 = 12;
const ROWS: u64 = 3;
/// How many transactions a row of the log stays.
const KEPT: u64 = 3;
const BODY: usize = 1_500;

const COUNTS: TableDefinition<u64, (u64, &[u8])> = TableDefinition::new("counters");
const LOG: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("log");

/// Which transactions have `Durability::Immediate`; the others have `Durability::None`:
/// <https://docs.rs/redb/4.6.0/redb/enum.Durability.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    Each,
    EveryThird,
    Never,
}

impl Durable {
    /// All of them.
    pub const ALL: [Durable; 3] = [Durable::Each, Durable::EveryThird, Durable::Never];

    /// Returns redb's names of the transactions' durability.
    pub fn name(self) -> &'static str {
        match self {
            Durable::Each => "Immediate",
            Durable::EveryThird => "None, None, Immediate",
            Durable::Never => "None",
        }
    }

    fn of(self, number: u64) -> Durability {
        match self {
            Durable::Each => Durability::Immediate,
            Durable::EveryThird if number.is_multiple_of(THIRD) => Durability::Immediate,
            Durable::EveryThird | Durable::Never => Durability::None,
        }
    }

    /// Returns the last durable transaction of the first `acknowledged`.
    pub fn last(self, acknowledged: u64) -> u64 {
        match self {
            Durable::Each => acknowledged,
            Durable::EveryThird => acknowledged - acknowledged % THIRD,
            Durable::Never => 0,
        }
    }
}

/// How redb makes a transaction durable:
/// <https://docs.rs/redb/4.6.0/redb/struct.WriteTransaction.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The default: one sync, and checksums.
    OnePhase,
    /// `set_two_phase_commit(true)`.
    TwoPhase,
    /// `set_quick_repair(true)`, which has two phases and saves the state of the allocator.
    QuickRepair,
}

impl Commit {
    /// All of them.
    pub const ALL: [Commit; 3] = [Commit::OnePhase, Commit::TwoPhase, Commit::QuickRepair];

    /// Returns the name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Commit::OnePhase => "1-phase",
            Commit::TwoPhase => "2-phase",
            Commit::QuickRepair => "quick-repair",
        }
    }
}

/// What is wrong with a database after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// redb says that the file is no database of its own.
    NotADatabase,
    /// redb cannot open or read it.
    Unreadable(String),
    /// redb panics.
    Panic(String),
    /// `check_integrity` finds something.
    Integrity(String),
    /// It is in a state in which no number of whole transactions leaves it.
    Torn(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::NotADatabase => write!(f, "redb does not know the file"),
            Damage::Unreadable(problem) => write!(f, "unreadable: {problem}"),
            Damage::Panic(problem) => write!(f, "redb panics: {problem}"),
            Damage::Integrity(problem) => write!(f, "check_integrity: {problem}"),
            Damage::Torn(problem) => write!(f, "not whole: {problem}"),
        }
    }
}

/// Commits a transaction.
///
/// # Errors
///
/// An error of redb.
pub fn commit(database: &mut Database, number: u64, durable: Durable, commit: Commit) -> Result<(), Error> {
    let mut transaction = database.redb().begin_write()?;
    transaction.set_durability(durable.of(number))?;
    match commit {
        Commit::OnePhase => {}
        Commit::TwoPhase => transaction.set_two_phase_commit(true),
        Commit::QuickRepair => transaction.set_quick_repair(true),
    }
    {
        let mut counters = transaction.open_table(COUNTS)?;
        for id in 0..COUNTERS {
            counters.insert(id, (number, &body(number, id)[..]))?;
        }
        let mut log = transaction.open_table(LOG)?;
        for row in 0..ROWS {
            log.insert((number, row), &body(number, COUNTERS + row)[..])?;
            if number > KEPT {
                log.remove((number - KEPT, row))?;
            }
        }
    }
    Ok(transaction.commit()?)
}

fn body(number: u64, of: u64) -> Vec<u8> {
    let mut body = vec![0; BODY];
    for (chunk, bytes) in body.chunks_mut(8).enumerate() {
        bytes.fill((number * 41 + of * 7 + chunk as u64) as u8);
    }
    body
}

/// Checks the database, and returns how many transactions it holds, each whole.
///
/// # Errors
///
/// What is wrong with the database.
pub fn transactions(database: &mut Database) -> Result<u64, Damage> {
    match database.redb().check_integrity() {
        Ok(true) => {}
        Ok(false) => return Err(Damage::Integrity("it repaired the database".into())),
        Err(error) => return Err(Damage::Integrity(error.to_string())),
    }
    let (counters, log) = rows(database).map_err(|error| Damage::Unreadable(error.to_string()))?;
    let number = counters.first().map_or(0, |&(_, number, _)| number);
    let counted = if number == 0 { 0 } else { COUNTERS };
    let counters_are: Vec<Row> = (0..counted).map(|id| (id, number, body(number, id))).collect();
    let logged = (number.saturating_sub(KEPT - 1).max(1)..=number)
        .flat_map(|number| (0..ROWS).map(move |row| (number, row, body(number, COUNTERS + row))));
    if counters != counters_are {
        return Err(Damage::Torn(format!("the counters are not all those of transaction {number}")));
    }
    if log != logged.collect::<Vec<Row>>() {
        return Err(Damage::Torn(format!("the counters are of transaction {number}, the log is not")));
    }
    Ok(number)
}

type Row = (u64, u64, Vec<u8>);

/// Returns the rows of both tables. A table that does not exist has none.
fn rows(database: &mut Database) -> Result<(Vec<Row>, Vec<Row>), Error> {
    let transaction = database.redb().begin_read()?;
    let mut counters = Vec::new();
    match transaction.open_table(COUNTS) {
        Err(TableError::TableDoesNotExist(_)) => {}
        table => {
            for entry in table?.iter()? {
                let (id, value) = entry?;
                let (number, body) = value.value();
                counters.push((id.value(), number, body.to_vec()));
            }
        }
    }
    let mut log = Vec::new();
    match transaction.open_table(LOG) {
        Err(TableError::TableDoesNotExist(_)) => {}
        table => {
            for entry in table?.iter()? {
                let (key, body) = entry?;
                let (number, row) = key.value();
                log.push((number, row, body.value().to_vec()));
            }
        }
    }
    Ok((counters, log))
}
