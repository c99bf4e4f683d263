//! Distributions of durations, as data.
//!
//! One draw gives one duration, whatever the shape: an operation consumes exactly one number of
//! its stream under a constant as under a sum of three log-normals. Two profiles therefore stay
//! paired draw by draw (common random numbers). The arithmetic is fully specified (IEEE 754 basic
//! operations only), so results are equal on every platform.
//!
//! In TOML a constant is a duration, everything else names its shape:
//!
//! ```
//! use stormglass_core::Latency;
//!
//! #[derive(serde::Deserialize)]
//! struct Disk { read: Latency, sync: Latency }
//!
//! let disk: Disk = toml::from_str(r#"
//!     read = "80us"
//!     sync = { log-normal = { median = "2ms", sigma = 0.8, max = "5s" } }
//! "#)?;
//! assert_eq!(disk.read, Latency::from_micros(80));
//! # Ok::<(), toml::de::Error>(())
//! ```

mod toml_form;

pub use crate::human_duration::HumanDuration;
use crate::human_duration::human;
use crate::math;
use crate::time::{YEAR, nanos};
use std::time::Duration;

/// The largest factor of [`Latency::Scaled`], of a slow device and of slow CPUs: a million.
pub const FACTOR_MAX: f64 = 1e6;

/// A distribution of durations.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::{Latency, Seed};
///
/// let seek = Latency::Uniform { min: Duration::from_millis(2), max: Duration::from_millis(6) };
/// let mut stream = Seed(1).stream("seek");
/// let sample = seek.at(stream.draw());
/// assert!(seek.validate().is_ok());
/// assert!(Duration::from_millis(2) <= sample && sample <= Duration::from_millis(6));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// Always the same duration. In TOML a bare duration.
    Constant(Duration),
    /// The uniform distribution from `min` to `max`.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest; at least `min`.
        max: Duration,
    },
    /// The exponential distribution; longer samples count as `max`.
    Exponential {
        /// The mean, before samples are limited to `max`.
        mean: Duration,
        /// The longest.
        max: Duration,
    },
    /// The log-normal distribution, the usual shape of a busy machine: most samples near the
    /// median, a long right tail. Longer samples count as `max`.
    LogNormal {
        /// The median: half of the samples are shorter.
        median: Duration,
        /// The standard deviation of the logarithm; 0 to 5. At 0.5 the 99th percentile is 3.2
        /// medians, at 1 it is 10.
        sigma: f64,
        /// The longest.
        max: Duration,
    },
    /// A mixture of two distributions: mostly `body`, sometimes `tail`.
    Bimodal {
        /// The usual case.
        body: Box<Latency>,
        /// The rare case.
        tail: Box<Latency>,
        /// The probability of the tail; 0 to 1.
        tail_probability: f64,
    },
    /// Measured quantiles at evenly spaced ranks from the minimum to the maximum, with linear
    /// interpolation between them.
    Empirical(Vec<Duration>),
    /// The sum of these.
    Sum(Vec<Latency>),
    /// Another latency times a factor.
    Scaled {
        /// The latency to scale.
        of: Box<Latency>,
        /// The factor; 0 to [`FACTOR_MAX`].
        factor: f64,
    },
}

impl Latency {
    /// No time at all.
    pub const ZERO: Latency = Latency::Constant(Duration::ZERO);

    /// A constant in microseconds.
    pub const fn from_micros(micros: u64) -> Latency {
        Latency::Constant(Duration::from_micros(micros))
    }

    /// A constant in milliseconds.
    pub const fn from_millis(millis: u64) -> Latency {
        Latency::Constant(Duration::from_millis(millis))
    }

