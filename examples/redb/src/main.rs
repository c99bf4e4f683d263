//! Prints the table of what crashes leave of a database.

use redb_crashes::table::Table;

fn main() {
    let started = std::time::Instant::now();
    let table = Table::play();
    print!("{table}");
    eprintln!("{} s", started.elapsed().as_secs());
    for cell in &table.cells {
        for (what, example) in ["damaged", "lost", "not as documented"].iter().zip(&cell.examples) {
            if let Some((crash, left)) = example {
                let setting = cell.setting;
                eprintln!("first {what}: {setting:?}, {crash:?}: {left:?}");
            }
        }
    }
}
