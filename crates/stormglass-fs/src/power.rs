//! What a power loss leaves of the changes that were never synced.

use crate::tree::{Survivors, Write};
use stormglass_core::Stream;
pub use stormglass_core::fault::Loss;

/// The sector size: a device writes a sector atomically.
pub(crate) const SECTOR: u64 = 512;

/// Draws what survives a power loss.
pub(crate) struct DrawnLoss<'a> {
    pub(crate) loss: Loss,
    pub(crate) stream: &'a mut Stream,
}

impl Survivors for DrawnLoss<'_> {
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

/// Splits a write into one write per sector of the file.
pub(crate) fn sectors(write: Write) -> Vec<Write> {
    let (Write::Bytes { offset, bytes } | Write::Direct { offset, bytes }) = write else {
        return vec![write];
    };
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

    /// 1,200 bytes at offset 400: 112 to the first sector's end, two whole sectors, and 64 of the next.
    #[test]
    fn torn_writes_split_at_sectors_of_the_file() {
        let parts = sectors(Write::Bytes { offset: 400, bytes: vec![1; 1_200] });
        let sizes: Vec<(u64, usize)> = parts
            .iter()
            .map(|part| match part {
                Write::Bytes { offset, bytes } => (*offset, bytes.len()),
                Write::Direct { .. } | Write::Length(_) => unreachable!("bytes stay bytes"),
            })
            .collect();
        assert_eq!(sizes, [(400, 112), (512, 512), (1_024, 512), (1_536, 64)]);
    }
}
