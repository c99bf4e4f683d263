//! The Kaplan-Meier estimate of a survival curve with censored observations.

use std::time::Duration;
use stormglass_core::Length;

/// A step of a survival curve: from this length on, this share of waits is longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The length.
    pub at: Duration,
    /// The share of waits that are longer.
    pub longer: f64,
    /// The lower end of the share's confidence interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Returns the Kaplan-Meier estimate with pointwise 95 % confidence intervals, from Greenwood's
/// variance on the log-log scale. (Kaplan and Meier, JASA 53, 1958; Kalbfleisch and Prentice,
/// 1980.) A censored observation is at risk until its length.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::Length;
/// use stormglass_sweep::stats::survival::kaplan_meier;
///
/// let seconds = Duration::from_secs;
/// let steps = kaplan_meier(&mut [Length::Observed(seconds(1)), Length::Censored(seconds(2)), Length::Observed(seconds(3))]);
/// // After 1 s two of three remain; the censored one does not lower the curve at 2 s.
/// assert!((steps[0].longer - 2.0 / 3.0).abs() < 1e-12);
/// assert_eq!(steps[1].longer, 0.0);
/// ```
pub fn kaplan_meier(lengths: &mut [Length]) -> Vec<Step> {
    // At equal lengths observed waits come first: a censored one was still at risk.
    lengths.sort_by_key(|length| (length.duration(), matches!(length, Length::Censored(_))));
    let mut steps = Vec::new();
    let (mut longer, mut variance) = (1.0, 0.0);
    let mut place = 0;
    while place < lengths.len() {
        let at = lengths[place].duration();
        let left = (lengths.len() - place) as f64;
        let here = lengths[place..].iter().take_while(|length| length.duration() == at);
        let (ended, all) = here.fold((0u64, 0usize), |(ended, all), length| {
            (ended + u64::from(matches!(length, Length::Observed(_))), all + 1)
        });
        place += all;
        if ended == 0 {
            continue;
        }
        let ended = ended as f64;
        longer *= 1.0 - ended / left;
        variance += ended / (left * (left - ended));
        let (low, high) = interval(longer, variance);
        steps.push(Step { at, longer, low, high });
    }
    steps
}

/// Returns the interval on the log-log scale: the survival to the power of exp(±1.96 σ).
fn interval(longer: f64, variance: f64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    if longer <= 0.0 || longer >= 1.0 {
        return (longer, longer);
    }
    let width = Z * variance.sqrt() / longer.ln();
    let (one, other) = (longer.powf(width.exp()), longer.powf((-width).exp()));
    (one.min(other), one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(weeks: &[(u64, bool)]) -> Vec<(u64, f64)> {
        let mut lengths: Vec<Length> = weeks
            .iter()
            .map(|&(at, ended)| {
                let at = Duration::from_secs(at);
                if ended { Length::Observed(at) } else { Length::Censored(at) }
            })
            .collect();
        kaplan_meier(&mut lengths)
            .iter()
            .map(|step| (step.at.as_secs(), (step.longer * 1e4).round() / 1e4))
            .collect()
    }

    /// The 6-MP arm of Freireich's leukaemia trial (1963), the textbook's example: 21 patients, 9
    /// relapses.
    #[test]
    fn estimate_agrees_with_the_textbook() {
        let weeks = [
            (6, true),
            (6, true),
            (6, true),
            (6, false),
            (7, true),
            (9, false),
            (10, true),
            (10, false),
            (11, false),
            (13, true),
            (16, true),
            (17, false),
            (19, false),
            (20, false),
            (22, true),
            (23, true),
            (25, false),
            (32, false),
            (32, false),
            (34, false),
            (35, false),
        ];
        let expected =
            [(6, 0.8571), (7, 0.8067), (10, 0.7529), (13, 0.6902), (16, 0.6275), (22, 0.5378), (23, 0.4482)];
        assert_eq!(curve(&weeks), expected);
    }

    #[test]
    fn estimate_without_censoring_is_the_share_of_longer_waits() {
        assert_eq!(
            curve(&[(1, true), (2, true), (3, true), (4, true)]),
            [(1, 0.75), (2, 0.5), (3, 0.25), (4, 0.0)]
        );
    }
}
