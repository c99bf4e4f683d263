//! Presses of keys: those of a terminal, and those that `--keys` names.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A press of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Backspace,
    /// Ctrl-C.
    Interrupt,
}

/// The names that `--keys` has for keys without a character.
pub(crate) const NAMES: [(&str, Key); 10] = [
    ("up", Key::Up),
    ("down", Key::Down),
    ("page-up", Key::PageUp),
    ("page-down", Key::PageDown),
    ("home", Key::Home),
    ("end", Key::End),
    ("enter", Key::Enter),
    ("escape", Key::Escape),
    ("backspace", Key::Backspace),
    ("ctrl-c", Key::Interrupt),
];

impl Key {
    /// Returns the key that was pressed in a terminal, if it is one of these.
    pub(crate) fn of(event: KeyEvent) -> Option<Key> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        let is_control = event.modifiers.contains(KeyModifiers::CONTROL);
        match event.code {
            KeyCode::Char('c') if is_control => Some(Key::Interrupt),
            KeyCode::Char(_) if is_control => None,
            KeyCode::Char(char) => Some(Key::Char(char)),
            KeyCode::Up => Some(Key::Up),
            KeyCode::Down => Some(Key::Down),
            KeyCode::PageUp => Some(Key::PageUp),
            KeyCode::PageDown => Some(Key::PageDown),
            KeyCode::Home => Some(Key::Home),
            KeyCode::End => Some(Key::End),
            KeyCode::Enter => Some(Key::Enter),
            KeyCode::Esc => Some(Key::Escape),
            KeyCode::Backspace => Some(Key::Backspace),
            _ => None,
        }
    }
}

/// Parses keys: each character is one, and `<enter>` is the key of that name.
///
/// # Errors
///
/// A name that no key has.
pub(crate) fn parse(text: &str) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|named| named.split_once('>'));
        let Some((name, after)) = named else {
            keys.push(Key::Char(char));
            rest = &rest[char.len_utf8()..];
            continue;
        };
        let key = NAMES.iter().find(|(known, _)| *known == name);
        let names = || NAMES.map(|(name, _)| format!("<{name}>")).join(", ");
        let (_, key) = key.ok_or_else(|| format!("no key is called <{name}>; there are {}", names()))?;
        keys.push(*key);
        rest = after;
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_characters_and_names() {
        let keys = parse("j/a<enter>é<").expect("these are keys");
        let chars = |text: &str| text.chars().map(Key::Char).collect::<Vec<_>>();
        assert_eq!(keys, [chars("j/a"), vec![Key::Enter], chars("é<")].concat());
        let error = parse("<entre>").expect_err("no key has this name");
        assert!(error.starts_with("no key is called <entre>; there are <up>, "), "{error}");
    }
}
