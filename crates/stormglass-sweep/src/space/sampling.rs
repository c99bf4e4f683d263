//! Which combinations of parameter values are played.

use super::axis::Axis;
use super::level::Level;
use serde::Deserialize;
use std::collections::BTreeMap;
use stormglass_core::Seed;

/// Which points of the space are played.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Sampling {
    /// The full grid: every combination of values.
    #[default]
    Grid,
    /// This many points with independent uniform values.
    Random(u32),
    /// A Latin hypercube with this many points: each parameter's range is divided into as many
    /// strata, and each stratum has one point. (McKay, Beckman and Conover, Technometrics 21,
    /// 1979.)
    LatinHypercube(u32),
    /// This many points of a Sobol sequence with Owen scrambling (crate `sobol_burley`), which
    /// fills the space and its projections evenly.
    Sobol(u32),
    /// A search for the value of this parameter at which the failure rate crosses the target, for
    /// each combination of the others: the ends of the grid first, then bisection. The failure rate
    /// has to be monotonic in the parameter.
    Boundary(String),
}

/// A point of the space: the values by name, and the parameters that are set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) named: BTreeMap<String, String>,
    pub(super) sets: Vec<(String, String)>,
}

/// A fixed seed: points depend only on the space.
const SEED: Seed = Seed(0);

/// The number of points that `sobol_burley` has.
const SOBOL_LARGEST: u32 = 1 << 16;

impl Sampling {
    pub(super) fn check(&self, axes: &[Axis]) -> Result<(), String> {
        match *self {
            Sampling::Random(0) | Sampling::LatinHypercube(0) | Sampling::Sobol(0) => {
                Err("needs at least 1 point".into())
            }
            Sampling::Sobol(points) if points > SOBOL_LARGEST => {
                Err(format!("{points} points are too many: the Sobol sequence has {SOBOL_LARGEST}"))
            }
            Sampling::Boundary(ref axis) => {
                let found = axes.iter().find(|other| other.id() == axis);
                match found.map(|axis| axis.levels().len()) {
                    None => Err(format!(
                        "boundary = {axis:?} is not a parameter of this file: name one that has values"
                    )),
                    Some(0..3) => {
                        Err(format!("boundary = {axis:?} needs at least 3 values of that parameter"))
                    }
                    Some(_) => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    pub(super) fn points(&self, axes: &[Axis]) -> Result<Vec<Point>, String> {
        let free: Vec<&Axis> = axes.iter().filter(|axis| axis.formula.is_none()).collect();
        let dimensions = free.len();
        let raw: Vec<Vec<Level>> = match *self {
            Sampling::Grid | Sampling::Boundary(_) => grid(&free),
            Sampling::Random(points) => {
                let mut stream = SEED.stream("random points");
                let shares = (0..points).map(|_| (0..dimensions).map(|_| stream.uniform()).collect());
                levels(&free, shares)
            }
            Sampling::LatinHypercube(points) => {
                let columns: Vec<Vec<f64>> =
                    (0..dimensions).map(|dimension| stratified(points, dimension)).collect();
                let share = |point: usize| columns.iter().map(|column| column[point]).collect();
                levels(&free, (0..points as usize).map(share))
            }
            Sampling::Sobol(points) => {
                let share = |point: u32| {
                    (0..dimensions)
                        .map(|dimension| f64::from(sobol_burley::sample(point, dimension as u32, 0)))
                        .collect()
                };
                levels(&free, (0..points).map(share))
            }
        };
        raw.into_iter().map(|values| point(axes, values)).collect()
    }
}

fn levels(axes: &[&Axis], shares: impl Iterator<Item = Vec<f64>>) -> Vec<Vec<Level>> {
    let at = |shares: Vec<f64>| axes.iter().zip(shares).filter_map(|(axis, share)| axis.at(share)).collect();
    shares.map(at).collect()
}

fn grid(axes: &[&Axis]) -> Vec<Vec<Level>> {
    axes.iter().fold(vec![Vec::new()], |points, axis| {
        let levels = axis.levels();
        points
            .iter()
            .flat_map(|point| levels.iter().map(|level| [point.clone(), vec![level.clone()]].concat()))
            .collect()
    })
}

/// Returns one fraction in each of `points` equal strata, shuffled.
fn stratified(points: u32, dimension: usize) -> Vec<f64> {
    let mut stream = SEED.stream(("latin hypercube", dimension as u64));
    let mut shares: Vec<f64> =
        (0..points).map(|part| (f64::from(part) + stream.uniform()) / f64::from(points)).collect();
    stream.shuffle(&mut shares);
    shares
}

/// Builds a point from the values of the axes without formula, and evaluates the formulas.
fn point(axes: &[Axis], free: Vec<Level>) -> Result<Point, String> {
    let mut free = free.into_iter();
    let mut levels: BTreeMap<String, Level> = BTreeMap::new();
    let mut point = Point { named: BTreeMap::new(), sets: Vec::new() };
    for axis in axes {
        // An axis without formula takes its value even where its `when` excludes it.
        let given = if axis.formula.is_none() { free.next() } else { None };
        if !axis.applies(&levels) {
            continue;
        }
        let value = match (&axis.formula, given) {
            (Some(formula), _) => formula.value(&levels)?,
            (None, Some(given)) => given,
            (None, None) => continue,
        };
        point.named.insert(axis.id().into(), value.to_string());
        if let Some(key) = &axis.key {
            point.sets.push((key.clone(), value.to_string()));
        }
        levels.insert(axis.id().into(), value);
    }
    Ok(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes() -> Vec<Axis> {
        let axis = |text: &str| toml::from_str::<Axis>(text).unwrap();
        vec![
            axis("name = 'k'\nvalues = [2, 3]"),
            axis("key = 'beat'\nrange = { from = 1, to = 100 }"),
            axis("key = 'election'\nformula = 'k * beat'"),
        ]
    }

    #[test]
    fn formulas_are_evaluated_at_each_point() {
        for sampling in
            [Sampling::Grid, Sampling::Random(20), Sampling::LatinHypercube(20), Sampling::Sobol(20)]
        {
            for point in sampling.points(&axes()).unwrap() {
                let number = |name: &str| point.named[name].parse::<u32>().unwrap();
                assert_eq!(number("election"), number("k") * number("beat"), "{sampling:?}");
                assert_eq!(point.sets.len(), 2, "k has only a name");
            }
        }
    }

    #[test]
    fn latin_hypercube_has_one_point_per_stratum() {
        let mut parts: Vec<u32> = stratified(50, 1).iter().map(|share| (share * 50.0) as u32).collect();
        assert_ne!(parts, (0..50).collect::<Vec<_>>());
        parts.sort_unstable();
        assert_eq!(parts, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn sobol_points_fill_both_halves_evenly() {
        let points = Sampling::Sobol(64).points(&axes()).unwrap();
        let low = points.iter().filter(|point| point.named["beat"].parse::<u32>().unwrap() <= 50).count();
        assert!((30..=34).contains(&low), "{low}");
    }
}
