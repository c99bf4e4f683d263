//! The table of a sweep's rows as Parquet, `runs.parquet`.
//!
//! One row per run, sorted by the index of its seed and then by history. Times are nanoseconds of
//! simulated time.
//!
//! | column | meaning |
//! | --- | --- |
//! | `history` | the index of the run's history in the manifest's `plan.histories` |
//! | `case`, `scenario`, `model`, `profile`, `settings` | that history's fields |
//! | `seed` | the seed |
//! | `verdict` | `passed`, `timed-out`, `violated`, `too-few`, `stalled`, `panicked`, under the history's own deadlines |
//! | `verdict_json` | the verdict with all its fields |
//! | `waits` | a list: `name`, `node`, `parameter` (whose value the deadline is), `began_ns`, `deadline_ns`, `length_ns`, `ended` (false: a censored observation, `length_ns` is a lower bound) |
//! | `counters` | events by kind |
//! | `events`, `ended_ns`, `trace_hash` | the number of events, the time at which the run ended, the hash over all events |
//! | `sometimes` | the properties that have to hold in at least one run, and whether each held in this one |
//! | `too_few_json` | the requirement of a number of waits and checks that the run did not meet; absent if it met all |
//!
//! DuckDB reads it directly: `select settings, avg((verdict <> 'passed')::int) from 'runs.parquet'
//! group by 1`.

use super::files::{ResultsError, replace};
use super::row::Row;
use crate::plan::Plan;
use crate::space::Cell;
use parquet::basic::{Compression, Type};
use parquet::column::reader::ColumnReader;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use stormglass_core::trace::TraceHash;
use stormglass_core::{EventId, Length, Outcome, SimTime, Verdict, Wait};

const SCHEMA: &str = "
message run {
  required int32 history;
  required binary case (STRING);
  required binary scenario (STRING);
  optional binary model (STRING);
  required binary profile (STRING);
  required group settings (MAP) {
    repeated group key_value { required binary key (STRING); required binary value (STRING); }
  }
  required int64 seed (INTEGER(64, false));
  required binary verdict (STRING);
  required binary verdict_json (STRING);
  required group waits (LIST) {
    repeated group list {
      required group element {
        required binary name (STRING);
        required binary node (STRING);
        optional binary parameter (STRING);
        required int64 began_ns;
        required int64 deadline_ns;
        required int64 length_ns;
        required boolean ended;
      }
    }
  }
  required group counters (MAP) {
    repeated group key_value { required binary key (STRING); required int64 value; }
  }
  required int64 events;
  required int64 ended_ns;
  required binary trace_hash (STRING);
  required group sometimes (MAP) {
    repeated group key_value { required binary key (STRING); required boolean value; }
  }
  optional binary too_few_json (STRING);
}
";

/// Rows per row group: some megabytes of memory.
const GROUP: usize = 4_096;
/// Rows per read.
const BATCH: usize = 256;

/// The schema, and its leaves in order.
static DESCRIPTION: LazyLock<SchemaDescriptor> = LazyLock::new(|| {
    let message = parse_message_type(SCHEMA).expect("the schema is well-formed: a test writes it");
    SchemaDescriptor::new(Arc::new(message))
});

/// Returns the table's path in a folder.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("runs.parquet")
}

/// Writes a table atomically from rows that `rows` hands over one by one, and returns their number.
///
/// # Errors
///
/// If the file cannot be written, for example on a full disk, and the errors of `rows`.
pub fn write(
    folder: &Path,
    plan: &Plan,
    rows: impl FnOnce(&mut dyn FnMut(&Row) -> Result<(), ResultsError>) -> Result<(), ResultsError>,
) -> Result<u64, ResultsError> {
    let path = path(folder);
    let mut count = 0;
    replace(&path, |file| {
        let fail = |error: ParquetError| ResultsError::wrong(&path, format!("cannot be written: {error}"));
        let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
        let mut writer =
            SerializedFileWriter::new(file, DESCRIPTION.root_schema_ptr(), properties).map_err(fail)?;
        let mut columns = Columns::new();
        rows(&mut |row: &Row| {
            columns.push(&plan.histories[row.history], row);
            count += 1;
            if columns.rows == GROUP {
                columns.write(&mut writer).map_err(fail)?;
                columns = Columns::new();
            }
            Ok(())
        })?;
        if columns.rows > 0 {
            columns.write(&mut writer).map_err(fail)?;
        }
        writer.close().map(drop).map_err(fail)
    })?;
    Ok(count)
}

