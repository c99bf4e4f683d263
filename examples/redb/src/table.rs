//! The table of what crashes left.

use crate::backend::Syncs;
use crate::crash::Setting;
use crate::matrix::{Cell, Counts, SYNCS, play, settings};
use crate::promise::durability;
use std::fmt;

/// The cells of all settings.
#[derive(Debug)]
pub struct Table {
    /// The cells, as [`settings`] lists them.
    pub cells: Vec<Cell>,
}

impl Table {
    /// Plays every crash of every setting, on two threads.
    ///
    /// # Panics
    ///
    /// If a call of redb leaves the simulation, or fails before the crash.
    pub fn play() -> Table {
        let all: Vec<Setting> = settings().collect();
        let part = |first: usize| {
            let all = &all;
            move || all.iter().skip(first).step_by(2).map(|&setting| play(setting)).collect::<Vec<_>>()
        };
        let mut parts = std::thread::scope(|scope| {
            let parts = [scope.spawn(part(0)), scope.spawn(part(1))];
            parts.map(|part| part.join().expect("a part of the table").into_iter())
        });
        let cells = (0..all.len()).map(|index| parts[index % 2].next().expect("one cell for each setting"));
        Table { cells: cells.collect() }
    }

    /// Returns the rows: the cells of a durability and a kind of commit.
    pub fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks(SYNCS.len())
    }
}

/// A number of losses, and the most of one crash.
struct Lost<'a>(&'a Counts);

impl fmt::Display for Lost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.lost {
            0 => write!(f, "0"),
            lost => write!(f, "{lost} ({})", self.0.most_lost),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEAD}")?;
        for row in self.rows() {
            let Setting { durable, commit, .. } = row[0].setting;
            let (points, losses) = (row[0].operations + 1, row[0].losses.crashes);
            write!(f, "| {} | {} | {points} | {losses} |", durable.name(), commit.name())?;
            for cell in row {
                write!(f, " {} | {} |", cell.losses.damaged, Lost(&cell.losses))?;
            }
            let broken = row[0].losses.broken + row[0].kills.broken + row[0].twice.broken;
            let holds = if broken == 0 { "yes" } else { "NO" };
            writeln!(f, " {} | {} | {holds} |", row[0].losses.repaired, durability(durable).words)?;
        }
        let all = |of: fn(&Cell) -> u64| self.cells.iter().map(of).sum::<u64>();
        let (losses, kills, twice) =
            (all(|cell| cell.losses.crashes), all(|cell| cell.kills.crashes), all(|cell| cell.twice.crashes));
        writeln!(f, "\n{losses} power losses, {kills} kills and {twice} power losses during recovery.")?;
        write!(f, "{OTHER}")?;
        for honest in self.rows().map(|row| &row[0]) {
            let Setting { durable, commit, .. } = honest.setting;
            let (kills, twice) = (&honest.kills, &honest.twice);
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                durable.name(),
                commit.name(),
                kills.crashes,
                kills.damaged,
                Lost(kills),
                kills.not_created,
                twice.crashes,
                twice.damaged,
                Lost(twice),
                honest.losses.not_created,
            )?;
        }
        write!(f, "{BY_LOSS}")?;
        for cell in self.cells.iter().filter(|cell| cell.losses.damaged > 0) {
            let Setting { durable, commit, syncs } = cell.setting;
            let [everything, suffix, subset, torn] = cell.damaged_by;
            let syncs = match syncs {
                Syncs::Honest => "honest",
                Syncs::SkipDirectory => "not of the directory",
                Syncs::Lie => "do nothing",
            };
            let (name, commit) = (durable.name(), commit.name());
            writeln!(f, "| {name} | {commit} | {syncs} | {everything} | {suffix} | {subset} | {torn} |")?;
        }
        Ok(())
    }
}

const HEAD: &str = "\
Damaged: the database does not open, `check_integrity` is not `Ok(true)`, or a transaction is there in
part. Lost: the database is whole, and acknowledged transactions are missing; in parentheses, the most
of one power loss. Full repairs: redb walked all pages when it opened the database (honest disk).

| durability | commit | crash points | power losses | honest disk: damaged | lost | directory not synced: damaged | lost | syncs do nothing: damaged | lost | full repairs | documented, honest disk | holds |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |
";

const OTHER: &str = "
An honest disk. Kills: the process is killed at each operation, and the power stays on. Recovery: the
process that opens the database loses power too, at each of its operations. Refused: the process ended
before `create` returned, and redb then says that the file is no database.

| durability | commit | kills | damaged | lost | refused | recoveries | damaged | lost | refused after a power loss |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

const BY_LOSS: &str = "
What had to be lost to damage a database: all that was not synced, all of it after a point in time,
any of the writes, or any of their sectors.

| durability | commit | syncs | everything | suffix | subset | torn |
| --- | --- | --- | ---: | ---: | ---: | ---: |
";
