//! A file as a stream: `AsyncRead`, `AsyncWrite` and `AsyncSeek`, with the habits of `tokio::fs::File`.
//!
//! A read is under way while somebody polls it; a write is a task of its own, so that `poll_write` returns at once
//! and the next call, or a flush, waits for it. One of them is under way at a time.

use super::{File, Open};
use crate::disk::{Begun, Passing};
use std::future::{Future, poll_fn};
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use stormglass_core::Scope;
use stormglass_rt as rt;
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// At most so much is read or written in one go (`DEFAULT_MAX_BUF_SIZE` of tokio).
const CHUNK_MAX: usize = 2 << 20;

/// What is under way on the stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    reading: Option<Box<Reading>>,
    writing: Option<rt::JoinHandle<io::Result<()>>>,
    /// The error of a write that somebody else waited for; as with tokio its kind is left, not its number.
    failed: Option<io::ErrorKind>,
}

#[derive(Debug)]
struct Reading {
    begun: Begun,
    passing: Option<Passing>,
    place: u64,
    len: usize,
}

impl Stream {
    /// Waits for the write under way.
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else { return Poll::Ready(Ok(())) };
        let written = ready!(Pin::new(writing).poll(context));
        self.writing = None;
        // A task that was aborted has been so with its node, and this one with it.
        Poll::Ready(written.map_err(io::Error::other)?)
    }

    /// As [`Stream::poll_written`], but keeps its error for later.
    fn poll_settled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(self.poll_written(context)) {
            self.failed.get_or_insert(error.kind());
        }
        Poll::Ready(())
    }
}

impl File {
    /// Waits for the write under way; its error is told by the next write or flush.
    pub(super) async fn settle_stream(&self) {
        if !self.written.load(Ordering::Relaxed) {
            return;
        }
        poll_fn(|context| {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            stream.poll_settled(context)
        })
        .await;
    }

    fn stream_mut(&mut self) -> (&mut Stream, &std::sync::Arc<Open>) {
        (self.stream.get_mut().unwrap_or_else(PoisonError::into_inner), &self.open)
    }
}

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (stream, open) = self.get_mut().stream_mut();
        ready!(stream.poll_settled(context));
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let reading = match &mut stream.reading {
            Some(reading) => reading,
            None => {
                let (place, len) = (open.position.load(Ordering::Relaxed), buffer.remaining().min(CHUNK_MAX));
                let begun = open.reading(len, place)?;
                let passing = open.disk.pass(&begun);
                stream.reading.insert(Box::new(Reading { begun, passing, place, len }))
            }
        };
        if let Some(passing) = &mut reading.passing {
            ready!(Pin::new(passing).poll(context));
        }
        let Reading { begun, passing: _passed, place, len } = *stream.reading.take().expect("it was there");
        let to = buffer.initialize_unfilled_to(len.min(buffer.remaining()));
        let count = open.disk.finish(begun, |state, begun| state.read(begun, open.inode, place, to))?;
        open.position.store(place + count as u64, Ordering::Relaxed);
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for File {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let file = self.get_mut();
        *file.written.get_mut() = true;
        let (stream, open) = file.stream_mut();
        if let Some(kind) = stream.failed.take() {
            return Poll::Ready(Err(kind.into()));
        }
        ready!(stream.poll_written(context))?;
        stream.reading = None;
        let bytes = bytes[..bytes.len().min(CHUNK_MAX)].to_vec();
        let count = bytes.len();
        let recorder = open.disk.recorder().clone();
        let scope: Scope = recorder.scope();
        let open = open.clone();
        stream.writing = Some(rt::spawn_in(&recorder, scope, async move {
            let mut rest = &bytes[..];
            let mut result = Ok(());
            while result.is_ok() && !rest.is_empty() {
                result = match open.write_on(rest).await {
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

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (stream, _) = self.get_mut().stream_mut();
        if let Some(kind) = stream.failed.take() {
            return Poll::Ready(Err(kind.into()));
        }
        stream.poll_written(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let file = self.get_mut();
        let (stream, _) = file.stream_mut();
        if stream.writing.is_some() {
            return Err(io::Error::other(
                "other file operation is pending, call poll_complete before start_seek",
            ));
        }
        stream.reading = None;
        file.seek_to(to).map(drop)
    }

    fn poll_complete(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let (stream, open) = self.get_mut().stream_mut();
        ready!(stream.poll_settled(context));
        Poll::Ready(Ok(open.position.load(Ordering::Relaxed)))
    }
}
