//! The commands, and what they share.

#[cfg(feature = "sweep")]
pub(crate) mod calibrate;
pub(crate) mod check;
pub(crate) mod explain;
pub(crate) mod list;
#[cfg(feature = "sweep")]
pub(crate) mod rare;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod shrink;
#[cfg(feature = "sweep")]
pub(crate) mod sweep;

use crate::app::App;
use crate::args::{One, What};
use crate::error::{CliError, Exit};
use crate::output::Output;
use crate::runfile::{RunFile, current_build};
use std::path::Path;
use stormglass_core::{Seed, Verdict};
use stormglass_sim::{AnyScenario, Exhibit, Run, Settings, SettingsError};

/// What every command is given.
pub(crate) struct Context<'a> {
    pub(crate) app: &'a App,
    pub(crate) json: bool,
}

impl<'a> Context<'a> {
    pub(crate) fn scenario(&self, name: &str) -> Result<&'a dyn AnyScenario, CliError> {
        if self.exhibit(name).is_some() {
            let message = format!("{name} is one run, not a scenario: `replay` and `explain` take it");
            return Err(CliError::Conflict(message));
        }
        let found = self.app.scenarios.iter().find(|scenario| scenario.name() == name);
        found.map(AsRef::as_ref).ok_or_else(|| {
            let exhibits = self.app.scenarios.iter().flat_map(|scenario| scenario.exhibits());
            let names = self.app.scenarios.iter().map(|scenario| scenario.name());
            let known = names.chain(exhibits.map(|exhibit| exhibit.name)).map(str::to_string).collect();
            SettingsError::unknown("SCENARIO", "scenario", name, known).into()
        })
    }

    /// The scenario of this name, or the first one.
    pub(crate) fn scenario_or_first(&self, name: Option<&str>) -> Result<&'a dyn AnyScenario, CliError> {
        match (name, self.app.scenarios.first()) {
            (Some(name), _) => self.scenario(name),
            (None, Some(first)) => Ok(first.as_ref()),
            (None, None) => Err(CliError::Conflict("this program has no scenario".into())),
        }
    }

    /// The run of this name, and its scenario.
    fn exhibit(&self, name: &str) -> Option<(&'a dyn AnyScenario, &'a Exhibit)> {
        self.app.scenarios.iter().find_map(|scenario| {
            let exhibit = scenario.exhibits().iter().find(|exhibit| exhibit.name == name)?;
            Some((scenario.as_ref(), exhibit))
        })
    }

    pub(crate) fn settings(&self, scenario: &dyn AnyScenario, what: &What) -> Result<Settings, CliError> {
        Ok(Settings::resolve(scenario, what.model.as_deref(), &what.profile, &what.assignments())?)
    }

    /// The one run that is meant. One from a file tells what has changed since.
    pub(crate) fn one(&self, one: &One, output: &mut Output) -> Result<Run<'a>, CliError> {
        if let Some((scenario, exhibit)) = self.exhibit(&one.run) {
            if one.seed.is_some() || one.what.model.is_some() {
                let message = format!("{} has its seed and model; leave out --seed and --model", one.run);
                return Err(CliError::Conflict(message));
            }
            let sets: Vec<(&str, &str)> =
                exhibit.sets.iter().copied().chain(one.what.assignments()).collect();
            let settings = Settings::resolve(scenario, Some(exhibit.model), exhibit.profile, &sets)?;
            return Ok(Run::new(scenario, settings, Seed(exhibit.seed)).branching(one.branches.clone()));
        }
        if !one.run.ends_with(".toml") {
            let scenario = self.scenario(&one.run)?;
            let settings = self.settings(scenario, &one.what)?;
            let run = Run::new(scenario, settings, Seed(one.seed.unwrap_or(0)));
            return Ok(run.branching(one.branches.clone()));
        }
        let more = one.seed.is_some() || one.what.model.is_some() || !one.branches.is_empty();
        if more || !one.what.assignments().is_empty() {
            let message = format!(
                "{} says all about the run; leave out --seed, --branch, --model, --plan and --set",
                one.run
            );
            return Err(CliError::Conflict(message));
        }
        let file = RunFile::read(Path::new(&one.run))?;
        let identity = &file.identity;
        let scenario = self.scenario(&identity.scenario)?;
        let settings =
            Settings::restore(scenario, &identity.model, &identity.profile, &one.run, &file.settings)?;
        for difference in current_build().differences(&identity.build) {
            output.tell(&format!("note: {} was written by another build ({difference})\n", one.run));
        }
        Ok(Run::new(scenario, settings, Seed(identity.seed)).branching(identity.branches.clone()))
    }
}

/// Reads a file that the user names.
#[cfg(feature = "sweep")]
pub(crate) fn read(file: &Path) -> Result<String, CliError> {
    let fail = |source| SettingsError::File { file: file.display().to_string(), source };
    Ok(std::fs::read_to_string(file).map_err(fail)?)
}

/// Writes one.
pub(crate) fn write(file: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(file, text).map_err(|source| CliError::Write { file: file.into(), source })
}

/// The exit code that a verdict stands for.
pub(crate) fn exit_of(verdict: &Verdict) -> Exit {
    if verdict.is_passed() { Exit::Held } else { Exit::Failed }
}

/// The line that plays a run again.
pub(crate) fn replay_line(command: &str, scenario: &str, what: &What, seed: Seed) -> String {
    let mut words = vec![program(), command.into(), scenario.into()];
    if let Some(model) = &what.model {
        words.extend(["--model".into(), quote(model)]);
    }
    words.extend(["--profile".into(), quote(&what.profile)]);
    if let Some(plan) = &what.plan {
        words.extend(["--plan".into(), quote(plan)]);
    }
    for (key, value) in &what.sets {
        words.extend(["--set".into(), quote(&format!("{key}={value}"))]);
    }
    words.extend(["--seed".into(), seed.to_string()]);
    words.join(" ")
}

/// How this program was started: through cargo, or by its own name.
#[expect(clippy::disallowed_methods, reason = "only the words of a line to paste hang on it")]
fn program() -> String {
    if std::env::var("CARGO").is_ok() {
        return if cfg!(debug_assertions) { "cargo run --" } else { "cargo run --release --" }.into();
    }
    let name = std::env::args().next().unwrap_or_default();
    let name =
        Path::new(&name).file_stem().map_or_else(|| "stormglass".into(), |stem| stem.to_string_lossy());
    name.into_owned()
}

/// A word as a shell takes it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
