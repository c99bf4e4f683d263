//! Resolves the names on a command line: scenarios, exhibits, settings, and the run that is meant.

use crate::args::{One, What};
use crate::catalog::Catalog;
use crate::error::CliError;
use crate::output::Output;
use crate::runfile::{RunFile, current_build};
use std::path::Path;
use stormglass_core::Seed;
use stormglass_sim::{AnyScenario, Exhibit, Run, Settings, SettingsError};

/// The context of a command: the program's catalog and the output format.
pub(crate) struct Context<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) json: bool,
}

impl<'a> Context<'a> {
    /// Returns the name of the test whose scenario is played, if it is one's.
    pub(crate) fn test(&self) -> Option<&str> {
        self.catalog.test.as_deref()
    }

    pub(crate) fn scenario(&self, name: &str) -> Result<&'a dyn AnyScenario, CliError> {
        if self.exhibit(name).is_some() {
            let message = format!(
                "{name} is an exhibit (one run), not a scenario: use `replay {name}` or `explain {name}`"
            );
            return Err(CliError::Conflict(message));
        }
        let found = self.catalog.scenarios.iter().find(|scenario| scenario.name() == name);
        found.map(AsRef::as_ref).ok_or_else(|| {
            let exhibits = self.catalog.scenarios.iter().flat_map(|scenario| scenario.exhibits());
            let names = self.catalog.scenarios.iter().map(|scenario| scenario.name());
            let known = names.chain(exhibits.map(|exhibit| exhibit.name)).map(str::to_string).collect();
            SettingsError::unknown("SCENARIO", "scenario", name, known).into()
        })
    }

    /// Returns the scenario with this name, or the first one.
    pub(crate) fn scenario_or_first(&self, name: Option<&str>) -> Result<&'a dyn AnyScenario, CliError> {
        match (name, self.catalog.scenarios.first()) {
            (Some(name), _) => self.scenario(name),
            (None, Some(first)) => Ok(first.as_ref()),
            (None, None) => Err(CliError::Conflict(
                "this program has no scenario: add one with `App::with_scenario`".into(),
            )),
        }
    }

    /// Returns the exhibit with this name, and its scenario.
    fn exhibit(&self, name: &str) -> Option<(&'a dyn AnyScenario, &'a Exhibit)> {
        self.catalog.scenarios.iter().find_map(|scenario| {
            let exhibit = scenario.exhibits().iter().find(|exhibit| exhibit.name == name)?;
            Some((scenario.as_ref(), exhibit))
        })
    }

    pub(crate) fn settings(&self, scenario: &dyn AnyScenario, what: &What) -> Result<Settings, CliError> {
        Ok(what.settings(scenario)?)
    }

    /// Says with `--verbose` what is played: by which code, and what is set.
    pub(crate) fn detail_what(&self, run: &Run<'_>, what: &What, output: &mut Output) {
        output.detail(|| {
            let identity = run.identity(current_build());
            let model = if identity.model.is_empty() { "none" } else { &identity.model };
            let mut text = format!(
                "scenario {}, model {model}, profile {}, commit {}\n",
                identity.scenario, identity.profile, identity.build.commit
            );
            let defaults = run.scenario().run_defaults();
            let plan = defaults.plan.filter(|_| what.plan.is_none()).map(|plan| ("plan", plan));
            let sets = plan.into_iter().chain(defaults.sets.iter().copied()).chain(what.assignments());
            sets.for_each(|(key, value)| text += &format!("  {key} = {value}\n"));
            text
        });
    }

    /// Resolves the run that is meant, with its log. For a run file, reports differences between its
    /// build and this one.
    pub(crate) fn one(&self, one: &One, output: &mut Output) -> Result<Run<'a>, CliError> {
        let run = self.one_without_log(one, output)?;
        self.detail_what(&run, &one.what, output);
        Ok(match &one.what.log {
            Some(log) => run.with_log(log.clone()),
            None => run,
        })
    }

    fn one_without_log(&self, one: &One, output: &mut Output) -> Result<Run<'a>, CliError> {
        if let Some((scenario, exhibit)) = self.exhibit(&one.run) {
            if one.seed.is_some() || one.what.model.is_some() {
                let message = format!(
                    "{} is an exhibit with its own seed and model: leave out --seed and --model",
                    one.run
                );
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
                "{} defines the whole run: leave out --seed, --branch, --model, --plan and --set",
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
            output.report(&format!("note: {} was written by another build ({difference})\n", one.run));
        }
        Ok(Run::new(scenario, settings, Seed(identity.seed)).branching(identity.branches.clone()))
    }
}
