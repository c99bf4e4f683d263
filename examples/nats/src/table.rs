//! The table of what became of the messages.

use crate::client::Calls;
use crate::delivery::{Breaks, MESSAGES, play};
use std::fmt;
use std::time::Duration;

/// How many runs each cell of the table has.
pub const SEEDS: u64 = 50;

/// What became of the messages of all runs of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub calls: Calls,
    pub breaks: Breaks,
    pub acknowledged: u64,
    /// Acknowledged messages that did not arrive.
    pub lost: u64,
    /// Those of them that the server did not receive.
    pub lost_before_server: u64,
    /// In how many runs messages were lost.
    pub lossy_runs: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub errors: u64,
    pub hung: u64,
    pub longest: Duration,
}

impl Cell {
    /// Plays the runs of a cell.
    ///
    /// # Panics
    ///
    /// If a node panics, or leaves the simulation.
    pub fn play(calls: Calls, breaks: Breaks, seeds: u64) -> Cell {
        let mut cell = Cell {
            calls,
            breaks,
            acknowledged: 0,
            lost: 0,
            lost_before_server: 0,
            lossy_runs: 0,
            duplicates: 0,
            reordered: 0,
            errors: 0,
            hung: 0,
            longest: Duration::ZERO,
        };
        for seed in 0..seeds {
            let messages = play(calls, breaks, seed);
            let lost = messages.lost().len() as u64;
            cell.acknowledged += messages.acknowledged.len() as u64;
            cell.lost += lost;
            cell.lost_before_server += messages.lost_before_server().len() as u64;
            cell.lossy_runs += u64::from(lost > 0);
            cell.duplicates += messages.duplicates();
            cell.reordered += messages.reordered();
            cell.errors += messages.errors;
            cell.hung += messages.hung;
            cell.longest = cell.longest.max(messages.longest);
        }
        cell
    }
}

/// The cells of all ways to publish and of all that breaks connections.
#[derive(Debug)]
pub struct Table {
    pub cells: Vec<Cell>,
}

impl Table {
    /// Plays all runs, on two threads.
    ///
    /// # Panics
    ///
    /// If a node panics, or leaves the simulation.
    pub fn play() -> Table {
        let all: Vec<(Calls, Breaks)> = Calls::ALL
            .into_iter()
            .flat_map(|calls| Breaks::ALL.into_iter().map(move |breaks| (calls, breaks)))
            .collect();
        let part = |first: usize| {
            let all = &all;
            move || {
                let part = all.iter().skip(first).step_by(2);
                part.map(|&(calls, breaks)| Cell::play(calls, breaks, SEEDS)).collect::<Vec<_>>()
            }
        };
        let mut parts = std::thread::scope(|scope| {
            let parts = [scope.spawn(part(0)), scope.spawn(part(1))];
            parts.map(|part| part.join().expect("a part of the table").into_iter())
        });
        let cells = (0..all.len()).map(|index| parts[index % 2].next().expect("one cell for each pair"));
        Table { cells: cells.collect() }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Each row has {SEEDS} runs of {MESSAGES} messages. Acknowledged: the calls returned `Ok`."
        )?;
        write!(f, "{HEAD}")?;
        for cell in &self.cells {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} s |",
                cell.calls.name(),
                cell.breaks.name(),
                cell.acknowledged,
                cell.lost,
                cell.lost_before_server,
                cell.lossy_runs,
                cell.duplicates,
                cell.reordered,
                cell.errors,
                cell.hung,
                cell.longest.as_secs_f64(),
            )?;
        }
        Ok(())
    }
}

const HEAD: &str = "\
Lost: acknowledged, and the subscriber never received it; before the server: nor did the server.
Hung: calls that did not end within 60 s.

| calls | what breaks | acknowledged | lost | before the server | runs with losses | duplicates | reordered | failed calls | hung calls | longest call |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";
