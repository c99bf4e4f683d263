//! The terminals that show a run: a real one, and one of text for scripts.

use super::keys::Key;
use super::screen::draw;
use super::session::Session;
use super::view::{Next, View};
use ratatui::Terminal;
use ratatui::backend::{CrosstermBackend, TestBackend};
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::io::{self, stdout};
use std::time::Duration;

/// A terminal in raw mode and with its other screen, until this is dropped. ratatui's own way also sets a
/// panic hook, which would be called for the panics of runs.
struct RawMode;

impl RawMode {
    fn enter() -> io::Result<RawMode> {
        enable_raw_mode()?;
        let entered = RawMode;
        execute!(stdout(), EnterAlternateScreen)?;
        Ok(entered)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs neither.
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Shows the run in the terminal of this process until the user quits.
///
/// # Errors
///
/// Those of the terminal.
pub(crate) fn interact(session: &mut Session<'_>, view: &mut View, has_colours: bool) -> io::Result<()> {
    let _raw = RawMode::enter()?;
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    loop {
        terminal.draw(|frame| draw(frame, session, view, has_colours))?;
        // A key that is held presses faster than states are computed.
        loop {
            if let Event::Key(pressed) = event::read()?
                && let Some(key) = Key::of(pressed)
                && view.press(session, key) == Next::Quit
            {
                return Ok(());
            }
            if !event::poll(Duration::ZERO)? {
                break;
            }
        }
    }
}

/// Presses keys, and returns the screen after the last one as text, of so many columns and rows.
pub(crate) fn press(
    session: &mut Session<'_>,
    view: &mut View,
    keys: &[Key],
    (columns, rows): (u16, u16),
) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap_or_else(|never| match never {});
    let mut show = |session: &mut Session<'_>, view: &mut View| {
        terminal.draw(|frame| draw(frame, session, view, false)).unwrap_or_else(|never| match never {});
        text_of(terminal.backend())
    };
    let mut screen = show(session, view);
    for &key in keys {
        if view.press(session, key) == Next::Quit {
            break;
        }
        screen = show(session, view);
    }
    screen
}

/// Returns the rows of a screen, without the blanks at their ends.
fn text_of(screen: &TestBackend) -> String {
    let buffer = screen.buffer();
    let row = |cells: &[ratatui::buffer::Cell]| {
        let row: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        row.trim_end().to_string() + "\n"
    };
    buffer.content().chunks(usize::from(buffer.area.width)).map(row).collect()
}
