//! Runs: a scenario, its settings and a seed determine an outcome and a trace.

use crate::error::SettingsError;
use crate::leak;
use crate::log::Log;
use crate::log_filter::LogFilter;
use crate::scenario::AnyScenario;
use crate::settings::Settings;
use crate::state::RunState;
use crate::world::World;
use std::any::Any;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;
use stormglass_core::identity::Build;
use stormglass_core::{
    Branch, Draws, EventId, Identity, Keep, Outcome, Recorder, Scope, Seed, SimTime, Trace, TurnsSpent,
    Verdict,
};
use stormglass_plan::{Fault, Plan};
use stormglass_rt as rt;

/// A run: a scenario with its settings and a seed. Every time it is played, it gives the same
/// trace.
#[derive(Clone)]
pub struct Run<'a> {
    scenario: &'a dyn AnyScenario,
    settings: Settings,
    seed: Seed,
    branches: Vec<Branch>,
    redraw: Option<Redraw>,
    until: Option<SimTime>,
}

/// After how many draws a run has another random environment, and which.
#[derive(Clone, Copy)]
struct Redraw {
    draws: u64,
    environment: u64,
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// The verdict, the waits, the counters and the trace's hash.
    pub outcome: Outcome,
    /// When the property was violated, if that is the verdict ([`World::violated`]).
    pub violated: Option<SimTime>,
    /// The trace; with its events if they were kept ([`Keep::Events`]).
    pub trace: Trace,
    /// The calls that left the simulation, if they were refused or counted (`run.leaks`); the first one of
    /// a run that refuses them is the verdict.
    pub leaks: Vec<rt::Leak>,
}

impl Played {
    /// Returns a line on each call that left the simulation: what, where, in which task, how often.
    /// Reads the program's debug information if there is one.
    pub fn calls(&self) -> Vec<String> {
        self.leaks.iter().map(|call| leak::counted(call, &self.trace)).collect()
    }
}

/// The node of the scenario's own tasks.
const HARNESS: &str = "harness";

/// The state of a thread before a run, on which the run must not depend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Thread {
    /// std's hash keys are other ones than those that are drawn inside the run from its seed, so std's
    /// maps have another order.
    pub(crate) has_other_keys: bool,
    /// Memory is allocated before, so what the run allocates is at other addresses.
    pub(crate) has_other_addresses: bool,
}

/// What is done in the middle of a run, or at its end.
enum Hook {
    None,
    /// Looks at the state at the end of the run, or after this event, which ends the run.
    State(Option<EventId>, Arc<Mutex<Look>>),
    /// Calls this before the event.
    CallBefore(EventId, Box<dyn FnOnce() + Send>),
}

/// A look at the state of a run.
#[derive(Default)]
struct Look {
    state: Option<RunState>,
    /// Wakes the run, which ends when the state is known.
    run: Option<Waker>,
}

impl Hook {
    /// Installs the hook, and returns the look that it takes.
    fn install(self, recorder: &Recorder, world: &World) -> Option<Arc<Mutex<Look>>> {
        match self {
            Hook::None => None,
            Hook::CallBefore(event, before) => {
                recorder.call_before(event, || rt::leaks::allowed(before));
                None
            }
            Hook::State(event, look) => {
                if let Some(event) = event {
                    let (world, look) = (world.clone(), Arc::clone(&look));
                    recorder.call_after(event, move || {
                        let state = world.run_state();
                        let mut look = locked(&look);
                        look.state = Some(state);
                        look.run.take().into_iter().for_each(Waker::wake);
                    });
                }
                Some(look)
            }
        }
    }
}

fn locked(look: &Mutex<Look>) -> MutexGuard<'_, Look> {
    look.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run with its draws.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) played: Played,
    pub(crate) draws: Draws,
}

impl<'a> Run<'a> {
    /// Returns a run of this scenario. Playing it panics if the settings were resolved for a
    /// scenario with other parameters.
    pub fn new(scenario: &'a dyn AnyScenario, settings: Settings, seed: Seed) -> Run<'a> {
        Run { scenario, settings, seed, branches: Vec::new(), redraw: None, until: None }
    }

    /// Returns a run that is equal until the first branch and draws other random numbers after
    /// each branch: another possible future. Branches are in the order of their times.
    #[must_use]
    pub fn branching(self, branches: Vec<Branch>) -> Run<'a> {
        Run { branches, ..self }
    }