/// Reads the rows of a table, some at a time.
pub struct Reader {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    /// The index of the next row group; `left` rows of the group before are unread.
    group: usize,
    columns: Vec<ColumnReader>,
    left: usize,
    rows: std::vec::IntoIter<Row>,
}

impl Reader {
    /// Opens the table of a folder.
    ///
    /// # Errors
    ///
    /// If the file does not exist or is not a table of runs.
    pub fn open(folder: &Path) -> Result<Reader, ResultsError> {
        let path = path(folder);
        let file = File::open(&path).map_err(ResultsError::file(&path, "cannot be opened"))?;
        let reader = SerializedFileReader::new(file)
            .map_err(|error| ResultsError::wrong(&path, format!("is not a Parquet file: {error}")))?;
        if reader.metadata().file_metadata().schema_descr().num_columns() != DESCRIPTION.num_columns() {
            return Err(ResultsError::wrong(
                &path,
                "is not a table of runs of this version: play the sweep again",
            ));
        }
        let (columns, rows) = (Vec::new(), Vec::new().into_iter());
        Ok(Reader { path, reader, group: 0, columns, left: 0, rows })
    }

    /// Reads the next rows; returns false at the end.
    fn read(&mut self) -> Result<bool, ResultsError> {
        let fail = |error: ParquetError| ResultsError::wrong(&self.path, format!("cannot be read: {error}"));
        if self.left == 0 {
            if self.group == self.reader.num_row_groups() {
                return Ok(false);
            }
            let group = self.reader.get_row_group(self.group).map_err(fail)?;
            let columns = (0..DESCRIPTION.num_columns()).map(|place| group.get_column_reader(place));
            self.columns = columns.collect::<Result<_, _>>().map_err(fail)?;
            self.left = group.metadata().num_rows() as usize;
            self.group += 1;
        }
        let rows = self.left.min(BATCH);
        self.left -= rows;
        let columns = Columns::read(&mut self.columns, rows).map_err(fail)?;
        let rows = columns.rows();
        self.rows = rows.map_err(|problem| fail(ParquetError::General(problem)))?.into_iter();
        Ok(true)
    }
}

impl Iterator for Reader {
    type Item = Result<Row, ResultsError>;

    fn next(&mut self) -> Option<Result<Row, ResultsError>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            match self.read() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    (self.group, self.left) = (self.reader.num_row_groups(), 0);
                    return Some(Err(error));
                }
            }
        }
    }
}

/// A group of rows, leaf column by leaf column.
struct Columns {
    rows: usize,
    leaves: Vec<Leaf>,
}

struct Leaf {
    /// The largest Dremel definition level (the number of optional or repeated groups around a
    /// value), and whether one of them is repeated.
    defined: i16,
    repeats: bool,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    values: Values,
}

enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Bool(Vec<bool>),
    Bytes(Vec<ByteArray>),
}

impl Columns {
    fn new() -> Columns {
        let leaf = |column: &ColumnDescPtr| Leaf {
            defined: column.max_def_level(),
            repeats: column.max_rep_level() > 0,
            definitions: Vec::new(),
            repetitions: Vec::new(),
            values: match column.physical_type() {
                Type::INT32 => Values::Int32(Vec::new()),
                Type::BOOLEAN => Values::Bool(Vec::new()),
                Type::BYTE_ARRAY => Values::Bytes(Vec::new()),
                _ => Values::Int64(Vec::new()),
            },
        };
        Columns { rows: 0, leaves: DESCRIPTION.columns().iter().map(leaf).collect() }
    }

