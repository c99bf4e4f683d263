//! The scenario `raft-smoke`: the operations of a metadata store, step by step, without faults.

use crate::metadata_servers::chaos::{all_are_members, converged};
use crate::metadata_servers::servers::{Servers, ask, client_host, swap};
use crate::metadata_servers::settings::MetadataSettings;
use sim_raft::api::{Answer, Precondition, RefusalKind, Reply, Request, Write};
use std::time::Duration;
use stormglass_rt as rt;
use stormglass_sim::{Scenario, World, scenario};

/// Three metadata servers, with Restate's own timings, that write, read, write on condition,
/// refuse and delete values.
///
/// Restate's test `raft_metadata_cluster_smoke_test`: each step is repeated every 100 ms, at most
/// ten times.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetadataSmoke;

#[scenario(
    name = "raft-smoke",
    about = "metadata servers store, refuse and delete values, with nothing broken"
)]
impl Scenario for MetadataSmoke {
    fn defaults(&self) -> MetadataSettings {
        MetadataSettings::unbroken()
    }

    async fn play(&self, world: World, settings: MetadataSettings) {
        let servers = Servers::start(&world, &settings).await;
        all_are_members(&world, &servers, &settings.chaos).await;
        let get = |key: &str| Request::Get { key: key.into() };
        let put = |found, byte| Request::Write(swap("k", found, vec![byte]));
        let delete =
            |key: &str, precondition| Request::Write(Write::Delete { key: key.into(), precondition });
        let value = |version, byte| Reply::Value(Some(sim_raft::Value { version, bytes: vec![byte] }));
        let steps: [(&str, Request, Result<Reply, RefusalKind>); 9] = [
            ("nothing there", get("k"), Ok(Reply::Value(None))),
            ("write", put(None, 1), Ok(Reply::Written)),
            ("read", get("k"), Ok(value(1, 1))),
            ("write over", put(Some(1), 2), Ok(Reply::Written)),
            ("version", Request::GetVersion { key: "k".into() }, Ok(Reply::Version(Some(2)))),
            (
                "write over an old version",
                put(Some(1), 3),
                Err(RefusalKind::PreconditionFailed { found: Some(2) }),
            ),
            ("still the same", get("k"), Ok(value(2, 2))),
            ("delete", delete("k", Precondition::MatchesVersion(2)), Ok(Reply::Written)),
            ("gone", get("k"), Ok(Reply::Value(None))),
        ];
        for (name, request, expected) in steps {
            let step = attempt(&world, &servers, request, settings.chaos.request_timeout);
            let answer = world.wait(name, "client-1", Duration::from_secs(5), step).await;
            if let Some(answer) = answer.map(|answer| answer.map_err(|refusal| refusal.kind))
                && answer != expected
            {
                world.violated("smoke", format!("{name}: {answer:?} instead of {expected:?}"));
            }
        }
        converged(&world, &servers, &settings.chaos).await;
    }
}

/// Sends the request every 100 ms, at most ten times, to the leader that the last refusal named,
/// until a server serves it or refuses it for good.
async fn attempt(world: &World, servers: &Servers, request: Request, limit: Duration) -> Answer {
    let host = client_host(world, 1);
    let mut server = servers.nodes()[0].name().to_string();
    let mut answer = ask(&host, &server, request.clone(), limit).await;
    for _ in 0..10 {
        let Err(refusal) = &answer else { break };
        if refusal.kind != RefusalKind::Unavailable {
            break;
        }
        if let Some(leader) = &refusal.leader {
            server = leader.host.clone();
        }
        rt::sleep(Duration::from_millis(100)).await;
        answer = ask(&host, &server, request.clone(), limit).await;
    }
    answer
}
