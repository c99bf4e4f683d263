//! Seeds, and the named streams of random numbers derived from them.
//!
//! Every random decision of the environment belongs to one stream, named by what decides: the
//! fsyncs of node-2's disk draw from `("disk", "node-2", "fsync")` and from nothing else. An
//! additional draw in one place then changes none in another, so runs of one seed with different
//! timeouts have the same random environment (common random numbers).
//!
//! A stream is ChaCha8 keyed by SHA-256 over the seed and the label's parts, each with its length
//! before it. Both are specified byte by byte, so a saved seed always gives the same run. A
//! snapshot test checks the first draws.

use crate::draws::{self, BRANCH, TRUNK};
use crate::time::SimTime;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};
use std::fmt;

/// The number that determines a whole run.
///
/// ```
/// use stormglass_core::Seed;
///
/// let seed = Seed(7);
/// let mut fsyncs = seed.stream(("disk", "node-2", "fsync"));
/// let mut again = seed.stream(("disk", "node-2", "fsync"));
/// let mut reads = seed.stream(("disk", "node-2", "read"));
/// let first = fsyncs.draw();
/// assert_eq!(first, again.draw());
/// assert_ne!(first, reads.draw());
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Seed(
    #[serde(with = "number")]
    #[schemars(with = "SeedForm")]
    pub u64,
);

/// How a seed is written: a number, or its digits as a text above the largest integer of TOML.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum SeedForm {
    /// A number.
    Number(u64),
    /// Its digits.
    Digits(String),
}

impl Seed {
    /// Creates the stream of this name. Two calls with one label give two streams with the same
    /// draws.
    pub fn stream(self, label: impl Label) -> Stream {
        let mut hasher = Sha256::new();
        hasher.update(b"stormglass stream 1");
        hasher.update(self.0.to_le_bytes());
        label.feed(&mut |part| {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        });
        let key = hasher.finalize().into();
        draws::name(&key, || {
            let mut parts = Vec::new();
            label.feed(&mut |part| parts.push(draws::part_as_text(part)));
            parts.join("/")
        });
        Stream::new(key, TRUNK)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The form of a seed in files: a number, or its decimal digits as a text if it is above 2^63 - 1,
/// the largest integer of TOML.
pub(crate) mod number {
    use serde::de::{Deserializer, Error, Unexpected, Visitor};
    use serde::ser::Serializer;
    use std::fmt;

    pub(crate) fn serialize<S: Serializer>(seed: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(*seed) {
            Ok(seed) => serializer.serialize_i64(seed),
            Err(_) => serializer.collect_str(seed),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        struct Digits;

        impl Visitor<'_> for Digits {
            type Value = u64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a seed from 0 to {}", u64::MAX)
            }

            fn visit_u64<E: Error>(self, seed: u64) -> Result<u64, E> {
                Ok(seed)
            }

            fn visit_i64<E: Error>(self, seed: i64) -> Result<u64, E> {
                u64::try_from(seed).map_err(|_| E::invalid_value(Unexpected::Signed(seed), &self))
            }

            fn visit_str<E: Error>(self, seed: &str) -> Result<u64, E> {
                seed.parse().map_err(|_| E::invalid_value(Unexpected::Str(seed), &self))
            }
        }

        deserializer.deserialize_any(Digits)
    }
}

/// A change of all streams of a run from some time on: the run has the same past, and other draws
/// after it.
///
/// Importance splitting makes several runs with a common past in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Branch {
    /// The time from which on the draws differ.
    #[schemars(with = "u64")]
    pub at: SimTime,
    /// The number of the branch. Range: 1 and up.
    pub seed: Seed,
}

impl Branch {
    /// Switches every stream of this thread to this branch. The world of a run calls it at the
    /// time [`Branch::at`].
    ///
    /// ```
    /// use stormglass_core::{Branch, Seed, SimTime};
    ///
    /// let next = |branch: u64| {
    ///     // A run has a thread of its own.
    ///     std::thread::spawn(move || {
    ///         let mut syncs = Seed(7).stream("syncs");
    ///         let past = syncs.draw();
    ///         Branch { at: SimTime::ZERO, seed: Seed(branch) }.take();
    ///         (past, syncs.draw(), Seed(7).stream("reads").draw())
    ///     })
    ///     .join()
    ///     .unwrap()
    /// };
    /// let (one, other) = (next(1), next(2));
    /// assert_eq!(one, next(1));
    /// assert_eq!(one.0, other.0);
    /// assert!(one.1 != other.1 && one.2 != other.2);
    /// ```
    ///
    /// # Panics
    ///
    /// When the seed is 0.
    pub fn take(self) {
        assert_ne!(self.seed.0, TRUNK, "branches are numbered from 1");
        draws::set_branch(self.seed.0);
    }
}