    fn push(&mut self, history: &Cell, row: &Row) {
        self.rows += 1;
        let verdict = serde_json::to_value(&row.outcome.verdict).expect("a verdict is plain data");
        let mut leaves = self.leaves.iter_mut();
        let mut leaf = || leaves.next().expect("there are as many leaves as the schema has");
        leaf().value_int32(row.history as i32);
        leaf().value_text(&history.case);
        leaf().value_text(&history.scenario);
        leaf().optional(history.model.as_deref());
        leaf().value_text(&history.profile);
        leaf().list(&history.sets, |leaf, (key, _)| leaf.value_text(key));
        leaf().list(&history.sets, |leaf, (_, value)| leaf.value_text(value));
        leaf().value_int64(row.seed);
        leaf().value_text(verdict["kind"].as_str().unwrap_or_default());
        leaf().value_text(&verdict.to_string());
        let waits = &row.outcome.waits;
        leaf().list(waits, |leaf, wait| leaf.value_text(&wait.name));
        leaf().list(waits, |leaf, wait| leaf.value_text(&wait.node));
        leaf().optional_list(waits, |wait| wait.parameter.as_deref());
        leaf().list(waits, |leaf, wait| leaf.value_int64(wait.began.as_nanos()));
        leaf().list(waits, |leaf, wait| leaf.value_int64(wait.deadline.as_nanos() as u64));
        leaf().list(waits, |leaf, wait| leaf.value_int64(wait.length.duration().as_nanos() as u64));
        leaf().list(waits, |leaf, wait| leaf.value_bool(matches!(wait.length, Length::Observed(_))));
        let counters: Vec<(&String, &u64)> = row.outcome.counters.iter().collect();
        leaf().list(&counters, |leaf, (key, _)| leaf.value_text(key));
        leaf().list(&counters, |leaf, (_, value)| leaf.value_int64(**value));
        leaf().value_int64(row.outcome.events);
        leaf().value_int64(row.outcome.ended.as_nanos());
        leaf().value_text(&row.outcome.trace_hash.to_string());
        let sometimes: Vec<(&String, &bool)> = row.outcome.sometimes.iter().collect();
        leaf().list(&sometimes, |leaf, (property, _)| leaf.value_text(property));
        leaf().list(&sometimes, |leaf, (_, holds)| leaf.value_bool(**holds));
        let json = |too_few| serde_json::to_string(too_few).expect("it is plain data");
        leaf().optional(row.outcome.too_few.as_ref().map(json).as_deref());
    }

    fn write<W: std::io::Write + Send>(
        &self,
        writer: &mut SerializedFileWriter<W>,
    ) -> Result<(), ParquetError> {
        let mut group = writer.next_row_group()?;
        for leaf in &self.leaves {
            let mut column = group.next_column()?.expect("the schema has a column for each leaf");
            let definitions = (leaf.defined > 0).then_some(leaf.definitions.as_slice());
            let repetitions = leaf.repeats.then_some(leaf.repetitions.as_slice());
            match (column.untyped(), &leaf.values) {
                (ColumnWriter::Int32ColumnWriter(column), Values::Int32(values)) => {
                    column.write_batch(values, definitions, repetitions)?
                }
                (ColumnWriter::Int64ColumnWriter(column), Values::Int64(values)) => {
                    column.write_batch(values, definitions, repetitions)?
                }
                (ColumnWriter::BoolColumnWriter(column), Values::Bool(values)) => {
                    column.write_batch(values, definitions, repetitions)?
                }
                (ColumnWriter::ByteArrayColumnWriter(column), Values::Bytes(values)) => {
                    column.write_batch(values, definitions, repetitions)?
                }
                _ => unreachable!("leaves have the kinds of the schema"),
            };
            column.close()?;
        }
        group.close().map(drop)
    }

