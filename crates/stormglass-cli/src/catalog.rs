//! What a program offers: its scenarios and the files that it ships for them.

use stormglass_sim::{AnyScenario, Preset};

/// The scenarios of a program, and its shipped sweeps and mappings.
#[derive(Default)]
pub(crate) struct Catalog {
    /// The scenarios. `list parameters` shows the first one unless another is named.
    pub(crate) scenarios: Vec<Box<dyn AnyScenario>>,
    /// Sweep files, by name.
    pub(crate) sweeps: &'static [Preset],
    /// Mappings of log lines for `calibrate`, by name; the first is the default.
    pub(crate) mappings: &'static [Preset],
    /// The name of the test whose scenario it is, if it is one's.
    pub(crate) test: Option<String>,
}
