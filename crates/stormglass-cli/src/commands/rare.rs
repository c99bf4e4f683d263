//! `rare`: the probability of a rare long wait, by importance splitting.

use crate::args::{self, One};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::output::Output;
use crate::shell::again;
use serde::Serialize;
use std::fmt::Write;
use stormglass_core::{Keep, Seed};
use stormglass_report::table;
use stormglass_sim::{Run, SettingsError, all_parameters};
use stormglass_sweep::pool;
use stormglass_sweep::splitting::{Estimate, Path, Question, split};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Estimate(&'a Estimate),
}

pub(crate) fn rare(context: &Context<'_>, args: &args::Rare, output: &mut Output) -> Result<Exit, CliError> {
    let scenario = context.scenario(&args.scenario)?;
    let settings = context.settings(scenario, &args.what)?;
    let meanings = all_parameters(scenario).meanings();
    if !meanings.get(&args.wait).is_some_and(|meaning| meaning.observer) {
        let deadlines = meanings.into_iter().filter(|(_, meaning)| meaning.observer).map(|(key, _)| key);
        return Err(SettingsError::unknown("--wait", "deadline", &args.wait, deadlines.collect()).into());
    }
    let question = Question {
        parameter: args.wait.clone(),
        beyond: args.beyond,
        effort: args.effort,
        repeats: args.repeats,
        seed: args.seed,
    };
    let play = |path: &Path| {
        let run = Run::new(scenario, settings.clone(), Seed(path.seed)).branching(path.branches.clone());
        run.play(Keep::Nothing).outcome
    };
    let rare = split(&question, args.jobs.unwrap_or_else(pool::default_jobs), play);
    if context.json {
        output.print_json(&Line::Estimate(&rare));
    } else {
        output.print(&text(args, &rare));
        if let Some(Path { seed, branches }) = &rare.example {
            let seed = Seed(*seed);
            let one = One { branches: branches.clone(), ..One::of(scenario, &args.what, seed) };
            let again = again(&one, seed, context.test());
            output.print(&format!("\none such run:\n{again}"));
        }
    }
    Ok(Exit::Held)
}

fn text(args: &args::Rare, rare: &Estimate) -> String {
    let mut table = table::numbers(["length of the wait", "share of runs", "probability"].map(String::from));
    let mut chance = 1.0;
    for level in &rare.levels {
        chance *= level.share;
        table.add_row([
            format!("{:.3} s", level.lasted_s),
            format!("{:.1} %", level.share * 100.0),
            format!("{chance:.2e}"),
        ]);
    }
    let mut text = table::text(&table);
    let (wait, beyond) = (&args.wait, humantime::format_duration(args.beyond));
    let Estimate { chance, low, high, confidence, runs, one_by_one, .. } = rare;
    let _ = writeln!(
        text,
        "\n{wait}: a wait is longer than {beyond} with probability {chance:.2e} ({:.0} % CI {low:.2e} to {high:.2e})",
        confidence * 100.0
    );
    let _ = match chance {
        0.0 => writeln!(text, "{runs} runs, none of which reached that length: increase --effort"),
        _ => writeln!(
            text,
            "{runs} runs; independent runs would take about {one_by_one:.0} for the same precision"
        ),
    };
    text
}
