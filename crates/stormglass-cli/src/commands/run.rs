//! `run`: plays one or many seeds and summarizes the waits.

use crate::args::{self, One};
use crate::context::Context;
use crate::effort::Effort;
use crate::error::{CliError, Exit};
use crate::failures::Failures;
use crate::files;
use crate::github;
use crate::output::Output;
use crate::pictures;
use crate::problem::{Problem, Rule, of_scenario};
use crate::progress::Progress;
use crate::runfile::{RunFile, current_build};
use crate::sarif;
use crate::shell::{again, replay_line, replay_line_of};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::Duration;
use stormglass_core::trace::TraceHash;
use stormglass_core::{Identity, Keep, Length, Outcome, Seed, SimTime, Verdict};
use stormglass_report::explain::wait_lines;
use stormglass_report::table::{self, seconds};
use stormglass_sim::Run;
use stormglass_sweep::{Seeds, Sometimes, WaitStats, in_order, pool};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Run {
        identity: Identity,
        settings: &'a toml::Table,
        outcome: &'a Outcome,
    },
    Summary {
        runs: u64,
        failed: u64,
        digest: TraceHash,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        sometimes: &'a BTreeMap<String, u64>,
    },
}

pub(crate) fn run(context: &Context<'_>, args: args::Run, output: &mut Output) -> Result<Exit, CliError> {
    pictures::check(&args.pictures)?;
    args.annotations.sarif.as_deref().map_or(Ok(()), files::check_writable)?;
    let scenario = context.scenario(&args.scenario)?;
    let settings = context.settings(scenario, &args.what)?;
    let seeds = args.seeds.unwrap_or(Seeds::one(args.seed.unwrap_or(0)));
    let runs = seeds.count();
    let jobs = args.jobs.unwrap_or_else(pool::default_jobs);
    context.detail_what(&Run::new(scenario, settings.clone(), Seed(seeds.first())), &args.what, output);
    let mut progress = Progress::new(runs, output);
    let effort = Effort::start();

    let mut waits: BTreeMap<String, WaitStats> = BTreeMap::new();
    let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut digest = TraceHash::EMPTY;
    let (mut failures, mut sometimes) = (Failures::default(), Sometimes::default());
    let mut last = None;
    let mut simulated = Duration::ZERO;
    let play = |seed| {
        let run = Run::new(scenario, settings.clone(), Seed(seed));
        effort.measure("", seed, || run.play(Keep::Nothing).outcome)
    };
    in_order(seeds.range(), jobs, play, |seed, outcome| {
        outcome.waits.iter().for_each(|wait| waits.entry(wait.name.clone()).or_default().add(wait));
        *verdicts.entry(word(&outcome.verdict)).or_default() += 1;
        digest = digest.with(outcome.trace_hash.0);
        if context.json {
            let identity = Run::new(scenario, settings.clone(), Seed(seed)).identity(current_build());
            output.print_json(&Line::Run { identity, settings: settings.table(), outcome: &outcome });
        }
        failures.add(seed, &outcome);
        simulated += outcome.ended.saturating_since(SimTime::ZERO);
        sometimes.add(&outcome);
        progress.run_done(!outcome.verdict.is_passed(), String::new);
        last = Some(outcome);
        if output.closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.finish();
    output.detail(|| effort.report(jobs, simulated));

    let failed = failures.count();
    if !args.pictures.is_empty() {
        let seed = Seed(failures.first().map_or(seeds.first(), |(seed, _)| *seed));
        let shown = Run::new(scenario, settings.clone(), seed);
        let one = One::of(scenario, &args.what, seed);
        let command = replay_line_of(&one, seed, context.test());
        let played = shown.play(Keep::Events);
        pictures::write_all(&args.pictures, scenario.name(), &command, &shown, &played, None, output)?;
    }
    if let Some(path) = &args.save {
        let seed = failures.first().map_or(seeds.first(), |(seed, _)| *seed);
        RunFile::of(&Run::new(scenario, settings.clone(), Seed(seed))).write(path)?;
        output.report(&format!("wrote seed {seed} to {}\n", path.display()));
    }
    if context.json {
        output.print_json(&Line::Summary { runs, failed, digest, sometimes: sometimes.held() });
    } else if let (1, Some(outcome)) = (runs, &last) {
        output.print(&one_run(seeds.first(), outcome));
    } else {
        output.print(&summary(scenario.name(), runs, &verdicts, &waits));
    }
    if !context.json && !sometimes.held().is_empty() {
        output.print(&format!("\n{sometimes}"));
    }
    if !context.json
        && let Some((seed, outcome)) = failures.first()
    {
        let which = if runs == 1 {
            String::new()
        } else {
            format!("{}\nfirst failure: seed {seed}, {}\n", failures.lines(), outcome.verdict)
        };
        let again = again(&One::of(scenario, &args.what, Seed(*seed)), Seed(*seed), context.test());
        output.print(&format!("\n{which}{again}"));
    }
    let what = args.what.with_profile_of(scenario);
    let problem = |seed: u64, verdict: &Verdict, count: u64| {
        let line = replay_line("explain", scenario.name(), &what, Seed(seed));
        Problem::of_verdict(scenario, verdict, seed, (count, runs), line)
    };
    let groups = failures.groups().into_iter();
    let mut problems: Vec<Problem> =
        groups.filter_map(|(_, group)| problem(group.number, &group.verdict, group.count)).collect();
    problems.extend(sometimes.never().map(|property| Problem {
        rule: Rule::NeverHeld,
        scenario: scenario.name().into(),
        title: format!("never {property}"),
        message: format!("{property} held in none of {runs} runs"),
        place: of_scenario(scenario),
        seed: None,
        failed: (runs, runs),
        command: format!(
            "{} --seeds {}..={}",
            replay_line("run", scenario.name(), &what, Seed(seeds.first())),
            seeds.first(),
            seeds.first().saturating_add(runs - 1)
        ),
    }));
    if args.annotations.github {
        problems.iter().for_each(|problem| output.print(&github::error(problem)));
    }
    if let Some(file) = &args.annotations.sarif {
        sarif::write(file, "run", scenario.name(), &problems)?;
    }
    let is_met = failed == 0 && sometimes.never().next().is_none();
    Ok(if is_met { Exit::Held } else { Exit::Failed })
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::TimedOut { .. } => "timed out",
        Verdict::Violated { .. } => "violated",
        Verdict::TooFew(_) => "too few",
        Verdict::Stalled { .. } => "stalled",
        Verdict::Panicked { .. } => "panicked",
    }
}

fn one_run(seed: u64, outcome: &Outcome) -> String {
    let mut text = format!("seed {seed}: {}\n\n", outcome.verdict);
    wait_lines(&outcome.waits).iter().for_each(|line| text += &format!("{line}\n"));
    let _ = writeln!(
        text,
        "\n{} events in {} simulated, trace {}",
        outcome.events, outcome.ended, outcome.trace_hash
    );
    text
}

fn summary(
    scenario: &str,
    runs: u64,
    verdicts: &BTreeMap<&str, u64>,
    waits: &BTreeMap<String, WaitStats>,
) -> String {
    let counts: Vec<String> = verdicts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let mut text = format!("{scenario}: {runs} runs, {}\n\n", counts.join(", "));
    let headings = ["wait", "n", "min", "median", "p95", "max", "deadline", "exceeded"];
    let mut table = table::numbers(headings.map(String::from));
    for (name, stats) in waits {
        let at = |per_mille| match stats.quantile(per_mille) {
            Some(Length::Observed(length)) => format!("{} s", seconds(length)),
            Some(Length::Censored(length)) => format!(">{} s", seconds(length)),
            None => String::new(),
        };
        let share = stats.exceeded() as f64 * 100.0 / stats.count().max(1) as f64;
        table.add_row([
            name.clone(),
            stats.count().to_string(),
            at(0),
            at(500),
            at(950),
            at(1_000),
            format!("{} s", seconds(stats.deadline())),
            format!("{} ({share:.1} %)", stats.exceeded()),
        ]);
    }
    text += &table::text(&table);
    let never: usize = waits.values().map(WaitStats::censored).sum();
    if never > 0 {
        let _ = writeln!(text, "\n{never} waits did not end before their run did");
    }
    text
}
