//! What is driven and judged, and how it is played once.

use crate::node::text_of_panic;
use crate::parameters::Parameters;
use crate::world::World;
use std::future::Future;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use stormglass_core::scenario::RunDefaults;
use stormglass_core::{Seed, Verdict};
use tokio::runtime::Builder;

/// How long a scenario may take without simulation.
const HORIZON: Duration = Duration::from_secs(600);

/// The sections of parameters that only a simulation has.
const SIMULATED: [&str; 6] = ["cpu", "disk", "machine", "net", "plan", "run"];

/// What a test does and what it checks. The attribute `#[scenario]` adds [`Scenario::name`],
/// [`Scenario::about`] and [`Scenario::Settings`].
pub trait Scenario: Send + Sync {
    /// The type of the scenario's parameters. `()` has none.
    type Settings: Parameters;

    /// Returns the name, in kebab-case.
    fn name(&self) -> &str;

    /// Returns a description of one line.
    fn about(&self) -> &str;

    /// Returns where the scenario is in its source: file and line.
    fn source(&self) -> Option<(&'static str, u32)> {
        None
    }

    /// Returns what the parameters are unless something sets them.
    fn defaults(&self) -> Self::Settings {
        Self::Settings::default()
    }

    /// Returns what a test sets; the profile and the plan are the simulation's.
    fn run_defaults(&self) -> RunDefaults {
        RunDefaults::default()
    }

    /// Returns the nodes among which a seed chooses for faults, of which there are none here.
    fn nodes(&self, settings: &Self::Settings) -> Vec<String> {
        settings.nodes()
    }

    /// Drives the world.
    fn play(&self, world: World, settings: Self::Settings) -> impl Future<Output = ()>;
}

/// How a scenario ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
    /// Where the nodes' files are, if the verdict is a failure.
    pub(crate) directory: Option<PathBuf>,
}

/// Any [`Scenario`], whatever its parameters.
pub(crate) trait AnyScenario: Send + Sync {
    fn name(&self) -> &str;
    fn about(&self) -> &str;

    /// Plays the scenario once.
    ///
    /// # Errors
    ///
    /// Says which parameter is wrong, or what the system refused.
    fn play_once(&self, seed: Seed) -> Result<Outcome, String>;
}

impl<S: Scenario> AnyScenario for S {
    fn name(&self) -> &str {
        Scenario::name(self)
    }

    fn about(&self) -> &str {
        Scenario::about(self)
    }

    fn play_once(&self, seed: Seed) -> Result<Outcome, String> {
        let mut settings = self.defaults();
        for (key, value) in self.run_defaults().sets {
            let section = key.split('.').next().unwrap_or_default();
            match settings.set(key, value) {
                Ok(true) => {}
                Ok(false) if SIMULATED.contains(&section) => {}
                Ok(false) => return Err(format!("{key}: there is no parameter of this name")),
                Err(problem) => return Err(format!("{key}: {problem}")),
            }
        }
        let began = Instant::now();
        let world = World::new(seed).map_err(|error| format!("no room for the nodes: {error}"))?;
        // A thread of its own, which has the scenario's address and directory.
        let play = || {
            world.enter().map_err(|error| error.to_string())?;
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            runtime.block_on(async {
                tokio::select! {
                    () = self.play(world.clone(), settings) => {}
                    () = world.panicked() => {}
                    () = tokio::time::sleep(HORIZON) => {
                        let reason = format!("it did not end within {} s", HORIZON.as_secs());
                        world.report(Verdict::Stalled { reason });
                    }
                }
            });
            Ok::<(), String>(())
        };
        let thread = || thread::current().name().unwrap_or("scenario").to_string();
        let played = thread::scope(|scope| {
            let played = thread::Builder::new().name(thread()).spawn_scoped(scope, play);
            played.map(thread::ScopedJoinHandle::join)
        });
        match played {
            Err(error) => return Err(error.to_string()),
            Ok(Ok(Err(problem))) => return Err(problem),
            Ok(Ok(Ok(()))) => {}
            Ok(Err(panic)) => {
                let (node, message) = ("scenario".into(), text_of_panic(&*panic));
                world.report(Verdict::Panicked { node, task: None, location: None, message });
            }
        }
        let (verdict, directory) = world.end();
        Ok(Outcome { verdict, took: began.elapsed(), directory })
    }
}
