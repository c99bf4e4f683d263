//! How long things take: distributions of durations, as data.
//!
//! One draw gives one duration, whatever the shape: an operation consumes exactly one number of its stream
//! under a constant as under a sum of three log-normals. Two profiles therefore stay paired draw by draw. The
//! arithmetic is fully specified (IEEE 754 basic operations only), so results are equal on every platform.
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

use crate::math;
use crate::time::nanos;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

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
    /// Always the same. In TOML just the duration.
    Constant(Duration),
    /// Evenly between `min` and `max`.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest; at least `min`.
        max: Duration,
    },
    /// Memoryless, cut at `max`.
    Exponential {
        /// The mean before the cut.
        mean: Duration,
        /// The longest.
        max: Duration,
    },
    /// The usual shape of a busy machine: most near the median, a long right tail, cut at `max`.
    LogNormal {
        /// Half of the samples are shorter.
        median: Duration,
        /// The standard deviation of the logarithm; 0 to 5. At 0.5 the 99th percentile is 3.2 medians, at 1 it is 10.
        sigma: f64,
        /// The longest.
        max: Duration,
    },
    /// A fast body and, now and then, a slow tail.
    Bimodal {
        /// The usual case.
        body: Box<Latency>,
        /// The rare case.
        tail: Box<Latency>,
        /// How often the tail is taken; 0 to 1.
        tail_probability: f64,
    },
    /// Measured quantiles at evenly spaced ranks from the minimum to the maximum, joined by straight lines.
    Empirical(Vec<Duration>),
    /// All of these, one after the other.
    Sum(Vec<Latency>),
    /// Another latency, stretched.
    Scaled {
        /// What is stretched.
        of: Box<Latency>,
        /// By how much; 0 or more.
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

    /// The duration that this draw stands for: a function without memory, growing with `draw` for every
    /// simple shape.
    ///
    /// The latency must be valid (see [`Latency::validate`]); a reversed range counts as its minimum.
    pub fn at(&self, draw: u64) -> Duration {
        match self {
            Latency::Constant(duration) => *duration,
            Latency::Uniform { min, max } => {
                let width = nanos(max.saturating_sub(*min));
                let offset = (u128::from(draw) * (u128::from(width) + 1)) >> 64;
                *min + Duration::from_nanos(offset as u64)
            }
            Latency::Exponential { mean, max } => {
                // 1 - u is as good as u and makes the result grow with the draw.
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

    /// Checks every bound that the shapes state.
    ///
    /// # Errors
    ///
    /// Says in words which bound is broken.
    pub fn validate(&self) -> Result<(), InvalidLatency> {
        let refuse = |text: String| Err(InvalidLatency(text));
        match self {
            Latency::Constant(_) => Ok(()),
            Latency::Uniform { min, max } if max < min => {
                refuse(format!("max ({}) is below min ({})", human(*max), human(*min)))
            }
            Latency::Exponential { mean, max } if max < mean => {
                refuse(format!("max ({}) is below the mean ({})", human(*max), human(*mean)))
            }
            Latency::LogNormal { median, max, .. } if max < median => {
                refuse(format!("max ({}) is below the median ({})", human(*max), human(*median)))
            }
            Latency::LogNormal { sigma, .. } if !(0.0..=5.0).contains(sigma) => {
                refuse(format!("sigma is {sigma}, the range is 0 to 5"))
            }
            Latency::Uniform { .. } | Latency::Exponential { .. } | Latency::LogNormal { .. } => Ok(()),
            Latency::Bimodal { body, tail, tail_probability } => {
                if !(0.0..=1.0).contains(tail_probability) {
                    return refuse(format!("tail-probability is {tail_probability}, the range is 0 to 1"));
                }
                body.validate().and_then(|()| tail.validate())
            }
            Latency::Empirical(quantiles) if quantiles.is_empty() => refuse("no quantiles given".into()),
            Latency::Empirical(quantiles) if !quantiles.is_sorted() => {
                refuse("quantiles must not fall from one to the next".into())
            }
            Latency::Empirical(_) => Ok(()),
            Latency::Sum(parts) => parts.iter().try_for_each(Latency::validate),
            Latency::Scaled { of, factor } => {
                if !(factor.is_finite() && *factor >= 0.0) {
                    return refuse(format!("factor is {factor}, the range is 0 and up"));
                }
                of.validate()
            }
        }
    }
}

/// A latency that breaks one of its own bounds.
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

fn human(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(duration)
}

/// What so many bytes take at this time for a MiB.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::latency::transfer;
///
/// assert_eq!(transfer(Duration::from_millis(8), 512 << 10), Duration::from_millis(4));
/// ```
pub fn transfer(per_mib: Duration, bytes: u64) -> Duration {
    Duration::from_nanos(((per_mib.as_nanos() * u128::from(bytes)) >> 20) as u64)
}

// ---- TOML form --------------------------------------------------------------------------------------------

/// Durations as people write them (`"150ms"`, `"1m 30s"`): `#[serde(with = "HumanDuration")]` on a [`Duration`].
///
/// ```
/// use serde::Deserialize;
/// use std::time::Duration;
/// use stormglass_core::latency::HumanDuration;
///
/// #[derive(Deserialize)]
/// struct Limits {
///     #[serde(with = "HumanDuration")]
///     deadline: Duration,
/// }
///
/// let limits: Limits = toml::from_str("deadline = '1m 30s'")?;
/// assert_eq!(limits.deadline, Duration::from_secs(90));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    /// Writes `150ms`.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&human(*duration))
    }

    /// Reads `150ms`.
    ///
    /// # Errors
    ///
    /// Anything that is not a duration with its unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_str(DurationVisitor).map(|duration| duration.0)
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        HumanDuration::serialize(&self.0, serializer)
    }
}

