//! Requests and answers: a line of JSON each, on a connection for each request.

use crate::{Command, PORT, Types};
use openraft::BasicNode;
use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What a node is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    Vote(VoteRequest<u64>),
    Append(AppendEntriesRequest<Types>),
    Snapshot(InstallSnapshotRequest<Types>),
    Write(Command),
    Read(String),
}

/// What a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The value: before a write, or that of a read.
    Value(Option<u64>),
    /// Another node may be the leader. A write has not taken effect, and will not.
    NotHere,
    /// It is not known whether the write will take effect.
    Unknown,
}

/// Sends a request to a node and returns its answer.
pub async fn ask<T: DeserializeOwned>(host: &str, request: &Request) -> io::Result<T> {
    let mut stream = BufReader::new(TcpStream::connect((host, PORT)).await?);
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    Ok(serde_json::from_str(&answer)?)
}

/// The connections of a node to the others.
#[derive(Clone, Copy, Debug)]
pub struct Network;

impl RaftNetworkFactory<Types> for Network {
    type Network = Peer;

    async fn new_client(&mut self, id: u64, node: &BasicNode) -> Peer {
        Peer { id, host: node.addr.clone() }
    }
}

/// Another node, as this one sees it.
#[derive(Debug)]
pub struct Peer {
    id: u64,
    host: String,
}

impl Peer {
    /// Asks within the time that openraft gives.
    async fn ask<T, E>(&self, request: Request, option: RPCOption) -> Result<T, RPCError<u64, BasicNode, E>>
    where
        T: DeserializeOwned,
        E: Error + DeserializeOwned,
    {
        let asked = ask::<Result<T, E>>(&self.host, &request);
        match tokio::time::timeout(option.hard_ttl(), asked).await {
            Ok(Ok(answer)) => answer.map_err(|error| RemoteError::new(self.id, error).into()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(Unreachable::new(&error).into())
            }
            Ok(Err(error)) => Err(NetworkError::new(&error).into()),
            Err(elapsed) => Err(NetworkError::new(&elapsed).into()),
        }
    }
}

impl RaftNetwork<Types> for Peer {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        self.ask(Request::Append(request), option).await
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<Types>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, RPCError<u64, BasicNode, RaftError<u64, InstallSnapshotError>>>
    {
        self.ask(Request::Snapshot(request), option).await
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        self.ask(Request::Vote(request), option).await
    }
}
