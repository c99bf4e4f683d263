//! A sparse file: a length and the pages that were written.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a page, as on x86-64 and most of arm64.
pub(crate) const PAGE: u64 = 4_096;

/// Bytes of a sector: a device writes a sector atomically.
pub(crate) const SECTOR: u64 = 512;

/// A file's bytes. Missing pages, and the rest of a short page, read as zeros. Clones share pages, copy-on-write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    len: u64,
    pages: BTreeMap<u64, Arc<Vec<u8>>>,
}

impl Pages {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Returns the bytes of the allocated pages; holes have none.
    pub(crate) fn allocated(&self) -> u64 {
        self.pages.len() as u64 * PAGE
    }

    /// Returns how many pages a write to the range would allocate.
    pub(crate) fn new_pages(&self, offset: u64, len: u64) -> u64 {
        let (first, last) = (offset / PAGE, (offset + len).div_ceil(PAGE));
        (last - first) - self.pages.range(first..last).count() as u64
    }

    /// Returns the numbers of the allocated pages.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.pages.keys().copied()
    }

    /// Reads from `offset` into `buffer` and returns the number of bytes.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let count = self.len.saturating_sub(offset).min(buffer.len() as u64) as usize;
        for (number, start, part) in page_parts(offset, count) {
            let to = &mut buffer[part];
            let page = self.pages.get(&number).map_or(&[][..], |page| &page[start.min(page.len())..]);
            let (filled, rest) = to.split_at_mut(page.len().min(to.len()));
            filled.copy_from_slice(&page[..filled.len()]);
            rest.fill(0);
        }
        count
    }

    /// Writes `bytes` at `offset` and extends the file if needed.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (number, start, part) in page_parts(offset, bytes.len()) {
            let page = make_unique(self.pages.entry(number).or_default());
            let from = &bytes[part];
            let end = start + from.len();
            if start == page.len() {
                page.extend_from_slice(from);
                continue;
            }
            if page.len() < end {
                page.resize(end, 0);
            }
            page[start..end].copy_from_slice(from);
        }
        if !bytes.is_empty() {
            self.len = self.len.max(offset + bytes.len() as u64);
        }
    }

    /// Truncates or extends; new bytes are zeros.
    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.pages.split_off(&len.div_ceil(PAGE));
            let kept = (len % PAGE) as usize;
            if let Some(page) = self.pages.get_mut(&(len / PAGE))
                && page.len() > kept
            {
                make_unique(page).truncate(kept);
            }
        }
        self.len = len;
    }

    /// Copies the pages of the range from `from`.
    pub(crate) fn copy_range(&mut self, from: &Pages, start: u64, end: u64) {
        for number in start / PAGE..end.div_ceil(PAGE) {
            self.copy_page(from, number);
        }
    }

    /// Truncates to `len` as `from` was, with the last page of `from`.
    pub(crate) fn copy_truncated(&mut self, from: &Pages, len: u64) {
        self.pages.split_off(&len.div_ceil(PAGE));
        self.copy_page(from, len / PAGE);
    }

    /// Copies the length.
    pub(crate) fn copy_len(&mut self, from: &Pages) {
        self.len = from.len;
    }

    fn copy_page(&mut self, from: &Pages, number: u64) {
        match from.pages.get(&number) {
            Some(page) => drop(self.pages.insert(number, page.clone())),
            None => drop(self.pages.remove(&number)),
        }
    }
}

/// Returns the page for writing: a copy if other clones share it. The copy has room for a whole page, since a page that is
/// written again usually grows.
fn make_unique(page: &mut Arc<Vec<u8>>) -> &mut Vec<u8> {
    if Arc::get_mut(page).is_none() {
        let mut copy = Vec::with_capacity(PAGE as usize);
        copy.extend_from_slice(page);
        *page = Arc::new(copy);
    }
    Arc::get_mut(page).expect("the page has one owner")
}

/// Splits a range by pages: the page's number, the offset in the page, and the part of the range.
fn page_parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let start = (at % PAGE) as usize;
        let part = done..len.min(done + PAGE as usize - start);
        done = part.end;
        Some((at / PAGE, start, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Change {
        Write(u16, Vec<u8>),
        Cut(u16),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0..20_000u16, prop::collection::vec(any::<u8>(), 0..9_000))
                .prop_map(|(at, bytes)| Change::Write(at, bytes)),
            (0..20_000u16).prop_map(Change::Cut),
        ]
    }

    proptest! {
        /// Pages hold the same bytes as a plain vector, at every read offset.
        #[test]
        fn pages_match_a_plain_vector(changes in prop::collection::vec(change(), 0..12), offset in 0..30_000u64, len in 0..20_000usize) {
            let (mut pages, mut plain) = (Pages::default(), Vec::new());
            for change in &changes {
                match change {
                    Change::Write(at, bytes) if !bytes.is_empty() => {
                        let (at, end) = (usize::from(*at), usize::from(*at) + bytes.len());
                        plain.resize(plain.len().max(end), 0);
                        plain[at..end].copy_from_slice(bytes);
                        pages.write(at as u64, bytes);
                    }
                    Change::Write(..) => {}
                    Change::Cut(len) => {
                        plain.resize(usize::from(*len), 0);
                        pages.set_len(u64::from(*len));
                    }
                }
            }
            prop_assert_eq!(pages.len(), plain.len() as u64);
            let mut buffer = vec![0xee; len];
            let count = pages.read(offset, &mut buffer);
            let expected = plain.get(offset as usize..).unwrap_or_default();
            let expected = &expected[..expected.len().min(len)];
            prop_assert_eq!(&buffer[..count], expected);
        }
    }

    #[test]
    fn holes_allocate_no_pages() {
        let mut pages = Pages::default();
        pages.set_len(1 << 30);
        assert_eq!((pages.len(), pages.allocated()), (1 << 30, 0));
        pages.write(1 << 29, b"x");
        assert_eq!(pages.allocated(), PAGE);
        assert_eq!(
            (pages.new_pages(1 << 29, 1), pages.new_pages((1 << 29) - 1, 2), pages.new_pages(0, 10_000)),
            (0, 1, 3)
        );
    }
}
