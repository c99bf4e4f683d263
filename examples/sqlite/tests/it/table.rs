//! The table of crashes: what SQLite documents, and what a VFS whose syncs do nothing makes of it.

use sqlite::matrix::{Cell, Table};
use sqlite::vfs::Syncs;
use sqlite::workload::{Journal, Synchronous};

/// A process other than the one that wrote `TABLE.md` finds the same.
#[test]
fn the_table_is_the_written_one_and_its_cells_are_as_documented() {
    let table = Table::play();
    let written = include_str!("../../TABLE.md");
    assert_eq!(table.to_string(), written, "`cargo run > TABLE.md` writes what is found now");
    assert_eq!(table.rows().count(), 16);
    for cell in &table.cells {
        assert_eq!(cell.killed_wrongly, 0, "a process that is killed loses nothing: {cell:?}");
        assert!(cell.losses > cell.operations, "the power fails at each operation: {cell:?}");
        let by_syncs = match cell.setting.syncs {
            Syncs::Honest => honest_disk(cell),
            Syncs::SkipDirectories => without_directories(cell),
            Syncs::Lie => cell.damaged() > 0 && cell.most_lost > 1,
        };
        assert!(by_syncs, "{cell:?}");
    }
    for row in table.rows() {
        let [honest, _, lie] = row else { panic!("three columns") };
        let is_off = honest.setting.synchronous == Synchronous::Off;
        assert_eq!(
            (honest.damaged(), honest.lost) == (lie.damaged(), lie.lost),
            is_off,
            "OFF asks for no sync"
        );
    }
}

/// Which cells of an honest disk are damaged, and which lose transactions.
fn honest_disk(cell: &Cell) -> bool {
    use Journal::{Delete, Persist, Truncate, Wal};
    use Synchronous::{Extra, Full, Normal, Off};
    let (journal, synchronous) = (cell.setting.journal, cell.setting.synchronous);
    let (damages, loses) = match (synchronous, journal) {
        (Off, _) => (true, true),
        (Normal, Delete | Truncate) => (true, true),
        (Normal, Persist) => (true, false),
        (Normal, Wal) => (false, true),
        (Full, Delete) => (false, true),
        (Full, Truncate | Persist | Wal) | (Extra, _) => (false, false),
    };
    let lost_at_most = match (synchronous, journal) {
        (Off, _) | (Normal, Wal) => u64::MAX,
        _ => 1,
    };
    (cell.damaged() > 0, cell.lost > 0) == (damages, loses)
        && cell.most_lost <= lost_at_most
        // What is documented of NORMAL for DELETE is true of them too.
        && cell.keeps_its_promise() != (synchronous == Normal && matches!(journal, Truncate | Persist))
}

/// A directory that is never synced can lose the name of the database itself.
fn without_directories(cell: &Cell) -> bool {
    cell.damaged() > 0 && cell.most_lost == sqlite::workload::TRANSACTIONS
}
