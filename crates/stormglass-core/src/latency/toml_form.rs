//! The form of a [`Latency`] in TOML and JSON: a bare duration, or a table that names the shape.

use super::Latency;
use crate::human_duration::{DurationVisitor, HumanDuration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

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
        #[serde(default = "default_max")]
        max: HumanDuration,
    },
    #[serde(rename_all = "kebab-case")]
    LogNormal {
        median: HumanDuration,
        sigma: f64,
        #[serde(default = "default_max")]
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

/// The default of `max`: a day, longer than any test waits.
fn default_max() -> HumanDuration {
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
