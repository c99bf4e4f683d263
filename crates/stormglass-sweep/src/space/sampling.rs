//! Which combinations of parameters are played.

use super::axis::Axis;
use super::level::Level;
use serde::Deserialize;
use std::collections::BTreeMap;
use stormglass_core::Seed;

/// Which points of the space are played.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Sampling {
    /// Every value with every other.
    #[default]
    Grid,
    /// So many points, each value by chance.
    Random(u32),
    /// So many points; each parameter's way is cut into as many parts, and each part is met once. (McKay, Beckman and Conover, Technometrics 21, 1979.)
    LatinHypercube(u32),
    /// So many points that fill the space evenly, also in its projections. (Sobol's sequence with Owen's scrambling, as crate `sobol_burley` has it.)
    Sobol(u32),
    /// Of the grid only what it takes to find where the flake rate crosses the target along this parameter, for each combination of the others: its ends first, then half
    /// by half. The flake rate has to rise or to fall along it.
    Boundary(String),
}

/// A point: the values by name, and those that are set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) named: BTreeMap<String, String>,
    pub(super) sets: Vec<(String, String)>,
}

/// Points depend on nothing but the space.
const SEED: Seed = Seed(0);

/// What `sobol_burley` has.
const SOBOL_LARGEST: u32 = 1 << 16;

impl Sampling {
    pub(super) fn check(&self, axes: &[Axis]) -> Result<(), String> {
        match *self {
            Sampling::Random(0) | Sampling::LatinHypercube(0) | Sampling::Sobol(0) => {
                Err("needs a point at least".into())
            }
            Sampling::Sobol(points) if points > SOBOL_LARGEST => {
                Err(format!("the sequence has {SOBOL_LARGEST} points"))
            }
            Sampling::Boundary(ref axis) => {
                let found = axes.iter().find(|other| other.id() == axis);
                match found.map(|axis| axis.levels().len()) {
                    None => Err(format!("the boundary along {axis}: that is no parameter of this file")),
                    Some(0..3) => Err(format!("the boundary along {axis} needs 3 values of it at least")),
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

/// A share in each of so many equal parts, in an order by chance.
fn stratified(points: u32, dimension: usize) -> Vec<f64> {
    let mut stream = SEED.stream(("latin hypercube", dimension as u64));
    let mut shares: Vec<f64> =
        (0..points).map(|part| (f64::from(part) + stream.uniform()) / f64::from(points)).collect();
    stream.shuffle(&mut shares);
    shares
}

/// Values in the order of the free axes, with what follows from them.
fn point(axes: &[Axis], free: Vec<Level>) -> Result<Point, String> {
    let mut free = free.into_iter();
    let mut levels: BTreeMap<String, Level> = BTreeMap::new();
    let mut point = Point { named: BTreeMap::new(), sets: Vec::new() };
    for axis in axes {
        // A free axis has its value even where it does not apply.
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
    fn a_formula_follows_the_point() {
        for sampling in
            [Sampling::Grid, Sampling::Random(20), Sampling::LatinHypercube(20), Sampling::Sobol(20)]
        {
            for point in sampling.points(&axes()).unwrap() {
                let number = |name: &str| point.named[name].parse::<u32>().unwrap();
                assert_eq!(number("election"), number("k") * number("beat"), "{sampling:?}");
                assert_eq!(point.sets.len(), 2, "k only has a name");
            }
        }
    }

    #[test]
    fn a_latin_hypercube_meets_each_part_once() {
        let mut parts: Vec<u32> = stratified(50, 1).iter().map(|share| (share * 50.0) as u32).collect();
        assert_ne!(parts, (0..50).collect::<Vec<_>>());
        parts.sort_unstable();
        assert_eq!(parts, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_sobol_sequence_fills_halves_evenly() {
        let points = Sampling::Sobol(64).points(&axes()).unwrap();
        let low = points.iter().filter(|point| point.named["beat"].parse::<u32>().unwrap() <= 50).count();
        assert!((30..=34).contains(&low), "{low}");
    }
}
