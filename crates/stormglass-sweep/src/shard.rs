//! A part of a sweep, for one of several machines.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Part `index` of `count`, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// Which one, from 0.
    pub index: u64,
    /// Of how many.
    pub count: u64,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// Whether the thing at this place belongs to it.
    pub fn has(self, place: u64) -> bool {
        place % self.count == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// Reads `3/16`.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let form = || format!("`{text}` is no shard: give I/N, with I from 0 to N - 1, for example 0/16");
        let (index, count) = text.split_once('/').ok_or_else(form)?;
        let (index, count) =
            (index.trim().parse().map_err(|_| form())?, count.trim().parse().map_err(|_| form())?);
        if index >= count {
            return Err(form());
        }
        Ok(Shard { index, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_disjoint_and_complete() {
        for place in 0..100 {
            assert_eq!((0..7).filter(|&index| Shard { index, count: 7 }.has(place)).count(), 1);
        }
    }

    #[test]
    fn the_form_is_checked() {
        assert_eq!("3/16".parse(), Ok(Shard { index: 3, count: 16 }));
        for wrong in ["16/16", "1", "0/0", "-1/2", "a/b"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("give I/N"), "{wrong}");
        }
    }
}
