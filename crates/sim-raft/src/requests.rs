//! The request queues of a server.
//!
//! There is a bounded queue for each kind of request, as in Restate's `raft/server`: first
//! requests for the store, then joins, then commands, which change members or provision. The
//! sender of a request waits while its queue is full. A request whose caller gives up while its
//! sender waits is never served; a request in the queue is served even if its caller has given up.

use crate::api::{Answer, Request};
use crate::settings::RaftSettings;
use std::collections::VecDeque;
use std::task::{Context, Poll};
use stormglass_core::{EventId, Recorder};
use stormglass_net::rpc;
use stormglass_rt::channel::Receiver;

/// A request with the sender of its answer.
pub type Incoming = (Request, rpc::Reply<Answer>);

/// The capacity of the queue of commands (Restate 1.7: 2).
const COMMAND_QUEUE: usize = 2;

/// The request queues of one server.
#[derive(Debug)]
pub(crate) struct Requests {
    arrivals: Receiver<Incoming>,
    recorder: Recorder,
    store: Queue,
    joins: Queue,
    commands: Queue,
}

#[derive(Debug)]
struct Queue {
    capacity: usize,
    /// The requests in the queue, at most `capacity`.
    queued: VecDeque<(Incoming, EventId)>,
    /// The requests whose senders wait for capacity.
    waiting: VecDeque<(Incoming, EventId)>,
}

impl Requests {
    pub(crate) fn new(
        arrivals: Receiver<Incoming>,
        settings: &RaftSettings,
        recorder: &Recorder,
    ) -> Requests {
        let queue = |capacity| Queue { capacity, queued: VecDeque::new(), waiting: VecDeque::new() };
        Requests {
            arrivals,
            recorder: recorder.clone(),
            store: queue(settings.request_queue as usize),
            joins: queue(settings.join_queue as usize),
            commands: queue(COMMAND_QUEUE),
        }
    }

    /// Polls for the next request for the store.
    pub(crate) fn poll_store(&mut self, context: &mut Context<'_>) -> Poll<Incoming> {
        self.enqueue_arrivals(context);
        self.store.take(&self.recorder)
    }

    /// Polls for the next join.
    pub(crate) fn poll_join(&mut self, context: &mut Context<'_>) -> Poll<Incoming> {
        self.enqueue_arrivals(context);
        self.joins.take(&self.recorder)
    }

    /// Polls for the next command.
    pub(crate) fn poll_command(&mut self, context: &mut Context<'_>) -> Poll<Incoming> {
        self.enqueue_arrivals(context);
        self.commands.take(&self.recorder)
    }

    /// Polls for the next request of any kind.
    pub(crate) fn poll_any(&mut self, context: &mut Context<'_>) -> Poll<Incoming> {
        self.enqueue_arrivals(context);
        for queue in [&mut self.store, &mut self.joins, &mut self.commands] {
            if let Poll::Ready(incoming) = queue.take(&self.recorder) {
                return Poll::Ready(incoming);
            }
        }
        Poll::Pending
    }

    /// Puts arrived requests into their queues.
    fn enqueue_arrivals(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Some((incoming, cause))) = self.arrivals.poll_recv_with_cause(context) {
            let queue = match incoming.0 {
                Request::Get { .. } | Request::GetVersion { .. } | Request::Write(_) => &mut self.store,
                Request::Join { .. } => &mut self.joins,
                Request::Provision { .. } | Request::Remove { .. } => &mut self.commands,
            };
            // No request was taken since it arrived: if there is capacity now, there was capacity
            // then.
            let has_capacity = queue.waiting.is_empty() && queue.queued.len() < queue.capacity;
            if has_capacity { &mut queue.queued } else { &mut queue.waiting }.push_back((incoming, cause));
        }
    }
}

impl Queue {
    /// Moves waiting requests into the queue while it has capacity. Drops those whose callers have
    /// given up.
    fn fill(&mut self) {
        while self.queued.len() < self.capacity
            && let Some(first) = self.waiting.pop_front()
        {
            let ((_, reply), _) = &first;
            if !reply.is_cancelled() {
                self.queued.push_back(first);
            }
        }
    }

    fn take(&mut self, recorder: &Recorder) -> Poll<Incoming> {
        let Some((incoming, cause)) = self.queued.pop_front() else { return Poll::Pending };
        self.fill();
        recorder.join(cause);
        Poll::Ready(incoming)
    }
}
