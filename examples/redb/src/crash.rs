//! One crash: a process commits transactions until its disk stops, the power fails, and another
//! process opens what is left. That process can crash too.

use crate::backend::Syncs;
use crate::database::{Database, Error};
use crate::workload::{self, Commit, Damage, Durable, TRANSACTIONS};
use std::panic::{AssertUnwindSafe, catch_unwind};
use stormglass::core::Seed;
use stormglass::core::fault::Loss;
use stormglass::fs::{Disk, DiskProfile};

/// The path of the database.
const PATH: &str = "/app.redb";

/// How a process uses redb, and on which disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub durable: Durable,
    pub commit: Commit,
    pub syncs: Syncs,
}

/// When and how a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The disk's first operation that does not take place; the first of all is 0.
    pub before: u64,
    /// What the power loss takes. `None`: the process is killed and the power stays on.
    pub loss: Option<Loss>,
    /// What is drawn: what survives.
    pub seed: Seed,
}

/// A crash of the process that opens the database after the first crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// How many of its operations take place.
    pub operations: u64,
    /// What the power loss takes.
    pub loss: Loss,
}

/// What a crash left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// What the process received of redb before it crashed.
    pub known: Known,
    /// How many transactions are there.
    pub found: Result<u64, Damage>,
    /// Whether redb made a full repair.
    pub is_repaired: bool,
}

/// What a process received of redb before it crashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Whether the database was created.
    pub is_created: bool,
    /// How many transactions were committed.
    pub acknowledged: u64,
    /// Whether the database was closed.
    pub is_closed: bool,
}

impl Left {
    /// Returns how many acknowledged transactions are lost.
    pub fn lost(&self) -> u64 {
        self.found.as_ref().map_or(0, |&found| self.known.acknowledged.saturating_sub(found))
    }
}

impl Setting {
    /// Returns how many operations of the disk the transactions take, opening and closing included.
    ///
    /// # Panics
    ///
    /// If redb fails although nothing crashes.
    pub fn operations(self) -> u64 {
        let disk = disk(Seed(0));
        let known = self.commit_all(&disk, u64::MAX).expect("nothing crashes");
        assert_eq!(known, Known { is_created: true, acknowledged: TRANSACTIONS, is_closed: true });
        disk.operations()
    }

    /// Plays a crash.
    ///
    /// # Panics
    ///
    /// If redb fails before the crash.
    pub fn crash(self, crash: Crash) -> Left {
        let (disk, known) = self.first(crash);
        self.second(&disk, known)
    }

    /// Returns how many operations of the disk the second process takes after a crash.
    pub fn operations_after(self, crash: Crash) -> u64 {
        let (disk, known) = self.first(crash);
        let first = disk.operations();
        self.second(&disk, known);
        disk.operations() - first
    }

    /// Plays a crash, and a power loss in the process that opens the database.
    ///
    /// # Panics
    ///
    /// If redb fails before the first crash.
    pub fn crash_twice(self, crash: Crash, again: Again) -> Left {
        let (disk, known) = self.first(crash);
        disk.stop_before(disk.operations() + again.operations);
        self.second(&disk, known);
        disk.power_loss(again.loss);
        self.second(&disk, known)
    }

    /// Plays the process that commits, and its crash.
    fn first(self, Crash { before, loss, seed }: Crash) -> (Disk, Known) {
        let disk = disk(seed);
        disk.stop_before(before);
        let known = self.commit_all(&disk, before).expect("redb works until the crash");
        match loss {
            Some(loss) => disk.power_loss(loss),
            None => disk.stop_before(u64::MAX),
        }
        (disk, known)
    }

    /// Commits the transactions until the disk stops, and returns what was received before.
    fn commit_all(self, disk: &Disk, stop: u64) -> Result<Known, Error> {
        let mut known = Known::default();
        let mut all = || {
            // The process is dead after that: it receives no result of redb.
            let lives = || disk.operations() <= stop;
            let mut database = Database::open(disk, PATH, self.syncs)?;
            known.is_created = lives();
            for number in 1..=TRANSACTIONS {
                workload::commit(&mut database, number, self.durable, self.commit)?;
                if lives() {
                    known.acknowledged = number;
                }
            }
            database.close()?;
            known.is_closed = lives();
            Ok(())
        };
        match all() {
            Err(error) if disk.operations() <= stop => Err(error),
            _ => Ok(known),
        }
    }

    /// Opens the database in a new process, and checks what it holds. The process does not close it.
    fn second(self, disk: &Disk, known: Known) -> Left {
        let mut is_repaired = false;
        let mut find = || {
            let mut database = Database::open(disk, PATH, self.syncs).map_err(|error| match error {
                Error::Redb(error) if is_of_another(&error) => Damage::NotADatabase,
                error => Damage::Unreadable(error.to_string()),
            })?;
            is_repaired = database.is_repaired();
            within(workload::transactions(&mut database)?, known.acknowledged)
        };
        // An open "may panic if it was corrupted outside redb".
        let found = catch_unwind(AssertUnwindSafe(&mut find))
            .unwrap_or_else(|panic| Err(Damage::Panic(message(&*panic).into())));
        Left { known, found, is_repaired }
    }
}

/// Returns whether an open failed because the file is no database of redb.
fn is_of_another(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData)
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}

/// A transaction that was not begun cannot be there.
fn within(found: u64, acknowledged: u64) -> Result<u64, Damage> {
    match found <= acknowledged + 1 {
        true => Ok(found),
        false => Err(Damage::Torn(format!("transaction {found} is there, {acknowledged} was the last"))),
    }
}

fn disk(seed: Seed) -> Disk {
    Disk::new("disk", DiskProfile::instant(), seed)
}
