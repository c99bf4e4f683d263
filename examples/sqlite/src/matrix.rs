//! Every crash of every setting, and the table of what they left.

use crate::crash::{Again, Crash, Left, Setting};
use crate::promise::promise;
use crate::vfs::Syncs;
use crate::workload::{Journal, Synchronous};
use std::fmt;
use std::sync::Mutex;
use stormglass::core::fault::Loss;
use stormglass::prelude::*;

/// How often the power fails at each operation, for each kind of loss in which something is drawn.
pub const SEEDS: u64 = 3;

/// The power fails also at each operation of the recovery from every such crash.
pub const RECOVERED: u64 = 4;

/// What the crashes of a setting left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub setting: Setting,
    /// The operations of the disk; the process crashes before each of them, and after the last.
    pub operations: u64,
    /// Power losses.
    pub losses: u64,
    /// Power losses that damaged the database, by what was lost, as in [`Loss::ALL`].
    pub damaged_by: [u64; 4],
    /// Power losses that took acknowledged transactions, and no more.
    pub lost: u64,
    /// The most transactions that one took.
    pub most_lost: u64,
    /// Kills without a power loss that damaged the database or lost a transaction.
    pub killed_wrongly: u64,
    /// Power losses during the recovery from a power loss. None where syncs lie.
    pub twice: Twice,
    /// The first crash that damaged the database, and the first that lost a transaction.
    pub examples: [Option<(Crash, Left)>; 2],
}

/// What power losses during recoveries left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Twice {
    /// The power losses.
    pub losses: u64,
    /// Those that damaged the database.
    pub damaged: u64,
    /// Those that took acknowledged transactions, and no more.
    pub lost: u64,
    /// The most transactions that one took.
    pub most_lost: u64,
}

impl Cell {
    /// Plays every crash of a setting, within a run.
    fn play(setting: Setting) -> Cell {
        let operations = setting.operations();
        let (losses, damaged_by, lost, most_lost, killed_wrongly) = (0, [0; 4], 0, 0, 0);
        let mut cell = Cell {
            setting,
            operations,
            losses,
            damaged_by,
            lost,
            most_lost,
            killed_wrongly,
            twice: Twice::default(),
            examples: [None, None],
        };
        for before in 0..=operations {
            for crash in crashes(before) {
                cell.add(crash, setting.crash(crash));
            }
            if setting.syncs == Syncs::Honest && before % RECOVERED == 0 {
                cell.add_recoveries(before);
            }
        }
        cell
    }

    /// Plays a power loss before each operation of the recovery from a power loss.
    fn add_recoveries(&mut self, before: u64) {
        let crash = Crash { before, loss: Some(Loss::Torn), seed: seed(before, 0) };
        for operations in 0..=self.setting.operations_after(crash) {
            let loss = Loss::ALL[((before / RECOVERED + operations) % 4) as usize];
            let left = self.setting.crash_twice(crash, Again { operations, loss });
            let lost = left.lost();
            self.twice.losses += 1;
            self.twice.damaged += u64::from(left.found.is_err());
            self.twice.lost += u64::from(lost > 0);
            self.twice.most_lost = self.twice.most_lost.max(lost);
        }
    }

    fn add(&mut self, crash: Crash, left: Left) {
        let (damaged, lost) = (left.found.is_err(), left.lost());
        let Some(loss) = crash.loss else {
            self.killed_wrongly += u64::from(damaged || lost > 0);
            return;
        };
        self.losses += 1;
        let by = Loss::ALL.iter().position(|&listed| listed == loss).expect("every loss is listed");
        self.damaged_by[by] += u64::from(damaged);
        self.lost += u64::from(lost > 0);
        self.most_lost = self.most_lost.max(lost);
        for (example, is_one) in self.examples.iter_mut().zip([damaged, lost > 0]) {
            if is_one {
                example.get_or_insert_with(|| (crash, left.clone()));
            }
        }
    }

    /// Returns how many power losses damaged the database.
    pub fn damaged(&self) -> u64 {
        self.damaged_by.iter().sum()
    }

    /// Returns whether the crashes left what SQLite documents.
    pub fn keeps_its_promise(&self) -> bool {
        let promise = promise(self.setting.journal, self.setting.synchronous);
        (promise.may_damage || self.damaged() + self.twice.damaged == 0)
            && self.most_lost.max(self.twice.most_lost) <= promise.may_lose
    }
}

fn seed(before: u64, number: u64) -> Seed {
    Seed(before * 100 + number)
}

/// Returns the crashes before an operation: a kill, a power loss that takes everything, and those
/// in which something is drawn.
fn crashes(before: u64) -> Vec<Crash> {
    let mut crashes = vec![Crash { before, loss: None, seed: seed(before, 0) }];
    for loss in Loss::ALL {
        let seeds = if loss == Loss::Everything { 1 } else { SEEDS };
        crashes.extend((0..seeds).map(|number| Crash {
            before,
            loss: Some(loss),
            seed: seed(before, number),
        }));
    }
    crashes
}

