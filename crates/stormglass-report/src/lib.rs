//! What people read: the [`timeline`] of a run and the [`explain`]ation of a wait, as text for a terminal.

pub mod explain;
pub mod table;
pub mod timeline;

pub use explain::Explanation;
pub use timeline::{Detail, Filter};
