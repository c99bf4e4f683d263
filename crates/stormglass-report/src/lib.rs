//! What people read: the [`timeline`] of a run, the [`explain`]ation of a wait, and what a node was at when a wait was too long ([`deadline`]), as text for a
//! terminal.

pub mod deadline;
pub mod explain;
#[cfg(feature = "sweep")]
pub mod sweep;
pub mod table;
pub mod timeline;

pub use explain::Explanation;
pub use timeline::{Detail, Filter};
