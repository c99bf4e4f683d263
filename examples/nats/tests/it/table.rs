//! The table, and the cells of it that are promised.

use nats::client::Calls;
use nats::delivery::{Breaks, MESSAGES};
use nats::table::{SEEDS, Table};

/// A process other than the one that wrote `TABLE.md` finds the same.
#[test]
fn the_table_is_the_written_one_and_its_cells_are_as_promised() {
    let table = Table::play();
    let written = include_str!("../../TABLE.md");
    assert_eq!(table.to_string(), written, "`cargo run > TABLE.md` writes what is found now");
    assert_eq!(table.cells.len(), 28);
    for cell in &table.cells {
        let is_asked = matches!(cell.calls, Calls::Request | Calls::Repeat);
        let breaks_connections = matches!(cell.breaks, Breaks::Kill | Breaks::Reset | Breaks::SlowKill);
        assert_eq!(cell.reordered, 0, "a connection keeps the order: {cell:?}");
        assert_eq!(cell.hung, 0, "{cell:?}");
        if is_asked {
            assert_eq!(cell.lost, 0, "a reply says that the subscriber has the message: {cell:?}");
        } else {
            assert_eq!(cell.duplicates, 0, "nothing is sent twice: {cell:?}");
            assert!(cell.lost == 0 || breaks_connections, "a connection that lives loses nothing: {cell:?}");
            assert!(
                cell.lost > 0 || cell.breaks != Breaks::SlowKill,
                "what was in transit is lost: {cell:?}"
            );
        }
        if cell.calls == Calls::Repeat {
            assert_eq!(cell.acknowledged, SEEDS * MESSAGES, "{cell:?}");
        }
    }
}
