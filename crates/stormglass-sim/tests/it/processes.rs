//! Processes of a run that are killed and started again: the next one owns at once what the one
//! before had bound and locked.

use crate::story::{Boxed, Story};
use std::io;
use std::time::Duration;
use stormglass_core::{Keep, Seed, Verdict};
use stormglass_fs::{self as fs, FileExt};
use stormglass_net::{Host, TcpListener, UdpSocket, UnixListener};
use stormglass_sim::{Node, Run, Settings, World};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Binds and locks everything, and keeps it; what it could not is a violation.
async fn serve(world: World) {
    let open = async {
        // The first turn of the process binds; opening a file takes time.
        let host = Host::current()?;
        let open = (
            TcpListener::bind("0.0.0.0:80").await?,
            UdpSocket::bind("0.0.0.0:80").await?,
            UnixListener::bind("\0server")?,
            host.serve::<(), ()>(81)?,
        );
        let lock = fs::File::create("lock").await?;
        lock.try_lock().map_err(io::Error::from)?;
        Ok::<_, io::Error>((open, lock))
    };
    match open.await {
        Ok(_open) => std::future::pending().await,
        Err(error) => world.violated("the process starts", error.to_string()),
    }
}

/// Plays a story with 100 seeds; returns how many did not pass.
fn failures(plan: &str, story: impl Fn(World) -> Boxed + Send + Sync) -> usize {
    let story = Story(story);
    let settings = Settings::resolve(&story, None, "quiet", &[("plan.fault", plan)]).unwrap();
    let fails = |&seed: &u64| {
        let played = Run::new(&story, settings.clone(), Seed(seed)).play(Keep::Nothing);
        played.outcome.verdict != Verdict::Passed
    };
    (0..100).filter(fails).count()
}

#[test]
fn a_node_that_is_killed_and_spawned_at_once_owns_nothing() {
    let kill = |world: World| -> Boxed {
        Box::pin(async move {
            let node = world.node("node");
            for _ in 0..3 {
                node.spawn("serve", serve(world.clone()));
                stormglass_rt::sleep(MS(10)).await;
                node.kill();
            }
            node.spawn("serve", serve(world.clone()));
            stormglass_rt::sleep(MS(10)).await;
        })
    };
    assert_eq!(failures("[]", kill), 0);
}

/// A supervisor of the program's own, which starts the process again in the turn in which it kills
/// it, twice.
#[test]
fn a_supervised_process_starts_again_at_once() {
    let supervise = |world: World| -> Boxed {
        Box::pin(async move {
            let node = world.node("node");
            let start = move |node: &Node| drop(node.spawn("serve", serve(world.clone())));
            start(&node);
            stormglass_rt::sleep(MS(10)).await;
            for _ in 0..2 {
                node.kill();
                start(&node);
            }
            stormglass_rt::sleep(MS(10)).await;
        })
    };
    assert_eq!(failures("[]", supervise), 0);
}

/// A plan's kill is over after a microsecond: the node starts its process again by itself.
#[test]
fn a_plan_that_kills_for_a_moment_restarts_the_process() {
    let run = |world: World| -> Boxed {
        Box::pin(async move {
            let node = world.node("node");
            let main = world.clone();
            node.run("serve", move || serve(main.clone()));
            stormglass_rt::sleep(MS(30)).await;
            // It has been started again, and owns its port.
            let bind = node.spawn("bind", TcpListener::bind("0.0.0.0:80"));
            let error = bind.await.unwrap().map(drop).map_err(|error| error.raw_os_error());
            if error != Err(Some(98)) {
                world.violated("the process listens", format!("{error:?}"));
            }
        })
    };
    let kill = "[{ kind = 'kill', node = 'node', at = '10ms', lasts = '1us' }]";
    assert_eq!(failures(kill, run), 0);
    let power_loss = "[{ kind = 'power-loss', node = 'node', at = '10ms', lasts = '1us' }]";
    assert_eq!(failures(power_loss, run), 0);
}
