//! What is driven and judged.

use crate::error::SettingsError;
use crate::parameter_set::ParameterSet;
use crate::parameters::Parameters;
use crate::preset::Preset;
use crate::values::Values;
use crate::world::World;
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use stormglass_core::scenario::RunDefaults;
use toml::Table;

/// What a run does and what it checks. A scenario starts processes in the [`World`], waits through [`World::wait`], and
/// reports broken properties through [`World::violated`]; the verdict follows from these.
///
/// A scenario must draw every random decision from the world's seed, and keep nothing between runs.
///
/// The attribute `#[scenario]` adds [`Scenario::name`], [`Scenario::about`] and [`Scenario::Settings`]: the type's name in kebab-case, the
/// block's doc comment, and the type of the last argument of [`Scenario::play`].
///
/// ```
/// use stormglass_core::{Keep, Limit, Seed};
/// use stormglass_sim::{Parameters, Run, Scenario, Settings, World, scenario};
///
/// #[derive(Clone, Parameters)]
/// #[parameters(crate = "stormglass_sim")]
/// struct WriteSettings {
///     /// How long the write may take.
///     #[parameter(default = "5ms")]
///     deadline: Limit,
/// }
///
/// struct OneWrite;
///
/// /// A file is written
/// #[scenario]
/// impl Scenario for OneWrite {
///     async fn play(&self, world: World, settings: WriteSettings) {
///         let disk = world.node("node-1").disk().clone();
///         world.wait("write", "node-1", settings.deadline, disk.write("file", b"x")).await;
///     }
/// }
///
/// assert_eq!((OneWrite.name(), OneWrite.about()), ("one-write", "A file is written"));
/// let settings = Settings::resolve(&OneWrite, None, "quiet", &[("write.deadline", "1s")])?;
/// assert!(Run::new(&OneWrite, settings, Seed(1)).play(Keep::Nothing).outcome.verdict.is_passed());
/// # Ok::<(), stormglass_sim::SettingsError>(())
/// ```
pub trait Scenario: Send + Sync {
    /// The parameters; `()` for none. A parameter that is not in here cannot be set.
    type Settings: Parameters;

    /// Returns the name on the command line.
    fn name(&self) -> &str;

    /// Returns a description of one line.
    fn about(&self) -> &str;

    /// Returns where the scenario is in its source: the file, relative to the folder in which the
    /// workspace was built, and the line. Annotations and SARIF name it. `#[scenario]` fills it in.
    /// Default: unknown.
    fn source(&self) -> Option<(&'static str, u32)> {
        None
    }

    /// Returns the defaults of the parameters. Default: those of the type.
    fn defaults(&self) -> Self::Settings {
        Self::Settings::default()
    }

    /// Returns the versions of the system that the scenario can play, the usual one first. Default: those of the parameters.
    fn models(&self) -> &[Preset] {
        Self::Settings::models()
    }

    /// Returns the profiles that are shipped in addition to the general ones ([`crate::Profile::PRESETS`]). Default: those of the parameters.
    fn profiles(&self) -> &[Preset] {
        Self::Settings::profiles()
    }

    /// Returns single runs that have a name. Default: none.
    fn exhibits(&self) -> &[Exhibit] {
        &[]
    }

    /// Returns values that replace those of the model, such as a test's own configuration; the profile and assignments replace them in turn.
    /// Default: those of the parameters.
    fn overrides(&self) -> Table {
        Self::Settings::overrides()
    }

    /// Returns what a run is played with unless the caller names something else. Default: the profile `ci-disk`, no faults, no assignment.
    fn run_defaults(&self) -> RunDefaults {
        RunDefaults::default()
    }

    /// Returns the names of the nodes among which a seed chooses for faults (`plan.generate`). Default: those of the parameters.
    fn nodes(&self, settings: &Self::Settings) -> Vec<String> {
        settings.nodes()
    }

    /// Plays the scenario. The run ends with the future, which need not be `Send`: a run has one thread. Implement it as
    /// `async fn play(&self, world: World, settings: Self::Settings)`.
    fn play(&self, world: World, settings: Self::Settings) -> impl Future<Output = ()>;
}