/// The name of a stream: a string, a number, or a tuple of up to four of these.
pub trait Label {
    /// Passes the parts, in order, as bytes to `part`.
    fn feed(&self, part: &mut dyn FnMut(&[u8]));
}

impl Label for &str {
    fn feed(&self, part: &mut dyn FnMut(&[u8])) {
        part(self.as_bytes());
    }
}

impl Label for &String {
    fn feed(&self, part: &mut dyn FnMut(&[u8])) {
        part(self.as_bytes());
    }
}

impl Label for u64 {
    fn feed(&self, part: &mut dyn FnMut(&[u8])) {
        part(&self.to_le_bytes());
    }
}

macro_rules! label_tuples {
    ($($name:ident)+) => {
        impl<$($name: Label),+> Label for ($($name,)+) {
            #[expect(non_snake_case, reason = "the type's name serves for its value")]
            fn feed(&self, part: &mut dyn FnMut(&[u8])) {
                let ($($name,)+) = self;
                $($name.feed(part);)+
            }
        }
    };
}
label_tuples!(A);
label_tuples!(A B);
label_tuples!(A B C);
label_tuples!(A B C D);

/// A named random number generator.
///
/// The mapping of draws to ranges is our own, so that no new version of a dependency changes it.
///
/// A run can have thousands of streams, each used seldom, so size and layout matter: the fields
/// that each draw needs come first, and the generator itself, which is twice as large, is created
/// again whenever the buffered draws run out.
#[derive(Clone)]
#[repr(C)]
pub struct Stream {
    drawn: u64,
    /// The branch that its draws belong to.
    branch: u64,
    /// The buffered draws.
    ahead: [u64; AHEAD as usize],
    key: [u8; 32],
}

/// How many draws are buffered: half of a block of the generator.
const AHEAD: u64 = 16;

/// How many 32-bit words of the generator a draw takes.
const WORDS: u128 = 2;

impl Stream {
    fn new(key: [u8; 32], branch: u64) -> Stream {
        Stream { drawn: 0, branch, ahead: [0; AHEAD as usize], key }
    }

    /// Returns the next draw: 64 random bits.
    pub fn draw(&mut self) -> u64 {
        self.follow_branch();
        let index = self.drawn % AHEAD;
        if index == 0 {
            self.fill_buffer();
        }
        self.drawn += 1;
        self.ahead[index as usize]
    }

    /// Fills the buffer, from the last multiple of [`AHEAD`] that is not after the next draw.
    #[cold]
    fn fill_buffer(&mut self) {
        let mut chance = ChaCha8Rng::from_seed(self.key);
        chance.set_word_pos(WORDS * u128::from(self.drawn - self.drawn % AHEAD));
        self.ahead.fill_with(|| chance.next_u64());
    }

    /// Becomes another stream if the branch has changed, and logs the draw if draws are logged.
    fn follow_branch(&mut self) {
        let branch = BRANCH.get();
        if branch != self.branch {
            self.look_further(branch);
        }
    }

    /// A stream of another branch has a key that follows from the old key and the branch.
    #[cold]
    fn look_further(&mut self, shown: u64) {
        let branch = draws::branch(shown);
        if branch != self.branch {
            let keeps_place = draws::keeps_place();
            let mut hasher = Sha256::new();
            hasher.update(if keeps_place { b"stormglass redraw 1" } else { b"stormglass branch 1" });
            hasher.update(self.key);
            hasher.update(branch.to_le_bytes());
            let key = hasher.finalize().into();
            draws::name(&key, || draws::name_of(&self.key));
            let drawn = if keeps_place { self.drawn } else { 0 };
            *self = Stream { drawn, ..Stream::new(key, branch) };
            if !drawn.is_multiple_of(AHEAD) {
                self.fill_buffer();
            }
        }
        draws::note(&self.key, self.drawn);
    }

    /// Skips `draws` draws, at less cost than drawing them.
    ///
    /// ```
    /// use stormglass_core::Seed;
    ///
    /// let (mut drawn, mut skipped) = (Seed(1).stream("a"), Seed(1).stream("a"));
    /// (0..1_000).for_each(|_| drop(drawn.draw()));
    /// skipped.skip(1_000);
    /// assert_eq!(skipped.draw(), drawn.draw());
    /// ```
    pub fn skip(&mut self, draws: u64) {
        self.follow_branch();
        self.drawn += draws;
        if !self.drawn.is_multiple_of(AHEAD) {
            self.fill_buffer();
        }
    }

