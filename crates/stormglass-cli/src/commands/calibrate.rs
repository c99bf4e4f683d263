//! `calibrate`: fits a machine profile to real logs.

use crate::args::{self, What};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::files::{read, write};
use crate::output::Output;
use serde::Serialize;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use stormglass_core::{Keep, Seed};
use stormglass_report::table;
use stormglass_sim::{Preset, Run, Settings};
use stormglass_sweep::calibration::{Comparison, Mapping, Start, compare, fit, fit::Fitted, logs, simulated};
use stormglass_sweep::{in_order, pool};

/// The tables of a profile.
const PROFILE: [&str; 4] = ["disk", "net", "cpu", "machine"];

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Calibration { before: &'a Comparison, fitted: &'a Fitted },
}

pub(crate) fn calibrate(
    context: &Context<'_>,
    args: &args::Calibrate,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let mapping = mapping(context, args.mapping.as_deref())?;
    let scenario = context.scenario_or_first(args.scenario.as_deref())?;
    let settings = |values: &[(String, String)]| {
        let sets = args.sets.iter().chain(values).cloned().collect();
        context.settings(
            scenario,
            &What {
                model: args.model.clone(),
                profile: Some(args.profile.clone()),
                plan: None,
                sets,
                log: None,
            },
        )
    };
    // Reports an unknown parameter before any log is read.
    for axis in &args.fits {
        for end in [&axis.from, &axis.to] {
            settings(&[(axis.key.clone(), end.to_string())])?;
        }
    }
    let real = logs::read(&args.folder, &mapping)?;
    let play = |settings: &Settings| {
        let mut starts: Vec<Start> = Vec::new();
        let work = |seed| {
            let played = Run::new(scenario, settings.clone(), Seed(seed)).play(Keep::Events);
            simulated(&played.trace, &mapping)
        };
        in_order(args.seeds.range(), args.jobs.unwrap_or_else(pool::default_jobs), work, |_, some| {
            starts.extend(some);
            ControlFlow::Continue(())
        });
        starts
    };
    let before = compare(&mapping, &real, &play(&settings(&[])?));
    if before.phases.is_empty() {
        let message = format!(
            "{}: no phase of the mapping occurs both in the logs and in the runs of {}: correct the `line` or `event` patterns of its [[phase]] entries",
            args.folder.display(),
            scenario.name()
        );
        return Err(CliError::Conflict(message));
    }
    let mut wrong = None;
    let fitted = fit(&mapping, &real, &before, &args.fits, |values| match settings(values) {
        Ok(settings) => play(&settings),
        // A value between two valid ones may be invalid: it fits nothing.
        Err(error) => {
            wrong = Some(error);
            Vec::new()
        }
    });
    if fitted.comparison.phases.is_empty() {
        let message = "with no value of the --fit parameters do runs reach all phases that they reach with the profile itself: narrow the --fit ranges";
        return Err(wrong.unwrap_or_else(|| CliError::Conflict(message.into())));
    }
    if let Some(file) = &args.out {
        write(file, &profile(args, &fitted, &settings(&fitted.values)?))?;
    }
    if context.json {
        output.print_json(&Line::Calibration { before: &before, fitted: &fitted });
    } else {
        output.print(&text(&args.profile, real.len(), &before, &fitted));
    }
    Ok(Exit::Held)
}

/// Reads a mapping file or a shipped mapping.
fn mapping(context: &Context<'_>, given: Option<&str>) -> Result<Mapping, CliError> {
    let shipped = context.catalog.mappings;
    match given {
        Some(file) if file.ends_with(".toml") || file.contains('/') => {
            Ok(Mapping::parse(file, &read(Path::new(file))?)?)
        }
        None if shipped.is_empty() => Err(CliError::Conflict(
            "--mapping is missing, and this program ships no mapping: name a mapping file".into(),
        )),
        _ => {
            let name = given.unwrap_or(shipped[0].name);
            let preset = Preset::find(shipped, "--mapping", "mapping", name)?;
            Ok(Mapping::parse(name, preset.layers[0])?)
        }
    }
}

/// Returns the complete profile as a file that depends on no other.
fn profile(args: &args::Calibrate, fitted: &Fitted, settings: &Settings) -> String {
    let values: Vec<String> = fitted.values.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let mut table = settings.table().clone();
    table.retain(|key, _| PROFILE.contains(&key));
    format!(
        "# Calibrated from logs, starting from the profile {}: {}.\n\n{}",
        args.profile,
        values.join(", "),
        toml::to_string(&table).expect("settings are plain data")
    )
}

fn text(profile: &str, starts: usize, before: &Comparison, fitted: &Fitted) -> String {
    let headings = [
        "phase",
        "n",
        "real, s",
        "p10 to p90",
        "simulated, s",
        "p10 to p90",
        "difference",
        "before the fit, s",
    ];
    let mut table = table::numbers(headings.map(String::from));
    for (found, was) in fitted.comparison.phases.iter().zip(&before.phases) {
        let [low, real, high] = found.real_s;
        let [simulated_low, simulated, simulated_high] = found.simulated_s;
        table.add_row([
            found.phase.clone(),
            found.real.to_string(),
            format!("{real:.3}"),
            format!("{low:.3} to {high:.3}"),
            format!("{simulated:.3}"),
            format!("{simulated_low:.3} to {simulated_high:.3}"),
            format!("{:+.1} %", (simulated / real - 1.0) * 100.0),
            format!("{:.3}", was.simulated_s[1]),
        ]);
    }
    let mut text = format!("{starts} real starts; seconds since the start\n\n{}\n", table::text(&table));
    for (key, value) in &fitted.values {
        let _ = writeln!(text, "{key} = {value}");
    }
    let percent = |distance: f64| (distance.exp() - 1.0) * 100.0;
    let _ = writeln!(
        text,
        "mean difference of the medians: {:.1} % (with the profile {profile} as it is: {:.1} %)",
        percent(fitted.comparison.distance),
        percent(before.distance)
    );
    text
}
