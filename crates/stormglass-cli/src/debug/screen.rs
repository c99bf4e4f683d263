//! Draws a run that stands at an event: its timeline, the state beside it, the event below.

use super::session::Session;
use super::view::{KEYS, View};
use crate::state;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Wrap};
use std::time::Duration;
use stormglass_core::SimTime;
use stormglass_report::table::seconds;
use stormglass_report::timeline::{self, Look};

/// From this width on the state is beside the timeline, else below it.
const BESIDE: u16 = 100;

/// The lines of the part that describes the event.
const EVENT: u16 = 6;

/// Draws the screen, with colours or without.
pub(crate) fn draw(frame: &mut Frame<'_>, session: &mut Session<'_>, view: &mut View, has_colours: bool) {
    let [title, middle, event, status] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(EVENT),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let is_beside = frame.area().width >= BESIDE;
    let [events, state] = if is_beside {
        Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(middle)
    } else {
        Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(middle)
    };
    frame.render_widget(title_of(session), title);
    draw_events(frame, events, session, view, has_colours);
    draw_state(frame, state, session, view, if is_beside { Borders::LEFT } else { Borders::TOP });
    let block = Block::new().borders(Borders::TOP);
    frame.render_widget(Paragraph::new(event_text(session)).block(block), event);
    draw_status(frame, status, session, view);
    if view.shows_keys {
        draw_keys(frame);
    }
}