/// A run that plays every crash of a setting.
struct Crashes {
    setting: Setting,
    cell: Mutex<Option<Cell>>,
}

/// Every crash of a setting of SQLite.
#[stormglass::sim::scenario]
impl Scenario for Crashes {
    async fn play(&self, _world: World) {
        *self.cell.lock().expect("nothing panics with it") = Some(Cell::play(self.setting));
    }
}

/// Plays every crash of a setting, in a run of its own that refuses the files of the machine.
///
/// # Panics
///
/// If a call of SQLite leaves the simulation, or fails before the crash.
pub fn play(setting: Setting) -> Cell {
    let scenario = Crashes { setting, cell: Mutex::new(None) };
    let settings = Settings::resolve(&scenario, None, "quiet", &[]).expect("the settings are the defaults");
    let played = Run::new(&scenario, settings, Seed(0)).play(Keep::Nothing);
    assert!(played.outcome.verdict.is_passed(), "{setting:?}: {}", played.outcome.verdict);
    scenario.cell.into_inner().expect("nothing panics with it").expect("a run that passes has counted")
}

/// The table: one row for each journal mode and level of syncs.
#[derive(Debug)]
pub struct Table {
    /// The cells, as [`settings`] lists them.
    pub cells: Vec<Cell>,
}

/// What syncs do, in the order of the table's columns.
pub const SYNCS: [Syncs; 3] = [Syncs::Honest, Syncs::SkipDirectories, Syncs::Lie];

/// Returns every setting, row by row.
pub fn settings() -> impl Iterator<Item = Setting> {
    Journal::ALL.into_iter().flat_map(|journal| {
        Synchronous::ALL.into_iter().flat_map(move |synchronous| {
            SYNCS.into_iter().map(move |syncs| Setting { journal, synchronous, syncs })
        })
    })
}

impl Table {
    /// Plays every crash of every setting.
    pub fn play() -> Table {
        Table { cells: settings().map(play).collect() }
    }

    /// Returns the rows: the cells of a journal mode and level.
    pub fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks(SYNCS.len())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let losses: u64 = self.cells.iter().map(|cell| cell.losses).sum();
        let kills: u64 = self.cells.iter().map(|cell| cell.operations + 1).sum();
        let wrong: u64 = self.cells.iter().map(|cell| cell.killed_wrongly).sum();
        write!(f, "{HEAD}")?;
        for row in self.rows() {
            let Setting { journal, synchronous, .. } = row[0].setting;
            let (name, level) = (journal.name(), synchronous.name());
            write!(f, "| {name} | {level} | {} | {} |", row[0].operations + 1, row[0].losses)?;
            for cell in row {
                write!(f, " {} |", cell.damaged())?;
                match cell.lost {
                    0 => write!(f, " 0 |")?,
                    lost => write!(f, " {lost} ({}) |", cell.most_lost)?,
                }
            }
            let holds = if row[0].keeps_its_promise() { "yes" } else { "NO" };
            writeln!(f, " {} | {holds} |", promise(journal, synchronous).words)?;
        }
        writeln!(
            f,
            "\n{losses} power losses in all; and {kills} kills without a power loss, of which {wrong} damaged"
        )?;
        writeln!(f, "the database or lost a transaction.")?;
        write!(f, "{BY_LOSS}")?;
        for cell in self.rows().map(|row| &row[0]).filter(|cell| cell.damaged() > 0) {
            let Setting { journal, synchronous, .. } = cell.setting;
            let [everything, suffix, subset, torn] = cell.damaged_by;
            let (name, level) = (journal.name(), synchronous.name());
            writeln!(f, "| {name} | {level} | {everything} | {suffix} | {subset} | {torn} |")?;
        }
        write!(f, "{TWICE}")?;
        for Cell { setting, twice, .. } in self.rows().map(|row| &row[0]) {
            let (name, level) = (setting.journal.name(), setting.synchronous.name());
            let lost = match twice.lost {
                0 => "0".into(),
                lost => format!("{lost} ({})", twice.most_lost),
            };
            writeln!(f, "| {name} | {level} | {} | {} | {lost} |", twice.losses, twice.damaged)?;
        }
        Ok(())
    }
}

const HEAD: &str = "\
Damaged: the database does not open, `integrity_check` fails, or a transaction is there in part. Lost:
the database is whole, and acknowledged transactions are missing; in parentheses, the most of one
power loss.

| journal_mode | synchronous | crash points | power losses | honest disk: damaged | lost | no syncs of directories: damaged | lost | syncs do nothing: damaged | lost | documented, honest disk | holds |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |
";

const BY_LOSS: &str = "
What had to be lost to damage a database on an honest disk: all that was not synced, all of it after
a point in time, any of the writes, or any of their sectors.

| journal_mode | synchronous | everything | suffix | subset | torn |
| --- | --- | ---: | ---: | ---: | ---: |
";

const TWICE: &str = "
The power fails again while the next process recovers: after every fourth crash with a loss of
sectors, before each operation of the process that opens the database, on an honest disk.

| journal_mode | synchronous | power losses | damaged | lost |
| --- | --- | ---: | ---: | ---: |
";
