//! One row of a timeline: its columns, its colour and its width.

use crate::table::seconds;
use anstyle::{AnsiColor, Color, Effects, Style};
use std::time::Duration;
use stormglass_core::{Event, Kind, LogLevel, SimTime, Trace};

/// How a timeline looks. Default: no colours, and lines as long as their texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether rows that stand out have colours (ANSI escape codes).
    pub has_colours: bool,
    /// How many columns the terminal has. Descriptions that are longer end with `…`.
    pub width: Option<usize>,
    /// The number of the event that is marked. If there is one, each row has its event's number.
    pub marked: Option<usize>,
}

/// What a row stands for, which its colour shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Plain,
    Step,
    Wait,
    Fault,
    /// A violated property or a deadline that passed.
    Failure,
    /// A node begins or ceases to lead.
    Role,
    Log(LogLevel),
    /// Pauses and what repeats.
    Faint,
}

impl Class {
    /// Returns the class of an event.
    pub(super) fn of(trace: &Trace, event: &Event) -> Class {
        let subject = trace.text(event.subject);
        match event.kind {
            Kind::Step => Class::Step,
            Kind::WaitBegin | Kind::WaitEnd => Class::Wait,
            Kind::Note if subject.starts_with("violated ") => Class::Failure,
            Kind::Note if subject.starts_with("fault: ") => Class::Fault,
            Kind::Note if subject.ends_with(": won leadership") || subject.ends_with(": lost leadership") => {
                Class::Role
            }
            Kind::Block => Class::Fault,
            Kind::Sleep | Kind::Tick | Kind::Refuse | Kind::Status => Class::Faint,
            _ => Class::Plain,
        }
    }

    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(Color::Ansi(colour)));
        match self {
            Class::Plain | Class::Log(LogLevel::Info) => Style::new(),
            Class::Step => colour(AnsiColor::Green),
            Class::Wait => colour(AnsiColor::Cyan) | Effects::BOLD,
            Class::Fault => colour(AnsiColor::Magenta) | Effects::BOLD,
            Class::Failure => colour(AnsiColor::Red) | Effects::BOLD,
            Class::Role => colour(AnsiColor::Yellow) | Effects::BOLD,
            Class::Log(LogLevel::Error) => colour(AnsiColor::Red),
            Class::Log(LogLevel::Warn) => colour(AnsiColor::Yellow),
            Class::Faint | Class::Log(LogLevel::Debug | LogLevel::Trace) => Style::new() | Effects::DIMMED,
        }
    }
}

/// One row of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(super) at: SimTime,
    pub(super) node: String,
    pub(super) what: String,
    pub(super) took: Option<Duration>,
    /// What follows the columns: the number of syncs, the repetitions.
    pub(super) more: String,
    pub(super) class: Class,
}

/// The width of a description, unless the terminal has fewer columns.
const WHAT: usize = 58;
/// The least width of a description.
const LEAST: usize = 20;
/// The columns of an event's number.
const NUMBER: usize = 9;

impl Row {
    /// Returns the row as text.
    pub(super) fn text(&self) -> String {
        self.shown(&Look::default(), None)
    }

    /// Returns the style of the row where there are colours.
    pub(super) fn style(&self) -> Style {
        self.class.style()
    }

    /// Returns the row as a line of a timeline; `number` is that of its event.
    pub(super) fn shown(&self, look: &Look, number: Option<usize>) -> String {
        let took = match self.took.map(|took| took.as_nanos()) {
            None | Some(0) => String::new(),
            Some(nanos) if nanos < 1_000_000 => format!("{:.3}ms", nanos as f64 / 1e6),
            Some(_) => seconds(self.took.unwrap_or_default()) + "s",
        };
        let before = format!("{}{:>9}  {:<8} ", numbered(look, number), self.at.to_string(), self.node);
        let mut width = WHAT;
        if let Some(columns) = look.width {
            // After the description: a space, the duration in 9 columns, the rest.
            let rest = if took.is_empty() { 0 } else { 10 } + count(&self.more);
            width = columns.saturating_sub(count(&before) + rest).max(LEAST);
        }
        // A terminal cuts what does not fit; without one, nothing is lost.
        let what = if look.width.is_some() { shortened(&self.what, width) } else { self.what.clone() };
        let padded = width.min(WHAT);
        let line = if took.is_empty() {
            format!("{before}{what}{}", self.more)
        } else {
            format!("{before}{what:<padded$} {took:>9}{}", self.more)
        };
        let line = line.trim_end();
        let style = self.class.style();
        if look.has_colours && style != Style::new() {
            format!("{style}{line}{style:#}")
        } else {
            line.into()
        }
    }
}

/// Returns the heading of a timeline.
pub(super) fn heading(look: &Look) -> String {
    let numbers = if look.marked.is_some() { format!("{:>7}  ", "event") } else { String::new() };
    let mut width = WHAT;
    if let Some(columns) = look.width {
        width = columns.saturating_sub(numbers.len() + 30).clamp(LEAST, WHAT);
    }
    format!("{numbers}{:>9}  {:<8} {:<width$} {:>9}\n", "time", "node", "what", "took")
}

/// Returns the columns of an event's number, if events have them.
fn numbered(look: &Look, number: Option<usize>) -> String {
    match (look.marked, number) {
        (None, _) => String::new(),
        (Some(_), None) => " ".repeat(NUMBER),
        (Some(marked), Some(number)) => {
            let mark = if marked == number { "▶" } else { " " };
            format!("{mark}{number:>6}  ")
        }
    }
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// Returns the text with at most so many characters.
fn shortened(text: &str, width: usize) -> String {
    if count(text) <= width {
        return text.into();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
