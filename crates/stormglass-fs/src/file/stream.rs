//! A file as a stream: `AsyncRead`, `AsyncWrite` and `AsyncSeek`, with the behaviour of `tokio::fs::File`.
//!
//! A read is in flight while it is polled. A write is a task of its own, so that `poll_write`
//! returns immediately and the next call, or a flush, waits for it. One read, write or seek is in
//! flight at a time. Of a read whose caller gave up, or came back with a smaller buffer, the next
//! reads return the rest.

use super::description::Description;
use crate::disk::{InFlight, OperationSleep};
use crate::error;
use std::future::Future;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use stormglass_core::Scope;
use stormglass_rt as rt;
use tokio::io::ReadBuf;

/// The default of the most bytes of one read or write (`DEFAULT_MAX_BUF_SIZE` of tokio).
pub(super) const DEFAULT_MAX_BUF_SIZE: usize = 2 << 20;

/// The state of the stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    state: State,
    /// Bytes that were read from the file and not yet from the stream. The file offset is behind
    /// them.
    unread: Vec<u8>,
    /// The error of a write that an operation other than a write or flush waited for. As with tokio, it keeps the kind and not
    /// the number.
    failed: Option<io::ErrorKind>,
    /// What `poll_complete` returns when no seek is in flight: the result of the last one, or 0
    /// after the length was set.
    position: u64,
}

/// The in-flight operation.
#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Reading(Box<Reading>),
    Writing(rt::JoinHandle<io::Result<()>>),
    /// A seek takes no time; its result waits for the next call.
    Seeking(io::Result<u64>),
}

#[derive(Debug)]
struct Reading {
    in_flight: InFlight,
    sleep: Option<OperationSleep>,
    position: u64,
    len: usize,
}

impl Reading {
    fn start(open: &Description, len: usize) -> io::Result<Box<Reading>> {
        let position = open.position.load(Ordering::Relaxed);
        let in_flight = open.start_read(len, position)?;
        let sleep = open.disk.sleep_for(&in_flight);
        Ok(Box::new(Reading { in_flight, sleep, position, len }))
    }

    fn poll_sleep(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().map_or(Poll::Ready(()), |sleep| Pin::new(sleep).poll(context))
    }

