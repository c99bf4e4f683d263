//! What is on the screen besides the run, and what keys do.

use super::keys::Key;
use super::session::{Direction, Session, Target};
use regex_lite::Regex;
use stormglass_core::{Kind, SimTime};

/// What is on the screen besides the run.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// The line that is being typed.
    pub(super) prompt: Option<Prompt>,
    /// What `n` and `N` look for.
    pub(super) target: Option<Target>,
    /// What the last key could not do.
    pub(super) message: Option<String>,
    /// Whether the keys are shown.
    pub(super) shows_keys: bool,
    /// Whether the state is that of the event's node alone.
    pub(super) is_of_one_node: bool,
    /// The lines of the state that are above the panel.
    pub(super) scroll: u16,
    /// Where jumps began, for the way back.
    came_from: Vec<usize>,
    /// How many lines of the timeline the screen has, as far as it was drawn.
    pub(super) page: usize,
}

/// A line that is being typed.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// `/` or `:`.
    pub(super) sign: char,
    pub(super) text: String,
}

/// Whether to go on after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Stay,
    Quit,
}

/// The keys, as the screen and the documentation show them.
pub(crate) const KEYS: [(&str, &str); 18] = [
    ("j ↓", "the next event"),
    ("k ↑", "the event before"),
    ("PageDown PageUp", "a page of events forward, backward"),
    ("g Home, G End", "the first event, the last one"),
    ("o", "the next event of the node of this one"),
    ("t", "the next event of its task"),
    ("e", "the next event of its kind"),
    ("s", "the next event that `replay` shows without --all"),
    ("O T E S", "the same backward"),
    ("/", "type a regular expression: the next line that matches"),
    ("n N", "the next, the previous one of what was last looked for"),
    (":", "type 1234 (an event), 7.3s (a time), `node NAME` or `kind KIND`"),
    ("c", "the event that this one had to wait for"),
    ("v", "the first event that had to wait for this one"),
    ("Backspace", "back to where the last jump began"),
    ("a", "the state of the event's node alone, or of all nodes"),
    ("J K", "scroll the state"),
    ("? q", "show or hide the keys; quit"),
];

/// How many lines the state scrolls.
const SCROLL: u16 = 5;

/// How many jumps can be taken back.
const JUMPS: usize = 1_000;

impl View {
    /// Does what a key says.
    pub(crate) fn press(&mut self, session: &mut Session<'_>, key: Key) -> Next {
        self.message = None;
        if key == Key::Interrupt {
            return Next::Quit;
        }
        if let Some(prompt) = self.prompt.take() {
            self.type_into(prompt, session, key);
            return Next::Stay;
        }
        let page = self.page.max(1) as isize;
        match key {
            Key::Char('q') => return Next::Quit,
            // A reader who looks for the way out of the list of keys does not want to quit.
            Key::Escape if self.shows_keys => self.shows_keys = false,
            Key::Char('?') => self.shows_keys = !self.shows_keys,
            Key::Char('j') | Key::Down => session.step(1),
            Key::Char('k') | Key::Up => session.step(-1),
            Key::PageDown => session.step(page),
            Key::PageUp => session.step(-page),
            Key::Char('g') | Key::Home => self.jump(session, 0),
            Key::Char('G') | Key::End => self.jump(session, usize::MAX),
            Key::Char('c') => match session.cause() {
                Some(cause) => self.jump(session, cause),
                None => self.say("this event waited for no other one"),
            },
            Key::Char('v') => {
                let first = session.effects().next();
                match first {
                    Some(effect) => self.jump(session, effect),
                    None => self.say("no event had to wait for this one"),
                }
            }
            Key::Backspace => match self.came_from.pop() {
                Some(index) => session.go(index),
                None => self.say("no jump to take back"),
            },
            Key::Char('a') => (self.is_of_one_node, self.scroll) = (!self.is_of_one_node, 0),
            Key::Char('J') => self.scroll = self.scroll.saturating_add(SCROLL),
            Key::Char('K') => self.scroll = self.scroll.saturating_sub(SCROLL),
            Key::Char(sign @ ('/' | ':')) => self.prompt = Some(Prompt { sign, text: String::new() }),
            Key::Char('n') => self.again(session, Direction::Forward),
            Key::Char('N') => self.again(session, Direction::Backward),
            Key::Char(char) => match target(session, char) {
                Some(target) => {
                    self.target = Some(target);
                    let is_forward = char.is_lowercase();
                    self.again(session, if is_forward { Direction::Forward } else { Direction::Backward });
                }
                None => self.say(&format!("{char} does nothing; ? shows the keys")),
            },
            Key::Enter | Key::Escape | Key::Interrupt => {}
        }
        Next::Stay
    }