    fn read(readers: &mut [ColumnReader], rows: usize) -> Result<Columns, ParquetError> {
        let mut columns = Columns::new();
        columns.rows = rows;
        for (place, (leaf, reader)) in columns.leaves.iter_mut().zip(readers).enumerate() {
            let definitions = (leaf.defined > 0).then_some(&mut leaf.definitions);
            let repetitions = leaf.repeats.then_some(&mut leaf.repetitions);
            match (reader, &mut leaf.values) {
                (ColumnReader::Int32ColumnReader(column), Values::Int32(values)) => {
                    column.read_records(rows, definitions, repetitions, values)?
                }
                (ColumnReader::Int64ColumnReader(column), Values::Int64(values)) => {
                    column.read_records(rows, definitions, repetitions, values)?
                }
                (ColumnReader::BoolColumnReader(column), Values::Bool(values)) => {
                    column.read_records(rows, definitions, repetitions, values)?
                }
                (ColumnReader::ByteArrayColumnReader(column), Values::Bytes(values)) => {
                    column.read_records(rows, definitions, repetitions, values)?
                }
                _ => return Err(ParquetError::General(format!("column {place} has another type"))),
            };
        }
        Ok(columns)
    }

    fn rows(self) -> Result<Vec<Row>, String> {
        let rows = self.rows;
        let mut leaves = self.leaves.into_iter();
        let mut next = || leaves.next().expect("there are as many leaves as the schema has");
        let histories = next().into_numbers();
        for _ in 0..6 {
            // The history's fields are in the manifest.
            next();
        }
        let seeds = next().into_numbers();
        next();
        let verdicts = next().into_texts()?;
        let names = next().into_lists(rows, Leaf::into_texts)?;
        let nodes = next().into_lists(rows, Leaf::into_texts)?;
        let parameters = next().into_lists(rows, Leaf::into_optional_texts)?;
        let mut numbers = || next().into_lists(rows, |leaf| Ok(leaf.into_numbers()));
        let (began, deadlines, lengths, ended) = (numbers()?, numbers()?, numbers()?, numbers()?);
        let keys = next().into_lists(rows, Leaf::into_texts)?;
        let counts = next().into_lists(rows, |leaf| Ok(leaf.into_numbers()))?;
        let (events, ends) = (next().into_numbers(), next().into_numbers());
        let hashes = next().into_texts()?;
        let properties = next().into_lists(rows, Leaf::into_texts)?;
        let held = next().into_lists(rows, |leaf| Ok(leaf.into_numbers()))?;
        let too_few = next().into_optional_column()?;
        let row = |row: usize| {
            let wait = |place: usize| {
                let length = Duration::from_nanos(lengths[row][place]);
                Wait {
                    name: names[row][place].clone(),
                    node: nodes[row][place].clone(),
                    began: SimTime::from_nanos(began[row][place]),
                    deadline: Duration::from_nanos(deadlines[row][place]),
                    parameter: parameters[row][place].clone().map(Cow::Owned),
                    length: if ended[row][place] == 1 {
                        Length::Observed(length)
                    } else {
                        Length::Censored(length)
                    },
                    end: EventId::START,
                }
            };
            let verdict: Verdict = serde_json::from_str(&verdicts[row])
                .map_err(|error| format!("the verdict of row {row}: {error}"))?;
            let counters: BTreeMap<String, u64> =
                keys[row].iter().cloned().zip(counts[row].iter().copied()).collect();
            let hash = u64::from_str_radix(&hashes[row], 16)
                .map_err(|error| format!("the hash of row {row}: {error}"))?;
            let json = too_few[row].as_deref().map(serde_json::from_str).transpose();
            let too_few = json.map_err(|error| format!("the requirement of row {row}: {error}"))?;
            let held = held[row].iter().map(|&held| held == 1);
            let outcome = Outcome {
                verdict,
                waits: (0..names[row].len()).map(wait).collect(),
                counters,
                events: events[row],
                trace_hash: TraceHash(hash),
                ended: SimTime::from_nanos(ends[row]),
                sometimes: properties[row].iter().cloned().zip(held).collect(),
                too_few,
            };
            Ok(Row { history: histories[row] as usize, seed: seeds[row], outcome })
        };
        (0..rows).map(row).collect()
    }
}

