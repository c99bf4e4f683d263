//! Compares `stormglass-fs` and `stormglass-net` with tokio.
//!
//! - `tests`: runs tokio's own tests of files and sockets on the simulation ([`tests_of_tokio`]).
//!
//! The reading order is the order of dependence: [`workspace`], [`cfg`], [`compile`], [`port`],
//! [`tests_of_tokio`].

mod cfg;
mod compile;
mod port;
mod tests_of_tokio;
mod workspace;

use std::process::ExitCode;
use workspace::Workspace;

const USAGE: &str = "usage: parity tests [NAME…]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((command, names)) if command == "tests" => {
            Workspace::find().and_then(|workspace| tests_of_tokio::run(&workspace, names))
        }
        _ => Err(USAGE.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("parity: {message}");
            ExitCode::FAILURE
        }
    }
}
