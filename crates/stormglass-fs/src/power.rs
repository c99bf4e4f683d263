//! What a power loss leaves of the changes that were never synced.

pub(crate) use crate::tree::SECTOR;

use crate::tree::{Survivors, Write};
use stormglass_core::Stream;
pub use stormglass_core::fault::Loss;

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

    fn writes(&mut self, pending: Vec<Write>) -> Vec<(Write, bool)> {
        let count = pending.len() as u64;
        let mut kept = match self.loss {
            Loss::Suffix => self.stream.below(count + 1),
            _ => 0,
        };
        let writes = match self.loss {
            Loss::Torn => pending.into_iter().flat_map(sectors).collect(),
            _ => pending,
        };
        let survives = |write| match self.loss {
            Loss::Everything => (write, false),
            Loss::Suffix => {
                let survives = kept > 0;
                kept = kept.saturating_sub(1);
                (write, survives)
            }
            Loss::Subset | Loss::Torn => (write, self.stream.chance(1, 2)),
        };
        writes.into_iter().map(survives).collect()
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
