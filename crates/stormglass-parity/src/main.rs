//! Compares `stormglass-tokio`, with its files and sockets, with tokio.
//!
//! - `table`: writes or checks the table of parity in `docs/parity.md` ([`table`]).
//! - `tests`: runs tokio's own tests of files and sockets on the simulation ([`tests_of_tokio`]).
//!
//! The reading order is the order of dependence: [`workspace`], [`mod@cfg`], [`compile`], [`port`],
//! [`tests_of_tokio`], [`modules`], [`api`], [`table`].

mod api;
mod cfg;
mod compile;
mod modules;
mod port;
mod table;
mod tests_of_tokio;
mod workspace;

use std::process::ExitCode;
use workspace::Workspace;

const USAGE: &str =
    "usage: stormglass-parity table (--check | --update | --control), or: stormglass-parity tests [NAME…]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["table", "--check"] => Workspace::find().and_then(|workspace| table::run(&workspace, false)),
        ["table", "--update"] => Workspace::find().and_then(|workspace| table::run(&workspace, true)),
        ["table", "--control"] => Workspace::find().and_then(|workspace| table::control(&workspace)),
        ["tests", names @ ..] => {
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
