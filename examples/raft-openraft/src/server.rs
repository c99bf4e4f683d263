//! A node: openraft with its log, its state machine and its network, and who answers requests.

use crate::journal::Journal;
use crate::machine::Machine;
use crate::network::{Answer, Network, Request};
use crate::{Bugs, PORT, Types};
use openraft::error::{ClientWriteError, RaftError};
use openraft::{BasicNode, Config, Raft, SnapshotPolicy};
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Serves as one of the nodes of this cluster. Its number is its place in the list.
pub async fn serve(name: &str, cluster: &[&str], bugs: Bugs) -> Result<(), Box<dyn Error + Send + Sync>> {
    let config = Config {
        election_timeout_min: 300,
        election_timeout_max: 600,
        heartbeat_interval: 100,
        install_snapshot_timeout: 1000,
        max_in_snapshot_log_to_keep: 5,
        // A snapshot every few writes, so that a short test has many.
        snapshot_policy: SnapshotPolicy::LogsSinceLast(20),
        ..Config::default()
    };
    let id = cluster.iter().position(|&other| other == name).ok_or("the node is not of the cluster")? as u64;
    let (journal, machine) = (Journal::open(bugs).await?, Machine::open(bugs).await?);
    let raft =
        Raft::<Types>::new(id, Arc::new(config.validate()?), Network, journal, machine.clone()).await?;
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    if !raft.is_initialized().await? {
        let members = cluster.iter().zip(0..).map(|(name, id)| (id, BasicNode::new(*name)));
        // Each node may say the same; one that has heard of a leader meanwhile need not.
        let _ = raft.initialize(members.collect::<BTreeMap<u64, BasicNode>>()).await;
    }
    loop {
        let (stream, _) = listener.accept().await?;
        let (raft, machine) = (raft.clone(), machine.clone());
        // A connection that breaks ends with its request.
        tokio::spawn(async move { answer(stream, &raft, &machine, bugs).await.ok() });
    }
}

async fn answer(stream: TcpStream, raft: &Raft<Types>, machine: &Machine, bugs: Bugs) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut answer = match serde_json::from_str(&line)? {
        Request::Vote(request) => serde_json::to_vec(&raft.vote(request).await)?,
        Request::Append(request) => serde_json::to_vec(&raft.append_entries(request).await)?,
        Request::Snapshot(request) => serde_json::to_vec(&raft.install_snapshot(request).await)?,
        Request::Write(command) => serde_json::to_vec(&match raft.client_write(command).await {
            Ok(written) => Answer::Value(written.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Answer::NotHere,
            Err(_) => Answer::Unknown,
        })?,
        Request::Read(key) => {
            let is_leader = bugs.stale_reads || raft.ensure_linearizable().await.is_ok();
            let value = machine.value(&key).await;
            serde_json::to_vec(&if is_leader { Answer::Value(value) } else { Answer::NotHere })?
        }
    };
    answer.push(b'\n');
    stream.write_all(&answer).await
}