    /// Returns the duration for this draw of 64 random bits. The same draw always gives the same
    /// duration; for every shape but [`Latency::Bimodal`] and [`Latency::Sum`] a larger draw gives
    /// no shorter one.
    ///
    /// The latency must be valid (see [`Latency::validate`]); a reversed range counts as its
    /// minimum.
    pub fn at(&self, draw: u64) -> Duration {
        match self {
            Latency::Constant(duration) => *duration,
            Latency::Uniform { min, max } => {
                let width = nanos(max.saturating_sub(*min));
                let offset = (u128::from(draw) * (u128::from(width) + 1)) >> 64;
                *min + Duration::from_nanos(offset as u64)
            }
            Latency::Exponential { mean, max } => {
                // 1 - u has the distribution of u and makes the result grow with the draw.
                from_nanos_f64(nanos(*mean) as f64 * -math::ln(1.0 - math::unit(draw))).min(*max)
            }
            Latency::LogNormal { median, sigma, max } => {
                let z = math::normal_quantile(math::unit(draw));
                from_nanos_f64(nanos(*median) as f64 * math::exp(sigma * z)).min(*max)
            }
            Latency::Bimodal { body, tail, tail_probability } => {
                let chosen = if math::unit(draw) >= 1.0 - tail_probability { tail } else { body };
                chosen.at(math::split(draw))
            }
            Latency::Empirical(quantiles) => interpolate(quantiles, draw),
            Latency::Sum(parts) => {
                let mut draw = draw;
                parts.iter().fold(Duration::ZERO, |sum, part| {
                    draw = math::split(draw);
                    sum.saturating_add(part.at(draw))
                })
            }
            Latency::Scaled { of, factor } => from_nanos_f64(nanos(of.at(draw)) as f64 * factor),
        }
    }

    /// Checks the bounds of every shape. No duration is longer than 365 days, the longest run.
    ///
    /// # Errors
    ///
    /// Names the bound that is violated, its value and the range.
    pub fn validate(&self) -> Result<(), InvalidLatency> {
        let invalid = |text: String| Err(InvalidLatency(text));
        if let Some(duration) = self.durations().iter().find(|duration| **duration > YEAR) {
            return invalid(format!("a duration is {}, the range is 0s to 365days", human(*duration)));
        }
        match self {
            Latency::Constant(_) => Ok(()),
            Latency::Uniform { min, max } if max < min => {
                invalid(format!("max ({}) is below min ({})", human(*max), human(*min)))
            }
            Latency::Exponential { mean, max } if max < mean => {
                invalid(format!("max ({}) is below the mean ({})", human(*max), human(*mean)))
            }
            Latency::LogNormal { median, max, .. } if max < median => {
                invalid(format!("max ({}) is below the median ({})", human(*max), human(*median)))
            }
            Latency::LogNormal { sigma, .. } if !(0.0..=5.0).contains(sigma) => {
                invalid(format!("sigma is {sigma}, the range is 0 to 5"))
            }
            Latency::Uniform { .. } | Latency::Exponential { .. } | Latency::LogNormal { .. } => Ok(()),
            Latency::Bimodal { body, tail, tail_probability } => {
                if !(0.0..=1.0).contains(tail_probability) {
                    return invalid(format!("tail-probability is {tail_probability}, the range is 0 to 1"));
                }
                body.validate().and_then(|()| tail.validate())
            }
            Latency::Empirical(quantiles) if quantiles.is_empty() => invalid("no quantiles given".into()),
            Latency::Empirical(quantiles) if !quantiles.is_sorted() => {
                invalid("quantiles must not fall from one to the next".into())
            }
            Latency::Empirical(_) => Ok(()),
            Latency::Sum(parts) => parts.iter().try_for_each(Latency::validate),
            Latency::Scaled { of, factor } => {
                if !(0.0..=FACTOR_MAX).contains(factor) {
                    return invalid(format!("factor is {factor}, the range is 0 to {FACTOR_MAX}"));
                }
                of.validate()
            }
        }
    }

    /// Returns the durations of the shape itself, without those of its parts.
    fn durations(&self) -> &[Duration] {
        match self {
            Latency::Constant(duration) => std::slice::from_ref(duration),
            // The longest one: `max` is compared with the others.
            Latency::Uniform { max, .. }
            | Latency::Exponential { max, .. }
            | Latency::LogNormal { max, .. } => std::slice::from_ref(max),
            Latency::Empirical(quantiles) => quantiles,
            Latency::Bimodal { .. } | Latency::Sum(_) | Latency::Scaled { .. } => &[],
        }
    }
}

