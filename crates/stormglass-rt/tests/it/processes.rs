//! Processes: when each incarnation of a node has ended.

use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::task::NodeId;
use stormglass_rt::{self as rt, Process, ProcessTracker};

fn current(node: NodeId) -> NodeHandle {
    Handle::current().get_node(node).unwrap()
}

async fn process(node: NodeId) -> Process {
    current(node).spawn(async { Process::current() }).await.unwrap()
}

#[test]
fn a_tracked_process_ends_with_the_kill() {
    let runtime = Runtime::new();
    let _tracker = ProcessTracker::new(&runtime);
    runtime.block_on(async {
        let [node, other] = [0; 2].map(|_| Handle::current().create_node().build().id());
        let (first, elsewhere) = (process(node).await, process(other).await);
        assert!(!first.has_ended() && !first.check_ended());
        Handle::current().kill(node);
        assert!(first.has_ended());
        Handle::current().restart(node);
        let second = process(node).await;
        assert!(first.has_ended() && !second.has_ended());
        assert!(!elsewhere.check_ended());
        // Processes end one by one.
        Handle::current().kill(node);
        assert!(second.check_ended());
    });
}

#[test]
fn an_untracked_process_is_found_out_to_have_ended() {
    Runtime::new().block_on(async {
        let node = Handle::current().create_node().build().id();
        let (own, first) = (Process::current(), process(node).await);
        assert!(!first.check_ended());
        Handle::current().kill(node);
        assert!(!first.has_ended());
        assert!(first.check_ended() && first.has_ended());
        let killed = process_after(node, |handle, node| handle.restart(node)).await;
        assert!(!killed.check_ended());
        // A restart alone ends a process too.
        let restarted = process_after(node, |handle, node| handle.restart(node)).await;
        assert!(killed.check_ended() && !restarted.check_ended());
        // Killed twice, and not started again yet.
        Handle::current().kill(node);
        Handle::current().kill(node);
        assert!(restarted.check_ended());
        assert!(!own.check_ended());
    });
}

async fn process_after(node: NodeId, act: fn(&Handle, NodeId)) -> Process {
    act(&Handle::current(), node);
    process(node).await
}

/// To find out costs nothing where it is known: no turn of the executor, which moves the clock.
#[test]
fn a_known_end_costs_no_time() {
    Runtime::new().block_on(async {
        let node = Handle::current().create_node().build().id();
        let (own, process) = (Process::current(), process(node).await);
        Handle::current().kill(node);
        let before = rt::now();
        assert!(process.check_ended() && process.check_ended() && !own.check_ended());
        assert_eq!(rt::now(), before);
    });
}

/// A process of the run before has ended, whether or not this run has a node of the same number.
#[test]
fn a_process_of_another_run_has_ended() {
    let before = Runtime::new().block_on(async {
        let node = Handle::current().create_node().build().id();
        process(node).await
    });
    Runtime::new().block_on(async {
        Handle::current().create_node().build();
        assert!(before.check_ended());
    });
}

/// The guard of a killed process's mount is dropped after its next incarnation has mounted
/// something: that stays.
#[test]
fn a_killed_process_unmounts_only_its_own_values() {
    for seed in 0..100 {
        let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        runtime.block_on(async {
            let node = Handle::current().create_node().build().id();
            let live = |value: u32| async move {
                let _mounted = rt::mount(rt::current_node(), value);
                std::future::pending::<()>().await;
            };
            current(node).spawn(live(1));
            rt::sleep(std::time::Duration::from_millis(1)).await;
            Handle::current().kill(node);
            Handle::current().restart(node);
            current(node).spawn(live(2));
            rt::sleep(std::time::Duration::from_millis(1)).await;
            let mounted = current(node).spawn(async { rt::mounted::<u32>() }).await.unwrap();
            assert_eq!(mounted, Some(2));
        });
    }
}
