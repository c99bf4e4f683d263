//! Command lines to paste into a shell.

use crate::args::{One, What};
use std::path::Path;
use stormglass_core::Seed;

/// Returns the command line that plays a run again.
pub(crate) fn replay_line(command: &str, scenario: &str, what: &What, seed: Seed) -> String {
    let mut words = vec![program(), command.into(), scenario.into()];
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
    words.extend(["--seed".into(), seed.to_string()]);
    words.join(" ")
}

/// Returns the command line that replays the run that another command line names.
pub(crate) fn replay_line_of(one: &One, seed: Seed) -> String {
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