/// A latency that violates one of its bounds.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidLatency(String);

fn from_nanos_f64(nanos: f64) -> Duration {
    // `as` saturates and is exact below 2⁵³ ns, 104 days.
    Duration::from_nanos(nanos as u64)
}

fn interpolate(quantiles: &[Duration], draw: u64) -> Duration {
    let gaps = (quantiles.len() - 1) as u128;
    let position = u128::from(draw) * gaps;
    let (rank, fraction) = ((position >> 64) as usize, position as u64);
    let low = nanos(quantiles[rank]);
    let high = quantiles.get(rank + 1).map_or(low, |&duration| nanos(duration));
    let step = (u128::from(high - low) * u128::from(fraction)) >> 64;
    Duration::from_nanos(low + step as u64)
}

/// Returns the time that `bytes` bytes take at `per_mib` for each MiB.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::latency::transfer;
///
/// assert_eq!(transfer(Duration::from_millis(8), 512 << 10), Duration::from_millis(4));
/// ```
pub fn transfer(per_mib: Duration, bytes: u64) -> Duration {
    let nanos = per_mib.as_nanos().saturating_mul(u128::from(bytes)) >> 20;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Returns a duration times a factor of 0 or more; 584 years if it is longer.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::latency::scaled;
///
/// assert_eq!(scaled(Duration::from_millis(8), 2.5), Duration::from_millis(20));
/// assert_eq!(scaled(Duration::from_secs(1), f64::INFINITY), Duration::from_nanos(u64::MAX));
/// ```
pub fn scaled(duration: Duration, factor: f64) -> Duration {
    const LONGEST: Duration = Duration::from_nanos(u64::MAX);
    if duration.is_zero() {
        return Duration::ZERO;
    }
    // As `Duration::mul_f64`, which panics if the product is too long.
    Duration::try_from_secs_f64(factor * duration.as_secs_f64()).map_or(LONGEST, |time| time.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn shapes() -> Vec<Latency> {
        let normal = Latency::LogNormal { median: MS(2), sigma: 0.8, max: MS(5_000) };
        vec![
            Latency::from_millis(3),
            Latency::Uniform { min: MS(1), max: MS(4) },
            Latency::Exponential { mean: MS(2), max: MS(100) },
            normal.clone(),
            Latency::Bimodal {
                body: Box::new(Latency::from_micros(400)),
                tail: Box::new(normal.clone()),
                tail_probability: 0.1,
            },
            Latency::Empirical(vec![MS(1), MS(2), MS(4), MS(40)]),
            Latency::Sum(vec![Latency::from_millis(1), normal.clone(), normal.clone()]),
            Latency::Scaled { of: Box::new(normal), factor: 2.5 },
        ]
    }

    /// Saved seeds depend on these samples: they are the same on every platform and in every
    /// version.
    #[test]
    fn first_samples_are_fixed() {
        let mut text = String::new();
        for shape in shapes() {
            let mut stream = Seed(1).stream("latency");
            let samples: Vec<String> =
                (0..4).map(|_| shape.at(stream.draw()).as_nanos().to_string()).collect();
            text += &(samples.join(" ") + "\n");
        }
        expect![[r#"
            3000000 3000000 3000000 3000000
            2615943 1280099 2319043 3409531
            1547186 196033 1158498 3250898
            2161428 695518 1771320 3957314
            400000 400000 400000 400000
            3231886 1280098 2638086 18743088
            6932854 14297969 5667722 5843661
            5403570 1738795 4428300 9893285
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn means_and_quantiles_match_the_distribution() {
        let mut stream = Seed(5).stream("means");
        let mut sample = |latency: &Latency| -> Vec<f64> {
            let mut all: Vec<f64> = (0..40_000).map(|_| latency.at(stream.draw()).as_secs_f64()).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let near = |actual: f64, expected: f64| {
            assert!((actual / expected - 1.0).abs() < 0.03, "{actual} {expected}")
        };
        let exponential = sample(&Latency::Exponential { mean: MS(10), max: MS(10_000) });
        near(exponential.iter().sum::<f64>() / 40_000.0, 0.010);
        let normal = sample(&Latency::LogNormal { median: MS(10), sigma: 0.5, max: MS(10_000) });
        near(normal[20_000], 0.010);
        // The normal 99 % point is 2.3263 standard deviations out.
        near(normal[39_600], 0.010 * f64::exp(0.5 * 2.3263));
        let tail = Box::new(Latency::from_millis(500));
        let bimodal = sample(&Latency::Bimodal {
            body: Box::new(Latency::from_millis(1)),
            tail,
            tail_probability: 0.2,
        });
        near(bimodal.iter().filter(|&&seconds| seconds > 0.1).count() as f64, 8_000.0);
    }

    /// Regression: the largest draw was a probability of exactly 1, whose logarithm is infinite.
    #[test]
    fn the_smallest_and_largest_draw_give_finite_samples() {
        let cut = MS(60_000);
        for shape in [
            Latency::Exponential { mean: MS(1), max: cut },
            Latency::LogNormal { median: MS(1), sigma: 1.0, max: cut },
        ] {
            assert!(shape.at(u64::MAX) < cut && shape.at(u64::MAX) > MS(10), "{:?}", shape.at(u64::MAX));
            assert!(shape.at(0) < MS(1), "{:?}", shape.at(0));
        }
    }

    #[test]
    fn every_shape_round_trips_through_toml() {
        #[derive(Serialize, Deserialize)]
        struct Holder {
            latency: Latency,
        }
        for latency in shapes() {
            let text = toml::to_string(&Holder { latency: latency.clone() }).unwrap();
            let back: Holder = toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(back.latency, latency, "{text}");
        }
    }

    fn error_of(toml: &str, expected: Expect) {
        #[derive(Debug, Deserialize)]
        struct Holder {
            #[expect(dead_code, reason = "only the error matters")]
            sync: Latency,
        }
        let error = toml::from_str::<Holder>(toml).unwrap_err();
        expected.assert_eq(error.message());
    }

    #[test]
    fn errors_say_what_would_be_right() {
        error_of(
            "sync = 200",
            expect![[
                r#"invalid type: integer `200`, expected a duration with its unit ("150ms") or a shape ({ log-normal = { median = .. } })"#
            ]],
        );
        error_of(
            "sync = '200'",
            expect![[
                r#"invalid value: string "200", expected a duration with its unit, such as "150ms" or "5s""#
            ]],
        );
        error_of(
            "sync = { log-normal = { median = '1ms', sigma = 9.0 } }",
            expect!["sigma is 9, the range is 0 to 5"],
        );
        error_of(
            "sync = { uniform = { min = '2ms', max = '1ms' } }",
            expect!["max (1ms) is below min (2ms)"],
        );
        error_of(
            "sync = { normal = { mean = '2ms' } }",
            expect![
                "unknown variant `normal`, expected one of `constant`, `uniform`, `exponential`, `log-normal`, `bimodal`, `empirical`, `sum`, `scaled`"
            ],
        );
    }

    proptest! {
        #[test]
        fn samples_stay_within_bounds_and_grow_with_the_draw(a: u64, b: u64) {
            let (low, high) = (a.min(b), a.max(b));
            for shape in shapes() {
                let monotonic = !matches!(shape, Latency::Bimodal { .. } | Latency::Sum(_));
                prop_assert!(!monotonic || shape.at(low) <= shape.at(high), "{:?}", shape);
            }
            let uniform = Latency::Uniform { min: MS(1), max: MS(4) }.at(a);
            prop_assert!(MS(1) <= uniform && uniform <= MS(4));
            let cut = Latency::LogNormal { median: MS(1), sigma: 5.0, max: MS(9) }.at(a);
            prop_assert!(cut <= MS(9));
        }
    }
}
