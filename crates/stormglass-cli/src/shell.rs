//! Command lines to paste into a shell.

use crate::args::{One, What};
use std::path::Path;
use stormglass_core::Seed;

/// Returns the command line that plays a run again.
pub(crate) fn replay_line(command: &str, scenario: &str, what: &What, seed: Seed) -> String {
    let mut words = vec![program(), command.into(), scenario.into()];
    words.extend(options(what, seed));
    words.join(" ")
}

/// Returns the options that say what is played.
fn options(what: &What, seed: Seed) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(model) = &what.model {
        words.extend(["--model".into(), quote(model)]);
    }
    if let Some(profile) = &what.profile {
        words.extend(["--profile".into(), quote(profile)]);
    }
    if let Some(plan) = &what.plan {
        words.extend(["--plan".into(), quote(plan)]);
    }
    for (key, value) in &what.sets {
        words.extend(["--set".into(), quote(&format!("{key}={value}"))]);
    }
    if let Some(log) = &what.log {
        words.extend(["--log".into(), quote(&log.to_string())]);
    }
    words.extend(["--seed".into(), seed.to_string()]);
    words
}

/// Returns the command line that replays the run that another command line names; `test` is the name
/// of the test whose scenario it is, if it is one's.
pub(crate) fn replay_line_of(one: &One, seed: Seed, test: Option<&str>) -> String {
    if let Some(test) = test {
        let command = format!("replay {}", options(&one.what, seed).join(" "));
        return format!("STORMGLASS={} cargo test {test} -- --exact --nocapture", quote(&command));
    }
    let is_named = one.seed.is_none() && one.what.model.is_none() && one.what.assignments().is_empty();
    if is_named && one.branches.is_empty() {
        return format!("{} replay {}", program(), quote(&one.run));
    }
    let branches =
        one.branches.iter().map(|branch| format!(" --branch {}ns:{}", branch.at.as_nanos(), branch.seed));
    replay_line("replay", &one.run, &one.what, seed) + &branches.collect::<String>()
}

/// Returns the words that start this program: a cargo command, or its own name.
#[expect(clippy::disallowed_methods, reason = "it changes only the printed command lines")]
fn program() -> String {
    if std::env::var("CARGO").is_ok() {
        return if cfg!(debug_assertions) { "cargo run --" } else { "cargo run --release --" }.into();
    }
    let name = std::env::args().next().unwrap_or_default();
    let name =
        Path::new(&name).file_stem().map_or_else(|| "stormglass".into(), |stem| stem.to_string_lossy());
    name.into_owned()
}

/// Quotes a word for a shell, if necessary.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_a_test_is_replayed_by_the_test() {
        let sets = vec![("run.horizon".to_string(), "9s".to_string())];
        let what =
            What { model: None, profile: Some("quiet".into()), plan: Some("storm".into()), sets, log: None };
        let one = One { run: "lines-stay".into(), what, seed: Some(3), branches: Vec::new() };
        assert_eq!(
            replay_line_of(&one, Seed(3), Some("lines_stay")),
            "STORMGLASS='replay --profile quiet --plan storm --set run.horizon=9s --seed 3' \
             cargo test lines_stay -- --exact --nocapture"
        );
        assert!(
            replay_line_of(&one, Seed(3), None)
                .ends_with("replay lines-stay --profile quiet --plan storm --set run.horizon=9s --seed 3")
        );
    }
}
