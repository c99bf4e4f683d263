//! Prints the table of what became of the messages.

use nats::table::Table;

fn main() {
    let started = std::time::Instant::now();
    print!("{}", Table::play());
    eprintln!("{} s", started.elapsed().as_secs());
}
