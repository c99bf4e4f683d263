//! What a sweep has found, as tables: flake rates cell by cell, the worth of variants, the smallest deadlines that hold.

use crate::table::{self, seconds};
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::time::Duration;
use stormglass_sweep::schedule::Schedule;
use stormglass_sweep::stats::deadline::{Smallest, smallest_deadline};
use stormglass_sweep::stats::pairs::{holm, mcnemar};
use stormglass_sweep::stats::stopping::{Side, decided, interval};
use stormglass_sweep::{Manifest, Tally};

/// What a sweep has found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// Cell by cell.
    pub cells: Vec<Found>,
    /// For the first cell of each case, what each deadline would have to be.
    pub deadlines: Vec<FoundDeadline>,
    /// What it took.
    pub cost: Cost,
    /// How sure intervals are.
    pub confidence: f64,
    /// The flake rate that is asked for.
    pub target: f64,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The case's name.
    pub case: String,
    /// What tells it from other cells of its case.
    pub cell: String,
    /// What is set.
    pub sets: Vec<(String, String)>,
    /// How many runs there are.
    pub runs: u64,
    /// How many failed.
    pub failed: u64,
    /// The interval of the flake rate.
    pub rate: RangeInclusive<f64>,
    /// On which side of the target it is, if that is known.
    pub side: Option<Side>,
    /// What failed runs, and how often.
    pub causes: BTreeMap<String, u64>,
    /// The first seed that failed.
    pub first_failed_seed: Option<u64>,
    /// Beside the case's first variant: nothing for that itself, or without variants.
    pub compared: Option<Compared>,
}

/// The same seeds in two cells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Runs that failed there and pass here.
    pub no_longer_fail: u64,
    /// Runs that passed there and fail here.
    pub fail_now: u64,
    /// The chance that this is chance: McNemar's exact test with Holm's correction for all comparisons of the sweep.
    pub p: f64,
}

/// What a deadline would have to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundDeadline {
    /// The case's name.
    pub case: String,
    /// The parameter.
    pub parameter: String,
    /// Its value now.
    pub now_s: f64,
    /// In how many of the runs a wait outlasts it.
    pub exceeded_now: u64,
    /// How many runs have such a wait.
    pub runs: u64,
    /// The smallest that holds, in seconds, if the runs tell one.
    pub smallest_s: Option<f64>,
    /// That in words, or why there is none.
    pub told: String,
}

/// What a sweep took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Runs that were played.
    pub runs: u64,
    /// Runs that there would have been with each cell played by itself, with all its seeds.
    pub brute_force_runs: u64,
    /// Simulated time of what was played, in seconds.
    pub simulated_s: f64,
    /// Simulated time of all cells with all their seeds, in seconds, as far as what was played tells.
    pub brute_force_s: f64,
}

impl Findings {
    /// Works them out.
    pub fn of(manifest: &Manifest, tally: &Tally) -> Findings {
        let (plan, target) = (&manifest.plan, manifest.target);
        let mut cells = Vec::new();
        let mut chances = Vec::new();
        for (place, planned) in plan.cells.iter().enumerate() {
            let cell = &tally.cells[place];
            let looks = Schedule::looks(manifest.stop, planned.cell.runs());
            let (runs, failed) = (cell.runs(), cell.failures());
            let first = plan.first_of_case(place);
            let compared = (planned.cell.variant.is_some() && place != first).then(|| {
                let pairs = tally.cells[first].failed.iter().zip(&cell.failed);
                let count = |this: bool| {
                    pairs.clone().filter(|(there, here)| (**there, **here) == (this, !this)).count() as u64
                };
                let (no_longer_fail, fail_now) = (count(true), count(false));
                chances.push(mcnemar(no_longer_fail, fail_now));
                Compared { no_longer_fail, fail_now, p: 1.0 }
            });
            cells.push(Found {
                case: planned.cell.case.clone(),
                cell: planned.cell.label(),
                sets: planned.cell.sets.clone(),
                runs,
                failed,
                rate: if runs == 0 { 0.0..=1.0 } else { interval(failed, runs, target, looks) },
                side: if runs == 0 { None } else { decided(failed, runs, target, looks) },
                causes: cell.causes.clone(),
                first_failed_seed: cell.first,
                compared,
            });
        }
        let mut adjusted = holm(&chances).into_iter();
        cells
            .iter_mut()
            .filter_map(|cell| cell.compared.as_mut())
            .for_each(|compared| compared.p = adjusted.next().unwrap_or(1.0));
        Findings {
            cells,
            deadlines: deadlines(manifest, tally),
            cost: Cost::of(manifest, tally),
            confidence: target.confidence,
            target: target.flake,
        }
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        self.write(|table| table::text(&table), |heading| format!("{heading}\n\n"))
    }

    /// For a CI summary.
    pub fn markdown(&self) -> String {
        let markdown = |mut table: Table| {
            table.load_style(ASCII_MARKDOWN);
            format!("{table}\n")
        };
        self.write(markdown, |heading| format!("### {heading}\n\n"))
    }