    /// Reads into `buffer`, which has the read's length.
    fn finish(self, open: &Description, buffer: &mut [u8]) -> io::Result<usize> {
        let Reading { in_flight, sleep: _sleep, position, .. } = self;
        let read = |state: &mut _, in_flight: &_| open.finish_read(state, in_flight, position, buffer);
        let count = open.disk.finish(in_flight, read)?;
        open.position.store(position + count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Stream {
    /// Waits for the in-flight operation. The bytes of a read stay unread; the result of a seek is
    /// dropped.
    ///
    /// # Errors
    ///
    /// Those of a write.
    fn poll_idle(&mut self, open: &Description, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Idle | State::Seeking(_) => {
                self.state = State::Idle;
                Poll::Ready(Ok(()))
            }
            State::Reading(reading) => {
                ready!(reading.poll_sleep(context));
                if let State::Reading(reading) = std::mem::take(&mut self.state) {
                    self.unread.resize(reading.len, 0);
                    let count = reading.finish(open, &mut self.unread);
                    self.unread.truncate(count.unwrap_or(0));
                }
                Poll::Ready(Ok(()))
            }
            State::Writing(writing) => {
                let written = ready!(Pin::new(writing).poll(context));
                self.state = State::Idle;
                // The write task is only aborted with its node, and then this task is too.
                Poll::Ready(written.map_err(io::Error::other)?)
            }
        }
    }

    /// Waits for the in-flight operation, and keeps the error of a write for the next write or
    /// flush.
    pub(super) fn poll_settled(&mut self, open: &Description, context: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(self.poll_idle(open, context)) {
            self.failed.get_or_insert(error.kind());
        }
        Poll::Ready(())
    }

    /// Moves the file offset back to where the unread bytes begin, and drops them.
    pub(super) fn discard_unread(&mut self, open: &Description) {
        if !self.unread.is_empty() {
            open.position.fetch_sub(self.unread.len() as u64, Ordering::Relaxed);
            self.unread.clear();
        }
    }

    /// Notes that the length was set, which tokio counts as a seek to 0 without one.
    pub(super) fn len_was_set(&mut self) {
        self.position = 0;
    }

    pub(super) fn poll_read(
        &mut self,
        open: &Description,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        max_buf_size: usize,
    ) -> Poll<io::Result<()>> {
        loop {
            match &mut self.state {
                State::Idle if !self.unread.is_empty() || buffer.remaining() == 0 => {
                    let count = self.unread.len().min(buffer.remaining());
                    buffer.put_slice(&self.unread[..count]);
                    self.unread.drain(..count);
                    return Poll::Ready(Ok(()));
                }
                State::Idle => {
                    let reading = Reading::start(open, buffer.remaining().min(max_buf_size))?;
                    self.state = State::Reading(reading);
                }
                // A read into a buffer that became smaller in between.
                State::Reading(reading) if reading.len > buffer.remaining() => {
                    ready!(reading.poll_sleep(context));
                    if let State::Reading(reading) = std::mem::take(&mut self.state) {
                        let mut bytes = vec![0; reading.len];
                        let count = reading.finish(open, &mut bytes)?;
                        bytes.truncate(count);
                        self.unread = bytes;
                    }
                    if self.unread.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                }
                State::Reading(reading) => {
                    ready!(reading.poll_sleep(context));
                    if let State::Reading(reading) = std::mem::take(&mut self.state) {
                        let count = reading.len;
                        let count = reading.finish(open, buffer.initialize_unfilled_to(count))?;
                        buffer.advance(count);
                    }
                    return Poll::Ready(Ok(()));
                }
                State::Seeking(result) => {
                    if let Ok(position) = result {
                        self.position = *position;
                    }
                    self.state = State::Idle;
                }
                State::Writing(_) => ready!(self.poll_settled(open, context)),
            }
        }
    }

    pub(super) fn poll_write(
        &mut self,
        open: &Arc<Description>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        max_buf_size: usize,
    ) -> Poll<io::Result<usize>> {
        if let Some(kind) = self.failed.take() {
            return Poll::Ready(Err(kind.into()));
        }
        ready!(self.poll_idle(open, context))?;
        self.discard_unread(open);
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>().min(max_buf_size);
        let mut bytes = Vec::with_capacity(len);
        for slice in slices {
            bytes.extend_from_slice(&slice[..slice.len().min(len - bytes.len())]);
        }
        let recorder = open.disk.recorder().clone();
        let scope: Scope = recorder.scope();
        let open = open.clone();
        self.state = State::Writing(rt::spawn_in(&recorder, scope, async move {
            let mut rest = &bytes[..];
            let mut result = Ok(());
            while result.is_ok() && !rest.is_empty() {
                result = match open.write_next(rest).await {
                    Ok(0) => Err(error::write_zero()),
                    Ok(count) => {
                        rest = &rest[count..];
                        Ok(())
                    }
                    Err(error) => Err(error),
                };
            }
            result
        }));
        Poll::Ready(Ok(len))
    }

    pub(super) fn poll_flush(
        &mut self,
        open: &Description,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(kind) = self.failed.take() {
            return Poll::Ready(Err(kind.into()));
        }
        self.poll_idle(open, context)
    }

    /// Starts a seek.
    ///
    /// # Errors
    ///
    /// While another operation is in flight, as with tokio. The errors of the seek itself are those
    /// of `poll_complete`.
    pub(super) fn start_seek(&mut self, open: &Description, to: SeekFrom) -> io::Result<()> {
        if !matches!(self.state, State::Idle) {
            return Err(io::Error::other(
                "other file operation is pending, call poll_complete before start_seek",
            ));
        }
        let unread = std::mem::take(&mut self.unread).len() as i64;
        let to = match to {
            SeekFrom::Current(by) => match by.checked_sub(unread) {
                Some(by) => SeekFrom::Current(by),
                None => {
                    open.position.fetch_sub(unread as u64, Ordering::Relaxed);
                    SeekFrom::Current(by)
                }
            },
            to => to,
        };
        self.state = State::Seeking(open.seek(to));
        Ok(())
    }

    pub(super) fn poll_complete(
        &mut self,
        open: &Description,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<u64>> {
        if let State::Seeking(result) = &mut self.state {
            let result = std::mem::replace(result, Ok(0));
            self.state = State::Idle;
            if let Ok(position) = &result {
                self.position = *position;
            }
            return Poll::Ready(result);
        }
        ready!(self.poll_settled(open, context));
        Poll::Ready(Ok(self.position))
    }
}