    /// Returns a run that is equal until its first `draws` draws are taken, counted over all streams, and
    /// has the random environment of this number (1 and up) after that: see [`Draws::redraw_after`].
    /// Draws of a generated plan count, and so do draws that a constant latency skips.
    #[must_use]
    pub fn redrawing(self, draws: u64, environment: u64) -> Run<'a> {
        Run { redraw: Some(Redraw { draws, environment }), ..self }
    }

    /// Returns a run that ends at this time at the latest, as if its horizon were there; the world does not
    /// notice before.
    #[must_use]
    pub fn ending_at(self, until: SimTime) -> Run<'a> {
        Run { until: Some(until), ..self }
    }

    /// Returns a run in the same random environment with other values of single parameters, in order.
    ///
    /// # Errors
    ///
    /// As [`Settings::resolve`].
    pub fn with_assignments(self, assignments: &[(&str, &str)]) -> Result<Run<'a>, SettingsError> {
        let settings = self.settings.with_assignments(self.scenario, assignments)?;
        Ok(Run { settings, ..self })
    }

    /// Returns what is needed to play the run again with this build.
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

    /// Returns the scenario.
    pub fn scenario(&self) -> &'a dyn AnyScenario {
        self.scenario
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the seed.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Returns the same run with these faults instead of its plan. Playing it panics if one of
    /// them is invalid ([`Plan::check`]).
    #[must_use]
    pub fn with_faults(self, faults: Vec<Fault>) -> Run<'a> {
        Run { settings: self.settings.with_plan(Plan::of(faults)), ..self }
    }

    /// Returns the same run with this log. It has the same events and the same hash.
    #[must_use]
    pub fn with_log(self, filter: LogFilter) -> Run<'a> {
        Run { settings: self.settings.with_log(filter), ..self }
    }

    /// Returns the faults of the run in the order of time: those of its plan, and those drawn from
    /// the seed.
    pub fn faults(&self) -> Vec<Fault> {
        self.settings.plan().faults(self.seed, self.nodes())
    }

    /// Returns the names of the nodes among which a seed chooses for faults ([`crate::Scenario::nodes`]).
    pub fn nodes(&self) -> &[String] {
        &self.settings.own().nodes
    }

    /// Plays the run on a new thread. A panic inside the run is an outcome.
    ///
    /// # Panics
    ///
    /// Panics if the operating system cannot create a thread.
    pub fn play(&self, keep: Keep) -> Played {
        on_new_thread(|| self.play_here(keep))
    }

    /// Plays the run on a new thread until this time, and returns the state of the world then. That ends
    /// the run: a run that is played to its end is not the other half of it, but the same run again.
    ///
    /// # Panics
    ///
    /// As [`Run::play`].
    pub fn state_at(&self, at: SimTime) -> RunState {
        self.clone().ending_at(at).state_of(None)
    }

    /// Returns the state at the end of the run, or after an event.
    fn state_of(&self, event: Option<EventId>) -> RunState {
        let look = Arc::default();
        let hook = Hook::State(event, Arc::clone(&look));
        let logged = on_new_thread(|| self.play_with_log(Keep::Nothing, false, hook));
        let found = locked(&look).state.take();
        found.unwrap_or_else(|| RunState {
            at: logged.played.outcome.ended,
            nodes: Vec::new(),
            waits: Vec::new(),
            held: Vec::new(),
            scenario: BTreeMap::new(),
        })
    }

    /// Plays the run on a new thread until the event of this number was recorded, and returns the state of the
    /// world at the end of the turn (the poll of a task) in which it was. That ends the run, as
    /// [`Run::state_at`] does. If the run has fewer events, the state is that at its end.
    ///
    /// # Panics
    ///
    /// As [`Run::play`].
    pub fn state_after(&self, event: EventId) -> RunState {
        self.state_of(Some(event))
    }

    /// Plays the run on a new thread and calls `before` once, in the thread of the run, directly before the
    /// event of this number is recorded: in the poll of the task that records it. `before` may use the real
    /// machine and may not use the run.
    ///
    /// # Panics
    ///
    /// As [`Run::play`].
    pub fn play_with_call_before(
        &self,
        keep: Keep,
        event: EventId,
        before: impl FnOnce() + Send + 'static,
    ) -> Played {
        let hook = Hook::CallBefore(event, Box::new(before));
        on_new_thread(|| self.play_with_log(keep, false, hook).played)
    }

    /// Plays the run on a new thread, and keeps its events and its draws. The draws of a run with
    /// [`Run::redrawing`] are not logged.
    ///
    /// # Panics
    ///
    /// As [`Run::play`].
    pub fn play_with_draws(&self) -> (Played, Draws) {
        let Logged { played, draws } = self.play_logged(Thread::default());
        (played, draws)
    }

    /// Plays the run on a new thread in this state, and keeps its events and draws.
    pub(crate) fn play_logged(&self, thread: Thread) -> Logged {
        on_new_thread(|| {
            if thread.has_other_keys {
                // A thread takes its hash keys once; madsim takes them from the seed of the first runtime.
                let other = self.seed.0 ^ 0x5DEE_CE66_D1CE_4E5B;
                drop(madsim::runtime::Runtime::with_seed_and_config(other, madsim::Config::default()));
            }
            // Blocks of many sizes, so that the run's are elsewhere in each list of the allocator.
            let blocks =
                (0..if thread.has_other_addresses { 512 } else { 0 }).map(|block| vec![0u8; 8 + block * 8]);
            let blocks: Vec<_> = blocks.collect();
            let logged = self.play_with_log(Keep::Events, true, Hook::None);
            drop(blocks);
            logged
        })
    }

    fn play_here(&self, keep: Keep) -> Played {
        self.play_with_log(keep, false, Hook::None).played
    }

    /// Plays the run on this thread.
    fn play_with_log(&self, keep: Keep, logs_draws: bool, hook: Hook) -> Logged {
        let (limits, profile) = (self.settings.run(), self.settings.profile().clone());
        let recorder = Recorder::new(keep);
        recorder.limit_turns(limits.turns);
        match self.redraw {
            Some(Redraw { draws, environment }) => Draws::redraw_after(draws, environment),
            None if logs_draws => Draws::log(&recorder),
            None => {}
        }
        rt::panics::install_hook();
        let _run = rt::enter_run(&recorder);
        let log = Log::start(&limits.log, &recorder);
        let world = World::new(self.seed, profile, limits, recorder.clone(), self.faults());
        let mut runtime =
            madsim::runtime::Runtime::with_seed_and_config(self.seed.0, madsim::Config::default());
        let look = hook.install(&recorder, &world);
        // Threads follow `run.leaks` where the framework sees them.
        runtime.set_allow_system_thread(rt::leaks::OWNS_LIBC);
        let _processes = rt::ProcessTracker::new(&runtime);
        let mut tasks = None;
        let result = {
            let (world, at_end) = (world.clone(), world.clone());
            let _watch = rt::leaks::watch(limits.leaks, self.seed.stream("entropy of the system"));
            catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async {
                    if let Some(date) = limits.epoch.date() {
                        rt::set_date(date);
                    }
                    tasks = Some(rt::TaskTracker::on_current_node());
                    let _cost = rt::mount(rt::current_node(), world.system_call_cost());
                    let (node, task) = (recorder.symbol(HARNESS), recorder.symbol("scenario"));
                    let scope = Scope { node, task, ..Scope::default() };
                    world.schedule_faults();
                    let scenario =
                        rt::scoped(&recorder, scope, self.scenario.play_with(world, self.settings.own()));
                    let mut scenario = pin!(scenario);
                    let mut run = pin!(self.follow(scenario.as_mut(), limits.horizon));
                    poll_fn(|context| {
                        if let Some(look) = &look {
                            let mut look = locked(look);
                            if look.state.is_some() {
                                return Poll::Ready(());
                            }
                            look.run = Some(context.waker().clone());
                        }
                        run.as_mut().poll(context)
                    })
                    .await;
                    if let Some(look) = &look
                        && locked(look).state.is_none()
                    {
                        let state = at_end.run_state();
                        locked(look).state = Some(state);
                    }
                    rt::now()
                })
            }))
        };
        let result = result.and_then(|ended| no_unjoined_panic(&runtime).map(|()| ended));
        let ended = result.as_ref().map_or_else(|_| recorder.last_time(), |&ended| ended);
        let judgement = world.judge(ended);
        let verdict = match result {
            Ok(_) => judgement.verdict,
            Err(payload) => verdict_of_panic(&*payload, &recorder),
        };
        let leaks = rt::leaks::take();
        let refused = leaks.first().filter(|_| limits.leaks == rt::Leaks::Refuse);
        let verdict = refused.map_or(verdict, |leak| leak::verdict(leak, &recorder));
        log.iter().for_each(|log| log.add_open_spans(ended));
        let draws = Draws::take();
        let trace = recorder.finish();
        // All tasks are aborted before the world is dropped: a task that waits on a channel whose
        // other end it owns itself would never be freed, nor would the disk that it owns. A panic
        // of a destructor does not change the outcome.
        let ending = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                world.shut_down();
                tasks.iter().for_each(rt::TaskTracker::abort_all);
            });
        }));
        rt::coop::forget_waiting_tasks();
        drop((ending, runtime));
        let violated = judgement.violated.filter(|_| matches!(verdict, Verdict::Violated { .. }));
        let outcome = Outcome {
            verdict,
            waits: judgement.waits,
            counters: trace.counters.clone(),
            events: trace.count,
            trace_hash: trace.hash,
            ended,
            sometimes: judgement.sometimes,
            too_few: judgement.too_few,
        };
        Logged { played: Played { outcome, violated, trace, leaks }, draws }
    }

    /// Polls the scenario, branch by branch, until it ends or the horizon is reached.
    async fn follow(&self, scenario: impl Future<Output = ()>, horizon: Duration) {
        let mut scenario = pin!(scenario);
        let end = (SimTime::ZERO + horizon).min(self.until.unwrap_or(SimTime::MAX));
        for branch in self.branches.iter().take_while(|branch| branch.at < end) {
            let until = branch.at.saturating_since(rt::now());
            if rt::timeout(until, scenario.as_mut()).await.is_some() {
                return;
            }
            branch.take();
        }
        rt::timeout(end.saturating_since(rt::now()), scenario).await;
    }
}

