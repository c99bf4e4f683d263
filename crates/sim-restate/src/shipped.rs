//! The contents of the binary `stormglass`: scenarios, profiles, sweeps and mappings of the
//! Restate-like cluster.

use crate::{
    ClusterChaos, ColdStart, MetadataChaos, MetadataFailover, MetadataReconfiguration, MetadataSmoke,
    Restarts, TrimGap,
};
use stormglass_cli::App;
use stormglass_sim::{AnyScenario, Preset};

/// The sweeps: they measure the effect of remedies and find which deadline would have been long
/// enough.
pub const SWEEPS: &[Preset] = &[
    Preset { name: "remedies", layers: &[include_str!("../sweeps/remedies.toml")] },
    Preset { name: "admin-deadline", layers: &[include_str!("../sweeps/admin-deadline.toml")] },
];

/// The mappings: the meaning of the lines of a Restate node's JSON log.
pub const MAPPINGS: &[Preset] =
    &[Preset { name: "restate", layers: &[include_str!("../mappings/restate.toml")] }];

/// Returns all scenarios, `cold-start` first.
pub fn scenarios() -> Vec<Box<dyn AnyScenario>> {
    vec![
        Box::new(ColdStart),
        Box::new(Restarts),
        Box::new(TrimGap),
        Box::new(ClusterChaos),
        Box::new(MetadataSmoke),
        Box::new(MetadataFailover),
        Box::new(MetadataChaos),
        Box::new(MetadataReconfiguration),
    ]
}

/// Returns the command line with all scenarios, profiles, sweeps and mappings.
pub fn app() -> App {
    App::new().with_scenarios(scenarios()).with_sweeps(SWEEPS).with_mappings(MAPPINGS)
}
