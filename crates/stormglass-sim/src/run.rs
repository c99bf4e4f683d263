//! One run: a scenario, its settings and a seed in; an outcome and a trace out.

use crate::profile::Profile;
use crate::scenario::Scenario;
use crate::settings::Settings;
use crate::world::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::hash::RandomState;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::time::Duration;
use stormglass_core::identity::Build;
use stormglass_core::latency::HumanDuration;
use stormglass_core::time::YEAR;
use stormglass_core::{
    Branch, Identity, Keep, Outcome, Recorder, Scope, Seed, SimTime, Trace, TurnsSpent, Verdict,
};
use stormglass_plan::{Fault, Plan};
use stormglass_rt as rt;

/// Limits of a run that belong to no scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RunSettings {
    /// Where the run ends if the scenario does not: waits that are not over are censored here. Range: 1 ms
    /// to 365 days. Default: 120 s.
    #[serde(with = "HumanDuration")]
    pub horizon: Duration,
    /// How often tasks may be polled. A task that only yields lets no time pass, so the horizon never ends it.
    /// Range: 1000 and up. Default: 20 million.
    pub turns: u64,
}

impl Default for RunSettings {
    fn default() -> RunSettings {
        RunSettings { horizon: Duration::from_secs(120), turns: 20_000_000 }
    }
}

impl RunSettings {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// The field's name and its range.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(Duration::from_millis(1)..=YEAR).contains(&self.horizon) {
            return Err(("horizon", "the range is 1ms to 365days".into()));
        }
        if self.turns < 1_000 {
            return Err(("turns", format!("is {}, it must be at least 1000", self.turns)));
        }
        Ok(())
    }
}

/// A run that can be played, any number of times, always the same.
#[derive(Clone)]
pub struct Run<'a> {
    scenario: &'a dyn Scenario,
    settings: Settings,
    seed: Seed,
    branches: Vec<Branch>,
}

/// What a run gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// How it ended.
    pub outcome: Outcome,
    /// What happened, with the events if they were to be kept.
    pub trace: Trace,
}

/// What a thread brings along that must not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thread {
    /// Fresh: std's hash keys will be drawn inside the run, from its seed.
    Fresh,
    /// std's hash keys are those of the real world already, so the order of its maps differs from run to run.
    ForeignHashKeys,
}

impl<'a> Run<'a> {
    /// A run of this scenario. The settings must be those of the same scenario.
    pub fn new(scenario: &'a dyn Scenario, settings: Settings, seed: Seed) -> Run<'a> {
        Run { scenario, settings, seed, branches: Vec::new() }
    }

    /// The same run until the first branch, and from there on one of its other possible futures. Branches are in the order of their times.
    #[must_use]
    pub fn branching(self, branches: Vec<Branch>) -> Run<'a> {
        Run { branches, ..self }
    }

    /// All that is needed to play it again, by this build.
    pub fn identity(&self, build: Build) -> Identity {
        Identity {
            schema: Identity::SCHEMA,
            scenario: self.scenario.name().into(),
            seed: self.seed.0,
            branches: self.branches.clone(),
            model: self.settings.model().into(),
            profile: self.settings.profile_name().into(),
            build,
        }
    }