/// The name of the threads of runs.
const THREAD: &str = "stormglass-run";

/// Silences the panic hook of the program for panics inside of runs, from now on: such a panic is an
/// outcome, and is reported as one.
pub fn silence_panics() {
    rt::panics::silence_thread(THREAD);
}

/// Runs a closure on a new thread, as each run is.
fn on_new_thread<T: Send>(closure: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let run = std::thread::Builder::new().name(THREAD.into()).spawn_scoped(scope, closure);
        run.expect("the system gives a thread").join().expect("a run's panics are caught inside")
    })
}

/// Returns the panic of a task that no other task has received, unless its process was killed.
fn no_unjoined_panic(runtime: &madsim::runtime::Runtime) -> Result<(), Box<dyn Any + Send>> {
    if !rt::has_unjoined_panic() {
        return Ok(());
    }
    let forget = || runtime.block_on(async { rt::forget_panics_of_killed_processes() });
    catch_unwind(AssertUnwindSafe(forget))?;
    rt::take_unjoined_panic().map_or(Ok(()), Err)
}

fn verdict_of_panic(payload: &(dyn Any + Send), recorder: &Recorder) -> Verdict {
    let record = rt::panics::take_record(payload).unwrap_or_default();
    let (node, task) = match payload.downcast_ref() {
        Some(TurnsSpent { scope, .. }) => place(Some(*scope), record.node, recorder),
        None => place(record.scope, record.node, recorder),
    };
    if let Some(TurnsSpent { turns, .. }) = payload.downcast_ref() {
        let (at, task) = (recorder.last_time(), task.as_deref().unwrap_or("without a name"));
        let reason = format!(
            "{turns} turns of tasks were spent and time stood at {at}: does a task only yield? \
             The last turn was that of the task {task} on {node}"
        );
        return Verdict::Stalled { reason };
    }
    let message = leak::with_remedy(&rt::panics::without_task_ids(rt::panics::describe(payload)));
    Verdict::Panicked { node, task, location: record.location, message }
}

/// Returns the names of the node and the task that panicked: from the scope, else from madsim.
fn place(scope: Option<Scope>, node: Option<String>, recorder: &Recorder) -> (String, Option<String>) {
    let text = |symbol| Some(recorder.text(symbol)).filter(|text| !text.is_empty());
    let scope_node = scope.and_then(|scope| text(scope.node));
    // Tasks of the scenario run on madsim's main node.
    let node = node.map(|node| if node == "madsim-main" { HARNESS.into() } else { node });
    (scope_node.or(node).unwrap_or_else(|| "no node".into()), scope.and_then(|scope| text(scope.task)))
}