/// A run with a name, for `replay` and `explain`.
#[derive(Clone, Copy, Debug)]
pub struct Exhibit {
    /// The name on the command line.
    pub name: &'static str,
    /// A description of one line.
    pub about: &'static str,
    /// The model.
    pub model: &'static str,
    /// The profile.
    pub profile: &'static str,
    /// The parameters that are set, and their values.
    pub sets: &'static [(&'static str, &'static str)],
    /// The seed.
    pub seed: u64,
}

/// Any [`Scenario`], whatever its parameters: the form in which scenarios are stored together (`&dyn AnyScenario`). Implemented for every
/// scenario; implement [`Scenario`] instead.
pub trait AnyScenario: Send + Sync {
    /// Returns the name on the command line.
    fn name(&self) -> &str;

    /// Returns a description of one line.
    fn about(&self) -> &str;

    /// Returns where the scenario is in its source ([`Scenario::source`]).
    fn source(&self) -> Option<(&'static str, u32)>;

    /// Returns the models ([`Scenario::models`]).
    fn models(&self) -> &[Preset];

    /// Returns the scenario's own profiles ([`Scenario::profiles`]).
    fn profiles(&self) -> &[Preset];

    /// Returns single runs that have a name ([`Scenario::exhibits`]).
    fn exhibits(&self) -> &[Exhibit];

    /// Returns what a run is played with unless the caller names something else
    /// ([`Scenario::run_defaults`]).
    fn run_defaults(&self) -> RunDefaults;

    /// Returns the scenario's own parameters with their defaults and meanings.
    fn parameters(&self) -> ParameterSet;

    /// Returns values that replace those of the model ([`Scenario::overrides`]).
    fn overrides(&self) -> Table;

    /// Reads and validates the scenario's own parameters.
    ///
    /// # Errors
    ///
    /// Names the parameter and what would be right.
    #[doc(hidden)]
    fn read(&self, values: &Values) -> Result<OwnSettings, SettingsError>;

    /// Plays the scenario with settings that [`AnyScenario::read`] has returned.
    #[doc(hidden)]
    fn play_with<'a>(
        &'a self,
        world: World,
        settings: &OwnSettings,
    ) -> Pin<Box<dyn Future<Output = ()> + 'a>>;
}

/// The parameters of a scenario after validation, without their type.
#[doc(hidden)]
#[derive(Clone)]
pub struct OwnSettings {
    settings: Arc<dyn Any + Send + Sync>,
    pub(crate) nodes: Vec<String>,
}

impl<S: Scenario> AnyScenario for S {
    fn name(&self) -> &str {
        Scenario::name(self)
    }

    fn about(&self) -> &str {
        Scenario::about(self)
    }

    fn source(&self) -> Option<(&'static str, u32)> {
        Scenario::source(self)
    }

    fn models(&self) -> &[Preset] {
        Scenario::models(self)
    }

    fn profiles(&self) -> &[Preset] {
        Scenario::profiles(self)
    }

    fn exhibits(&self) -> &[Exhibit] {
        Scenario::exhibits(self)
    }

    fn run_defaults(&self) -> RunDefaults {
        Scenario::run_defaults(self)
    }

    fn parameters(&self) -> ParameterSet {
        self.defaults().describe()
    }

    fn overrides(&self) -> Table {
        Scenario::overrides(self)
    }

    fn read(&self, values: &Values) -> Result<OwnSettings, SettingsError> {
        let settings = S::Settings::read(values)?;
        let nodes = self.nodes(&settings);
        Ok(OwnSettings { settings: Arc::new(settings), nodes })
    }

    fn play_with<'a>(
        &'a self,
        world: World,
        settings: &OwnSettings,
    ) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        let settings = settings.settings.downcast_ref::<S::Settings>();
        let settings = settings.expect("the settings of a run are those of its scenario").clone();
        Box::pin(self.play(world, settings))
    }
}
