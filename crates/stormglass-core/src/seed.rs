//! Seeds and the named streams of chance derived from them.
//!
//! Every random decision of the environment belongs to one stream, named by what decides: the fsyncs of
//! node-2's disk draw from `("disk", "node-2", "fsync")` and from nothing else. A new draw in one place then
//! moves nothing in another, so the same seed under another timeout is the same weather.
//!
//! A stream is ChaCha8 keyed by SHA-256 over the seed and the label's parts, each with its length before it.
//! Both are specified byte by byte: a saved seed keeps its meaning. A snapshot test holds the first draws.

use crate::time::SimTime;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::fmt;

/// The number from which a whole run follows.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of this name. Two calls with one label give two streams with the same draws.
    pub fn stream(self, label: impl Label) -> Stream {
        let mut hasher = Sha256::new();
        hasher.update(b"stormglass stream 1");
        hasher.update(self.0.to_le_bytes());
        label.feed(&mut |part| {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        });
        Stream::new(hasher.finalize().into(), TRUNK)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run's chance from some time on: until then it is the run that it was.
///
/// A run is split so into several that have a past in common, as importance splitting does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Branch {
    /// From when on.
    pub at: SimTime,
    /// Which of all branches there. Range: 1 and up.
    pub seed: Seed,
}

/// No branch.
const TRUNK: u64 = 0;

thread_local! {
    /// Streams are everywhere in a run and know of nothing that they have in common but the thread, which is the run's own.
    static BRANCH: Cell<u64> = const { Cell::new(TRUNK) };
}

impl Branch {
    /// From now on every stream of this thread draws as this branch has it. For whoever runs a world, at the branch's time.
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
        BRANCH.set(self.seed.0);
    }
}

/// The name of a stream: a string, a number, or a tuple of up to four of these.
pub trait Label {
    /// Gives the parts, in order, as bytes.
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

/// A named source of chance.
///
/// It hands out numbers of our own ranges only, so that no dependency's next version moves them.
///
/// A run can have thousands, each used seldom, so its size and its layout count: what each draw needs comes first, and the generator itself, which is twice as large, is made anew where its draws run out.
#[derive(Clone)]
#[repr(C)]
pub struct Stream {
    drawn: u64,
    /// The branch of the run that it draws for.
    branch: u64,
    ahead: [u64; AHEAD as usize],
    key: [u8; 32],
}

/// Draws that are made at once: half of what the generator makes in one go.
const AHEAD: u64 = 16;

/// The generator's words in a draw.
const WORDS: u128 = 2;

impl Stream {
    fn new(key: [u8; 32], branch: u64) -> Stream {
        Stream { drawn: 0, branch, ahead: [0; AHEAD as usize], key }
    }

    /// The next draw: 64 random bits.
    pub fn draw(&mut self) -> u64 {
        self.follow_branch();
        let place = self.drawn % AHEAD;
        if place == 0 {
            self.look_ahead();
        }
        self.drawn += 1;
        self.ahead[place as usize]
    }

    /// Has the draws ready from a multiple of [`AHEAD`] on, in which the next one lies.
    #[cold]
    fn look_ahead(&mut self) {
        let mut chance = ChaCha8Rng::from_seed(self.key);
        chance.set_word_pos(WORDS * u128::from(self.drawn - self.drawn % AHEAD));
        self.ahead.fill_with(|| chance.next_u64());
    }

    /// On another branch it goes on as another stream, which depends on the branch and on what it was.
    fn follow_branch(&mut self) {
        let branch = BRANCH.get();
        if branch != self.branch {
            let mut hasher = Sha256::new();
            hasher.update(b"stormglass branch 1");
            hasher.update(self.key);
            hasher.update(branch.to_le_bytes());
            *self = Stream::new(hasher.finalize().into(), branch);
        }
    }

    /// Passes over so many draws, for less than they cost.
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
            self.look_ahead();
        }
    }

    /// A whole number in `0..bound`, without bias worth naming (below 2⁻³² for bounds below 2³²).
    ///
    /// # Panics
    ///
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a range of no numbers has nothing to draw");
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 to below 1, in 53 bits.
    ///
    /// ```
    /// use stormglass_core::Seed;
    ///
    /// let share = Seed(7).stream("shares").share();
    /// assert!((0.0..1.0).contains(&share));
    /// ```
    pub fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Puts items into an order by chance (Fisher and Yates).
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
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place as u64 + 1) as usize);
        }
    }

    /// True with probability `numerator / denominator`.
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
    fn draws_are_the_generators_whatever_is_passed_over() {
        let mut stream = Seed(1).stream("a");
        let mut generator = ChaCha8Rng::from_seed(stream.key);
        for skipped in (0..100).chain([1_000, 15, 16, 17]) {
            stream.skip(skipped);
            let theirs = (0..=skipped).map(|_| generator.next_u64()).last();
            assert_eq!(Some(stream.draw()), theirs, "after {skipped} more");
        }
    }

    /// The meaning of a seed, for ever. If this fails, saved seeds and regressions have lost theirs.
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
    fn a_label_is_its_parts_not_their_concatenation() {
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