impl Leaf {
    fn value_text(&mut self, text: &str) {
        if let Values::Bytes(values) = &mut self.values {
            values.push(ByteArray::from(text));
        }
    }

    fn value_int64(&mut self, number: u64) {
        if let Values::Int64(values) = &mut self.values {
            values.push(number as i64);
        }
    }

    fn value_bool(&mut self, value: bool) {
        if let Values::Bool(values) = &mut self.values {
            values.push(value);
        }
    }

    fn value_int32(&mut self, number: i32) {
        if let Values::Int32(values) = &mut self.values {
            values.push(number);
        }
    }

    fn optional(&mut self, text: Option<&str>) {
        self.definitions.push(i16::from(text.is_some()));
        text.into_iter().for_each(|text| self.value_text(text));
    }

    /// Appends a list. An empty list has a level and no value.
    fn list<T>(&mut self, items: &[T], mut value: impl FnMut(&mut Leaf, &T)) {
        self.levels_of_list(items.len(), |_| true);
        items.iter().for_each(|item| value(self, item));
    }

    fn optional_list<T>(&mut self, items: &[T], text: impl Fn(&T) -> Option<&str>) {
        self.levels_of_list(items.len(), |place| text(&items[place]).is_some());
        items.iter().filter_map(text).for_each(|text| self.value_text(text));
    }

    fn levels_of_list(&mut self, count: usize, is_there: impl Fn(usize) -> bool) {
        if count == 0 {
            self.definitions.push(0);
            self.repetitions.push(0);
        }
        for place in 0..count {
            self.definitions.push(self.defined - i16::from(!is_there(place)));
            self.repetitions.push(i16::from(place > 0));
        }
    }

    fn into_numbers(self) -> Vec<u64> {
        match self.values {
            Values::Int32(values) => values.into_iter().map(|value| value as u64).collect(),
            Values::Int64(values) => values.into_iter().map(|value| value as u64).collect(),
            Values::Bool(values) => values.into_iter().map(u64::from).collect(),
            Values::Bytes(_) => Vec::new(),
        }
    }

    fn into_texts(self) -> Result<Vec<String>, String> {
        let Values::Bytes(values) = self.values else { return Ok(Vec::new()) };
        let text =
            |bytes: ByteArray| String::from_utf8(bytes.data().to_vec()).map_err(|error| error.to_string());
        values.into_iter().map(text).collect()
    }

    fn into_optional_texts(self) -> Result<Vec<Option<String>>, String> {
        let (definitions, most) = (self.definitions.clone(), self.defined);
        let mut texts = self.into_texts()?.into_iter();
        // The level of an empty list stands for no value.
        let there = definitions.into_iter().filter(|&level| level > 0);
        Ok(there.map(|level| if level == most { texts.next() } else { None }).collect())
    }

    /// Returns the values of an optional column that is in no list.
    fn into_optional_column(self) -> Result<Vec<Option<String>>, String> {
        let definitions = self.definitions.clone();
        let mut texts = self.into_texts()?.into_iter();
        Ok(definitions.into_iter().map(|level| if level > 0 { texts.next() } else { None }).collect())
    }

    /// Returns the values, row by row.
    fn into_lists<T>(
        self,
        rows: usize,
        values: impl FnOnce(Leaf) -> Result<Vec<T>, String>,
    ) -> Result<Vec<Vec<T>>, String> {
        let levels: Vec<(i16, i16)> =
            self.repetitions.iter().copied().zip(self.definitions.iter().copied()).collect();
        let mut values = values(self)?.into_iter();
        let mut lists: Vec<Vec<T>> = Vec::with_capacity(rows);
        for (repetition, definition) in levels {
            if repetition == 0 {
                lists.push(Vec::new());
            }
            if definition > 0 {
                let value = values.next().ok_or("a list has fewer values than levels")?;
                lists.last_mut().ok_or("a list continues before it starts")?.push(value);
            }
        }
        if lists.len() == rows { Ok(lists) } else { Err(format!("{} lists for {rows} rows", lists.len())) }
    }
}
