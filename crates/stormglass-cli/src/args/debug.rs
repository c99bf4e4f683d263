//! The arguments of `debug`.

use super::{Colour, One, Terminal};
use std::num::NonZeroUsize;

#[derive(Debug, clap::Args)]
pub(crate) struct Debug {
    #[command(flatten)]
    pub(crate) one: One,
    /// Begin at the event of this number. Events are numbered from 1, as `replay --json` and the page do.
    #[arg(long, value_name = "EVENT", default_value = "1", conflicts_with = "break_before")]
    pub(crate) event: NonZeroUsize,
    /// Stop the process (SIGSTOP) in front of the event of this number, so that gdb or lldb can attach to it.
    #[arg(long = "break", value_name = "EVENT", conflicts_with = "keys")]
    pub(crate) break_before: Option<NonZeroUsize>,
    /// Press these keys, print the screen and end: for scripts, which have no terminal. Each character is a
    /// key; others are <enter>, <escape>, <backspace>, <up>, <down>, <page-up>, <page-down>, <home>, <end>
    /// and <ctrl-c>.
    #[arg(long, value_name = "KEYS")]
    pub(crate) keys: Option<String>,
    /// How many columns and rows the screen of --keys has.
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "120x40", value_parser = size)]
    pub(crate) size: (u16, u16),
    /// Colours. `auto`: unless the variable NO_COLOR is set.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
}

impl Debug {
    /// Returns how the terminal looks.
    pub(crate) fn terminal(&self) -> Terminal {
        Terminal { width: None, color: self.color }
    }
}

/// Parses `120x40`.
fn size(text: &str) -> Result<(u16, u16), String> {
    let parts = text.split_once('x');
    let numbers = parts.and_then(|(columns, rows)| Some((columns.parse().ok()?, rows.parse().ok()?)));
    let fits = |&(columns, rows): &(u16, u16)| (40..=500).contains(&columns) && (15..=500).contains(&rows);
    numbers.filter(fits).ok_or_else(|| "expected COLUMNSxROWS, 40x15 to 500x500, for example 120x40".into())
}
