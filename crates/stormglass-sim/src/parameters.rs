//! The parameters of a scenario as a type.

use crate::error::SettingsError;
use crate::parameter_set::ParameterSet;
use crate::preset::Preset;
use crate::values::Values;
use toml::Table;

/// The parameters of a scenario as a type, usually derived (`#[derive(Parameters)]`). `()` has none.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::Limit;
/// use stormglass_sim::Parameters;
///
/// #[derive(Clone, Parameters)]
/// #[parameters(crate = "stormglass_sim")] // only where `stormglass` is not a dependency
/// struct ServiceSettings {
///     /// The limit of a request.
///     #[parameter(default = "1s")]
///     request_timeout: Duration,
///     /// How many clients send requests. Range: 1 to 9.
///     #[parameter(default = 3)]
///     clients: u8,
///     /// How long the test waits for the service. Range: 1s and up.
///     #[parameter(default = "5s")]
///     deadline: Limit,
/// }
///
/// let defaults = ServiceSettings::default();
/// assert_eq!(defaults.deadline, Limit::of("service.deadline", Duration::from_secs(5)));
///
/// let meanings = defaults.describe().meanings();
/// let deadline = &meanings["service.deadline"];
/// assert_eq!(deadline.about, "How long the test waits for the service.");
/// assert_eq!((deadline.form.as_str(), deadline.range.as_str()), ("duration", "1s and up"));
/// assert!(deadline.observer && !meanings["service.request-timeout"].observer);
/// ```
pub trait Parameters: Clone + Default + Send + Sync + 'static {
    /// Returns keys, values and meanings of these parameters. Of the scenario's defaults these are all parameters that can be set.
    fn describe(&self) -> ParameterSet;

    /// Reads and validates the parameters from the resolved values of a run. Called once, when settings are resolved.
    ///
    /// # Errors
    ///
    /// Names the parameter and what would be right.
    fn read(values: &Values) -> Result<Self, SettingsError>;

    /// Returns the names of the nodes among which a seed chooses for faults (`plan.generate`). Default: none, and then a plan that lets the
    /// seed choose is refused.
    fn nodes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns the versions of the simulated system that set these parameters, the usual one first. Default: none.
    fn models() -> &'static [Preset] {
        &[]
    }

    /// Returns the profiles that are shipped in addition to the general ones ([`crate::Profile::PRESETS`]). Default: none.
    fn profiles() -> &'static [Preset] {
        &[]
    }

    /// Returns values that replace those of the model, such as a test's own configuration; the profile and assignments replace them in turn.
    /// Default: none.
    fn overrides() -> Table {
        Table::new()
    }
}

impl Parameters for () {
    fn describe(&self) -> ParameterSet {
        ParameterSet::none()
    }

    fn read(_: &Values) -> Result<(), SettingsError> {
        Ok(())
    }
}
