//! The table of crashes: what redb documents, and what syncs that do nothing make of it.

use redb_crashes::backend::Syncs;
use redb_crashes::table::Table;
use redb_crashes::workload::{Commit, Durable, TRANSACTIONS};

/// A process other than the one that wrote `TABLE.md` finds the same.
#[test]
fn the_table_is_the_written_one_and_its_cells_are_as_documented() {
    let table = Table::play();
    let written = include_str!("../../TABLE.md");
    assert_eq!(table.to_string(), written, "`cargo run > TABLE.md` writes what is found now");
    assert_eq!(table.rows().count(), 9);
    for row in table.rows() {
        let [honest, no_directory, lie] = row else { panic!("three columns") };
        let setting = honest.setting;
        assert!(honest.losses.crashes > honest.operations, "the power fails at each operation: {honest:?}");
        assert!(honest.twice.crashes > honest.operations, "and of recoveries: {honest:?}");
        for counts in [&honest.losses, &honest.kills, &honest.twice] {
            assert_eq!((counts.broken, counts.damaged), (0, 0), "what redb documents holds: {honest:?}");
            let most = match setting.durable {
                Durable::Each => 0,
                Durable::EveryThird => 2,
                Durable::Never => TRANSACTIONS,
            };
            assert_eq!(counts.most_lost, most, "{honest:?}");
        }
        // The file itself can be lost, and nothing else.
        assert_eq!(no_directory.losses.damaged, 0, "{no_directory:?}");
        assert_eq!(no_directory.losses.most_lost, TRANSACTIONS, "{no_directory:?}");
        assert_eq!(no_directory.setting.syncs, Syncs::SkipDirectory);
        // The planted defect.
        assert!(lie.losses.damaged > 0 && lie.losses.most_lost == TRANSACTIONS, "{lie:?}");
        // Before the first durable commit there is nothing to repair.
        let is_slow = setting.commit != Commit::QuickRepair && setting.durable != Durable::Never;
        assert_eq!(honest.losses.repaired > honest.losses.crashes / 2, is_slow, "{honest:?}");
    }
}
