//! `crash`: crashes a node before and after each of its operations, in a run each.

use crate::args::{self, One};
use crate::context::Context;
use crate::effort::Effort;
use crate::error::{CliError, Exit};
use crate::failures::{Failures, Group};
use crate::files;
use crate::github;
use crate::output::Output;
use crate::pictures;
use crate::problem::Problem;
use crate::progress::Progress;
use crate::sarif;
use crate::shell::{again, replay_line_of};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::Duration;
use stormglass_core::event::Category;
use stormglass_core::fault::Pattern;
use stormglass_core::{Keep, Seed, SimTime, Trace, Verdict};
use stormglass_report::table;
use stormglass_report::timeline::describe;
use stormglass_sim::crash::{Crash, CrashPoint, crash_points};
use stormglass_sim::{AnyScenario, Run, Settings};
use stormglass_sweep::{in_order, pool};

/// How many intervals of crash points the text shows.
const SHOWN: usize = 10;

const OF_THE_RUN: &str = "a crash point is next to an event of the run";

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Crash {
        seed: u64,
        node: &'a str,
        /// When the node crashes, in nanoseconds.
        at: SimTime,
        /// As `--kind` has it.
        kind: String,
        /// Whether the crash is before or after the operation.
        side: &'static str,
        operation: &'a str,
        /// The number of the operation's event in the run without the crash.
        event: u32,
        verdict: &'a Verdict,
    },
    Summary {
        scenario: &'a str,
        seeds: u64,
        points: usize,
        runs: u64,
        failed: u64,
    },
}

pub(crate) fn crash(
    context: &Context<'_>,
    args: &args::Crash,
    output: &mut Output,
) -> Result<Exit, CliError> {
    pictures::check(&args.pictures)?;
    args.annotations.sarif.as_deref().map_or(Ok(()), files::check_writable)?;
    let scenario = context.scenario(&args.scenario)?;
    let settings = context.settings(scenario, &args.what)?;
    context.detail_what(&run_of(scenario, &settings, args.seeds.first()), &args.what, output);
    let jobs = args.jobs.unwrap_or_else(pool::default_jobs);
    let (cases, left_out) = cases(args, scenario, &settings)?;
    let crashes = args.crashes();
    let plays = Plays { scenario, settings: &settings, cases: &cases, crashes: &crashes, down: args.down };
    let runs = plays.count();
    let mut progress = Progress::new(runs, output);
    let (effort, mut simulated) = (Effort::start(), Duration::ZERO);

    let (mut failures, mut failed) = (Failures::default(), BTreeSet::new());
    let play = |number| {
        let (case, crash) = plays.of(number);
        effort.measure(&crash.to_string(), case.seed, || plays.run(number).play(Keep::Nothing).outcome)
    };
    in_order(0..runs, jobs, play, |number, outcome| {
        let (case, crash) = plays.of(number);
        if context.json {
            let CrashPoint { node, at, event, side } = &case.point;
            output.print_json(&Line::Crash {
                seed: case.seed,
                node,
                at: *at,
                kind: word(crash),
                side: side.word(),
                operation: &case.operation,
                event: event.number(),
                verdict: &outcome.verdict,
            });
        }
        simulated += outcome.ended.saturating_since(SimTime::ZERO);
        let has_failed = !outcome.verdict.is_passed();
        if has_failed {
            failures.add(number, &outcome);
            failed.insert(number);
        }
        progress.run_done(has_failed, String::new);
        if output.closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.finish();
    output.detail(|| effort.report(jobs, simulated));

    let one = |number: u64| {
        let (seed, run) = (Seed(plays.of(number).0.seed), plays.run(number));
        let one = One::of(scenario, &args.what, seed);
        (one.with_faults(&run.faults(), settings.plan().generate.count > 0), seed)
    };
    let replay = |number| {
        let (one, seed) = one(number);
        replay_line_of(&one, seed, context.test())
    };
    if !args.pictures.is_empty() {
        let number = failed.first().copied().unwrap_or(0);
        let run = plays.run(number);
        let (command, played) = (replay(number), run.play(Keep::Events));
        pictures::write_all(&args.pictures, scenario.name(), &command, &run, &played, None, output)?;
    }
    if context.json {
        output.print_json(&Line::Summary {
            scenario: scenario.name(),
            seeds: args.seeds.count(),
            points: cases.len(),
            runs,
            failed: failures.count(),
        });
    } else {
        output.print(&plays.text(args.seeds.count(), left_out, &failures, &failed));
        if let Some((number, outcome)) = failures.first() {
            let (one, seed) = one(*number);
            output.print(&format!(
                "\nfirst failure: {}: {}\n{}",
                plays.describe(*number),
                outcome.verdict,
                again(&one, seed, context.test())
            ));
        }
    }
    let problem = |Group { count, number, verdict }: &Group| {
        let seed = plays.of(*number).0.seed;
        Problem::of_verdict(scenario, verdict, seed, (*count, runs), replay(*number))
    };
    let groups = failures.groups().into_iter();
    let problems: Vec<Problem> = groups.filter_map(|(_, group)| problem(group)).collect();
    if args.annotations.github {
        problems.iter().for_each(|problem| output.print(&github::error(problem)));
    }
    if let Some(file) = &args.annotations.sarif {
        sarif::write(file, "crash", scenario.name(), &problems)?;
    }
    Ok(if failed.is_empty() { Exit::Held } else { Exit::Failed })
}

fn run_of<'a>(scenario: &'a dyn AnyScenario, settings: &Settings, seed: u64) -> Run<'a> {
    Run::new(scenario, settings.clone(), Seed(seed))
}

