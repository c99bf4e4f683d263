//! The newest cluster configuration that a node knows, shared by its server, its client and its
//! other components.

use crate::nodes::NodesConfiguration;
use std::sync::Arc;
use stormglass_rt::Watch;

/// The newest cluster configuration that a node knows; `None` if it knows none.
pub type KnownNodes = Option<Arc<NodesConfiguration>>;

/// The [`KnownNodes`] of a node, shared by its server, its client and its other components.
pub type NodesWatch = Watch<KnownNodes>;

/// Makes a configuration known on the node, if it is newer than the known one.
pub fn publish(watch: &NodesWatch, nodes: &NodesConfiguration) {
    watch.change(|known| {
        let newer = known.as_ref().is_none_or(|known| known.version < nodes.version);
        if newer {
            *known = Some(Arc::new(nodes.clone()));
        }
        newer
    });
}
