//! What a power loss leaves of what was never synced.

use crate::tree::{Survivors, Write};
use stormglass_core::Stream;
pub use stormglass_core::fault::Loss;

/// The unit in which a disk writes all or nothing.
pub(crate) const SECTOR: u64 = 512;

/// A loss being drawn.
pub(crate) struct Drawn<'a> {
    pub(crate) loss: Loss,
    pub(crate) stream: &'a mut Stream,
}

impl Survivors for Drawn<'_> {
    fn names(&mut self, count: usize) -> usize {
        match self.loss {
            Loss::Everything => 0,
            _ => self.stream.below(count as u64 + 1) as usize,
        }
    }

    fn writes(&mut self, mut pending: Vec<Write>) -> Vec<Write> {
        match self.loss {
            Loss::Everything => pending.clear(),
            Loss::Suffix => pending.truncate(self.stream.below(pending.len() as u64 + 1) as usize),
            Loss::Subset => pending.retain(|_| self.stream.chance(1, 2)),
            Loss::Torn => {
                pending = pending.into_iter().flat_map(sectors).collect();
                pending.retain(|_| self.stream.chance(1, 2));
            }
        }
        pending
    }
}

/// A write as one write for each sector of the file that it touches.
pub(crate) fn sectors(write: Write) -> Vec<Write> {
    let Write::Bytes { offset, bytes } = write else { return vec![write] };
    let (first, rest) = bytes.split_at(bytes.len().min((SECTOR - offset % SECTOR) as usize));
    let mut parts = vec![Write::Bytes { offset, bytes: first.to_vec() }];
    let mut offset = offset + first.len() as u64;
    for sector in rest.chunks(SECTOR as usize) {
        parts.push(Write::Bytes { offset, bytes: sector.to_vec() });
        offset += sector.len() as u64;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,200 bytes from offset 400: 112 to the first sector's end, a whole sector, another, and 64 of the next.
    #[test]
    fn a_write_is_torn_at_the_files_sectors() {
        let parts = sectors(Write::Bytes { offset: 400, bytes: vec![1; 1_200] });
        let sizes: Vec<(u64, usize)> = parts
            .iter()
            .map(|part| match part {
                Write::Bytes { offset, bytes } => (*offset, bytes.len()),
                Write::Length(_) => unreachable!("bytes stay bytes"),
            })
            .collect();
        assert_eq!(sizes, [(400, 112), (512, 512), (1_024, 512), (1_536, 64)]);
    }
}