/// A crash point of the run with a seed.
struct Case {
    seed: u64,
    point: CrashPoint,
    /// The operation next to it, with its time.
    operation: String,
}

/// Returns the crash points of all seeds, and how many are left out because a seed has too many.
fn cases(
    args: &args::Crash,
    scenario: &dyn AnyScenario,
    settings: &Settings,
) -> Result<(Vec<Case>, usize), CliError> {
    let (mut cases, mut left_out) = (Vec::new(), 0);
    for seed in args.seeds.range() {
        let run = run_of(scenario, settings, seed);
        let played = run.play(Keep::Events);
        if !played.outcome.verdict.is_passed() {
            let message = format!(
                "seed {seed} fails without a crash, so its crashes say nothing: {}. Leave it out with --seeds, \
                 or leave out its faults with --plan none",
                played.outcome.verdict
            );
            return Err(CliError::Conflict(message));
        }
        let points = match (&args.nodes[..], run.nodes()) {
            ([], []) => of_nodes_with_files(&played.trace, crash_points(&played, |_| true)),
            ([], nodes) => crash_points(&played, |node| nodes.iter().any(|chosen| chosen == node)),
            (patterns, _) => {
                crash_points(&played, |node| patterns.iter().any(|pattern| pattern.matches(node)))
            }
        };
        let count = points.len().min(args.points.get());
        left_out += points.len() - count;
        cases.extend((0..count).map(|index| {
            let point = points[index * points.len() / count].clone();
            let event = played.trace.event(point.event).expect(OF_THE_RUN);
            let what = describe(&played.trace, event);
            let operation = format!("`{}` at {:#}", what.trim_start(), SimTime::from_nanos(event.at_nanos));
            Case { seed, point, operation }
        }));
    }
    if cases.is_empty() {
        let nodes: Vec<&str> = args.nodes.iter().map(Pattern::as_str).collect();
        let message = match &nodes[..] {
            [] => "no node changes its disk: name the nodes that crash with --node".into(),
            nodes => format!(
                "no node that matches --node {} changes its disk or sends a message",
                nodes.join(", ")
            ),
        };
        return Err(CliError::Conflict(message));
    }
    Ok((cases, left_out))
}

/// Returns the points of those nodes that change their disks.
fn of_nodes_with_files(trace: &Trace, points: Vec<CrashPoint>) -> Vec<CrashPoint> {
    let is_of_disk = |point: &&CrashPoint| {
        let event = trace.event(point.event).expect(OF_THE_RUN);
        matches!(event.kind.category(), Category::Disk | Category::Sync)
    };
    let nodes: BTreeSet<String> = points.iter().filter(is_of_disk).map(|point| point.node.clone()).collect();
    points.into_iter().filter(|point| nodes.contains(&point.node)).collect()
}

/// The runs: each crash at each crash point, numbered from 0.
struct Plays<'a> {
    scenario: &'a dyn AnyScenario,
    settings: &'a Settings,
    cases: &'a [Case],
    crashes: &'a [Crash],
    down: Duration,
}

/// Crash points of a node that follow each other, with a run that failed at each of them.
struct Interval {
    first: usize,
    last: usize,
    crashes: BTreeSet<Crash>,
}

impl<'a> Plays<'a> {
    fn count(&self) -> u64 {
        (self.cases.len() * self.crashes.len()) as u64
    }

    /// Returns the crash point and the crash of a run.
    fn of(&self, number: u64) -> (&'a Case, Crash) {
        let number = number as usize;
        (&self.cases[number / self.crashes.len()], self.crashes[number % self.crashes.len()])
    }