    /// Draws an integer in `0..bound`, with a bias below 2⁻³² for bounds below 2³².
    ///
    /// # Panics
    ///
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "the range is empty");
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// Draws a number uniformly from [0, 1), with 53 random bits.
    ///
    /// ```
    /// use stormglass_core::Seed;
    ///
    /// let share = Seed(7).stream("shares").uniform();
    /// assert!((0.0..1.0).contains(&share));
    /// ```
    pub fn uniform(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Shuffles items (Fisher and Yates).
    ///
    /// ```
    /// use stormglass_core::Seed;
    ///
    /// let mut order = [1, 2, 3, 4, 5];
    /// Seed(7).stream("order").shuffle(&mut order);
    /// assert_ne!(order, [1, 2, 3, 4, 5]);
    /// order.sort_unstable();
    /// assert_eq!(order, [1, 2, 3, 4, 5]);
    /// ```
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index as u64 + 1) as usize);
        }
    }

    /// Returns true with probability `numerator / denominator`.
    ///
    /// # Panics
    ///
    /// When `denominator` is 0.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("drawn", &self.drawn).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn draws_match_the_generator_after_any_skip() {
        let mut stream = Seed(1).stream("a");
        let mut generator = ChaCha8Rng::from_seed(stream.key);
        for skipped in (0..100).chain([1_000, 15, 16, 17]) {
            stream.skip(skipped);
            let theirs = (0..=skipped).map(|_| generator.next_u64()).last();
            assert_eq!(Some(stream.draw()), theirs, "after {skipped} more");
        }
    }

    /// Saved seeds and regressions depend on these draws: if this fails, they give other runs.
    #[test]
    fn first_draws_are_fixed() {
        let mut text = String::new();
        let seeds = [Seed(0), Seed(1), Seed(u64::MAX)];
        for seed in seeds {
            let draws = |mut stream: Stream| format!("{:016x} {:016x}", stream.draw(), stream.draw());
            text +=
                &format!("{seed} disk/node-1/fsync {}\n", draws(seed.stream(("disk", "node-1", "fsync"))));
            text += &format!("{seed} net/a/b {}\n", draws(seed.stream(("net", "a", "b"))));
            text += &format!("{seed} raft {}\n", draws(seed.stream("raft")));
            text += &format!("{seed} cpu/3 {}\n", draws(seed.stream(("cpu", 3))));
        }
        expect![[r#"
            0 disk/node-1/fsync 8fc46dcf1aa654eb a32c402827d94d3e
            0 net/a/b e2eefea9a088fa09 02cc608761394fef
            0 raft 915ded6174ee46ad 28d8e2b44d274049
            0 cpu/3 8613e72c77192443 5905e0a27b0c8fc7
            1 disk/node-1/fsync 3e50b29e2fb26963 29540f3eea94d646
            1 net/a/b 207c883c22184823 4b22bf46606102cc
            1 raft 23dcc1b3a73e21a7 1bf8ff4840745c62
            1 cpu/3 50d7ae62cd75ef6b 1200870c8ee7497e
            18446744073709551615 disk/node-1/fsync fa734c36d718776e 482ecf493f66585d
            18446744073709551615 net/a/b 478db66340f281a3 fba171c44be67e7d
            18446744073709551615 raft cfac056eba1ccbd7 cf9cfbb0c6bb6a5a
            18446744073709551615 cpu/3 986a5232b0598758 355e4b9edf4947db
        "#]]
        .assert_eq(&text);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "branches and the log belong to a thread")]
    fn logging_changes_no_draw_and_follows_branches() {
        let draw = |is_logged: bool| {
            let run = std::thread::spawn(move || {
                if is_logged {
                    draws::Draws::log(&crate::Recorder::new(crate::Keep::Nothing));
                }
                let mut stream = Seed(7).stream(("disk", 3, "fsync"));
                let past = (stream.draw(), stream.draw());
                Branch { at: SimTime::ZERO, seed: Seed(5) }.take();
                stream.skip(2);
                ((past, stream.draw()), draws::Draws::take())
            });
            run.join().unwrap()
        };
        let ((plain, none), (logged, log)) = (draw(false), draw(true));
        assert_eq!(plain, logged);
        assert!(none.draws.is_empty());
        // The stream of a branch has its own key and the same name.
        assert_eq!(log.streams, ["disk/3/fsync", "disk/3/fsync"]);
        let taken: Vec<_> = log.draws.iter().map(|draw| (draw.stream, draw.index)).collect();
        assert_eq!(taken, [(0, 0), (0, 1), (1, 0), (1, 2)]);
    }

    #[test]
    fn labels_with_the_same_concatenation_differ() {
        let seed = Seed(1);
        assert_ne!(seed.stream(("ab", "c")).draw(), seed.stream(("a", "bc")).draw());
        assert_ne!(seed.stream("abc").draw(), seed.stream(("a", "bc")).draw());
    }

    #[test]
    fn below_covers_its_range_evenly() {
        let mut stream = Seed(3).stream("dice");
        let mut counts = [0u32; 6];
        (0..60_000).for_each(|_| counts[stream.below(6) as usize] += 1);
        // 10,000 expected a side; five standard deviations are 456.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 456), "{counts:?}");
    }
}
