//! A shard: the part of a sweep that one of several machines plays.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Part `index` of `count` of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// The number of the part, from 0.
    pub index: u64,
    /// The number of parts.
    pub count: u64,
}

impl Shard {
    /// The whole sweep as one shard.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// Returns its contiguous part of `things` items; the sizes of the parts differ by at most one.
    pub fn part(self, things: u64) -> Range<u64> {
        let cut = |index: u64| (u128::from(things) * u128::from(index) / u128::from(self.count)) as u64;
        cut(self.index)..cut(self.index + 1)
    }

    /// Whether the item with this index belongs to the shard when items are dealt out round-robin.
    pub fn has(self, place: u64) -> bool {
        place % self.count == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// Parses `3/16`.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let form =
            || format!("`{text}` is not a shard: expected I/N with I from 0 to N - 1, for example 0/16");
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
        for things in [0, 3, 100, u64::MAX] {
            let parts: Vec<Range<u64>> = (0..7).map(|index| Shard { index, count: 7 }.part(things)).collect();
            assert_eq!((parts[0].start, parts[6].end), (0, things));
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            let sizes = parts.iter().map(|part| part.end - part.start);
            assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }
        for place in 0..100 {
            assert_eq!((0..7).filter(|&index| Shard { index, count: 7 }.has(place)).count(), 1);
        }
    }

    #[test]
    fn invalid_shards_are_rejected() {
        assert_eq!("3/16".parse(), Ok(Shard { index: 3, count: 16 }));
        for wrong in ["16/16", "1", "0/0", "-1/2", "a/b"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("expected I/N"), "{wrong}");
        }
    }
}
