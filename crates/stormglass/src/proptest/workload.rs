//! Workloads: what clients do, and when. A workload has a text form, so it can be a parameter of a
//! scenario: then the command line and a case file have it too.

use ::proptest::collection::vec;
use ::proptest::strategy::Strategy;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

/// What clients do: a list of steps. The steps of a client follow each other; clients are
/// independent.
///
/// ```
/// use std::time::Duration;
/// use stormglass::proptest::Workload;
///
/// let workload: Workload<String> = "0+0ms:put a; 1+20ms:get a".parse()?;
/// assert_eq!(workload.steps[1].pause, Duration::from_millis(20));
/// assert_eq!(workload.of(1).count(), 1);
/// assert_eq!(workload.to_string(), "0+0ms:put a; 1+20ms:get a");
///
/// let error = "0+0ms:get a; 1-20:get a".parse::<Workload<String>>().unwrap_err();
/// assert_eq!(error.to_string(), "step 1, `1-20:get a`: expected CLIENT+MILLISms:OPERATION");
/// # Ok::<(), stormglass::proptest::workload::WorkloadError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// Returns a strategy for workloads of this number of clients, with a number of steps in the range
/// `count` and pauses of up to `pause_longest` before each. They shrink to fewer steps, shorter
/// pauses, and the first client.
///
/// # Panics
///
/// Panics if there are no clients.
pub fn workloads<S: Strategy>(
    operations: S,
    clients: u32,
    count: Range<usize>,
    pause_longest: Duration,
) -> impl Strategy<Value = Workload<S::Value>> {
    assert!(clients > 0, "a workload has one client or more");
    let step = (0..clients, 0..=pause_longest.as_millis() as u64, operations).prop_map(
        |(client, pause, operation)| Step { client, pause: Duration::from_millis(pause), operation },
    );
    vec(step, count).prop_map(|steps| Workload { steps })
}
