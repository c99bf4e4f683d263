//! The contract of tasks and signals: the same bodies run on a hosted runtime and on tokio's own, and
//! have to make the same observations.

use crate::{AssertSend, run_with};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

type Observed = Pin<Box<dyn Future<Output = Vec<String>> + Send>>;

/// Sends a signal, by its number, to the process under test.
type Raise = fn(i32);

/// The bodies on the simulation.
#[expect(clippy::unwrap_used, reason = "bodies of tests")]
mod simulated {
    use stormglass_tokio as tokio;
    include!("contract/bodies.rs");
}

/// The bodies on tokio itself.
#[expect(clippy::unwrap_used, reason = "bodies of tests")]
mod kernel {
    use real as tokio;
    include!("contract/bodies.rs");
}

/// Runs a body on both and compares the observations.
fn on_both(simulated: impl FnOnce(Raise) -> Observed, kernel: impl FnOnce(Raise) -> Observed) {
    // A signal reaches the whole test program.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let in_simulation = run_with(simulated);
    let runtime = real::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let in_reality = runtime.block_on(kernel(raise_in_reality));
    assert!(!in_reality.is_empty());
    assert_eq!(in_simulation, in_reality, "left is simulated, right is real");
}

#[expect(unsafe_code, reason = "libc's raise takes a number")]
fn raise_in_reality(kind: i32) {
    // SAFETY: the call takes no pointer, and the body has a listener for the signal.
    assert_eq!(unsafe { libc::raise(kind) }, 0);
}

macro_rules! contract {
    ($($name:ident),* $(,)?) => { $(
        #[test]
        fn $name() {
            on_both(|raise| Box::pin(simulated::$name(raise)), |raise| Box::pin(kernel::$name(raise)));
        }
    )* };
}

contract![
    tasks_are_joined_aborted_and_panic,
    blocking_closures_return_their_output,
    local_tasks_need_not_be_send,
    signals_reach_their_listeners,
    kinds_of_signals_have_linux_s_numbers,
];
