//! The nodes of a test, and what it has reported.

use crate::addresses::Addresses;
use crate::identity::{Identity, Names};
use crate::node::Node;
use crate::reports::Reports;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use stormglass_core::event::EventId;
use stormglass_core::{Length, Limit, Seed, SimTime, Verdict, Wait};
use tempfile::TempDir;

/// The nodes of a test, on this machine. See the crate's documentation for what a node is.
#[derive(Clone, Debug)]
pub struct World(Arc<WorldState>);

#[derive(Debug)]
struct WorldState {
    seed: Seed,
    addresses: Addresses,
    names: Names,
    directory: Mutex<Option<TempDir>>,
    nodes: Mutex<BTreeMap<String, Node>>,
    reports: Reports,
}

impl World {
    /// Creates a world without nodes, with a temporary directory.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub(crate) fn new(seed: Seed) -> io::Result<World> {
        #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
        crate::symbols::keep();
        let directory = Mutex::new(Some(tempfile::Builder::new().prefix("stormglass-").tempdir()?));
        let (addresses, names, nodes) = (Addresses::reserve()?, Names::default(), Mutex::default());
        Ok(World(Arc::new(WorldState { seed, addresses, names, directory, nodes, reports: Reports::new() })))
    }

    /// Makes the current thread that of the scenario, which has an address but is no node.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub(crate) fn enter(&self) -> io::Result<()> {
        let identity = Identity { address: self.0.addresses.next(), names: self.0.names.clone() };
        let directory = self.0.directory.lock().unwrap_or_else(PoisonError::into_inner);
        identity.enter(directory.as_ref().map_or(Path::new("."), TempDir::path))
    }

    /// Returns the test's seed, for the scenario's own streams of random numbers.
    pub fn seed(&self) -> Seed {
        self.0.seed
    }

    /// Returns the node of this name, and makes it on the first call.
    ///
    /// # Panics
    ///
    /// If its directory cannot be made.
    pub fn node(&self, name: &str) -> Node {
        let WorldState { addresses, names, directory, nodes, reports, .. } = &*self.0;
        let mut nodes = nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let directory = directory.lock().unwrap_or_else(PoisonError::into_inner);
            let directory = directory.as_ref().expect("the test runs").path().join(name);
            std::fs::create_dir_all(&directory)
                .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
            let identity = Identity { address: addresses.next(), names: names.clone() };
            names.add(name, identity.address);
            Node::new(name, identity, directory, reports.clone())
        };
        nodes.entry(name.into()).or_insert_with(make).clone()
    }

    /// As [`World::node`]: without simulation all nodes share the machine.
    pub fn node_on(&self, name: &str, _machine: &str) -> Node {
        self.node(name)
    }

    /// Waits for `future`, at most for the deadline, and records the wait under `name` and `node`. Returns
    /// the future's output, or `None` at the deadline, which fails the test.
    pub async fn wait<F: Future>(
        &self,
        name: &str,
        node: &str,
        limit: impl Into<Limit>,
        future: F,
    ) -> Option<F::Output> {
        let Limit { deadline, parameter } = limit.into();
        let reports = &self.0.reports;
        let began = reports.now();
        let index = {
            let mut state = reports.state();
            let (name, node, parameter) = (name.into(), node.into(), parameter.map(Cow::Borrowed));
            let (length, end) = (Length::Censored(deadline), EventId::START);
            state.waits.push(Wait { name, node, began, deadline, parameter, length, end });
            state.waits.len() - 1
        };
        let output = tokio::time::timeout(deadline, future).await.ok();
        let length = reports.now().saturating_since(began);
        if output.is_some() {
            reports.state().waits[index].length = Length::Observed(length.min(deadline));
        }
        output
    }

    /// Reports that a property does not hold, which is the test's verdict. Only the first report counts.
    pub fn violated(&self, property: &str, evidence: impl Into<String>) {
        let violated = Verdict::Violated { property: property.into(), evidence: evidence.into() };
        self.note(&violated.to_string());
        self.0.reports.report(violated);
    }

    /// As [`World::violated`], for a check of what happened before. A real run does not report the time.
    pub fn violated_at(&self, _at: SimTime, property: &str, evidence: impl Into<String>) {
        self.violated(property, evidence);
    }

    /// Reports that the property of this name does not hold unless `holds`, with the place of the call as
    /// evidence, and counts the check ([`World::at_least`]).
    #[track_caller]
    pub fn check(&self, property: &str, holds: bool) {
        let place = Location::caller();
        self.check_with(property, holds, || format!("at {place}"));
    }

    pub(crate) fn check_with(&self, property: &str, holds: bool, evidence: impl FnOnce() -> String) {
        self.0.reports.state().requirements.add_check(property);
        if !holds {
            self.violated(property, evidence());
        }
    }

    /// Requires that at least `count` waits and checks of this name begin. With fewer the test fails unless it
    /// fails in another way.
    pub fn at_least(&self, count: u64, name: &str) {
        self.0.reports.state().requirements.require(count, name);
    }

    /// Reports a property that has to hold in at least one of many runs. One run has no verdict on it.
    pub fn sometimes(&self, property: &str, holds: bool) {
        if self.0.reports.state().requirements.add_sometimes(property, holds) {
            self.note(&format!("sometimes {property}"));
        }
    }

    /// Prints a note with the time since the beginning of the test.
    pub fn note(&self, what: &str) {
        println!("{:8.3}s {what}", self.0.reports.now().as_secs_f64());
    }

    /// Prints that a part of the system has entered another state.
    pub fn status(&self, what: &str, state: &str) {
        self.note(&format!("{what}: {state}"));
    }

    /// Waits until a process panics.
    pub(crate) async fn panicked(&self) {
        self.0.reports.until_panic().await;
    }

    /// Records a verdict of the one who plays the scenario.
    pub(crate) fn report(&self, verdict: Verdict) {
        self.0.reports.report(verdict);
    }

    /// Ends all nodes. Returns the verdict, and the directory if the verdict is a failure.
    pub(crate) fn end(&self) -> (Verdict, Option<std::path::PathBuf>) {
        let nodes = std::mem::take(&mut *self.0.nodes.lock().unwrap_or_else(PoisonError::into_inner));
        nodes.values().for_each(Node::kill);
        let ended = self.0.reports.now();
        let state = self.0.reports.state();
        let too_few = state.requirements.too_few(&state.waits, &[]);
        let of_waits = || Verdict::of_waits(&state.waits, ended).or_too_few(too_few.as_ref());
        let verdict = state.verdict.clone().unwrap_or_else(of_waits);
        let directory = self.0.directory.lock().unwrap_or_else(PoisonError::into_inner).take();
        let directory = directory.filter(|_| !verdict.is_passed()).map(TempDir::keep);
        (verdict, directory)
    }
}
