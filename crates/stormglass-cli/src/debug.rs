//! Stepping through a run in a terminal.
//!
//! In reading order: `session` (a run, and the event at which it stands), `keys` (presses), `view` (what keys
//! do), `screen` (draws it), `terminal` (a real terminal, and one of text for scripts).

mod keys;
mod screen;
mod session;
mod terminal;
mod view;

pub(crate) use keys::parse;
pub(crate) use session::Session;
pub(crate) use terminal::{interact, press};
pub(crate) use view::View;
