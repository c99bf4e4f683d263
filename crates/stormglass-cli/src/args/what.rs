//! The arguments that say what is played: model, profile, fault plan and parameters.

use stormglass_sim::{AnyScenario, LogFilter, Settings, SettingsError};

/// The inputs of a run other than scenario and seed.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct What {
    /// The version of the system under test: a shipped model or a TOML file. Default: the
    /// scenario's first model.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The latencies of disks, network and CPUs: a shipped profile or a TOML file. Default: that of
    /// the scenario, which is ci-disk unless it is a test.
    #[arg(long)]
    pub(crate) profile: Option<String>,
    /// The faults: a shipped plan or a TOML file, with written faults or a generator that draws
    /// them from each seed; `none` for no faults. Default: those of the scenario, which are none
    /// unless it is a test.
    #[arg(long)]
    pub(crate) plan: Option<String>,
    /// Set a parameter, for example disk.sync.delay=200ms; `list parameters` lists them.
    /// Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) sets: Vec<(String, String)>,
    /// Log what the code passes to `tracing`, by level and target as in RUST_LOG, for example
    /// info,my_service=debug. The run is the same. Default: the parameter run.log, which is off.
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<LogFilter>,
}

impl What {
    /// Resolves the settings of a scenario.
    ///
    /// # Errors
    ///
    /// As [`Settings::resolve`].
    pub(crate) fn settings(&self, scenario: &dyn AnyScenario) -> Result<Settings, SettingsError> {
        let defaults = scenario.run_defaults();
        let plan = defaults.plan.filter(|_| self.plan.is_none()).map(|file| ("plan", file));
        let own = plan.into_iter().chain(defaults.sets.iter().copied());
        let assignments: Vec<(&str, &str)> = own.chain(self.assignments()).collect();
        let settings =
            Settings::resolve(scenario, self.model.as_deref(), self.profile(scenario), &assignments)?;
        Ok(match &self.log {
            Some(log) => settings.with_log(log.clone()),
            None => settings,
        })
    }

    /// Returns the profile: the given one, or that of the scenario.
    fn profile<'a>(&'a self, scenario: &'a dyn AnyScenario) -> &'a str {
        self.profile.as_deref().unwrap_or(scenario.run_defaults().profile)
    }

    /// Returns the same with the scenario's profile if none is given, to be written out.
    pub(crate) fn with_profile_of(&self, scenario: &dyn AnyScenario) -> What {
        What { profile: Some(self.profile(scenario).into()), ..self.clone() }
    }

    /// Returns all given assignments in order; the plan is one of them.
    pub(crate) fn assignments(&self) -> Vec<(&str, &str)> {
        let plan = self.plan.iter().filter(|file| *file != NO_PLAN).map(|file| ("plan", file.as_str()));
        plan.chain(self.sets.iter().map(|(key, value)| (key.as_str(), value.as_str()))).collect()
    }
}

/// The plan without faults.
pub(crate) const NO_PLAN: &str = "none";

pub(crate) fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or("expected KEY=VALUE, for example disk.sync.delay=200ms".to_string())?;
    if key.is_empty() {
        return Err(
            "the key before `=` is missing: expected KEY=VALUE; `list parameters` lists the keys".into()
        );
    }
    Ok((key.trim().into(), value.trim().into()))
}
