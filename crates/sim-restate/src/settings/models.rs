//! The models that are shipped: Restate at two dates, as layers of TOML.

use stormglass_sim::Preset;

/// The texts of a model: its metadata server, the start of a node, the rest of a cluster.
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

/// The same models with what `fast_forward_over_trim_gap` was like then.
pub(crate) const TRIM_GAP_MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: model!("restate-1.7", "trim-gap") },
    Preset { name: "restate-m25", layers: model!("restate-m25", "trim-gap") },
];

/// The same models with what `cluster_chaos_test` was like then.
pub(crate) const CHAOS_MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: model!("restate-1.7", "cluster-chaos") },
    Preset { name: "restate-m25", layers: model!("restate-m25", "cluster-chaos") },
];

/// The same models as far as they concern metadata servers, for scenarios with nothing else.
pub const METADATA_MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: &[include_str!("../../models/restate-1.7/metadata.toml")] },
    Preset { name: "restate-m25", layers: &[include_str!("../../models/restate-m25/metadata.toml")] },
];
