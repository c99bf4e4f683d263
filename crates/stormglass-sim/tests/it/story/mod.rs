//! A scenario from a function.

use stormglass_sim::{Play, Scenario, Settings, World};

/// A scenario that plays this, and has no nodes for a seed to choose from.
pub struct Story<F>(pub F);

impl<F: Fn(World) -> Play + Send + Sync> Scenario for Story<F> {
    fn name(&self) -> &str {
        "story"
    }
    fn about(&self) -> &str {
        "a test's story"
    }
    fn play(&self, world: World, _settings: &Settings) -> Play {
        (self.0)(world)
    }
}
