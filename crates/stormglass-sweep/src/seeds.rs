//! The form of a range of seeds.

use std::ops::Range;

/// Reads `A..B` or `A..=B`.
///
/// # Errors
///
/// Says which form is expected.
pub fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    const FORM: &str = "expected A..B or A..=B, for example 0..100";
    let (start, end) = text.split_once("..").ok_or(FORM)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}` is no seed; {FORM}"));
    let start = number(start)?;
    let end = match end.strip_prefix('=') {
        Some(last) => {
            number(last)?.checked_add(1).ok_or("the last seed of a range is 18446744073709551614")?
        }
        None => number(end)?,
    };
    if start >= end {
        return Err(format!("the range is empty; {FORM}"));
    }
    Ok(start..end)
}
