//! The scenario `cold-start`: a cluster on empty disks, until every admin API answers.

use crate::runner::Cluster;
use crate::settings::{ClusterSettings, MODELS};
use stormglass_sim::{Play, Preset, Scenario, Settings, SettingsError, World};

/// Three nodes start at the same instant on empty disks; the harness waits for each one's admin API.
///
/// This is how the tests begin that failed with "timed out waiting for Admin on node-1".
#[derive(Clone, Copy, Debug, Default)]
pub struct ColdStart;

impl Scenario for ColdStart {
    fn name(&self) -> &str {
        "cold-start"
    }

    fn about(&self) -> &str {
        "a cluster starts on empty disks; the harness waits for every admin API"
    }

    fn models(&self) -> &[Preset] {
        MODELS
    }

    fn defaults(&self) -> toml::Table {
        ClusterSettings::defaults()
    }

    fn validate(&self, settings: &Settings) -> Result<(), SettingsError> {
        ClusterSettings::from_settings(settings).map(drop)
    }

    fn play(&self, world: World, settings: &Settings) -> Play {
        let settings = ClusterSettings::from_settings(settings).expect("validated when resolved");
        Box::pin(async move { Cluster::start(&world, settings).wait_admin_healthy().await })
    }
}