struct DurationVisitor;

impl de::Visitor<'_> for DurationVisitor {
    type Value = HumanDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, such as \"150ms\" or \"5s\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HumanDuration, E> {
        humantime::parse_duration(text)
            .map(HumanDuration)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HumanDuration, D::Error> {
        HumanDuration::deserialize(deserializer).map(HumanDuration)
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["150ms", "1m 30s"] })
    }
}

impl JsonSchema for Latency {
    fn schema_name() -> Cow<'static, str> {
        "latency".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [HumanDuration::json_schema(generator), Shape::json_schema(generator)] })
    }
}

/// The shapes as TOML names them. `Constant` is written as a bare duration instead.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Shape {
    Constant(HumanDuration),
    #[serde(rename_all = "kebab-case")]
    Uniform {
        min: HumanDuration,
        max: HumanDuration,
    },
    #[serde(rename_all = "kebab-case")]
    Exponential {
        mean: HumanDuration,
        #[serde(default = "endless")]
        max: HumanDuration,
    },
    #[serde(rename_all = "kebab-case")]
    LogNormal {
        median: HumanDuration,
        sigma: f64,
        #[serde(default = "endless")]
        max: HumanDuration,
    },
    #[serde(rename_all = "kebab-case")]
    Bimodal {
        body: Box<Latency>,
        tail: Box<Latency>,
        tail_probability: f64,
    },
    Empirical(Vec<HumanDuration>),
    Sum(Vec<Latency>),
    Scaled {
        of: Box<Latency>,
        factor: f64,
    },
}

/// A day: long enough to cut nothing that a test would wait for.
fn endless() -> HumanDuration {
    HumanDuration(Duration::from_secs(24 * 60 * 60))
}

impl From<Shape> for Latency {
    fn from(shape: Shape) -> Latency {
        match shape {
            Shape::Constant(duration) => Latency::Constant(duration.0),
            Shape::Uniform { min, max } => Latency::Uniform { min: min.0, max: max.0 },
            Shape::Exponential { mean, max } => Latency::Exponential { mean: mean.0, max: max.0 },
            Shape::LogNormal { median, sigma, max } => {
                Latency::LogNormal { median: median.0, sigma, max: max.0 }
            }
            Shape::Bimodal { body, tail, tail_probability } => {
                Latency::Bimodal { body, tail, tail_probability }
            }
            Shape::Empirical(quantiles) => {
                Latency::Empirical(quantiles.into_iter().map(|duration| duration.0).collect())
            }
            Shape::Sum(parts) => Latency::Sum(parts),
            Shape::Scaled { of, factor } => Latency::Scaled { of, factor },
        }
    }
}

