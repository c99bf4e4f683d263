//! Every crash of every setting.

use crate::backend::Syncs;
use crate::crash::{Again, Crash, Left, Setting};
use crate::promise::is_kept;
use crate::workload::{Commit, Durable};
use std::sync::Mutex;
use stormglass::core::fault::Loss;
use stormglass::prelude::*;

/// How often the power fails at each operation, for each kind of loss in which something is drawn.
pub const SEEDS: u64 = 3;

/// What syncs do, in the order of the table's columns.
pub const SYNCS: [Syncs; 3] = [Syncs::Honest, Syncs::SkipDirectory, Syncs::Lie];

/// Returns every setting, row by row.
pub fn settings() -> impl Iterator<Item = Setting> {
    Durable::ALL.into_iter().flat_map(|durable| {
        Commit::ALL
            .into_iter()
            .flat_map(move |commit| SYNCS.into_iter().map(move |syncs| Setting { durable, commit, syncs }))
    })
}

/// What crashes of one kind left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The crashes.
    pub crashes: u64,
    /// Those before the database was created after which redb refuses the file.
    pub not_created: u64,
    /// Those that damaged a database.
    pub damaged: u64,
    /// Those that took acknowledged transactions, and no more.
    pub lost: u64,
    /// The most transactions that one took.
    pub most_lost: u64,
    /// Those after which redb made a full repair.
    pub repaired: u64,
    /// Those that left something other than what redb documents.
    pub broken: u64,
}

impl Counts {
    fn add(&mut self, setting: Setting, left: &Left) {
        let (is_damaged, lost) = (left.found.is_err(), left.lost());
        self.crashes += 1;
        self.not_created += u64::from(is_damaged && !left.known.is_created);
        self.damaged += u64::from(is_damaged && left.known.is_created);
        self.lost += u64::from(lost > 0);
        self.most_lost = self.most_lost.max(lost);
        self.repaired += u64::from(left.is_repaired);
        self.broken += u64::from(!is_kept(setting, left));
    }
}

/// What the crashes of a setting left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub setting: Setting,
    /// The operations of the disk; the process crashes before each of them, and after the last.
    pub operations: u64,
    /// Power losses.
    pub losses: Counts,
    /// Power losses that damaged a database, by what was lost, as in [`Loss::ALL`].
    pub damaged_by: [u64; 4],
    /// Kills without a power loss.
    pub kills: Counts,
    /// Power losses during the recovery from a power loss. None where syncs lie.
    pub twice: Counts,
    /// The first crash that damaged a database, the first that lost a transaction, and the first
    /// that left something other than what redb documents.
    pub examples: [Option<(Crash, Left)>; 3],
}

impl Cell {
    /// Plays every crash of a setting, within a run.
    fn play(setting: Setting) -> Cell {
        let mut cell = Cell {
            setting,
            operations: setting.operations(),
            losses: Counts::default(),
            damaged_by: [0; 4],
            kills: Counts::default(),
            twice: Counts::default(),
            examples: [const { None }; 3],
        };
        for before in 0..=cell.operations {
            for crash in crashes(before) {
                cell.add(crash, setting.crash(crash));
            }
            if setting.syncs == Syncs::Honest {
                cell.add_recoveries(before);
            }
        }
        cell
    }

    fn add(&mut self, crash: Crash, left: Left) {
        let is_damaged = left.found.is_err() && left.known.is_created;
        match crash.loss {
            None => self.kills.add(self.setting, &left),
            Some(loss) => {
                self.losses.add(self.setting, &left);
                let by = Loss::ALL.iter().position(|&listed| listed == loss).expect("every loss is listed");
                self.damaged_by[by] += u64::from(is_damaged);
            }
        }
        let is_one = [is_damaged, left.lost() > 0, !is_kept(self.setting, &left)];
        for (example, is_one) in self.examples.iter_mut().zip(is_one) {
            if is_one {
                example.get_or_insert_with(|| (crash, left.clone()));
            }
        }
    }

    /// Plays a power loss before each operation of the recovery from a power loss.
    fn add_recoveries(&mut self, before: u64) {
        let crash = Crash { before, loss: Some(Loss::Torn), seed: seed(before, 0) };
        for operations in 0..=self.setting.operations_after(crash) {
            // Each kind of loss at every fourth of the crash points.
            let loss = Loss::ALL[((before + operations) % 4) as usize];
            let left = self.setting.crash_twice(crash, Again { operations, loss });
            self.twice.add(self.setting, &left);
        }
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
        let drawn = (0..seeds).map(|number| Crash { before, loss: Some(loss), seed: seed(before, number) });
        crashes.extend(drawn);
    }
    crashes
}

/// A run that plays every crash of a setting.
struct Crashes {
    setting: Setting,
    cell: Mutex<Option<Cell>>,
}

/// Every crash of a setting of redb.
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
/// If a call of redb leaves the simulation, or fails before the crash.
pub fn play(setting: Setting) -> Cell {
    let scenario = Crashes { setting, cell: Mutex::new(None) };
    let settings = Settings::resolve(&scenario, None, "quiet", &[]).expect("the settings are the defaults");
    let played = Run::new(&scenario, settings, Seed(0)).play(Keep::Nothing);
    assert!(played.outcome.verdict.is_passed(), "{setting:?}: {}", played.outcome.verdict);
    scenario.cell.into_inner().expect("nothing panics with it").expect("a run that passes has counted")
}
