//! Reports for people: the [`timeline`] of a run, the explanation of a wait ([`explain`]), the
//! state of a node at the deadline of a wait ([`deadline`]), the difference of two runs ([`mod@diff`]), the [`page`] of a run, its trace for
//! ui.perfetto.dev ([`perfetto`]), and, with the feature `sweep`, the
//! report of a sweep and what tipped a run over (`blame`). [`table`] formats tables for a terminal.

#[cfg(feature = "sweep")]
pub mod blame;
pub mod deadline;
pub mod diff;
pub mod explain;
pub mod failure;
mod lanes;
pub mod moment;
pub mod page;
pub mod perfetto;
#[cfg(feature = "sweep")]
pub mod sweep;
pub mod table;
pub mod timeline;

pub use explain::Explanation;
pub use timeline::{Detail, Filter};
