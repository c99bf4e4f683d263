//! A failure as CI shows it: an annotation of GitHub Actions, or a result in a SARIF file.

use crate::failures::signature;
use stormglass_core::Verdict;
use stormglass_sim::AnyScenario;

/// A failure of one or more runs of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) rule: Rule,
    /// The scenario.
    pub(crate) scenario: String,
    /// What fails, without numbers that differ between runs: equal for the same failure of another commit.
    pub(crate) title: String,
    /// What happened in the first run, with its numbers, and how often.
    pub(crate) message: String,
    /// The file and line to show it at: where the panic was, or else the scenario.
    pub(crate) place: Option<(String, u32)>,
    /// The first seed that fails. `None` if it takes all runs to see the failure.
    pub(crate) seed: Option<u64>,
    /// The number of runs that failed in this way, and the number of all.
    pub(crate) failed: (u64, u64),
    /// The command that shows the first failed run.
    pub(crate) command: String,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    TimedOut,
    Violated,
    TooFew,
    Stalled,
    Panicked,
    NeverHeld,
    Nondeterministic,
    LeftSimulation,
}

impl Rule {
    /// Returns the rule that a verdict breaks; `None` for a run that passed.
    pub(crate) fn of(verdict: &Verdict) -> Option<Rule> {
        match verdict {
            Verdict::Passed => None,
            Verdict::TimedOut { .. } => Some(Rule::TimedOut),
            Verdict::Violated { .. } => Some(Rule::Violated),
            Verdict::TooFew(_) => Some(Rule::TooFew),
            Verdict::Stalled { .. } => Some(Rule::Stalled),
            Verdict::Panicked { .. } => Some(Rule::Panicked),
        }
    }

    /// Returns its name in a SARIF file, which stays the same between versions.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Rule::TimedOut => "timed-out",
            Rule::Violated => "violated",
            Rule::TooFew => "too-few",
            Rule::Stalled => "stalled",
            Rule::Panicked => "panicked",
            Rule::NeverHeld => "never-held",
            Rule::Nondeterministic => "nondeterministic",
            Rule::LeftSimulation => "left-simulation",
        }
    }

    /// Returns what it means, in one sentence.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Rule::TimedOut => "A wait exceeded its deadline.",
            Rule::Violated => "A property that must always hold was violated.",
            Rule::TooFew => "A run had fewer waits or checks than the scenario requires.",
            Rule::Stalled => {
                "A run used up its polls of tasks while no simulated time passed, or could not go on."
            }
            Rule::Panicked => "A task panicked and no other task received its panic.",
            Rule::NeverHeld => "A property that must hold in at least one run held in none.",
            Rule::Nondeterministic => "Two runs with the same seed differ.",
            Rule::LeftSimulation => "Code in a run asked the real machine for something.",
        }
    }
}

impl Problem {
    /// Describes the runs that failed as `verdict` says. `None` if it says that they passed.
    pub(crate) fn of_verdict(
        scenario: &dyn AnyScenario,
        verdict: &Verdict,
        seed: u64,
        failed: (u64, u64),
        command: String,
    ) -> Option<Problem> {
        let rule = Rule::of(verdict)?;
        let panicked = match verdict {
            Verdict::Panicked { location: Some(location), .. } => place(location),
            _ => None,
        };
        Some(Problem {
            rule,
            scenario: scenario.name().into(),
            title: signature(verdict),
            message: format!("{} of {} runs failed\nseed {seed}: {verdict}\n{command}", failed.0, failed.1),
            place: panicked.or_else(|| of_scenario(scenario)),
            seed: Some(seed),
            failed,
            command,
        })
    }
}

/// Returns where a scenario is, for [`Problem::place`].
pub(crate) fn of_scenario(scenario: &dyn AnyScenario) -> Option<(String, u32)> {
    scenario.source().map(|(file, line)| (file.to_string(), line))
}

/// Parses `src/main.rs:15:5`. `None` for a file outside of the repository, such as one of a dependency.
fn place(location: &str) -> Option<(String, u32)> {
    let mut parts = location.rsplitn(3, ':');
    let (_column, line, file) = (parts.next()?, parts.next()?, parts.next()?);
    let is_inside = !file.starts_with(['/', '\\']) && !file.contains(':');
    Some((file.replace('\\', "/"), line.parse().ok()?)).filter(|_| is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_panic_is_a_file_of_the_repository() {
        assert_eq!(place("src/bin/leaky.rs:15:5"), Some(("src/bin/leaky.rs".into(), 15)));
        assert_eq!(place("/root/.cargo/registry/src/x/lib.rs:15:5"), None);
        assert_eq!(place("somewhere"), None);
    }
}
