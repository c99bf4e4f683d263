//! `sweep`, `merge` and `report`: failure rates over a parameter space.

use crate::args::{self, Gate, One, ReportArgs, What};
use crate::context::Context;
use crate::effort::Effort;
use crate::error::{CliError, Exit};
use crate::files::{check_writable, read, write};
use crate::metrics::{self, Metrics};
use crate::output::Output;
use crate::progress::Progress;
use crate::runfile::current_build;
use crate::shell::{again, replay_line};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stormglass_core::{Keep, Seed};
use stormglass_report::sweep::junit::junit;
use stormglass_report::sweep::page::html;
use stormglass_report::sweep::{Cost, Findings, Found, Worth, tables};
use stormglass_sim::{AnyScenario, Meaning, Preset, Run, Settings, all_parameters};
use stormglass_sweep::answers::deadlines::RequiredDeadline;
use stormglass_sweep::answers::frontier::FrontierPoint;
use stormglass_sweep::answers::sensitivity::{Interaction, Sensitivity};
use stormglass_sweep::plan::Resolved;
use stormglass_sweep::space::Sampling;
use stormglass_sweep::stats::binomial::upper_limit;
use stormglass_sweep::stats::stopping::Side;
use stormglass_sweep::{Cell, Manifest, Plan, Shard, Sometimes, Space, SpaceError, Tally, pool};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Cell(&'a Found),
    Deadline(&'a RequiredDeadline),
    Frontier(&'a FrontierPoint),
    Sensitivity(&'a Sensitivity),
    Interaction(&'a Interaction),
    Worth(&'a Worth),
    Cost(&'a Cost),
    Sometimes { case: &'a str, held: &'a BTreeMap<String, u64> },
}

pub(crate) fn sweep(
    context: &Context<'_>,
    args: &args::Sweep,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let (name, space) = space(context, &args.sweep)?;
    let cells = space.cells().map_err(|problem| SpaceError {
        file: args.sweep.clone(),
        field: "parameter".into(),
        problem,
    })?;
    let mut meanings = BTreeMap::new();
    let plan = Plan::of(cells, |cell| resolve(context, cell, &mut meanings))?;
    let mut plan = Plan { objective: objective(&plan, &space.objective, &args.sweep)?, ..plan };
    if let Sampling::Boundary(axis) = &space.sampling {
        searchable(&plan, axis, &args.sweep)?;
        plan.search(axis);
    }
    args.report.files().try_for_each(|file| ensure_writable(file))?;
    args.metrics.as_deref().map_or(Ok(()), check_writable)?;
    let histories = plan.histories.iter().map(|history| {
        let scenario = context.scenario(&history.scenario)?;
        Ok((scenario, context.settings(scenario, &what(history))?))
    });
    let histories: Vec<(&dyn AnyScenario, Settings)> = histories.collect::<Result<_, CliError>>()?;
    let shard = args.shard.as_deref().map_or(Ok(Shard::WHOLE), shard)?;
    let manifest = Manifest {
        schema: Manifest::SCHEMA,
        sweep: name,
        build: current_build(),
        plan,
        target: space.target,
        stop: space.stop(),
        shard,
        rows: None,
    };
    let keep = match &args.out {
        None => stormglass_sweep::RowStorage::Counts,
        Some(folder) if args.resume => stormglass_sweep::RowStorage::Resume(folder),
        Some(folder) => stormglass_sweep::RowStorage::In(folder),
    };
    let mut progress = Progress::new(manifest.plan.runs().div_ceil(shard.count), output);
    let (effort, jobs) = (Effort::start(), args.jobs.unwrap_or_else(pool::default_jobs));
    let parts: Vec<String> = (0..manifest.plan.histories.len())
        .map(|history| format!("{}, {}", manifest.plan.histories[history].case, manifest.plan.label(history)))
        .collect();
    output.detail(|| overview(&manifest, jobs));
    let play = |history: usize, seed: u64| {
        let (scenario, settings) = &histories[history];
        let run = Run::new(*scenario, settings.clone(), Seed(seed));
        effort.measure(&parts[history], seed, || run.play(Keep::Nothing).outcome)
    };
    let shard_label = format!("{}/{}", shard.index, shard.count);
    let build = current_build();
    let mut exported =
        args.metrics.as_deref().map(|file| Metrics::new(file, &manifest.sweep, &shard_label, &build.commit));
    let mut unwritten = None;
    let cases: BTreeSet<&str> = manifest.plan.cells.iter().map(|cell| cell.cell.case.as_str()).collect();
    let mut shown = BTreeSet::new();
    let known = known_cells(&manifest);
    let tally = stormglass_sweep::sweep(&manifest, keep, jobs, play, |row, tally, _| {
        if let Some(metrics) = exported.as_mut().filter(|metrics| metrics.is_due(effort.elapsed())) {
            // A full disk for instance: the sweep is worth more than its metrics.
            let written = metrics.write(&exported_state(&manifest, tally, effort.elapsed(), false));
            unwritten = unwritten.take().or(written.err());
        }
        progress.run_done(!row.outcome.verdict.is_passed(), || known(tally));
        let case = manifest.plan.histories[row.history].case.as_str();
        // The last case's table is part of the report itself.
        let is_open = shown.len() + 1 < cases.len() && !shown.contains(case);
        if is_open && may_complete(&manifest, tally, row.history) && tally.is_complete(&manifest, case) {
            shown.insert(case);
            let table = tables::preview(&manifest, tally, case);
            progress.interrupt(|| output.report(&table));
        }
        let played = tally.histories[row.history].seeds.len() as u64;
        if output.is_verbose() && played == manifest.plan.histories[row.history].runs() {
            let (part, elapsed) = (&parts[row.history], effort.elapsed().as_secs());
            let failed = failures(&manifest.plan, tally, row.history);
            progress.interrupt(|| {
                output.report(&format!("{elapsed} s: {played} runs of {part} are done, {failed} failed\n"));
            });
        }
        ControlFlow::Continue(())
    })?;
    progress.finish();
    if let Some(metrics) = &mut exported {
        let written = metrics.write(&exported_state(&manifest, &tally, effort.elapsed(), true));
        unwritten = unwritten.take().or(written.err());
    }
    if let Some(error) = unwritten {
        output.report(&format!("note: not all metrics were written: {error}\n"));
    }
    output.detail(|| effort.report(jobs, tally.histories.iter().map(|history| history.simulated).sum()));
    if shard != Shard::WHOLE {
        output.report(&format!(
            "these are the results of shard {shard} only; combine all shards with `merge`\n"
        ));
    }
    write_report(context, &manifest, &tally, &args.report, output)
}

pub(crate) fn merge(
    context: &Context<'_>,
    args: &args::Merge,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let manifest = stormglass_sweep::merge(&args.shards, &args.out)?;
    let shown: &[PathBuf] = if output.is_verbose() { &args.shards } else { &[] };
    for folder in shown {
        let part = Manifest::finished(folder)?;
        let (shard, rows) = (part.shard, part.rows.unwrap_or_default());
        output.report(&format!(
            "{}: shard {shard}, {rows} runs, commit {}\n",
            folder.display(),
            part.build.commit
        ));
    }
    let tally = Tally::read(&manifest.plan, &args.out)?;
    write_report(context, &manifest, &tally, &args.report, output)
}

pub(crate) fn report(
    context: &Context<'_>,
    args: &args::Report,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let manifest = Manifest::finished(&args.folder)?;
    let tally = Tally::read(&manifest.plan, &args.folder)?;
    write_report(context, &manifest, &tally, &args.report, output)
}

/// Says what a sweep plays.
fn overview(manifest: &Manifest, jobs: NonZeroUsize) -> String {
    let (plan, shard) = (&manifest.plan, manifest.shard);
    let cases: Vec<&str> = plan.cases().collect();
    format!(
        "sweep {} at commit {}: {} cells of {} cases ({}), which {} different settings answer; at most {} runs, shard {shard}, {jobs} worker threads\n",
        manifest.sweep,
        manifest.build.commit,
        plan.cells.len(),
        cases.len(),
        cases.join(", "),
        plan.histories.len(),
        plan.runs().div_ceil(shard.count),
    )
}

/// Returns how many runs of a history failed with its own deadlines: those of its first cell.
fn failures(plan: &Plan, tally: &Tally, history: usize) -> u64 {
    plan.cells_of(history).next().map_or(0, |(place, _)| tally.cells[place].failures())
}

/// Returns the state of a sweep for its metrics.
fn exported_state(
    manifest: &Manifest,
    tally: &Tally,
    elapsed: Duration,
    is_complete: bool,
) -> metrics::Progress {
    let Manifest { plan, target, stop, shard, .. } = manifest;
    let mut state = metrics::Progress {
        planned: plan.runs().div_ceil(shard.count),
        elapsed,
        is_complete,
        ..metrics::Progress::default()
    };
    for (history, counts) in tally.histories.iter().enumerate() {
        let (runs, failed, simulated) = state.cases.entry(plan.histories[history].case.clone()).or_default();
        *runs += counts.seeds.len() as u64;
        *failed += failures(plan, tally, history);
        *simulated += counts.simulated.as_secs_f64();
    }
    for place in 0..plan.cells.len() {
        let side = match tally.side(plan, place, *target, *stop) {
            Some(Side::Below) => 0,
            Some(Side::Above) => 1,
            Some(Side::Near) => 2,
            None => 3,
        };
        state.cells[side] += 1;
    }
    state
}

/// Whether the newest run of a history may be the last of its case: a cheap check before the
/// expensive one.
fn may_complete(manifest: &Manifest, tally: &Tally, history: usize) -> bool {
    let (played, all) =
        (tally.histories[history].seeds.len() as u64, manifest.plan.histories[history].runs());
    played == all || manifest.stop.is_some_and(|stop| stop.looks(all).contains(&played))
}

/// Returns how many cells are decided so far.
fn known_cells(manifest: &Manifest) -> impl Fn(&Tally) -> String {
    move |tally| {
        let Manifest { plan, target, stop, .. } = manifest;
        let sides: Vec<Option<Side>> =
            (0..plan.cells.len()).map(|place| tally.side(plan, place, *target, *stop)).collect();
        let count = |side: Option<Side>| sides.iter().filter(|other| **other == side).count();
        let (hold, do_not) = (count(Some(Side::Below)), count(Some(Side::Above)));
        format!("of {} cells {hold} are below the target, {do_not} above", sides.len())
    }
}

/// Returns the arguments with which other commands play a cell.
fn what(cell: &Cell) -> What {
    let (plans, sets): (Vec<_>, Vec<_>) = cell.sets.iter().cloned().partition(|(key, _)| key == "plan");
    let plan = plans.into_iter().next().map(|(_, file)| file);
    What { model: cell.model.clone(), profile: Some(cell.profile.clone()), plan, sets, log: None }
}

fn write_report(
    context: &Context<'_>,
    manifest: &Manifest,
    tally: &Tally,
    args: &ReportArgs,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let explain = |cell: &Cell, seed: u64| replay_line("explain", &cell.scenario, &what(cell), Seed(seed));
    let findings = Findings::of(manifest, tally, explain);
    if let Some(file) = &args.html {
        write(file, &html(&findings))?;
    }
    if let Some(file) = &args.junit {
        write(file, &junit(&findings))?;
    }
    if context.json {
        findings.cells.iter().for_each(|cell| output.print_json(&Line::Cell(cell)));
        findings.deadlines.iter().for_each(|deadline| output.print_json(&Line::Deadline(deadline)));
        findings.frontier.iter().for_each(|best| output.print_json(&Line::Frontier(best)));
        findings.sensitivities.iter().for_each(|found| output.print_json(&Line::Sensitivity(found)));
        findings.interactions.iter().for_each(|map| output.print_json(&Line::Interaction(map)));
        findings.worths.iter().for_each(|worth| output.print_json(&Line::Worth(worth)));
        output.print_json(&Line::Cost(&findings.cost));
    } else {
        output.print(&if args.markdown { tables::markdown(&findings) } else { tables::text(&findings) });
        let failed = findings.cells.iter().zip(&manifest.plan.cells);
        let failed = failed.filter_map(|(found, cell)| Some((found, &cell.cell, found.first_failed_seed?)));
        if let Some((Found { case, cell: label, .. }, cell, seed)) = failed.into_iter().next() {
            let (run, seed) = (cell.scenario.clone(), Seed(seed));
            let one = One { run, what: what(cell), seed: Some(seed.0), branches: Vec::new() };
            let again = again(&one, seed, context.test());
            output.print(&format!("\nthe first failed run of \"{case}, {label}\":\n{again}"));
        }
    }
    let gate = args.gate.map_or(Exit::Held, |gate| check(gate, &findings, output));
    let sometimes = report_sometimes(context, &tally.sometimes(&manifest.plan), output);
    // The other shards may have what this one lacks.
    Ok(if sometimes == Exit::Held || manifest.shard != Shard::WHOLE { gate } else { sometimes })
}

/// Reports the properties that have to hold in at least one run of each case. Fails if one held in
/// none.
fn report_sometimes(context: &Context<'_>, cases: &BTreeMap<&str, Sometimes>, output: &mut Output) -> Exit {
    for (case, sometimes) in cases {
        if context.json {
            output.print_json(&Line::Sometimes { case, held: sometimes.held() });
        } else {
            output.print(&format!("\n{case}:\n{sometimes}"));
        }
    }
    let is_met = cases.values().all(|sometimes| sometimes.never().next().is_none());
    if is_met { Exit::Held } else { Exit::Failed }
}

/// Makes sure that a report file can be written before the sweep starts.
fn ensure_writable(file: &Path) -> Result<(), CliError> {
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
    opened.map(drop).map_err(|source| CliError::Write { file: file.into(), source })
}

/// Checks that a boundary is searched along a parameter that changes runs.
fn searchable(plan: &Plan, axis: &str, file: &str) -> Result<(), SpaceError> {
    if plan.cells.iter().all(|cell| cell.limits().iter().all(|(key, _)| *key != axis)) {
        return Ok(());
    }
    Err(SpaceError {
        file: file.into(),
        field: "sampling".into(),
        problem: format!(
            "{axis} is an observer: all its values share the same runs, so use sampling = \"grid\""
        ),
    })
}

/// Checks that each deadline of the objective is the deadline of some wait.
fn objective(plan: &Plan, keys: &[String], file: &str) -> Result<Vec<String>, SpaceError> {
    let known = |key: &String| plan.cells.iter().any(|cell| cell.limits().iter().any(|(it, _)| it == key));
    match keys.iter().find(|key| !known(key)) {
        None => Ok(keys.to_vec()),
        Some(unknown) => Err(SpaceError {
            file: file.into(),
            field: "objective".into(),
            problem: format!(
                "{unknown} is not the deadline of a wait in this sweep: `list parameters --grep observer` lists those that are"
            ),
        }),
    }
}

/// Checks the gate: the upper confidence limit of every cell's failure rate has to be below its
/// limit.
fn check(Gate(target): Gate, findings: &Findings, output: &mut Output) -> Exit {
    let mut exit = Exit::Held;
    for cell in &findings.cells {
        // One-sided: a rate that is lower still is fine.
        let upper = if cell.runs == 0 { 1.0 } else { upper_limit(cell.failed, cell.runs, target.confidence) };
        if upper >= target.flake {
            let Found { case, cell, runs, failed, .. } = cell;
            output.report(&format!(
                "gate: {case}, {cell}: {failed} of {runs} runs failed; the upper confidence limit of the failure rate is {upper:.6}, which is not below {}\n",
                target.flake
            ));
            exit = Exit::Failed;
        }
    }
    exit
}

/// Reads a sweep file or a shipped sweep; returns its name too.
fn space(context: &Context<'_>, given: &str) -> Result<(String, Space), CliError> {
    if given.ends_with(".toml") || given.contains('/') {
        let text = read(Path::new(given))?;
        let name = Path::new(given).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return Ok((name, Space::parse(given, &text)?));
    }
    let preset = Preset::find(context.catalog.sweeps, "SWEEP", "sweep", given)?;
    Ok((given.into(), Space::parse(given, preset.layers[0])?))
}

/// Resolves the settings of a cell. `meanings` caches the parameters of each scenario.
fn resolve(
    context: &Context<'_>,
    cell: &Cell,
    meanings: &mut BTreeMap<String, BTreeMap<String, Meaning>>,
) -> Result<Resolved, CliError> {
    let scenario = context.scenario(&cell.scenario)?;
    let meanings =
        meanings.entry(cell.scenario.clone()).or_insert_with(|| all_parameters(scenario).meanings());
    let (mut behaviour, mut deadlines) = (String::new(), Vec::new());
    for (key, value) in context.settings(scenario, &what(cell))?.leaves() {
        let observer = meanings.get(&key).is_some_and(|meaning| meaning.observer);
        match humantime::parse_duration(&value) {
            Ok(deadline) if observer => deadlines.push((key, deadline)),
            _ => behaviour += &format!("{key}={value}\n"),
        }
    }
    Ok(Resolved { behaviour, deadlines })
}

/// Parses `I/N`; `auto` takes both from a Slurm array task, `auto/N` takes I from an indexed
/// Kubernetes job.
#[expect(clippy::disallowed_methods, reason = "a scheduler passes the task number in the environment")]
fn shard(text: &str) -> Result<Shard, CliError> {
    let variable = |name: &str| {
        let missing = || {
            CliError::Conflict(format!(
                "--shard {text}: the environment variable {name} is not set; give I/N"
            ))
        };
        std::env::var(name).map_err(|_| missing())
    };
    let given = match text.split_once('/') {
        None if text == "auto" => {
            let number = |name: &str| -> Result<u64, CliError> {
                let text = variable(name)?;
                text.parse().map_err(|_| {
                    CliError::Conflict(format!(
                        "--shard auto: the environment variable {name} is `{text}`, which is not a number"
                    ))
                })
            };
            let first = number("SLURM_ARRAY_TASK_MIN").unwrap_or(0);
            format!(
                "{}/{}",
                number("SLURM_ARRAY_TASK_ID")?.saturating_sub(first),
                variable("SLURM_ARRAY_TASK_COUNT")?
            )
        }
        Some(("auto", count)) => format!("{}/{count}", variable("JOB_COMPLETION_INDEX")?),
        _ => text.to_string(),
    };
    given.parse().map_err(|problem| CliError::Conflict(format!("--shard {text}: {problem}")))
}
