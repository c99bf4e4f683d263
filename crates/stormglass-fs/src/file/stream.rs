//! A file as a stream: `AsyncRead`, `AsyncWrite` and `AsyncSeek`, with the behaviour of `tokio::fs::File`.
//!
//! A read is in flight while it is polled. A write is a task of its own, so that `poll_write` returns immediately and the next
//! call, or a flush, waits for it. One read or write is in flight at a time.

use super::description::Description;
use crate::disk::{InFlight, OperationSleep};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use stormglass_core::Scope;
use stormglass_rt as rt;
use tokio::io::ReadBuf;

/// The most bytes of one read or write (`DEFAULT_MAX_BUF_SIZE` of tokio).
const CHUNK_MAX: usize = 2 << 20;

/// The in-flight operation of the stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    reading: Option<Box<Reading>>,
    writing: Option<rt::JoinHandle<io::Result<()>>>,
    /// The error of a write that an operation other than a write or flush waited for. As with tokio, it keeps the kind and not
    /// the number.
    failed: Option<io::ErrorKind>,
}

#[derive(Debug)]
struct Reading {
    in_flight: InFlight,
    sleep: Option<OperationSleep>,
    position: u64,
    len: usize,
}

impl Stream {
    /// Waits for the in-flight write.
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else { return Poll::Ready(Ok(())) };
        let written = ready!(Pin::new(writing).poll(context));
        self.writing = None;
        // The write task is only aborted with its node, and then this task is too.
        Poll::Ready(written.map_err(io::Error::other)?)
    }

    /// As [`Stream::poll_written`], but keeps the error for the next write or flush.
    pub(super) fn poll_settled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(self.poll_written(context)) {
            self.failed.get_or_insert(error.kind());
        }
        Poll::Ready(())
    }

    pub(super) fn poll_read(
        &mut self,
        open: &Description,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_settled(context));
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let reading = match &mut self.reading {
            Some(reading) => reading,
            None => {
                let (position, len) =
                    (open.position.load(Ordering::Relaxed), buffer.remaining().min(CHUNK_MAX));
                let in_flight = open.start_read(len, position)?;
                let sleep = open.disk.sleep_for(&in_flight);
                self.reading.insert(Box::new(Reading { in_flight, sleep, position, len }))
            }
        };
        if let Some(sleep) = &mut reading.sleep {
            ready!(Pin::new(sleep).poll(context));
        }
        let Reading { in_flight, sleep: _sleep, position, len } =
            *self.reading.take().expect("the read is in flight");
        let to = buffer.initialize_unfilled_to(len.min(buffer.remaining()));
        let count = open
            .disk
            .finish(in_flight, |state, in_flight| state.read(in_flight, open.inode, position, to))?;
        open.position.store(position + count as u64, Ordering::Relaxed);
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_write(
        &mut self,
        open: &Arc<Description>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(kind) = self.failed.take() {
            return Poll::Ready(Err(kind.into()));
        }
        ready!(self.poll_written(context))?;
        self.reading = None;
        let bytes = bytes[..bytes.len().min(CHUNK_MAX)].to_vec();
        let count = bytes.len();
        let recorder = open.disk.recorder().clone();
        let scope: Scope = recorder.scope();
        let open = open.clone();
        self.writing = Some(rt::spawn_in(&recorder, scope, async move {
            let mut rest = &bytes[..];
            let mut result = Ok(());
            while result.is_ok() && !rest.is_empty() {
                result = match open.write_next(rest).await {
                    Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => {
                        rest = &rest[count..];
                        Ok(())
                    }
                    Err(error) => Err(error),
                };
            }
            result
        }));
        Poll::Ready(Ok(count))
    }

    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(kind) = self.failed.take() {
            return Poll::Ready(Err(kind.into()));
        }
        self.poll_written(context)
    }

    /// Prepares a seek: abandons the in-flight read.
    ///
    /// # Errors
    ///
    /// While a write is in flight, as with tokio.
    pub(super) fn start_seek(&mut self) -> io::Result<()> {
        if self.writing.is_some() {
            return Err(io::Error::other(
                "other file operation is pending, call poll_complete before start_seek",
            ));
        }
        self.reading = None;
        Ok(())
    }
}
