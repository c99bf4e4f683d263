//! What is driven and judged.

use crate::parameters::Parameters;
use crate::settings::{Settings, SettingsError};
use crate::world::World;
use std::future::Future;
use std::pin::Pin;

/// A scenario being played. It need not be `Send`: a run has one thread.
pub type Play = Pin<Box<dyn Future<Output = ()>>>;

/// A story that can be played with any seed. It starts things in the [`World`], waits through
/// [`World::wait`], and reports broken properties through [`World::violated`]; the verdict follows from these.
///
/// It must draw all chance from the world's seed, and keep nothing between plays.
pub trait Scenario: Send + Sync {
    /// The name on the command line.
    fn name(&self) -> &str;

    /// One line for the list.
    fn about(&self) -> &str;

    /// The versions of the system that it can play, the usual one first. None by default.
    fn models(&self) -> &[Preset] {
        &[]
    }

    /// Profiles that it ships beside the general ones ([`crate::Profile::PRESETS`]). None by default.
    fn profiles(&self) -> &[Preset] {
        &[]
    }

    /// Single runs of it that are worth a name. None by default.
    fn exhibits(&self) -> &[Exhibit] {
        &[]
    }

    /// Its own parameters with their defaults and meanings; none by default. What is not here cannot be set.
    fn defaults(&self) -> Parameters {
        Parameters::none()
    }

    /// The names of the nodes that faults can be about which a seed chooses (`plan.generate`), under settings that have passed
    /// [`Scenario::validate`]. None by default: then there are no such faults.
    fn nodes(&self, settings: &Settings) -> Vec<String> {
        let _ = settings;
        Vec::new()
    }

    /// What it sets whatever the model says, as a test's own configuration does; nothing by default. The profile and assignments come
    /// after it.
    fn overrides(&self) -> toml::Table {
        toml::Table::new()
    }

    /// Checks its own parameters: types, ranges, relations.
    ///
    /// # Errors
    ///
    /// Names the parameter.
    fn validate(&self, settings: &Settings) -> Result<(), SettingsError> {
        let _ = settings;
        Ok(())
    }

    /// Plays it. The future ends when the story is told; the settings have passed [`Scenario::validate`].
    fn play(&self, world: World, settings: &Settings) -> Play;
}

/// A run with a name, for `replay` and `explain`.
#[derive(Clone, Copy, Debug)]
pub struct Exhibit {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for the list.
    pub about: &'static str,
    /// The model.
    pub model: &'static str,
    /// The profile.
    pub profile: &'static str,
    /// Parameters that are set, and their values.
    pub sets: &'static [(&'static str, &'static str)],
    /// The seed.
    pub seed: u64,
}

/// A model or a profile that is shipped: TOML documents under a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its texts; where they differ, later ones win.
    pub layers: &'static [&'static str],
}

impl Preset {
    /// The first comment line: what it is.
    pub fn about(&self) -> &str {
        let first = self.layers.first().and_then(|layer| layer.lines().next());
        first.unwrap_or_default().trim_start_matches(['#', ' '])
    }
}
