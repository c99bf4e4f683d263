//! One crash: a process commits transactions until its disk stops, the power fails, and another
//! process opens what is left. That process can crash too.

use crate::database::{Database, Error};
use crate::vfs::Syncs;
use crate::workload::{self, Damage, Journal, Synchronous, TRANSACTIONS};
use stormglass::core::Seed;
use stormglass::core::fault::Loss;
use stormglass::fs::{Disk, DiskProfile};

/// The path of the database.
const PATH: &str = "/app.db";

/// How a process uses SQLite, and on which disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub journal: Journal,
    pub synchronous: Synchronous,
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
    /// How many transactions were acknowledged.
    pub acknowledged: u64,
    /// How many are there.
    pub found: Result<u64, Damage>,
}

impl Left {
    /// Returns how many acknowledged transactions are lost.
    pub fn lost(&self) -> u64 {
        self.found.as_ref().map_or(0, |&found| self.acknowledged.saturating_sub(found))
    }
}

impl Setting {
    /// Returns how many operations of the disk the transactions take, opening and closing included.
    ///
    /// # Panics
    ///
    /// If SQLite fails although nothing crashes.
    pub fn operations(self) -> u64 {
        let disk = disk(Seed(0));
        let acknowledged = self.commit_all(&disk, u64::MAX, Seed(0)).expect("nothing crashes");
        assert_eq!(acknowledged, TRANSACTIONS);
        disk.operations()
    }

    /// Plays a crash.
    ///
    /// # Panics
    ///
    /// If SQLite fails before the crash.
    pub fn crash(self, crash: Crash) -> Left {
        let (disk, acknowledged) = self.first(crash);
        self.second(&disk, crash.seed, acknowledged)
    }

    /// Returns how many operations of the disk the second process takes after a crash.
    pub fn operations_after(self, crash: Crash) -> u64 {
        let (disk, acknowledged) = self.first(crash);
        let first = disk.operations();
        self.second(&disk, crash.seed, acknowledged);
        disk.operations() - first
    }

    /// Plays a crash, and a power loss in the process that opens the database.
    ///
    /// # Panics
    ///
    /// If SQLite fails before the first crash.
    pub fn crash_twice(self, crash: Crash, again: Again) -> Left {
        let (disk, acknowledged) = self.first(crash);
        disk.stop_before(disk.operations() + again.operations);
        self.second(&disk, crash.seed, acknowledged);
        disk.power_loss(again.loss);
        self.second(&disk, crash.seed, acknowledged)
    }

    /// Plays the process that commits, and its crash. Returns how many transactions were
    /// acknowledged.
    fn first(self, Crash { before, loss, seed }: Crash) -> (Disk, u64) {
        let disk = disk(seed);
        disk.stop_before(before);
        let acknowledged = self.commit_all(&disk, before, seed).expect("SQLite works until the crash");
        match loss {
            Some(loss) => disk.power_loss(loss),
            None => disk.stop_before(u64::MAX),
        }
        (disk, acknowledged)
    }

    /// Opens the database in a new process, and checks what it holds.
    fn second(self, disk: &Disk, seed: Seed, acknowledged: u64) -> Left {
        let found = self.find(disk, seed).map_err(|damage| match damage {
            Ok(damage) => damage,
            Err(error) => Damage::Unreadable(error.to_string()),
        });
        Left { acknowledged, found: found.and_then(|found| within(found, acknowledged)) }
    }

    /// Commits the transactions until the disk stops, and returns how many were acknowledged
    /// before.
    fn commit_all(self, disk: &Disk, stop: u64, seed: Seed) -> Result<u64, Error> {
        let mut acknowledged = 0;
        let mut all = || {
            let mut database = Database::open(disk, PATH, self.syncs, seed.stream("first process"))?;
            database.call(|connection| workload::configure(connection, self.journal, self.synchronous))?;
            for number in 1..=TRANSACTIONS {
                database.call(|connection| workload::commit(connection, number))?;
                // The process is dead: it receives no result of SQLite.
                if disk.operations() <= stop {
                    acknowledged = number;
                }
            }
            database.close()
        };
        match all() {
            Err(error) if disk.operations() <= stop => Err(error),
            _ => Ok(acknowledged),
        }
    }

    /// Opens the database in a new process, and returns how many transactions it holds.
    fn find(self, disk: &Disk, seed: Seed) -> Result<u64, Result<Damage, Error>> {
        let mut database =
            Database::open(disk, PATH, Syncs::Honest, seed.stream("second process")).map_err(Err)?;
        let found = database.call(|connection| {
            workload::prepare(connection, self.journal)?;
            Ok(workload::transactions(connection))
        });
        found.map_err(Err)?.map_err(Ok)
    }
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