    /// The scenario.
    pub fn scenario(&self) -> &'a dyn Scenario {
        self.scenario
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The seed.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// The same run with these faults in place of its plan's. Playing it panics if one of them is none ([`Plan::check`]).
    #[must_use]
    pub fn with_faults(self, faults: Vec<Fault>) -> Run<'a> {
        Run { settings: self.settings.with_plan(&Plan::of(faults)), ..self }
    }

    /// What breaks in it, in the order of time: what its plan says, and what the seed has chosen.
    pub fn faults(&self) -> Vec<Fault> {
        let plan: Plan = self.settings.section("plan").expect("validated when resolved");
        // Asking for the nodes means reading settings: a run in which the seed chooses nothing need not.
        let nodes = if plan.generate.count > 0 { self.scenario.nodes(&self.settings) } else { Vec::new() };
        plan.faults(self.seed, &nodes)
    }

    /// Plays the run on a fresh thread.
    ///
    /// # Panics
    ///
    /// When the system gives no thread. A panic inside the run is an outcome.
    pub fn play(&self, keep: Keep) -> Played {
        self.play_on(Thread::Fresh, keep)
    }

    pub(crate) fn play_on(&self, thread: Thread, keep: Keep) -> Played {
        std::thread::scope(|scope| {
            let run = std::thread::Builder::new().name("stormglass-run".into()).spawn_scoped(scope, || {
                if thread == Thread::ForeignHashKeys {
                    // A thread draws its keys once; outside of a runtime they are the system's.
                    drop(RandomState::new());
                }
                self.play_here(keep)
            });
            run.expect("the system gives a thread").join().expect("a run's panics are caught inside")
        })
    }

    fn play_here(&self, keep: Keep) -> Played {
        let limits: RunSettings = self.settings.section("run").expect("validated when resolved");
        let profile: Profile = self.settings.profile().expect("validated when resolved");
        let recorder = Recorder::new(keep);
        recorder.limit_turns(limits.turns);
        let world = World::new(self.seed, profile, limits.horizon, recorder.clone(), self.faults());
        let runtime = madsim::runtime::Runtime::with_seed_and_config(self.seed.0, madsim::Config::default());
        let mut tasks = None;
        let told = {
            let world = world.clone();
            catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async {
                    tasks = Some(rt::TaskTracker::on_current_node());
                    let (node, task) = (recorder.symbol("harness"), recorder.symbol("scenario"));
                    let scope = Scope { node, task, ..Scope::default() };
                    world.break_by_plan();
                    let story = rt::scoped(&recorder, scope, self.scenario.play(world, &self.settings));
                    self.tell(story, limits.horizon).await;
                    rt::now()
                })
            }))
        };
        let ended = told.as_ref().map_or_else(|_| recorder.last_time(), |&ended| ended);
        let (waits, verdict) = world.judge(ended);
        let verdict = match told {
            Ok(_) => verdict,
            Err(payload) => verdict_of_panic(&*payload, &recorder),
        };
        let trace = recorder.finish();
        // Tasks end before their world does. One that waits for what it holds itself would never be freed, and its disk with it, unless it is
        // ended; what it says in its last breath is nobody's business any more.
        let ending = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                world.shut_down();
                tasks.iter().for_each(rt::TaskTracker::abort_all);
            });
        }));
        drop((ending, runtime));
        let outcome = Outcome {
            verdict,
            waits,
            counters: trace.counters.clone(),
            events: trace.count,
            trace_hash: trace.hash,
            ended,
        };
        Played { outcome, trace }
    }

    /// Lets the story go on, branch by branch, until it ends or the horizon is there.
    async fn tell(&self, story: impl Future<Output = ()>, horizon: Duration) {
        let mut story = pin!(story);
        for branch in &self.branches {
            let until = branch.at.saturating_since(rt::now());
            if rt::timeout(until, story.as_mut()).await.is_some() {
                return;
            }
            branch.take();
        }
        rt::timeout((SimTime::ZERO + horizon).saturating_since(rt::now()), story).await;
    }
}

fn verdict_of_panic(payload: &(dyn Any + Send), recorder: &Recorder) -> Verdict {
    if let Some(TurnsSpent(turns)) = payload.downcast_ref() {
        let at: SimTime = recorder.last_time();
        let reason =
            format!("{turns} turns of tasks were spent and time stood at {at}: does a task only yield?");
        return Verdict::Stalled { reason };
    }
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    // madsim's words for an empty event queue.
    if message.contains("all tasks will block forever") {
        return Verdict::Stalled {
            reason: "nothing is left that could happen, and the scenario still waits".into(),
        };
    }
    let node = recorder.panicked().map(|scope| recorder.text(scope.node)).filter(|node| !node.is_empty());
    Verdict::Panicked { node: node.unwrap_or_else(|| "no node".into()), message: message.into() }
}
