//! Transactions, and the check of what a crash left of them.
//!
//! Transaction 1 creates the tables and twelve counters. Each further one sets every counter to its
//! number, adds three rows to a log and removes those of the transaction three before it. So a
//! transaction changes about ten pages, more than the page cache of five: SQLite also writes pages
//! before the commit. Each row has a body that depends on the transaction in every byte.

use rusqlite::{Connection, params};
use std::fmt;

/// How many transactions a process commits before it closes the database.
pub const TRANSACTIONS: u64 = 5;

const COUNTERS: u64 = 12;
const ROWS: u64 = 3;
/// How many transactions a row of the log stays.
const KEPT: u64 = 3;
const BODY: usize = 1_500;

/// `journal_mode`: <https://sqlite.org/pragma.html#pragma_journal_mode>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    Delete,
    Truncate,
    Persist,
    Wal,
}

/// `synchronous`: <https://sqlite.org/pragma.html#pragma_synchronous>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Synchronous {
    Off,
    Normal,
    Full,
    Extra,
}

impl Journal {
    /// All of them.
    pub const ALL: [Journal; 4] = [Journal::Delete, Journal::Truncate, Journal::Persist, Journal::Wal];

    /// Returns SQLite's name.
    pub fn name(self) -> &'static str {
        match self {
            Journal::Delete => "DELETE",
            Journal::Truncate => "TRUNCATE",
            Journal::Persist => "PERSIST",
            Journal::Wal => "WAL",
        }
    }
}

impl Synchronous {
    /// All of them.
    pub const ALL: [Synchronous; 4] =
        [Synchronous::Off, Synchronous::Normal, Synchronous::Full, Synchronous::Extra];

    /// Returns SQLite's name.
    pub fn name(self) -> &'static str {
        match self {
            Synchronous::Off => "OFF",
            Synchronous::Normal => "NORMAL",
            Synchronous::Full => "FULL",
            Synchronous::Extra => "EXTRA",
        }
    }
}

/// What is wrong with a database after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// SQLite cannot open or read it.
    Unreadable(String),
    /// `PRAGMA integrity_check` finds this.
    Integrity(String),
    /// It is in a state in which no number of whole transactions leaves it.
    Torn(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Unreadable(problem) => write!(f, "unreadable: {problem}"),
            Damage::Integrity(problem) => write!(f, "integrity_check: {problem}"),
            Damage::Torn(problem) => write!(f, "not whole: {problem}"),
        }
    }
}

/// Makes a connection ready to read. It changes nothing on the disk.
///
/// # Errors
///
/// An error of SQLite.
pub fn prepare(connection: &Connection, journal: Journal) -> rusqlite::Result<()> {
    if journal == Journal::Wal {
        // The VFS has no shared memory.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    connection.pragma_update(None, "cache_size", 5)
}

/// Sets the journal mode and the level of syncs.
///
/// # Errors
///
/// An error of SQLite.
///
/// # Panics
///
/// If SQLite does not accept the journal mode.
pub fn configure(
    connection: &Connection,
    journal: Journal,
    synchronous: Synchronous,
) -> rusqlite::Result<()> {
    prepare(connection, journal)?;
    connection.pragma_update(None, "synchronous", synchronous.name())?;
    connection.pragma_update_and_check(None, "journal_mode", journal.name(), |row| {
        assert_eq!(row.get::<_, String>(0)?, journal.name().to_lowercase());
        Ok(())
    })?;
    // A checkpoint after about every third transaction.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 30, |_| Ok(()))
}

/// Commits a transaction.
///
/// # Errors
///
/// An error of SQLite.
pub fn commit(connection: &mut Connection, number: u64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if number == 1 {
        transaction.execute_batch(
            "CREATE TABLE counters (id INTEGER PRIMARY KEY, number INTEGER, body BLOB);
             CREATE TABLE log (number INTEGER, row INTEGER, body BLOB);
             CREATE INDEX log_by_number ON log (number, row);",
        )?;
        let mut insert = transaction.prepare("INSERT INTO counters VALUES (?, 1, ?)")?;
        for id in 0..COUNTERS {
            insert.execute(params![id, body(1, id)])?;
        }
    } else {
        let mut count =
            transaction.prepare_cached("UPDATE counters SET number = ?, body = ? WHERE id = ?")?;
        for id in 0..COUNTERS {
            count.execute(params![number, body(number, id), id])?;
        }
        let mut log = transaction.prepare_cached("INSERT INTO log VALUES (?, ?, ?)")?;
        for row in 0..ROWS {
            log.execute(params![number, row, body(number, COUNTERS + row)])?;
        }
        transaction.execute("DELETE FROM log WHERE number + ? <= ?", params![KEPT, number])?;
    }
    transaction.commit()
}

fn body(number: u64, of: u64) -> Vec<u8> {
    let mut body = vec![0; BODY];
    for (chunk, bytes) in body.chunks_mut(8).enumerate() {
        bytes.fill((number * 41 + of * 7 + chunk as u64) as u8);
    }
    body
}

/// Returns how many transactions the database holds, each whole.
///
/// # Errors
///
/// What is wrong with the database.
pub fn transactions(connection: &Connection) -> Result<u64, Damage> {
    let unreadable = |error: rusqlite::Error| Damage::Unreadable(error.to_string());
    let integrity: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(unreadable)?;
    if integrity != "ok" {
        return Err(Damage::Integrity(integrity.lines().next().unwrap_or_default().into()));
    }
    let tables: u64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(unreadable)?;
    if tables == 0 {
        return Ok(0);
    }
    let counters =
        rows(connection, "SELECT number, id, body FROM counters ORDER BY id").map_err(unreadable)?;
    let log =
        rows(connection, "SELECT number, row, body FROM log ORDER BY number, row").map_err(unreadable)?;
    let number = counters.first().map_or(0, |&(number, ..)| number);
    let counters_are: Vec<Row> = (0..COUNTERS).map(|id| (number, id, body(number, id))).collect();
    let logged = number.saturating_sub(KEPT - 1).max(2)..=number;
    let log_is: Vec<Row> = logged
        .flat_map(|number| (0..ROWS).map(move |row| (number, row, body(number, COUNTERS + row))))
        .collect();
    if counters != counters_are {
        return Err(Damage::Torn(format!("the counters are not all those of transaction {number}")));
    }
    if log != log_is {
        return Err(Damage::Torn(format!("the counters are of transaction {number}, the log is not")));
    }
    Ok(number)
}

type Row = (u64, u64, Vec<u8>);

fn rows(connection: &Connection, query: &str) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}
