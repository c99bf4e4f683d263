//! What a server is asked, and in which order it looks at it.
//!
//! Requests wait in queues by kind, as in Restate's `raft/server`: first those for the store, then joins, then what changes members or
//! provisions. Each queue has its length; who finds it full waits in front of it, and is never heard if it gives up there, while what
//! is in the queue is done whether or not anybody still wants to know.

use crate::api::Request;
use crate::server::Incoming;
use crate::settings::RaftSettings;
use std::collections::VecDeque;
use std::task::{Context, Poll};
use stormglass_core::{EventId, Recorder};
use stormglass_rt::channel::Receiver;

/// How many commands that change members wait (Restate 1.7: 2).
const COMMANDS: usize = 2;

/// The queues of one server.
#[derive(Debug)]
pub(crate) struct Requests {
    arriving: Receiver<Incoming>,
    recorder: Recorder,
    store: Queue,
    joins: Queue,
    commands: Queue,
}

#[derive(Debug)]
struct Queue {
    length: usize,
    /// In the queue, at most `length`.
    inside: VecDeque<(Incoming, EventId)>,
    /// In front of it.
    outside: VecDeque<(Incoming, EventId)>,
}

impl Requests {
    pub(crate) fn new(
        arriving: Receiver<Incoming>,
        settings: &RaftSettings,
        recorder: &Recorder,
    ) -> Requests {
        let queue = |length| Queue { length, inside: VecDeque::new(), outside: VecDeque::new() };
        Requests {
            arriving,
            recorder: recorder.clone(),
            store: queue(settings.request_queue as usize),
            joins: queue(settings.join_queue as usize),
            commands: queue(COMMANDS),
        }
    }

    /// The next request for the store.
    pub(crate) fn poll_store(&mut self, context: &mut Context<'_>) -> Poll<Incoming> {
        self.sort(context);
        self.store.take(&self.recorder)
    }

    /// The next join.
    pub(crate) fn poll_join(&mut self, context: &mut Context<'_>) -> Poll<Incoming> {
        self.sort(context);
        self.joins.take(&self.recorder)
    }

    /// The next command.
    pub(crate) fn poll_command(&mut self, context: &mut Context<'_>) -> Poll<Incoming> {
        self.sort(context);
        self.commands.take(&self.recorder)
    }

    /// The next of any kind.
    pub(crate) fn poll_any(&mut self, context: &mut Context<'_>) -> Poll<Incoming> {
        self.sort(context);
        for queue in [&mut self.store, &mut self.joins, &mut self.commands] {
            if let Poll::Ready(incoming) = queue.take(&self.recorder) {
                return Poll::Ready(incoming);
            }
        }
        Poll::Pending
    }

    fn sort(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Some((incoming, cause))) = self.arriving.poll_take(context) {
            let queue = match incoming.0 {
                Request::Get { .. } | Request::GetVersion { .. } | Request::Write(_) => &mut self.store,
                Request::Join { .. } => &mut self.joins,
                Request::Provision { .. } | Request::Remove { .. } => &mut self.commands,
            };
            // Nothing was taken since it came: where there is room now, there was room then.
            let room = queue.outside.is_empty() && queue.inside.len() < queue.length;
            if room { &mut queue.inside } else { &mut queue.outside }.push_back((incoming, cause));
        }
    }
}

impl Queue {
    fn fill(&mut self) {
        while self.inside.len() < self.length
            && let Some(first) = self.outside.pop_front()
        {
            let ((_, reply), _) = &first;
            if !reply.is_cancelled() {
                self.inside.push_back(first);
            }
        }
    }

    fn take(&mut self, recorder: &Recorder) -> Poll<Incoming> {
        let Some((incoming, cause)) = self.inside.pop_front() else { return Poll::Pending };
        self.fill();
        recorder.join(cause);
        Poll::Ready(incoming)
    }
}
