//! Formulas over other parameters: `2 * raft.heartbeat-ticks + 1`.
//!
//! Operands and operators are separated by spaces, since keys contain dashes. `*` and `/` bind
//! tighter than `+` and `-`. There are no parentheses.

use super::level::Level;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// A parsed formula: a sum of products.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Formula {
    text: String,
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Sign(char),
    Value(Level),
    Name(String),
}

/// A number with a power of seconds as its unit.
#[derive(Clone, Copy)]
struct Amount {
    size: f64,
    seconds: i32,
    whole: bool,
}

impl TryFrom<String> for Formula {
    type Error = String;

    fn try_from(text: String) -> Result<Formula, String> {
        Formula::parse(&text)
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl Formula {
    pub(super) fn parse(text: &str) -> Result<Formula, String> {
        let word = |word: &str| match word {
            "+" | "-" | "*" | "/" => Word::Sign(word.chars().next().unwrap_or('+')),
            word => match toml::from_str::<toml::Table>(&format!("v = {word}"))
                .ok()
                .and_then(|mut table| table.remove("v"))
            {
                Some(value) => Word::Value(Level::of(&value)),
                None => match Level::of(&toml::Value::String(word.into())) {
                    Level::Text(name) => Word::Name(name),
                    value => Word::Value(value),
                },
            },
        };
        let words: Vec<Word> = text.split_whitespace().map(word).collect();
        let alternate =
            words.iter().enumerate().all(|(place, word)| matches!(word, Word::Sign(_)) == (place % 2 == 1));
        if !alternate || words.len().is_multiple_of(2) {
            return Err(format!(
                "`{text}` is not a formula: write operands and + - * / in turn, separated by spaces"
            ));
        }
        Ok(Formula { text: text.into(), words })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.words
            .iter()
            .filter_map(|word| if let Word::Name(name) = word { Some(name.as_str()) } else { None })
    }

    pub(super) fn value(&self, point: &BTreeMap<String, Level>) -> Result<Level, String> {
        let wrong = |problem: &str| format!("the formula `{}` {problem}", self.text);
        let amount = |word: &Word| -> Result<Amount, String> {
            let level = match word {
                Word::Value(level) => level,
                Word::Name(name) => {
                    point.get(name).ok_or_else(|| wrong(&format!("uses {name}, which has no value here")))?
                }
                Word::Sign(_) => return Err(wrong("has an operator where an operand is expected")),
            };
            let size = level
                .size()
                .ok_or_else(|| wrong(&format!("uses {level}, which is not a number or a duration")))?;
            Ok(Amount {
                size,
                seconds: i32::from(matches!(level, Level::Time(_))),
                whole: matches!(level, Level::Whole(_)),
            })
        };
        let mut terms: Vec<(char, Amount)> = vec![('+', amount(&self.words[0])?)];
        for pair in self.words[1..].chunks(2) {
            let (Word::Sign(sign), right) = (&pair[0], amount(&pair[1])?) else { continue };
            match (sign, terms.last_mut()) {
                ('*', Some((_, left))) => {
                    let (size, seconds) = (left.size * right.size, left.seconds + right.seconds);
                    *left = Amount { size, seconds, whole: left.whole && right.whole };
                }
                ('/', Some((_, left))) => {
                    let (size, seconds) = (left.size / right.size, left.seconds - right.seconds);
                    *left = Amount { size, seconds, whole: left.whole && right.whole };
                }
                (sign, _) => terms.push((*sign, right)),
            }
        }
        let first = terms[0].1;
        if terms.iter().any(|(_, term)| term.seconds != first.seconds) {
            return Err(wrong("adds a duration and a number: add two of the same kind"));
        }
        let size: f64 =
            terms.iter().map(|(sign, term)| if *sign == '-' { -term.size } else { term.size }).sum();
        let whole = terms.iter().all(|(_, term)| term.whole);
        match first.seconds {
            _ if !size.is_finite() || size < 0.0 => {
                Err(wrong(&format!("gives {size}, which must be at least 0")))
            }
            0 if whole => Ok(Level::Whole(size.round() as i64)),
            0 => Ok(Level::Number(size)),
            1 => Ok(Level::Time(std::time::Duration::from_secs_f64(size))),
            _ => Err(wrong("gives neither a number nor a duration: check the units")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<String, String> {
        let point = BTreeMap::from([
            ("k".to_string(), Level::Whole(3)),
            ("raft.tick-interval".to_string(), Level::Time(std::time::Duration::from_millis(100))),
        ]);
        Ok(Formula::parse(text)?.value(&point)?.to_string())
    }

    #[test]
    fn precedence_and_units_are_respected() {
        assert_eq!(value("k * 2 + 1").unwrap(), "7");
        assert_eq!(value("1 + k * 2").unwrap(), "7");
        assert_eq!(value("k / 2").unwrap(), "2");
        assert_eq!(value("k / 2.0").unwrap(), "1.5");
        assert_eq!(value("k * raft.tick-interval + 50ms").unwrap(), "350ms");
        assert_eq!(value("1s / raft.tick-interval").unwrap(), "10.0");
    }

    #[test]
    fn invalid_formulas_are_rejected() {
        assert!(value("k *").unwrap_err().contains("write operands and + - * / in turn"));
        assert!(value("k + 1s").unwrap_err().contains("adds a duration and a number"));
        assert!(value("k - 4").unwrap_err().contains("gives -1"));
        assert!(value("1s * 1s").unwrap_err().contains("neither a number nor a duration"));
    }
}
