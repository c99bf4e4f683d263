//! The alignment of two sequences: a longest common subsequence.
//!
//! The greedy algorithm of Myers (An O(ND) difference algorithm and its variations, Algorithmica 1, 1986):
//! it finds the shortest script of insertions and deletions in time and memory that grow with its length,
//! so alike sequences cost little.

/// Longer scripts are not searched: what is left is then aligned from the front, which is not the best.
const SCRIPT_MAX: usize = 3_000;

/// Returns the pairs of equal elements of an alignment, as indexes, in order. The rest of `a` is deleted and
/// the rest of `b` is inserted.
pub(super) fn align<T: Eq>(a: &[T], b: &[T]) -> Vec<(usize, usize)> {
    let front = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (left, right) = (&a[front..], &b[front..]);
    let back = left.iter().rev().zip(right.iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = of_middle(&left[..left.len() - back], &right[..right.len() - back]);
    let middle = middle.into_iter().map(|(i, j)| (front + i, front + j));
    let ends = (0..back).map(|n| (a.len() - back + n, b.len() - back + n));
    (0..front).map(|n| (n, n)).chain(middle).chain(ends).collect()
}

/// Aligns what neither begins nor ends alike.
fn of_middle<T: Eq>(a: &[T], b: &[T]) -> Vec<(usize, usize)> {
    let most = (a.len() + b.len()).min(SCRIPT_MAX);
    let at = |diagonal: isize| usize::try_from(diagonal + most as isize + 1).expect("within the bounds");
    // The furthest index of `a` on each diagonal of the edit graph.
    let mut furthest = vec![0usize; 2 * most + 3];
    let mut steps: Vec<Vec<usize>> = Vec::new();
    for script in 0..=most as isize {
        // What a later step reads of this one: the diagonals within its reach.
        steps.push(furthest[at(-script - 1)..=at(script + 1)].to_vec());
        for diagonal in (-script..=script).step_by(2) {
            let is_down = diagonal == -script
                || (diagonal != script && furthest[at(diagonal - 1)] < furthest[at(diagonal + 1)]);
            let mut x = if is_down { furthest[at(diagonal + 1)] } else { furthest[at(diagonal - 1)] + 1 };
            let Ok(mut y) = usize::try_from(x as isize - diagonal) else { continue };
            while x < a.len() && y < b.len() && a[x] == b[y] {
                (x, y) = (x + 1, y + 1);
            }
            furthest[at(diagonal)] = x;
            if x >= a.len() && y >= b.len() {
                return walk_back(&steps, a.len(), b.len());
            }
        }
    }
    from_front(a, b)
}

/// Returns the equal elements on the way back from the end of both.
fn walk_back(steps: &[Vec<usize>], mut x: usize, mut y: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (script, furthest) in steps.iter().enumerate().rev() {
        let script = script as isize;
        let of = |diagonal: isize| furthest[usize::try_from(diagonal + script + 1).expect("within reach")];
        let diagonal = x as isize - y as isize;
        let is_down = diagonal == -script || (diagonal != script && of(diagonal - 1) < of(diagonal + 1));
        let before = if is_down { diagonal + 1 } else { diagonal - 1 };
        let (from_x, from_y) = match script {
            0 => (0, 0),
            _ => (of(before), usize::try_from(of(before) as isize - before).unwrap_or(0)),
        };
        // After the step, equal elements follow.
        while x > from_x && y > from_y {
            (x, y) = (x - 1, y - 1);
            pairs.push((x, y));
        }
        (x, y) = (from_x, from_y);
    }
    pairs.reverse();
    pairs
}

/// Aligns each element of `a` with the next equal one of `b`.
fn from_front<T: Eq>(a: &[T], b: &[T]) -> Vec<(usize, usize)> {
    let (mut pairs, mut next) = (Vec::new(), 0);
    for (i, element) in a.iter().enumerate() {
        if let Some(after) = b[next..].iter().position(|other| other == element) {
            pairs.push((i, next + after));
            next += after + 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of a longest common subsequence, by the table of all prefixes.
    fn longest(a: &[u8], b: &[u8]) -> usize {
        let mut row = vec![0; b.len() + 1];
        for x in a {
            let mut before = 0;
            for (j, y) in b.iter().enumerate() {
                let kept = row[j + 1];
                row[j + 1] = if x == y { before + 1 } else { kept.max(row[j]) };
                before = kept;
            }
        }
        row[b.len()]
    }

    #[test]
    fn one_inserted_element_moves_no_other() {
        assert_eq!(align(b"abcdef", b"abXcdef"), [(0, 0), (1, 1), (2, 3), (3, 4), (4, 5), (5, 6)]);
        assert_eq!(align(b"abXcdef", b"abcdef"), [(0, 0), (1, 1), (3, 2), (4, 3), (5, 4), (6, 5)]);
        assert_eq!(align(b"abc", b"aXc"), [(0, 0), (2, 2)]);
        assert_eq!(align(b"", b"ab"), []);
        assert_eq!(align(b"ab", b""), []);
    }

    /// 2,000 pairs of short texts over three letters: the alignment is one, and no longer one exists.
    #[test]
    fn the_alignment_is_the_longest() {
        let mut stream = stormglass_core::Seed(1).stream("texts");
        for _ in 0..2_000 {
            let mut text = || -> Vec<u8> { (0..stream.below(12)).map(|_| stream.below(3) as u8).collect() };
            let (a, b) = (text(), text());
            let pairs = align(&a, &b);
            assert!(pairs.iter().all(|&(i, j)| a[i] == b[j]), "{a:?} {b:?} {pairs:?}");
            assert!(pairs.is_sorted_by(|one, two| one.0 < two.0 && one.1 < two.1), "{a:?} {b:?} {pairs:?}");
            assert_eq!(pairs.len(), longest(&a, &b), "{a:?} {b:?} {pairs:?}");
        }
    }

    #[test]
    fn sequences_that_share_little_are_aligned_from_the_front() {
        let (a, b): (Vec<u32>, Vec<u32>) = ((0..4_000).collect(), (4_000..8_000).chain([3_999]).collect());
        assert_eq!(align(&[&[9_000], &a[..]].concat(), &[&[9_001], &b[..]].concat()), [(4_000, 4_001)]);
    }
}
