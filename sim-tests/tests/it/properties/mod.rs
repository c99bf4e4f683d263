//! Properties of whole systems and of the simulators, each with a planted defect that shows that the
//! property can fail. Their results are the tables of `docs/checked-properties.md`.

mod cluster;
mod files;
mod linearizability;
mod metadata;
mod network;
mod overlaps;
mod runs;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use stormglass::proptest::{Found, Tally};
use stormglass_core::rate::upper_bound_without_failures;

/// A property's row in the first table of `docs/checked-properties.md`.
fn record(property: &str, tally: &Tally) {
    let bound = upper_bound_without_failures(u64::from(tally.cases)) * 100.0;
    let share = tally.share() * 100.0;
    assert_row(property, &format!("| {property} | {} | {share:.0} % | {bound:.1} % |", tally.cases));
}

/// A planted defect's row in the second table: it is found within `at_most` cases.
fn record_planted<V>(property: &str, defect: &str, found: &Found<V>, at_most: u32) {
    assert!(found.cases <= at_most, "{defect}: found after {} cases, not {at_most}", found.cases);
    let message = found.message.split(':').next().unwrap_or_default();
    let key = format!("{property} | {defect}");
    assert_row(&key, &format!("| {key} | {message} | {} |", found.cases));
}

/// Asserts that `docs/checked-properties.md` has this row; `UPDATE_EXPECT=1` writes it in place of the one
/// that begins alike. Runs with another number of cases have other rows and are not compared.
fn assert_row(key: &str, row: &str) {
    static FILE: Mutex<()> = Mutex::new(());
    println!("{row}");
    let is_set = |name: &str| std::env::var_os(name).is_some();
    if ["PROPTEST_CASES", "PROPTEST_RNG_SEED", "STORMGLASS_NIGHTLY", "STORMGLASS_REPLAY"]
        .into_iter()
        .any(is_set)
    {
        return;
    }
    let _guard = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/checked-properties.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let begin = format!("| {key} |");
    let current = text.lines().find(|line| line.starts_with(&begin));
    if is_set("UPDATE_EXPECT") {
        let current = current.unwrap_or_else(|| panic!("docs/checked-properties.md has no row `{begin}`"));
        std::fs::write(&path, text.replace(current, row)).unwrap();
        return;
    }
    assert_eq!(current, Some(row), "docs/checked-properties.md: UPDATE_EXPECT=1 writes the row");
}
