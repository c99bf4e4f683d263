//! What the nodes and the scenario of a test have reported.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use stormglass_core::requirements::Requirements;
use stormglass_core::{SimTime, Verdict, Wait};
use tokio::sync::Notify;

/// What the nodes and the scenario have reported.
#[derive(Clone, Debug)]
pub(crate) struct Reports(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    state: Mutex<State>,
    /// Told when a process panics.
    panicked: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) waits: Vec<Wait>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) requirements: Requirements,
}

impl Reports {
    pub(crate) fn new() -> Reports {
        let (began, state, panicked) = (Instant::now(), Mutex::default(), Notify::new());
        Reports(Arc::new(Shared { began, state, panicked }))
    }

    /// Returns the time since the beginning of the test.
    pub(crate) fn now(&self) -> SimTime {
        self.0.began.elapsed().into()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the verdict, unless there is one.
    pub(crate) fn report(&self, verdict: Verdict) {
        self.state().verdict.get_or_insert(verdict);
    }

    pub(crate) fn panicked(&self, node: &str, task: &str, message: String) {
        let (node, task) = (node.into(), Some(task.into()));
        self.report(Verdict::Panicked { node, task, location: None, message });
        self.0.panicked.notify_one();
    }

    /// Waits until a process panics.
    pub(crate) async fn until_panic(&self) {
        self.0.panicked.notified().await;
    }
}
