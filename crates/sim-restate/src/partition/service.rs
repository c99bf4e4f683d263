//! The user's service: a counter, as the tests mock it. It runs outside of the cluster and is
//! stateless: each call carries the counter's value.

use super::state::Handler;
use std::io;
use std::time::Duration;
use stormglass_rt as rt;
use stormglass_sim::Node;

/// The port of the tests' mock service.
pub const SERVICE_PORT: u16 = 9080;

/// A request to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceRequest {
    /// Returns its handlers: the discovery of a deployment.
    Discover,
    /// Runs a handler on a counter with this value; returns the value after it.
    Run(Handler, i64),
}

/// Starts the service on a node; each call takes `work` CPU time.
///
/// # Errors
///
/// `AddrInUse`.
pub fn start(node: &Node, work: Duration) -> io::Result<()> {
    let mut service = node.host().serve::<ServiceRequest, i64>(SERVICE_PORT)?;
    let (recorder, cpu) = (node.disk().recorder().clone(), node.cpu().clone());
    let subject = recorder.symbol("service");
    node.spawn("service", async move {
        while let Some(call) = service.next().await {
            let (request, reply) = call.split();
            let cpu = cpu.clone();
            rt::spawn(&recorder, "service call", async move {
                cpu.compute(subject, work).await;
                reply.send(match request {
                    ServiceRequest::Discover => 0,
                    ServiceRequest::Run(Handler::Add(more), value) => value + more,
                    ServiceRequest::Run(Handler::Get, value) => value,
                });
            });
        }
    });
    Ok(())
}
