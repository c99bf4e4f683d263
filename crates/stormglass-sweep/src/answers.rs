//! What counts come to: which deadlines hold, what each cell is worth beside the first, what a longer wait costs, and which parameters matter.

pub mod deadlines;
pub mod frontier;
pub mod sensitivity;
pub mod worth;