    fn say(&mut self, message: &str) {
        self.message = Some(message.into());
    }

    /// Goes far, so that the way back is kept.
    fn jump(&mut self, session: &mut Session<'_>, index: usize) {
        if self.came_from.len() == JUMPS {
            self.came_from.remove(0);
        }
        self.came_from.push(session.current());
        session.go(index);
    }

    /// Goes to the next event of what was last looked for.
    fn again(&mut self, session: &mut Session<'_>, direction: Direction) {
        let Some(target) = &self.target else {
            return self.say("nothing was looked for: press / o t e or s first");
        };
        match session.find(target, direction) {
            Some(index) => self.jump(session, index),
            None => {
                let which = if direction == Direction::Forward { "later" } else { "earlier" };
                self.message = Some(format!("no {which} event: {}", session.name_of(target)));
            }
        }
    }

    fn type_into(&mut self, mut prompt: Prompt, session: &mut Session<'_>, key: Key) {
        match key {
            Key::Escape => return,
            Key::Backspace if prompt.text.is_empty() => return,
            Key::Backspace => drop(prompt.text.pop()),
            Key::Char(char) => prompt.text.push(char),
            Key::Enter => {
                let done = match prompt.sign {
                    '/' => self.search(session, &prompt.text),
                    _ => self.obey(session, prompt.text.trim()),
                };
                self.message = done.err().or(self.message.take());
                return;
            }
            _ => {}
        }
        self.prompt = Some(prompt);
    }

    fn search(&mut self, session: &mut Session<'_>, text: &str) -> Result<(), String> {
        // An empty line looks again for what was last looked for.
        if !text.is_empty() {
            let regex = Regex::new(text).map_err(|error| error.to_string().replace('\n', " "))?;
            self.target = Some(Target::Matching(regex));
        }
        self.again(session, Direction::Forward);
        Ok(())
    }

    /// Does what a line after `:` says.
    fn obey(&mut self, session: &mut Session<'_>, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim()));
        let count = session.lines().len();
        if let Ok(number) = word.parse::<usize>() {
            if number == 0 || number > count {
                return Err(format!("{number}: the events are numbered from 1 to {count}"));
            }
            self.jump(session, number - 1);
            return Ok(());
        }
        if let Ok(time) = humantime::parse_duration(word) {
            let ended = session.played().outcome.ended;
            let index = session.at(SimTime::from(time));
            let index =
                index.ok_or_else(|| format!("{word}: no event is later; the run ended at {ended}"))?;
            self.jump(session, index);
            return Ok(());
        }
        let target = match (word, rest) {
            ("node", name) => {
                let nodes = || session.nodes().join(", ");
                Target::Node(
                    session
                        .node(name)
                        .ok_or_else(|| format!("node {name}: there is none; there are {}", nodes()))?,
                )
            }
            ("kind", name) => {
                let kind = Kind::ALL.iter().find(|kind| kind.name() == name);
                let names = || Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
                Target::Kind(
                    *kind.ok_or_else(|| format!("kind {name}: there is none; there are {}", names()))?,
                )
            }
            _ => return Err(format!("{line}: expected 1234, 7.3s, node NAME or kind KIND")),
        };
        self.target = Some(target);
        self.again(session, Direction::Forward);
        Ok(())
    }
}

/// Returns what a letter looks for.
fn target(session: &Session<'_>, char: char) -> Option<Target> {
    let event = session.event();
    match char.to_ascii_lowercase() {
        'o' => Some(Target::Node(event.node)),
        't' => Some(Target::Task(event.node, event.task)),
        'e' => Some(Target::Kind(event.kind)),
        's' => Some(Target::Story),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::KEYS;

    #[test]
    fn the_page_has_every_key() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/debug.md");
        let page = std::fs::read_to_string(page).expect("the repository has the page");
        let shown: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        let keys = KEYS.map(|(keys, what)| format!("| `{keys}` | {what} |"));
        assert_eq!(shown, keys);
    }
}
