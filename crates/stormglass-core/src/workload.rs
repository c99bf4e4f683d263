//! Workloads: what clients do, and when. A workload has a text form, so it can be a parameter of a
//! scenario: then the command line and a file of a property's case have it too.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What clients do: a list of steps. The steps of a client follow each other; clients are
/// independent. In TOML it is its text: `CLIENT+MILLISms:OPERATION`, with `;` between the steps.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::Workload;
///
/// let workload: Workload<String> = "0+0ms:put a; 1+20ms:get a".parse()?;
/// assert_eq!(workload.steps[1].pause, Duration::from_millis(20));
/// assert_eq!(workload.of(1).count(), 1);
/// assert_eq!(workload.to_string(), "0+0ms:put a; 1+20ms:get a");
///
/// let error = "0+0ms:get a; 1-20:get a".parse::<Workload<String>>().unwrap_err();
/// assert_eq!(error.to_string(), "step 1, `1-20:get a`: expected CLIENT+MILLISms:OPERATION");
/// # Ok::<(), stormglass_core::workload::WorkloadError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload<T> {
    /// The steps, in the order in which they were drawn.
    pub steps: Vec<Step<T>>,
}

/// A step of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<T> {
    /// The number of the client, from 0.
    pub client: u32,
    /// How long the client waits before the operation: whole milliseconds.
    pub pause: Duration,
    /// The operation.
    pub operation: T,
}

/// An error in a workload's text: the step, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadError(String);

impl fmt::Display for WorkloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WorkloadError {}

impl<T> Default for Workload<T> {
    fn default() -> Workload<T> {
        Workload { steps: Vec::new() }
    }
}

impl<T> Workload<T> {
    /// Returns the steps of a client, in order.
    pub fn of(&self, client: u32) -> impl Iterator<Item = &Step<T>> {
        self.steps.iter().filter(move |step| step.client == client)
    }
}

impl<T: fmt::Display> fmt::Display for Workload<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Step { client, pause, operation }) in self.steps.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{client}+{}ms:{operation}", pause.as_millis())?;
        }
        Ok(())
    }
}

impl<T: FromStr> FromStr for Workload<T>
where
    T::Err: fmt::Display,
{
    type Err = WorkloadError;

    fn from_str(text: &str) -> Result<Workload<T>, WorkloadError> {
        let steps = text.split(';').map(str::trim).filter(|step| !step.is_empty());
        let steps = steps.enumerate().map(|(index, step)| {
            let wrong =
                |problem: &dyn fmt::Display| WorkloadError(format!("step {index}, `{step}`: {problem}"));
            let form = "expected CLIENT+MILLISms:OPERATION";
            let (when, operation) = step.split_once(':').ok_or_else(|| wrong(&form))?;
            let (client, pause) = when.split_once('+').ok_or_else(|| wrong(&form))?;
            let pause = pause.strip_suffix("ms").and_then(|millis| millis.parse().ok());
            Ok(Step {
                client: client.trim().parse().map_err(|_| wrong(&form))?,
                pause: Duration::from_millis(pause.ok_or_else(|| wrong(&form))?),
                operation: operation.parse().map_err(|error| wrong(&error))?,
            })
        });
        Ok(Workload { steps: steps.collect::<Result<_, _>>()? })
    }
}

impl<T: fmt::Display> Serialize for Workload<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Workload<T>
where
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Workload<T>, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<T> JsonSchema for Workload<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Workload".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}