    fn run(&self, number: u64) -> Run<'a> {
        let (case, crash) = self.of(number);
        run_of(self.scenario, self.settings, case.seed).crashing(&case.point, crash, self.down)
    }

    /// Describes a run: `seed 0, kill of db after \`write log\` at 1.203 s`.
    fn describe(&self, number: u64) -> String {
        let (Case { seed, point, operation }, crash) = self.of(number);
        format!("seed {seed}, {crash} of {} {} {operation}", point.node, point.side.word())
    }

    /// Returns the answer. `failed` has the numbers of the runs that failed.
    fn text(&self, seeds: u64, left_out: usize, failures: &Failures, failed: &BTreeSet<u64>) -> String {
        let nodes: BTreeSet<&str> = self.cases.iter().map(|case| case.point.node.as_str()).collect();
        let nodes: Vec<&str> = nodes.into_iter().collect();
        let mut text = format!(
            "{}: {} on {} ({}), {} at each: {}, {} failed\n",
            self.scenario.name(),
            number_of(self.cases.len() as u64, "crash point"),
            nodes.join(", "),
            number_of(seeds, "seed"),
            number_of(self.crashes.len() as u64, "crash"),
            number_of(self.count(), "run"),
            failed.len()
        );
        if left_out > 0 {
            let _ = writeln!(text, "{left_out} more crash points were left out: --points");
        }
        let mut table = table::numbers(["crash", "runs", "failed"].map(String::from));
        for &crash in self.crashes {
            let failed = failed.iter().filter(|&&number| self.of(number).1 == crash).count();
            table.add_row([crash.to_string(), self.cases.len().to_string(), failed.to_string()]);
        }
        let _ = write!(text, "\n{}", table::text(&table));
        if failed.is_empty() {
            return text;
        }
        text.push('\n');
        for (signature, group) in failures.groups() {
            let _ = writeln!(text, "{:>7} {}", group.count, signature.lines().next().unwrap_or_default());
        }
        text += "\nA crash fails in these intervals:\n";
        let intervals = self.intervals(failed);
        for Interval { first, last, crashes } in intervals.iter().take(SHOWN) {
            let (from, until) = (&self.cases[*first], &self.cases[*last]);
            let _ = write!(text, "  seed {}, {}: ", from.seed, from.point.node);
            let _ = match first == last {
                true => write!(text, "{} {}", from.point.side.word(), from.operation),
                false => write!(
                    text,
                    "from {} {} to {} {}, {}",
                    from.point.side.word(),
                    from.operation,
                    until.point.side.word(),
                    until.operation,
                    number_of((last - first + 1) as u64, "crash point")
                ),
            };
            let _ = writeln!(text, ": {}", names(crashes));
        }
        if intervals.len() > SHOWN {
            let _ = writeln!(text, "  and {} more: --json", intervals.len() - SHOWN);
        }
        text
    }

    /// Returns the failures as intervals, in the order of the crash points.
    fn intervals(&self, failed: &BTreeSet<u64>) -> Vec<Interval> {
        let mut intervals: Vec<Interval> = Vec::new();
        for &number in failed {
            let index = number as usize / self.crashes.len();
            let (case, crash) = self.of(number);
            let is_next = |interval: &&mut Interval| {
                let before = &self.cases[interval.last];
                let is_same_run = before.seed == case.seed && before.point.node == case.point.node;
                is_same_run && index <= interval.last + 1
            };
            match intervals.last_mut().filter(is_next) {
                Some(interval) => {
                    interval.last = index;
                    interval.crashes.insert(crash);
                }
                None => intervals.push(Interval { first: index, last: index, crashes: [crash].into() }),
            }
        }
        intervals
    }
}

/// Returns a number with its noun: `1 run`, `2 crashes`.
fn number_of(count: u64, noun: &str) -> String {
    let end = match (count, noun.ends_with("sh")) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {noun}{end}")
}

/// Returns the word for a crash on the command line.
fn word(crash: Crash) -> String {
    match crash {
        Crash::Kill => "kill".into(),
        Crash::PowerLoss(loss) => loss.to_string(),
    }
}

/// Returns the names of crashes: `kill, power loss (everything, torn)`.
fn names(crashes: &BTreeSet<Crash>) -> String {
    let (kills, losses): (Vec<Crash>, Vec<Crash>) = crashes.iter().partition(|crash| **crash == Crash::Kill);
    let losses: Vec<String> = losses.into_iter().map(word).collect();
    let power = (!losses.is_empty()).then(|| format!("power loss ({})", losses.join(", ")));
    kills.into_iter().map(word).chain(power).collect::<Vec<_>>().join(", ")
}
