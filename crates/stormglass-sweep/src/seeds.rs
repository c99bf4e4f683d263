//! Parses a range of seeds.

use std::ops::Range;

/// Parses `A..B` (without B) or `A..=B`.
///
/// # Errors
///
/// Returns a message with the expected format.
pub fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    const FORM: &str = "expected A..B or A..=B, for example 0..100";
    let (start, end) = text.split_once("..").ok_or(FORM)?;
    let number = |text: &str| {
        text.parse::<u64>().map_err(|_| {
            format!("`{text}` is not a seed (a whole number from 0 to 18446744073709551614); {FORM}")
        })
    };
    let start = number(start)?;
    let end = match end.strip_prefix('=') {
        Some(last) => number(last)?.checked_add(1).ok_or("the largest seed is 18446744073709551614")?,
        None => number(end)?,
    };
    if start >= end {
        return Err(format!("the range `{text}` is empty; {FORM}"));
    }
    Ok(start..end)
}
