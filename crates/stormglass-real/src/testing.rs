//! Scenarios as tests: `#[stormglass::test]` plays one once.

use crate::scenario::{AnyScenario, Outcome, Scenario};
use std::fmt;
use std::ops::Range;
use stormglass_core::Seed;

/// A test that plays a scenario once on this machine. `#[stormglass::test]` makes one.
pub struct Test {
    scenario: Box<dyn AnyScenario>,
    name: String,
    seed: u64,
}

impl fmt::Debug for Test {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Test").field("name", &self.name).field("seed", &self.seed).finish()
    }
}

impl Test {
    /// Creates a test of this name, its path in the crate.
    pub fn of(scenario: impl Scenario + 'static, name: impl Into<String>) -> Test {
        Test { scenario: Box::new(scenario), name: name.into(), seed: 0 }
    }

    /// Sets the seeds, of which the first one is [`crate::World::seed`]. Default: 0.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    #[must_use]
    pub fn seeds(mut self, seeds: Range<u64>) -> Test {
        assert!(!seeds.is_empty(), "{}: the range of seeds {seeds:?} is empty", self.name);
        self.seed = seeds.start;
        self
    }

    /// Plays the scenario.
    ///
    /// # Panics
    ///
    /// If it fails, with the verdict and the place of the nodes' files.
    pub fn run(self) {
        let name = &self.name;
        if let Ok(command) = std::env::var("STORMGLASS") {
            panic!("{name}: STORMGLASS={command:?} needs the simulation: build with --cfg madsim");
        }
        let Outcome { verdict, took, directory } =
            self.scenario.play_once(Seed(self.seed)).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let took = took.as_secs_f64();
        match directory {
            None => println!("{name}: passed once without simulation, in {took:.3} s"),
            Some(files) => {
                panic!(
                    "{name}: {verdict}\n\nPlayed once without simulation, for {took:.3} s. The nodes' files \
                     are in {}.",
                    files.display()
                )
            }
        }
    }
}
