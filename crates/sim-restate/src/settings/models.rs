//! The models that are shipped: Restate at two dates, as layers of TOML.

use stormglass_sim::Preset;

/// Includes the layers of a model: its metadata server, the start of a node, the rest of a
/// cluster, and the settings of one test.
macro_rules! model {
    ($name:literal) => {
        &[
            include_str!(concat!("../../models/", $name, "/metadata.toml")),
            include_str!(concat!("../../models/", $name, "/node.toml")),
            include_str!(concat!("../../models/", $name, "/cluster.toml")),
        ]
    };
    ($name:literal, $test:literal) => {
        &[
            include_str!(concat!("../../models/", $name, "/metadata.toml")),
            include_str!(concat!("../../models/", $name, "/node.toml")),
            include_str!(concat!("../../models/", $name, "/cluster.toml")),
            include_str!(concat!("../../models/", $name, "/", $test, ".toml")),
        ]
    };
}

/// The models that are shipped, for scenarios with whole nodes.
pub const MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: model!("restate-1.7") },
    Preset { name: "restate-m25", layers: model!("restate-m25") },
];

/// The same models, with the settings of `fast_forward_over_trim_gap` at each date.
pub(crate) const TRIM_GAP_MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: model!("restate-1.7", "trim-gap") },
    Preset { name: "restate-m25", layers: model!("restate-m25", "trim-gap") },
];

/// The same models, with the settings of `cluster_chaos_test` at each date.
pub(crate) const CHAOS_MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: model!("restate-1.7", "cluster-chaos") },
    Preset { name: "restate-m25", layers: model!("restate-m25", "cluster-chaos") },
];

/// The layers of the same models that configure metadata servers, for scenarios without anything
/// else.
pub const METADATA_MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: &[include_str!("../../models/restate-1.7/metadata.toml")] },
    Preset { name: "restate-m25", layers: &[include_str!("../../models/restate-m25/metadata.toml")] },
];

/// The CI machine on which the tests failed, beside the general profiles.
pub const PROFILES: &[Preset] =
    &[Preset { name: "ci-2025-03", layers: &[include_str!("../../profiles/ci-2025-03.toml")] }];
