//! The log servers of the cluster, as one node reaches them.

use super::chain::Segment;
use super::loglet::LogletInfo;
use super::server::{LOG_SERVER_PORT, LogServer, LogServerRequest, LogServerResponse};
use super::settings::LogSettings;
use super::{LogletId, Offset};
use crate::metadata::name_of;
use crate::peers::Peers;
use crate::settings::ClusterSettings;
use sim_raft::NodeId;
use sim_raft::NodesWatch;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use stormglass_core::{Recorder, Stream, Symbol};
use stormglass_net::Host;
use stormglass_rt as rt;
use stormglass_rt::Watch;

/// The log servers, as a node reaches them: its own directly, the others over the network. Clones
/// share the known tails.
#[derive(Clone, Debug)]
pub struct Servers {
    shared: Arc<ServersShared>,
}

#[derive(Debug)]
struct ServersShared {
    me: NodeId,
    local: Option<LogServer>,
    remote: Peers<LogServerRequest, LogServerResponse>,
    nodes: NodesWatch,
    settings: LogSettings,
    tails: Mutex<BTreeMap<LogletId, Watch<Offset>>>,
    recorder: Recorder,
    back_off: Symbol,
}

impl Servers {
    /// Returns the log servers as the node `me` reaches them; `local` is its own, if it has one.
    pub(super) fn new(
        host: &Host,
        me: NodeId,
        local: Option<LogServer>,
        nodes: &NodesWatch,
        settings: &ClusterSettings,
    ) -> Servers {
        let recorder = host.network().recorder().clone();
        let connect_timeout = settings.network.connect_timeout;
        let shared = ServersShared {
            me,
            local,
            remote: Peers::new(host, LOG_SERVER_PORT, connect_timeout),
            nodes: nodes.clone(),
            settings: settings.log.clone(),
            tails: Mutex::default(),
            back_off: recorder.symbol("log server back-off"),
            recorder,
        };
        Servers { shared: Arc::new(shared) }
    }

    /// Sends a request to the log server of a node.
    pub(super) async fn call(
        &self,
        node: NodeId,
        request: LogServerRequest,
    ) -> io::Result<LogServerResponse> {
        let ServersShared { me, local, remote, nodes, settings, .. } = &*self.shared;
        if node == *me
            && let Some(local) = local
        {
            return local.call(request).await;
        }
        let name = name_of(nodes, node).ok_or(io::ErrorKind::NotFound)?;
        remote.call(&name, settings.server_timeout, request).await
    }

    /// Sends a request like `call`, and repeats it after a failure, as often as the retry policy
    /// says. `None` if every attempt failed.
    pub(super) async fn call_with_retry(
        &self,
        node: NodeId,
        request: LogServerRequest,
        jitter: impl Fn() -> Stream,
    ) -> Option<LogServerResponse> {
        let mut delays = None;
        loop {
            if let Ok(response) = self.call(node, request.clone()).await {
                return Some(response);
            }
            let ServersShared { settings, recorder, back_off, .. } = &*self.shared;
            let delays = delays.get_or_insert_with(|| settings.server_retry.delays(jitter()));
            rt::pause(recorder, *back_off, delays.next()?).await;
        }
    }

    /// Sends a request to all servers of a segment in parallel, until `enough` accepts the
    /// responses so far, or all have answered or failed.
    pub(super) async fn call_all(
        &self,
        segment: &Segment,
        request: &LogServerRequest,
        mut enough: impl FnMut(&[(NodeId, LogServerResponse)]) -> bool,
    ) -> Vec<(NodeId, LogServerResponse)> {
        let mut branches: Vec<_> = segment
            .nodeset
            .iter()
            .map(|&node| Some((node, Box::pin(self.call(node, request.clone())))))
            .collect();
        let mut responses = Vec::new();
        poll_fn(|context| {
            for slot in &mut branches {
                let Some((node, branch)) = slot else { continue };
                if let Poll::Ready(response) = branch.as_mut().poll(context) {
                    responses.extend(response.ok().map(|response| (*node, response)));
                    *slot = None;
                }
            }
            let over = branches.iter().all(Option::is_none) || enough(&responses);
            if over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        responses
    }

    /// Takes note that everything of a segment below this offset is acknowledged.
    pub(super) fn learn(&self, segment: &Segment, global: Offset) {
        self.tail(segment.id).change(|known| {
            let more = *known < global;
            *known = global.max(*known);
            more
        });
    }

    /// Returns the known tail of a segment, as a watch: everything below it is acknowledged.
    pub(super) fn tail(&self, loglet: LogletId) -> Watch<Offset> {
        let mut tails = self.shared.tails.lock().unwrap_or_else(PoisonError::into_inner);
        tails.entry(loglet).or_insert_with(|| Watch::new(&self.shared.recorder, 1)).clone()
    }
}

pub(super) fn infos(responses: &[(NodeId, LogServerResponse)]) -> impl Iterator<Item = LogletInfo> {
    responses.iter().filter_map(|(_, response)| match response {
        LogServerResponse::Done(info) | LogServerResponse::Sealed(info) | LogServerResponse::Info(info) => {
            Some(*info)
        }
        LogServerResponse::Found(_) => None,
    })
}
