//! The signals of `tokio::signal`, to the process of the node.

pub use stormglass_rt::signal::{ctrl_c, unix};
