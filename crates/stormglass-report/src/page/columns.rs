//! The events of a trace as compact columns: what lets a page of 200,000 events stay small.
//!
//! Each column is a sequence of unsigned LEB128 numbers, and all columns follow each other, as one
//! text in base64. Times are differences to the event before, causes are distances back, so most
//! numbers take one to three bytes.

use indexmap::IndexSet;
use stormglass_core::Trace;

/// The columns in their order. `templates/run/data.js` reads them in the same order.
pub(super) const NAMES: [&str; 7] = ["at", "took", "value", "cause", "subject", "scope", "kind"];

/// The events of a trace as columns.
#[derive(Debug)]
pub(super) struct Columns {
    /// The pairs of node and task that the column `scope` numbers.
    pub(super) scopes: Vec<[u32; 2]>,
    /// How many bytes each column has.
    pub(super) lengths: [usize; NAMES.len()],
    /// The bytes of all columns.
    pub(super) bytes: Vec<u8>,
}

impl Columns {
    pub(super) fn of(trace: &Trace) -> Columns {
        let mut scopes: IndexSet<(usize, usize)> = IndexSet::new();
        let mut columns: [Vec<u8>; NAMES.len()] = Default::default();
        let mut before = 0;
        for (index, event) in trace.events.iter().enumerate() {
            let [at, took, value, cause, subject, scope, kind] = &mut columns;
            push(at, event.at_nanos - before);
            before = event.at_nanos;
            push(took, event.took_nanos);
            push(value, event.value);
            // 0 for the start of the run, else how many events before this one.
            push(cause, event.cause.index().map_or(0, |of| (index - of) as u64));
            push(subject, event.subject.index() as u64);
            push(scope, scopes.insert_full((event.node.index(), event.task.index())).0 as u64);
            kind.push(event.kind as u8);
        }
        let number = |index: usize| u32::try_from(index).expect("fewer than 2³² strings in a run");
        Columns {
            scopes: scopes.into_iter().map(|(node, task)| [number(node), number(task)]).collect(),
            lengths: std::array::from_fn(|column| columns[column].len()),
            bytes: columns.concat(),
        }
    }
}

/// Appends a number as unsigned LEB128: seven bits for each byte, the lowest first.
fn push(column: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        column.push(number as u8 | 0x80);
        number >>= 7;
    }
    column.push(number as u8);
}

/// Returns bytes as base64 (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * place) & 0x3f) as usize];
            text.push(if place <= chunk.len() { digit.into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use stormglass_core::{Keep, Kind, Recorder, Scope, SimTime};

    /// The examples of RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_rfc() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    /// Reads the columns as the page does.
    fn read(columns: &Columns) -> Vec<Vec<u64>> {
        let mut rest = columns.bytes.iter();
        columns
            .lengths
            .iter()
            .map(|&length| {
                let (mut numbers, mut number, mut shift) = (Vec::new(), 0u64, 0);
                for &byte in rest.by_ref().take(length) {
                    number |= u64::from(byte & 0x7f) << shift;
                    shift += 7;
                    if byte < 0x80 {
                        numbers.push(std::mem::take(&mut number));
                        shift = 0;
                    }
                }
                numbers
            })
            .collect()
    }

    #[test]
    fn every_field_of_an_event_is_in_the_columns() {
        let recorder = Recorder::new(Keep::Events);
        let [node, task, wal] = ["node-1", "main", "/wal"].map(|text| recorder.symbol(text));
        recorder.enter(Scope { node, task, ..Scope::default() });
        let first =
            recorder.record(SimTime::from_nanos(300), Kind::Write, wal, Duration::from_nanos(200), u64::MAX);
        recorder.enter(Scope { node, ..Scope::default() });
        recorder.record(SimTime::from_nanos(500), Kind::Tick, wal, Duration::ZERO, 0);
        recorder.enter(Scope { node, task, cause: first, ..Scope::default() });
        recorder.record(SimTime::from_nanos(501), Kind::Fsync, wal, Duration::from_nanos(1), 127);
        let columns = Columns::of(&recorder.finish());
        let [wal, node, task] = [wal, node, task].map(|symbol| symbol.index() as u64);
        assert_eq!(
            read(&columns),
            [
                vec![300, 200, 1],
                vec![200, 0, 1],
                vec![u64::MAX, 0, 127],
                vec![0, 0, 2],
                vec![wal; 3],
                vec![0, 1, 0],
                vec![Kind::Write as u64, Kind::Tick as u64, Kind::Fsync as u64],
            ]
        );
        assert_eq!(columns.scopes, [[node as u32, task as u32], [node as u32, 0]]);
    }
}
