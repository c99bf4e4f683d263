//! The settings of a run: resolved, read and validated once.

use crate::error::SettingsError;
use crate::log_filter::LogFilter;
use crate::parameter_set::ParameterSet;
use crate::profile::Profile;
use crate::run_settings::RunSettings;
use crate::scenario::{AnyScenario, OwnSettings};
use crate::values::{Values, general_parameters};
use std::fmt;
use stormglass_plan::Plan;
use toml::Table;

/// The settings of a run of one scenario: valid when they exist.
///
/// They are one TOML table: the profile (`disk`, `net`, `cpu`, `machine`), the run's limits (`run`), the fault plan (`plan`) and the
/// scenario's own parameters. Later layers win: the scenario's defaults, the model, what the scenario overrides, the profile, then single
/// assignments. Every parameter has a default, so an unknown key is an error that names the nearest existing one.
#[derive(Clone)]
pub struct Settings {
    values: Values,
    model: String,
    profile_name: String,
    profile: Profile,
    run: RunSettings,
    plan: Plan,
    own: OwnSettings,
}

impl Settings {
    /// Resolves the settings of a scenario from a model, a profile and single assignments. Model and profile are each a shipped name or a
    /// TOML file. Without a model, the scenario's first one is taken.
    ///
    /// # Errors
    ///
    /// Names the file or flag, the key, and what would be right.
    pub fn resolve(
        scenario: &dyn AnyScenario,
        model: Option<&str>,
        profile: &str,
        assignments: &[(&str, &str)],
    ) -> Result<Settings, SettingsError> {
        let mut values = Values::of(&all_parameters(scenario));
        let model = model.or_else(|| scenario.models().first().map(|preset| preset.name));
        if let Some(model) = model {
            values.load("model", model, scenario.models(), "")?;
        }
        values.overlay(scenario.name(), "", &scenario.overrides())?;
        let profiles = [Profile::PRESETS, scenario.profiles()].concat();
        values.load("profile", profile, &profiles, "")?;
        for (key, text) in assignments {
            values.assign(key, text)?;
        }
        Settings::read(scenario, values, model.unwrap_or_default(), profile)
    }

    /// Restores settings from the table that [`Settings::table`] returned.
    ///
    /// # Errors
    ///
    /// As [`Settings::resolve`]; messages name `file`.
    pub fn restore(
        scenario: &dyn AnyScenario,
        model: &str,
        profile: &str,
        file: &str,
        table: &Table,
    ) -> Result<Settings, SettingsError> {
        let mut values = Values::of(&all_parameters(scenario));
        values.overlay(file, "", table)?;
        Settings::read(scenario, values, model, profile)
    }

    /// Returns these settings of a scenario with other values of single parameters, in order.
    ///
    /// # Errors
    ///
    /// As [`Settings::resolve`].
    pub fn with_assignments(
        &self,
        scenario: &dyn AnyScenario,
        assignments: &[(&str, &str)],
    ) -> Result<Settings, SettingsError> {
        let mut values = self.values.clone();
        for (key, text) in assignments {
            values.assign(key, text)?;
        }
        Settings::read(scenario, values, &self.model, &self.profile_name)
    }

    /// Reads and validates the values, which nothing else does.
    fn read(
        scenario: &dyn AnyScenario,
        values: Values,
        model: &str,
        profile_name: &str,
    ) -> Result<Settings, SettingsError> {
        let (profile, run, plan) = (values.profile()?, values.run()?, values.plan()?);
        let own = scenario.read(&values)?;
        if plan.generate.count > 0 && own.nodes.is_empty() {
            let problem = format!(
                "the scenario {} names no nodes for the seed to choose from (`Scenario::nodes`); write the faults down as `plan.fault`",
                scenario.name()
            );
            return Err(values.wrong("plan.generate.count", problem));
        }
        let (model, profile_name) = (model.to_string(), profile_name.to_string());
        Ok(Settings { values, model, profile_name, profile, run, plan, own })
    }

    /// Returns the same settings with this plan, which must be valid.
    pub(crate) fn with_plan(mut self, plan: Plan) -> Settings {
        self.values.set_plan(&plan);
        Settings { plan, ..self }
    }

    /// Returns the same settings with this log (`run.log`).
    #[must_use]
    pub fn with_log(mut self, filter: LogFilter) -> Settings {
        self.values.set_log(&filter);
        self.run.log = filter;
        self
    }

    /// Returns the model's name; empty if the scenario has no models.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Returns the profile's name.
    pub fn profile_name(&self) -> &str {
        &self.profile_name
    }

    /// Returns the profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Returns the run's limits.
    pub fn run(&self) -> &RunSettings {
        &self.run
    }

    /// Returns the fault plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the scenario's own parameters.
    pub(crate) fn own(&self) -> &OwnSettings {
        &self.own
    }

    /// Returns all values as one TOML table.
    pub fn table(&self) -> &Table {
        self.values.table()
    }

    /// Returns every parameter's key and value, as an assignment writes them.
    pub fn leaves(&self) -> Vec<(String, String)> {
        self.values.leaves()
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Settings) -> bool {
        (&self.values, &self.model, &self.profile_name) == (&other.values, &other.model, &other.profile_name)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("model", &self.model)
            .field("profile", &self.profile_name)
            .field("table", self.table())
            .finish_non_exhaustive()
    }
}

/// Returns every parameter of a scenario's runs: the profile's, the run's, the plan's, and the scenario's own.
pub fn all_parameters(scenario: &dyn AnyScenario) -> ParameterSet {
    general_parameters().and(scenario.parameters())
}
