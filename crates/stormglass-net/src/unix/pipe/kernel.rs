//! The kernel's state of a pipe (Linux: `fs/pipe.c`).

use crate::error::{EAGAIN, EPIPE};
use crate::interest::Ready;
use crate::readiness::Readiness;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The pages of a pipe: 64 KiB (Linux: `PIPE_DEF_BUFFERS`).
const PAGES: usize = 16;

/// The size of a page in bytes. A write of at most this (`PIPE_BUF`) goes into one page.
const PAGE: usize = 4096;

/// A pipe.
#[derive(Debug, Default)]
pub(super) struct Pipe(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pages: VecDeque<Page>,
    readers: usize,
    writers: usize,
    /// The readiness of each open reading end and of each open writing end.
    reading: Vec<Weak<Readiness>>,
    writing: Vec<Weak<Readiness>>,
}

/// A page with data that was not read.
#[derive(Debug)]
struct Page {
    data: Vec<u8>,
    /// How much of it was read.
    read: usize,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_readers(&self) -> bool {
        self.lock().readers > 0
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.pages.len() >= PAGES
    }
}

/// An open end of a pipe; dropping it closes it.
#[derive(Debug)]
pub(super) struct End {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
    readiness: Arc<Readiness>,
}

impl End {
    pub(super) fn open(pipe: &Arc<Pipe>, reads: bool, writes: bool) -> End {
        let mut state = pipe.lock();
        let mut ready = Ready::EMPTY;
        if reads && !state.pages.is_empty() {
            ready |= Ready::READABLE;
        }
        if writes && !state.is_full() {
            ready |= Ready::WRITABLE;
        }
        let readiness = Arc::new(Readiness::new(ready));
        if reads {
            state.readers += 1;
            state.reading.push(Arc::downgrade(&readiness));
        }
        if writes {
            state.writers += 1;
            state.writing.push(Arc::downgrade(&readiness));
        }
        drop(state);
        End { pipe: pipe.clone(), reads, writes, readiness }
    }

    pub(super) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    ///
    /// EPIPE if no reader is left, EAGAIN if the pipe is full.
    pub(super) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if total == 0 {
            return Ok(0);
        }
        let mut state = self.pipe.lock();
        if state.readers == 0 {
            return Err(EPIPE.into());
        }
        let mut bytes = slices.iter().flat_map(|slice| slice.iter().copied());
        let mut written = 0;
        // What exceeds whole pages is appended to the last page, if it fits there.
        let rest = total % PAGE;
        if let Some(last) = state.pages.back_mut()
            && rest > 0
            && last.data.len() + rest <= PAGE
        {
            last.data.extend(bytes.by_ref().take(rest));
            written = rest;
        }
        while written < total && !state.is_full() {
            let data: Vec<u8> = bytes.by_ref().take(PAGE).collect();
            written += data.len();
            state.pages.push_back(Page { data, read: 0 });
        }
        if written == 0 {
            return Err(EAGAIN.into());
        }
        let reading = state.reading.clone();
        drop(state);
        notify(&reading, Ready::READABLE);
        Ok(written)
    }

    /// Reads what there is; returns 0 if no writer is left.
    ///
    /// # Errors
    ///
    /// EAGAIN if there is no data.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut state = self.pipe.lock();
        let was_full = state.is_full();
        let mut count = 0;
        while count < buffer.len()
            && let Some(page) = state.pages.front_mut()
        {
            let len = (page.data.len() - page.read).min(buffer.len() - count);
            buffer[count..count + len].copy_from_slice(&page.data[page.read..page.read + len]);
            page.read += len;
            count += len;
            if page.read == page.data.len() {
                state.pages.pop_front();
            }
        }
        if count == 0 {
            return if state.writers == 0 { Ok(0) } else { Err(EAGAIN.into()) };
        }
        let writing = if was_full && !state.is_full() { state.writing.clone() } else { Vec::new() };
        drop(state);
        notify(&writing, Ready::WRITABLE);
        Ok(count)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.pipe.lock();
        let own = Arc::as_ptr(&self.readiness);
        let others = |ends: &mut Vec<Weak<Readiness>>| ends.retain(|end| end.as_ptr() != own);
        if self.reads {
            state.readers -= 1;
            others(&mut state.reading);
        }
        if self.writes {
            state.writers -= 1;
            others(&mut state.writing);
        }
        // No reader is left: writing fails. No writer: reading ends.
        let writing = if self.reads && state.readers == 0 { state.writing.clone() } else { Vec::new() };
        let reading = if self.writes && state.writers == 0 { state.reading.clone() } else { Vec::new() };
        if state.readers + state.writers == 0 {
            state.pages.clear();
        }
        drop(state);
        notify(&writing, Ready::WRITABLE | Ready::WRITE_CLOSED | Ready::ERROR);
        notify(&reading, Ready::READ_CLOSED);
    }
}

fn notify(ends: &[Weak<Readiness>], ready: Ready) {
    ends.iter().filter_map(Weak::upgrade).for_each(|end| end.set(ready));
}
