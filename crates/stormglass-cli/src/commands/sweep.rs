//! `sweep`, `merge` and `report`

use crate::args::{self, Gate, Told, What};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::files::{read, write};
use crate::output::Output;
use crate::progress::Progress;
use crate::runfile::current_build;
use crate::shell::replay_line;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use stormglass_core::{Keep, Seed};
use stormglass_report::sweep::junit::junit;
use stormglass_report::sweep::page::html;
use stormglass_report::sweep::{Cost, Findings, Found, tables};
use stormglass_sim::settings::{known, unknown};
use stormglass_sim::{Meaning, Run, Scenario, Settings};
use stormglass_sweep::answers::deadlines::Needed;
use stormglass_sweep::answers::frontier::Best;
use stormglass_sweep::answers::sensitivity::{Interaction, Sensitivity};
use stormglass_sweep::plan::Resolved;
use stormglass_sweep::space::Sampling;
use stormglass_sweep::stats::binomial::upper_limit;
use stormglass_sweep::stats::stopping::Side;
use stormglass_sweep::{Cell, Manifest, Plan, Shard, Space, SpaceError, Tally, pool};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Cell(&'a Found),
    Deadline(&'a Needed),
    Frontier(&'a Best),
    Sensitivity(&'a Sensitivity),
    Interaction(&'a Interaction),
    Cost(&'a Cost),
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
    args.told.files().try_for_each(|file| claim(file))?;
    let histories = plan.histories.iter().map(|history| {
        let scenario = context.scenario(&history.scenario)?;
        Ok((scenario, context.settings(scenario, &what(history))?))
    });
    let histories: Vec<(&dyn Scenario, Settings)> = histories.collect::<Result<_, CliError>>()?;
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
        None => stormglass_sweep::Keep::Counts,
        Some(folder) if args.resume => stormglass_sweep::Keep::Resume(folder),
        Some(folder) => stormglass_sweep::Keep::In(folder),
    };
    let mut progress = Progress::new(manifest.plan.runs().div_ceil(shard.count), output);
    let play = |history: usize, seed: u64| {
        let (scenario, settings) = &histories[history];
        Run::new(*scenario, settings.clone(), Seed(seed)).play(Keep::Nothing).outcome
    };
    let cases: BTreeSet<&str> = manifest.plan.cells.iter().map(|cell| cell.cell.case.as_str()).collect();
    let mut shown = BTreeSet::new();
    let known = known_cells(&manifest);
    let tally = stormglass_sweep::sweep(
        &manifest,
        keep,
        args.jobs.unwrap_or_else(pool::default_jobs),
        play,
        |row, tally, _| {
            progress.run_done(!row.outcome.verdict.held(), || known(tally));
            let case = manifest.plan.histories[row.history].case.as_str();
            // The last case's table is the answer itself.
            let is_open = shown.len() + 1 < cases.len() && !shown.contains(case);
            if is_open && may_complete(&manifest, tally, row.history) && tally.is_complete(&manifest, case) {
                shown.insert(case);
                let table = tables::preview(&manifest, tally, case);
                progress.interrupt(|| output.tell(&table));
            }
            ControlFlow::Continue(())
        },
    )?;
    progress.finish();
    if shard != Shard::WHOLE {
        output.tell(&format!("this is shard {shard} alone; `merge` puts all of them together\n"));
    }
    tell(context, &manifest, &tally, &args.told, output)
}

pub(crate) fn merge(
    context: &Context<'_>,
    args: &args::Merge,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let manifest = stormglass_sweep::merge(&args.shards, &args.out)?;
    let tally = Tally::read(&manifest.plan, &args.out)?;
    tell(context, &manifest, &tally, &args.told, output)
}

pub(crate) fn report(
    context: &Context<'_>,
    args: &args::Report,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let manifest = Manifest::finished(&args.folder)?;
    let tally = Tally::read(&manifest.plan, &args.folder)?;
    tell(context, &manifest, &tally, &args.told, output)
}

/// Whether the newest run of a history can be the last of its case: asked first, since it is cheap.
fn may_complete(manifest: &Manifest, tally: &Tally, history: usize) -> bool {
    let (played, all) =
        (tally.histories[history].seeds.len() as u64, manifest.plan.histories[history].runs());
    played == all || manifest.stop.is_some_and(|stop| stop.looks(all).contains(&played))
}

/// The answer so far, in a few words.
fn known_cells(manifest: &Manifest) -> impl Fn(&Tally) -> String {
    move |tally| {
        let Manifest { plan, target, stop, .. } = manifest;
        let sides: Vec<Option<Side>> =
            (0..plan.cells.len()).map(|place| tally.side(plan, place, *target, *stop)).collect();
        let count = |side: Option<Side>| sides.iter().filter(|other| **other == side).count();
        let (hold, do_not) = (count(Some(Side::Below)), count(Some(Side::Above)));
        format!("of {} cells {hold} hold, {do_not} do not", sides.len())
    }
}

/// What is played in a cell, as the other commands take it.
fn what(cell: &Cell) -> What {
    let (plans, sets): (Vec<_>, Vec<_>) = cell.sets.iter().cloned().partition(|(key, _)| key == "plan");
    let plan = plans.into_iter().next().map(|(_, file)| file);
    What { model: cell.model.clone(), profile: cell.profile.clone(), plan, sets }
}

fn tell(
    context: &Context<'_>,
    manifest: &Manifest,
    tally: &Tally,
    told: &Told,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let explain = |cell: &Cell, seed: u64| replay_line("explain", &cell.scenario, &what(cell), Seed(seed));
    let findings = Findings::of(manifest, tally, explain);
    if let Some(file) = &told.html {
        write(file, &html(&findings))?;
    }
    if let Some(file) = &told.junit {
        write(file, &junit(&findings))?;
    }
    if context.json {
        findings.cells.iter().for_each(|cell| output.print_json(&Line::Cell(cell)));
        findings.deadlines.iter().for_each(|deadline| output.print_json(&Line::Deadline(deadline)));
        findings.frontier.iter().for_each(|best| output.print_json(&Line::Frontier(best)));
        findings.sensitivities.iter().for_each(|found| output.print_json(&Line::Sensitivity(found)));
        findings.interactions.iter().for_each(|map| output.print_json(&Line::Interaction(map)));
        output.print_json(&Line::Cost(&findings.cost));
    } else {
        output.print(&if told.markdown { tables::markdown(&findings) } else { tables::text(&findings) });
        if let Some((cell, line)) =
            findings.cells.iter().find_map(|cell| Some((cell, cell.explain.as_ref()?)))
        {
            let Found { case, cell, .. } = cell;
            output
                .print(&format!("\nwhy the first run of \"{case}, {cell}\" that failed did so:\n  {line}\n"));
        }
    }
    Ok(told.gate.map_or(Exit::Held, |gate| check(gate, &findings, output)))
}

/// Makes sure that a file can be written before the work begins whose result it shall have.
fn claim(file: &Path) -> Result<(), CliError> {
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
    opened.map(drop).map_err(|source| CliError::Write { file: file.into(), source })
}

/// A boundary is searched along what costs runs.
fn searchable(plan: &Plan, axis: &str, file: &str) -> Result<(), SpaceError> {
    if plan.cells.iter().all(|cell| cell.limits().iter().all(|(key, _)| *key != axis)) {
        return Ok(());
    }
    Err(SpaceError {
        file: file.into(),
        field: "sampling".into(),
        problem: format!(
            "{axis} only observes: all its values cost no more runs than one, so leave the search out"
        ),
    })
}

/// The deadlines whose waits count: of some wait of some cell, each.
fn objective(plan: &Plan, keys: &[String], file: &str) -> Result<Vec<String>, SpaceError> {
    let known = |key: &String| plan.cells.iter().any(|cell| cell.limits().iter().any(|(it, _)| it == key));
    match keys.iter().find(|key| !known(key)) {
        None => Ok(keys.to_vec()),
        Some(stranger) => Err(SpaceError {
            file: file.into(),
            field: "objective".into(),
            problem: format!(
                "{stranger} is the deadline of no wait here; `list parameters --grep observer` has those that are"
            ),
        }),
    }
}

/// Whether every cell's flake rate is surely below the gate's.
fn check(Gate(target): Gate, findings: &Findings, output: &mut Output) -> Exit {
    let mut exit = Exit::Held;
    for cell in &findings.cells {
        // One-sided: nobody minds a rate that is lower still.
        let upper = if cell.runs == 0 { 1.0 } else { upper_limit(cell.failed, cell.runs, target.confidence) };
        if upper >= target.flake {
            let Found { case, cell, runs, failed, .. } = cell;
            output.tell(&format!(
                "gate: {case}, {cell}: {failed} of {runs} runs fail; the flake rate may be {upper:.6}, which is not below {}\n",
                target.flake
            ));
            exit = Exit::Failed;
        }
    }
    exit
}

/// A sweep file, or a shipped one; with its name.
fn space(context: &Context<'_>, given: &str) -> Result<(String, Space), CliError> {
    if given.ends_with(".toml") || given.contains('/') {
        let text = read(Path::new(given))?;
        let name = Path::new(given).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return Ok((name, Space::parse(given, &text)?));
    }
    let Some(preset) = context.catalog.sweeps.iter().find(|preset| preset.name == given) else {
        let known = context.catalog.sweeps.iter().map(|preset| preset.name.to_string()).collect();
        return Err(unknown("SWEEP", "sweep", given, known).into());
    };
    Ok((given.into(), Space::parse(given, preset.layers[0])?))
}

/// What the settings of a cell come to. `meanings` are those of the scenarios that were met before.
fn resolve(
    context: &Context<'_>,
    cell: &Cell,
    meanings: &mut BTreeMap<String, BTreeMap<String, Meaning>>,
) -> Result<Resolved, CliError> {
    let scenario = context.scenario(&cell.scenario)?;
    let meanings = meanings.entry(cell.scenario.clone()).or_insert_with(|| known(scenario).meanings());
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

/// `I/N`; `auto` is the task of a Slurm array, `auto/N` that of an indexed Kubernetes job.
#[expect(clippy::disallowed_methods, reason = "a scheduler tells its task's number in the environment")]
fn shard(text: &str) -> Result<Shard, CliError> {
    let variable = |name: &str| {
        let missing = || CliError::Conflict(format!("--shard {text}: {name} is not set; give I/N"));
        std::env::var(name).map_err(|_| missing())
    };
    let given = match text.split_once('/') {
        None if text == "auto" => {
            let number = |name: &str| -> Result<u64, CliError> {
                let text = variable(name)?;
                text.parse()
                    .map_err(|_| CliError::Conflict(format!("{name} is `{text}`, which is no number")))
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