fn title_of(session: &Session<'_>) -> Line<'static> {
    let (run, outcome) = (session.run(), &session.played().outcome);
    let text = format!("{} with seed {}: {}", run.scenario().name(), run.seed(), outcome.verdict);
    Line::styled(text.lines().next().unwrap_or_default().to_string(), Modifier::BOLD)
}

/// Draws the events around the current one, with what is between them.
fn draw_events(frame: &mut Frame<'_>, area: Rect, session: &Session<'_>, view: &mut View, has_colours: bool) {
    let current = session.current();
    let width = usize::from(area.width).saturating_sub(1);
    let look = Look { has_colours: false, width: Some(width), marked: Some(current + 1) };
    let rows = usize::from(area.height).saturating_sub(1);
    view.page = rows.saturating_sub(1).max(1);
    // As many rows on both sides of the event, which is one; fewer at the ends.
    let is_at_end = session.lines().len() - current;
    let before = (rows / 2).max(rows.saturating_sub(is_at_end));
    let first = current.saturating_sub(before);
    let asides = session.asides();
    let mut next = asides.partition_point(|aside| aside.after <= first);
    let mut shown: Vec<Line<'static>> = Vec::new();
    let mut place = 0;
    let last = session.lines().len().min(current + rows);
    for line in &session.lines()[first..last] {
        while let Some(aside) = asides.get(next).filter(|aside| aside.after <= line.index) {
            shown.push(styled(aside.shown(&look), aside.style(), has_colours));
            next += 1;
        }
        let row = styled(line.shown(&look), line.style(), has_colours);
        let row = match line.index {
            // What has not happened yet.
            index if index > current => row.patch_style(Modifier::DIM),
            index if index == current => row.patch_style(Modifier::REVERSED),
            _ => row,
        };
        if line.index == current {
            place = shown.len();
        }
        shown.push(row);
    }
    shown.extend(
        asides[next..]
            .iter()
            .filter(|_| last == session.lines().len())
            .map(|aside| styled(aside.shown(&look), aside.style(), has_colours)),
    );
    // Rows between the events push the event down: those above go first.
    let above =
        place.saturating_sub(rows.saturating_sub(rows / 2 + 1).max(rows.saturating_sub(shown.len() - place)));
    let heading = timeline::heading(&look);
    let mut text = vec![Line::styled(heading.trim_end().to_string(), Modifier::DIM)];
    text.extend(shown.into_iter().skip(above).take(rows));
    frame.render_widget(Text::from(text), area);
}

fn draw_state(
    frame: &mut Frame<'_>,
    area: Rect,
    session: &mut Session<'_>,
    view: &mut View,
    borders: Borders,
) {
    let (now, trace) = (session.now(), session.trace());
    let node = trace.text(session.event().node);
    let mut state = session.state().clone();
    // The node of the event comes first.
    state.nodes.sort_by_key(|other| other.name != node);
    let has_one = state.nodes.first().is_some_and(|first| first.name == node);
    if view.is_of_one_node && has_one {
        state.nodes.truncate(1);
    }
    let text = state::text_of(&state, trace, now);
    let title = format!(" after event {}, at {now} ", session.current() + 1);
    let block = Block::new().borders(borders).title(title);
    let lines = text.lines().count() as u16;
    view.scroll = view.scroll.min(lines.saturating_sub(1));
    let paragraph = Paragraph::new(text).block(block).wrap(Wrap { trim: false }).scroll((view.scroll, 0));
    frame.render_widget(paragraph, area);
}

/// Describes the current event: what it is, its cause and its effects.
fn event_text(session: &Session<'_>) -> String {
    let (trace, event) = (session.trace(), session.event());
    let name = |text: &str| if text.is_empty() { "-".to_string() } else { text.to_string() };
    let took = match event.took_nanos {
        0 => String::new(),
        took => {
            let began = SimTime::from_nanos(event.at_nanos.saturating_sub(took));
            let took = match took {
                0..1_000_000 => format!("{:.3} ms", took as f64 / 1e6),
                _ => format!("{} s", seconds(Duration::from_nanos(took))),
            };
            format!(", took {took} from {began:#}")
        }
    };
    let line = |index: usize| {
        let row = session.lines()[index].text();
        format!("{} {}", index + 1, row.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let mut effects = session.effects();
    let first = effects.next();
    let more = match effects.count() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let effect = first.map_or_else(|| "nothing".to_string(), |first| line(first) + &more);
    let cause = session.cause().map_or_else(|| "the start of the run".to_string(), line);
    format!(
        "event {} of {}: {} {}, at {:#}{took}\non {}, task {}; value {}\n{}\nwaited for {cause}\ncaused {effect}",
        session.current() + 1,
        trace.count,
        event.kind,
        trace.text(event.subject),
        session.now(),
        name(trace.text(event.node)),
        name(trace.text(event.task)),
        event.value,
        event.kind.about(),
    )
}

fn draw_status(frame: &mut Frame<'_>, area: Rect, session: &Session<'_>, view: &View) {
    if let Some(prompt) = &view.prompt {
        let text = format!("{}{}", prompt.sign, prompt.text);
        let column = Line::raw(text.as_str()).width() as u16;
        frame.render_widget(Line::raw(text), area);
        let column = column.min(area.width.saturating_sub(1));
        return frame.set_cursor_position(Position::new(area.x + column, area.y));
    }
    let text = match (&view.message, &view.target) {
        (Some(message), _) => message.clone(),
        (None, Some(target)) => format!("? keys   q quit   n N: {}", session.name_of(target)),
        (None, None) => "? keys   q quit".into(),
    };
    frame.render_widget(Line::styled(text, Modifier::BOLD), area);
}

fn draw_keys(frame: &mut Frame<'_>) {
    let lines: Vec<Line<'static>> =
        KEYS.iter().map(|(keys, what)| Line::raw(format!(" {keys:<16} {what}"))).collect();
    let width = lines.iter().map(Line::width).max().unwrap_or_default() as u16 + 3;
    let area = frame.area().centered(Constraint::Length(width), Constraint::Length(lines.len() as u16 + 2));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys ")), area);
}

/// Returns a row in the colours that a timeline has for it.
fn styled(text: String, style: anstyle::Style, has_colours: bool) -> Line<'static> {
    let mut wanted = Style::new();
    if let (true, Some(anstyle::Color::Ansi(colour))) = (has_colours, style.get_fg_color()) {
        wanted = wanted.fg(match colour {
            anstyle::AnsiColor::Red => Color::Red,
            anstyle::AnsiColor::Green => Color::Green,
            anstyle::AnsiColor::Yellow => Color::Yellow,
            anstyle::AnsiColor::Magenta => Color::Magenta,
            anstyle::AnsiColor::Cyan => Color::Cyan,
            _ => Color::Reset,
        });
    }
    if style.get_effects().contains(anstyle::Effects::BOLD) {
        wanted = wanted.add_modifier(Modifier::BOLD);
    }
    Line::styled(text, wanted)
}