impl From<&Latency> for Shape {
    fn from(latency: &Latency) -> Shape {
        match latency.clone() {
            Latency::Constant(duration) => Shape::Constant(HumanDuration(duration)),
            Latency::Uniform { min, max } => {
                Shape::Uniform { min: HumanDuration(min), max: HumanDuration(max) }
            }
            Latency::Exponential { mean, max } => {
                Shape::Exponential { mean: HumanDuration(mean), max: HumanDuration(max) }
            }
            Latency::LogNormal { median, sigma, max } => {
                Shape::LogNormal { median: HumanDuration(median), sigma, max: HumanDuration(max) }
            }
            Latency::Bimodal { body, tail, tail_probability } => {
                Shape::Bimodal { body, tail, tail_probability }
            }
            Latency::Empirical(quantiles) => {
                Shape::Empirical(quantiles.into_iter().map(HumanDuration).collect())
            }
            Latency::Sum(parts) => Shape::Sum(parts),
            Latency::Scaled { of, factor } => Shape::Scaled { of, factor },
        }
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Latency::Constant(duration) => HumanDuration::serialize(duration, serializer),
            shape => Shape::from(shape).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Latency, D::Error> {
        struct LatencyVisitor;
        impl<'de> de::Visitor<'de> for LatencyVisitor {
            type Value = Latency;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a duration with its unit (\"150ms\") or a shape ({ log-normal = { median = .. } })",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Latency, E> {
                DurationVisitor.visit_str(text).map(|duration| Latency::Constant(duration.0))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Latency, A::Error> {
                Shape::deserialize(de::value::MapAccessDeserializer::new(map)).map(Latency::from)
            }
        }
        let latency = deserializer.deserialize_any(LatencyVisitor)?;
        latency.validate().map_err(de::Error::custom)?;
        Ok(latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

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

    /// Results are part of a seed's meaning: the same on every platform and for ever.
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
    fn means_and_quantiles_are_those_of_the_shape() {
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

    /// The largest draw was once a probability of exactly 1, whose logarithm is infinite.
    #[test]
    fn the_extreme_draws_are_ordinary() {
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
    fn every_shape_survives_toml() {
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

    fn refusal(toml: &str, expected: Expect) {
        #[derive(Debug, Deserialize)]
        struct Holder {
            #[expect(dead_code, reason = "only its refusal is of interest")]
            sync: Latency,
        }
        let error = toml::from_str::<Holder>(toml).unwrap_err();
        expected.assert_eq(error.message());
    }

    #[test]
    fn refusals_name_the_remedy() {
        refusal(
            "sync = 200",
            expect![[
                r#"invalid type: integer `200`, expected a duration with its unit ("150ms") or a shape ({ log-normal = { median = .. } })"#
            ]],
        );
        refusal(
            "sync = '200'",
            expect![[
                r#"invalid value: string "200", expected a duration with its unit, such as "150ms" or "5s""#
            ]],
        );
        refusal(
            "sync = { log-normal = { median = '1ms', sigma = 9.0 } }",
            expect!["sigma is 9, the range is 0 to 5"],
        );
        refusal("sync = { uniform = { min = '2ms', max = '1ms' } }", expect!["max (1ms) is below min (2ms)"]);
        refusal(
            "sync = { normal = { mean = '2ms' } }",
            expect![
                "unknown variant `normal`, expected one of `constant`, `uniform`, `exponential`, `log-normal`, `bimodal`, `empirical`, `sum`, `scaled`"
            ],
        );
    }

    proptest! {
        #[test]
        fn samples_keep_their_bounds_and_grow_with_the_draw(a: u64, b: u64) {
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
