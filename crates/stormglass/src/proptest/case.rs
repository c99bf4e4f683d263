//! A case: everything that determines a run of a scenario, and its file.

use super::parameter::{Assignments, Profile};
use ::proptest::strategy::Strategy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use stormglass_core::Seed;
use stormglass_plan::Plan;
use stormglass_sim::{AnyScenario, Run, Settings};

/// Everything that determines a run of a scenario.
#[derive(Clone, PartialEq)]
pub struct Case {
    /// The model; `None` is the scenario's first one.
    pub model: Option<String>,
    /// The profile: a shipped name or a file.
    pub profile: String,
    /// Values of parameters. A later one of the same key wins.
    pub assignments: Assignments,
    /// The faults, all of them written.
    pub plan: Plan,
    /// The seed.
    pub seed: u64,
}

/// An error in a case or in its file: where it is, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseError(pub(super) String);

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CaseError {}

/// Returns a strategy for cases of all seeds up to 2³². Map it for a model, or for parameters that
/// follow from values of your own.
///
/// ```
/// use proptest::prelude::*;
/// use stormglass::prelude::*;
/// use stormglass::proptest::{Case, cases, parameter, parameters, plans, profiles};
///
/// let plans = plans(&["node-1"], 0..3, Duration::from_secs(9), Duration::from_secs(1));
/// let parameters = parameters([("chaos.keys", parameter::integers(1..=3))]);
/// let cases = cases(profiles(&["quiet"]), parameters, plans);
/// let with_model = cases.prop_map(|case| Case { model: Some("restate-m25".into()), ..case });
/// ```
pub fn cases(
    profiles: impl Strategy<Value = Profile>,
    parameters: impl Strategy<Value = Assignments>,
    plans: impl Strategy<Value = Plan>,
) -> impl Strategy<Value = Case> {
    let seeds = 0..=u64::from(u32::MAX);
    (profiles, parameters, plans, seeds).prop_map(|((profile, mut assignments), own, plan, seed)| {
        assignments.extend(own);
        Case { model: None, profile, assignments, plan, seed }
    })
}

/// The content of a case file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    seed: u64,
    profile: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// The plan file, relative to this file.
    plan: PathBuf,
    #[serde(default)]
    set: BTreeMap<String, String>,
}

impl Case {
    /// Returns the run of the case.
    ///
    /// # Errors
    ///
    /// Returns the parameter or the field of the plan that is wrong.
    pub fn run<'a>(&self, scenario: &'a dyn AnyScenario) -> Result<Run<'a>, CaseError> {
        self.plan.check().map_err(|(field, problem)| CaseError(format!("plan: `{field}`: {problem}")))?;
        if self.plan.generate.count > 0 {
            let problem = "the seed would draw faults; list them, for example with `proptest::plans`";
            return Err(CaseError(format!("plan: `generate.count`: {problem}")));
        }
        let assignments: Vec<_> =
            self.assignments.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let settings = Settings::resolve(scenario, self.model.as_deref(), &self.profile, &assignments);
        let settings = settings.map_err(|error| CaseError(format!("parameters: {error}")))?;
        let run = Run::new(scenario, settings, Seed(self.seed));
        Ok(run.with_faults(self.plan.written.clone()))
    }

    /// Returns the options of the command line that play the case with this plan file.
    pub fn options(&self, plan: &Path) -> String {
        let mut words = Vec::new();
        if let Some(model) = &self.model {
            words.extend(["--model".into(), quote(model)]);
        }
        words.extend(["--profile".into(), quote(&self.profile)]);
        words.extend(["--plan".into(), quote(&plan.to_string_lossy())]);
        for (key, value) in &self.assignments {
            words.extend(["--set".into(), quote(&format!("{key}={value}"))]);
        }
        words.extend(["--seed".into(), self.seed.to_string()]);
        words.join(" ")
    }

    /// Writes `plan.toml` and `case.toml` into the directory, and returns their paths.
    ///
    /// # Errors
    ///
    /// Returns the file that cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(PathBuf, PathBuf), CaseError> {
        let (plan, case) = (directory.join("plan.toml"), directory.join("case.toml"));
        let file = File {
            seed: self.seed,
            profile: self.profile.clone(),
            model: self.model.clone(),
            plan: "plan.toml".into(),
            set: self.assignments.iter().cloned().collect(),
        };
        let text = toml::to_string(&file).expect("a case is plain data");
        let wrong = |file: &Path, error| CaseError(format!("{}: cannot be written: {error}", file.display()));
        std::fs::create_dir_all(directory).map_err(|error| wrong(directory, error))?;
        for (file, text) in [(&plan, self.plan.to_toml()), (&case, text)] {
            std::fs::write(file, text).map_err(|error| wrong(file, error))?;
        }
        Ok((plan, case))
    }

    /// Reads a case file, and the plan file that it names.
    ///
    /// # Errors
    ///
    /// Returns the file, the field, and what would be right.
    pub fn read(file: &Path) -> Result<Case, CaseError> {
        let read = |file: &Path| {
            std::fs::read_to_string(file)
                .map_err(|error| CaseError(format!("{}: cannot be read: {error}", file.display())))
        };
        let File { seed, profile, model, plan, set } = toml::from_str(&read(file)?).map_err(|error| {
            CaseError(format!("{}: is not a case file: {}", file.display(), error.to_string().trim_end()))
        })?;
        let plan_file = file.parent().unwrap_or(Path::new("")).join(plan);
        let plan = Plan::parse(&plan_file.to_string_lossy(), &read(&plan_file)?);
        let plan = plan.map_err(|error| CaseError(error.to_string()))?;
        Ok(Case { model, profile, assignments: set.into_iter().collect(), plan, seed })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.options(Path::new("plan.toml"));
        let faults: Vec<String> = self.plan.written.iter().map(ToString::to_string).collect();
        write!(f, "{options}; faults: [{}]", faults.join("; "))
    }
}

/// Returns a word as a shell reads it.
pub(super) fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