    fn write(&self, table_text: impl Fn(Table) -> String, heading: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        let percent = self.confidence * 100.0;
        let mut cases: Vec<&str> = self.cells.iter().map(|cell| cell.case.as_str()).collect();
        cases.dedup();
        for case in cases {
            text += &heading(case);
            let cells = self.cells.iter().filter(|cell| cell.case == case);
            let compares = cells.clone().any(|cell| cell.compared.is_some());
            let mut headings =
                vec!["cell".to_string(), "runs".into(), "failed".into(), format!("flake rate, {percent} %")];
            if compares {
                headings.extend(["no longer fail", "fail now", "p"].map(String::from));
            }
            headings.push("first seed".into());
            let mut table = table::numbers(headings);
            for cell in cells {
                let mut row =
                    vec![cell.cell.clone(), cell.runs.to_string(), cell.failed.to_string(), rate(&cell.rate)];
                if compares {
                    row.extend(cell.compared.map_or_else(
                        || [const { String::new() }; 3],
                        |it| [it.no_longer_fail.to_string(), it.fail_now.to_string(), chance(it.p)],
                    ));
                }
                row.push(cell.first_failed_seed.map_or_else(String::new, |seed| seed.to_string()));
                table.add_row(row);
            }
            text += &table_text(table);
            if let Some(first) = self.cells.iter().find(|cell| cell.case == case && cell.failed > 0) {
                let mut causes: Vec<(&String, &u64)> = first.causes.iter().collect();
                causes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
                let causes: Vec<String> =
                    causes.iter().map(|(cause, count)| format!("{cause} ({count})")).collect();
                let _ = writeln!(text, "\nWhat fails in \"{}\": {}", first.cell, causes.join(", "));
            }
            text += "\n";
        }
        if !self.deadlines.is_empty() {
            text += &heading(&format!(
                "The smallest deadlines that keep their waits' flake rate under {} at {percent} %, in the first cell of each case",
                share(self.target)
            ));
            let mut table =
                table::numbers(["deadline", "now", "runs", "exceed it now", "smallest"].map(String::from));
            for found in &self.deadlines {
                table.add_row([
                    format!("{}: {}", found.case, found.parameter),
                    format!("{} s", found.now_s),
                    found.runs.to_string(),
                    found.exceeded_now.to_string(),
                    found.told.clone(),
                ]);
            }
            text += &table_text(table);
            text += "\n";
        }
        let Cost { runs, brute_force_runs, simulated_s, brute_force_s } = self.cost;
        let _ = writeln!(
            text,
            "{runs} runs, {simulated_s:.0} s of simulated time; each cell by itself would have been {brute_force_runs} runs ({:.1} times as many) and {brute_force_s:.0} s ({:.1} times)",
            brute_force_runs as f64 / runs.max(1) as f64,
            brute_force_s / simulated_s.max(f64::MIN_POSITIVE),
        );
        text
    }
}

impl Cost {
    fn of(manifest: &Manifest, tally: &Tally) -> Cost {
        let plan = &manifest.plan;
        let simulated = |history: usize| tally.histories[history].simulated.as_secs_f64();
        let by_itself = plan.cells.iter().map(|planned| {
            let played = tally.histories[planned.history].seeds.len();
            simulated(planned.history) / played.max(1) as f64 * planned.cell.runs() as f64
        });
        Cost {
            runs: tally.histories.iter().map(|history| history.seeds.len() as u64).sum(),
            brute_force_runs: plan.brute_force_runs(),
            simulated_s: (0..plan.histories.len()).map(simulated).sum(),
            brute_force_s: by_itself.sum(),
        }
    }
}

fn deadlines(manifest: &Manifest, tally: &Tally) -> Vec<FoundDeadline> {
    let plan = &manifest.plan;
    let mut found = Vec::new();
    for (place, planned) in plan.cells.iter().enumerate() {
        if plan.first_of_case(place) != place {
            continue;
        }
        for (parameter, lengths) in &tally.histories[planned.history].longest {
            let Some((_, now)) = planned.limits().into_iter().find(|(key, _)| key == parameter) else {
                continue;
            };
            let exceeds = |length: &&Option<Duration>| length.is_none_or(|length| length > now);
            let exceeded_now = lengths.iter().filter(exceeds).count() as u64;
            let mut lengths = lengths.clone();
            let (smallest_s, told) = match smallest_deadline(&mut lengths, manifest.target) {
                Smallest::Is { deadline, .. } => {
                    (Some(deadline.as_secs_f64()), format!("{} s", seconds(deadline)))
                }
                Smallest::None => (None, "none: too many never end".into()),
                Smallest::Needs { runs } => (None, format!("takes {runs} runs to tell")),
            };
            found.push(FoundDeadline {
                case: planned.cell.case.clone(),
                parameter: parameter.clone(),
                now_s: now.as_secs_f64(),
                exceeded_now,
                runs: lengths.len() as u64,
                smallest_s,
                told,
            });
        }
    }
    found
}

fn rate(rate: &RangeInclusive<f64>) -> String {
    format!("{:.2} to {:.2} %", rate.start() * 100.0, rate.end() * 100.0)
}

fn share(rate: f64) -> String {
    format!("{} %", (rate * 1e8).round() / 1e6)
}

fn chance(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}
