//! What counts come to: which deadlines hold, what each cell is worth beside the first, what a longer wait costs, and which parameters matter.

pub mod deadlines;
pub mod frontier;
pub mod sensitivity;
pub mod worth;

use crate::plan::Plan;

/// The histories of a case, in order.
fn histories_of<'a>(plan: &'a Plan, case: &'a str) -> impl Iterator<Item = usize> + 'a {
    (0..plan.histories.len()).filter(move |&history| plan.histories[history].case == case)
}

/// The cases, in order.
fn cases(plan: &Plan) -> impl Iterator<Item = &str> {
    plan.firsts().map(|planned| planned.cell.case.as_str())
}
