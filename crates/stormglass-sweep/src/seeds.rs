//! Ranges of seeds.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

/// A range of one or more seeds, up to the largest one, 2^64 - 1.
///
/// Its text is `A..B` (without B), `A..=B`, or `A..` (up to the largest seed).
///
/// ```
/// use stormglass_sweep::Seeds;
///
/// let seeds: Seeds = "18446744073709551610..".parse()?;
/// assert_eq!((seeds.first(), seeds.last(), seeds.count()), (u64::MAX - 5, u64::MAX, 6));
/// assert_eq!("7..=7".parse(), Ok(Seeds::one(7)));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Seeds {
    first: u64,
    last: u64,
}

impl Seeds {
    /// Returns the range of this seed alone.
    pub fn one(seed: u64) -> Seeds {
        Seeds { first: seed, last: seed }
    }

    /// Returns the range of the first `count` seeds, from 0. Range of `count`: 1 and up.
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    pub const fn up_to(count: u64) -> Seeds {
        assert!(count > 0, "a range has one seed or more");
        Seeds { first: 0, last: count - 1 }
    }

    /// Returns the first seed.
    pub fn first(self) -> u64 {
        self.first
    }

    /// Returns the last seed.
    pub fn last(self) -> u64 {
        self.last
    }

    /// Returns the number of seeds. For the range of all 2^64 seeds, which has one more than fits:
    /// 2^64 - 1.
    pub fn count(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// Returns the seeds as a range of numbers.
    pub fn range(self) -> RangeInclusive<u64> {
        self.first..=self.last
    }
}

/// Parses `A..B` (without B), `A..=B` or `A..`.
impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        const FORM: &str = "expected A..B, A..=B or A.., for example 0..100";
        let (first, end) = text.split_once("..").ok_or(FORM)?;
        let number = |text: &str| {
            text.parse::<u64>().map_err(|_| {
                format!("`{text}` is not a seed (a whole number from 0 to {}); {FORM}", u64::MAX)
            })
        };
        let first = number(first)?;
        let last = match end.strip_prefix('=') {
            Some(last) => Some(number(last)?),
            None if end.is_empty() => Some(u64::MAX),
            None => number(end)?.checked_sub(1),
        };
        let last = last.filter(|last| first <= *last);
        let last = last.ok_or_else(|| format!("the range `{text}` is empty; {FORM}"))?;
        Ok(Seeds { first, last })
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last.checked_add(1) {
            Some(end) => write!(f, "{}..{end}", self.first),
            None => write!(f, "{}..", self.first),
        }
    }
}

/// The form in files: a text, or the bounds without the last one, as manifests have them wherever
/// that number exists.
#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a range of seeds, for example \"0..100\"")]
enum Form {
    Bounds { start: u64, end: u64 },
    Text(String),
}

impl TryFrom<Range<u64>> for Seeds {
    type Error = String;

    fn try_from(Range { start, end }: Range<u64>) -> Result<Seeds, String> {
        format!("{start}..{end}").parse()
    }
}

impl TryFrom<Form> for Seeds {
    type Error = String;

    fn try_from(form: Form) -> Result<Seeds, String> {
        match form {
            Form::Bounds { start, end } => (start..end).try_into(),
            Form::Text(text) => text.parse(),
        }
    }
}

impl From<Seeds> for Form {
    fn from(seeds: Seeds) -> Form {
        match seeds.last.checked_add(1) {
            Some(end) => Form::Bounds { start: seeds.first, end },
            None => Form::Text(seeds.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_parsed_up_to_the_largest_seed() {
        for (text, first, last) in [
            ("0..100", 0, 99),
            ("5..=5", 5, 5),
            ("18446744073709551614..18446744073709551615", u64::MAX - 1, u64::MAX - 1),
            ("18446744073709551615..=18446744073709551615", u64::MAX, u64::MAX),
            ("3..", 3, u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Seeds { first, last }), "{text}");
            assert_eq!(Seeds { first, last }.to_string().parse(), Ok(Seeds { first, last }));
        }
        for (text, problem) in [
            ("0..0", "the range `0..0` is empty"),
            ("7..=6", "the range `7..=6` is empty"),
            ("5", "expected A..B"),
            ("a..5", "`a` is not a seed (a whole number from 0 to 18446744073709551615)"),
            ("0..18446744073709551616", "`18446744073709551616` is not a seed"),
        ] {
            assert!(text.parse::<Seeds>().unwrap_err().starts_with(problem), "{text}");
        }
        assert_eq!("0..".parse::<Seeds>().unwrap().count(), u64::MAX);
    }

    #[cfg(feature = "sweep")]
    #[test]
    fn files_keep_the_largest_seed() {
        for seeds in [Seeds::up_to(200), Seeds::one(u64::MAX), "0..".parse().unwrap()] {
            let text = serde_json::to_string(&seeds).unwrap();
            assert_eq!(serde_json::from_str::<Seeds>(&text).unwrap(), seeds, "{text}");
        }
        assert_eq!(serde_json::to_string(&Seeds::up_to(200)).unwrap(), r#"{"start":0,"end":200}"#);
    }
}
