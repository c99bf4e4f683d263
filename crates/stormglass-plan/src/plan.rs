//! Plans and their TOML files.

use crate::fault::Fault;
use crate::generate::Generate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stormglass_core::Seed;

/// The faults of a run: a written list, and a generator that draws more from the seed. Empty by
/// default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Plan {
    /// The written faults, each a table with `kind`, `at`, `lasts` and the fields of its kind.
    #[serde(rename = "fault")]
    #[schemars(with = "Vec<std::collections::BTreeMap<String, String>>")]
    pub written: Vec<Fault>,
    /// The generator of random faults.
    pub generate: Generate,
}

/// An error in a plan: the file, the field and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {}{problem}", if field.is_empty() { String::new() } else { format!("`{field}`: ") })]
pub struct PlanError {
    /// The file.
    pub file: String,
    /// The field, with its table.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Plan {
    /// Returns a plan of these faults, without generated ones.
    pub fn of(written: Vec<Fault>) -> Plan {
        Plan { written, generate: Generate::default() }
    }

    /// Reads a plan's TOML. Errors name `file`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the field and the remedy.
    pub fn parse(file: &str, text: &str) -> Result<Plan, PlanError> {
        let wrong = |field: &str, problem: &str| PlanError {
            file: file.into(),
            field: field.into(),
            problem: problem.trim_end().into(),
        };
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| wrong("", &format!("not valid TOML: {error}")))?;
        let plan: Plan = serde_path_to_error::deserialize(table).map_err(|error| {
            let path = error.path().to_string();
            wrong(if path == "." { "" } else { &path }, error.into_inner().message())
        })?;
        plan.check().map_err(|(field, problem)| wrong(&field, &problem))?;
        Ok(plan)
    }

    /// Returns the plan's TOML, which [`Plan::parse`] reads.
    pub fn to_toml(&self) -> String {
        #[derive(Serialize)]
        struct File<'a> {
            fault: &'a [Fault],
            #[serde(skip_serializing_if = "Option::is_none")]
            generate: Option<&'a Generate>,
        }
        let generate = Some(&self.generate).filter(|generate| **generate != Generate::default());
        toml::to_string(&File { fault: &self.written, generate }).expect("a plan is plain data")
    }

    /// Checks all faults and the generator.
    ///
    /// # Errors
    ///
    /// Returns the field, such as `fault[2].lasts`, and what is wrong with it.
    pub fn check(&self) -> Result<(), (String, String)> {
        for (index, fault) in self.written.iter().enumerate() {
            fault.check().map_err(|error| (format!("fault[{index}].{}", error.field), error.problem))?;
        }
        self.generate.check().map_err(|(field, problem)| (format!("generate.{field}"), problem))
    }

    /// Returns whether the plan has no faults.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty() && self.generate.count == 0
    }

    /// Returns all faults of the run with this seed in the order of time. Generated faults affect
    /// nodes from `nodes`.
    pub fn faults(&self, seed: Seed, nodes: &[String]) -> Vec<Fault> {
        let mut faults = self.written.clone();
        faults.extend(self.generate.faults(seed, nodes));
        faults.sort_by_key(|fault| fault.at);
        faults
    }
}
