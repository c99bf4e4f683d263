//! Options to open a file with.

/// Options to open a file with; named after `tokio::fs::OpenOptions`. On a disk that is not mounted: [`crate::Disk::open_with`].
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) truncate: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
}

impl OpenOptions {
    /// Creates options that allow nothing.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Allows reading.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.read = read;
        self
    }

    /// Allows writing.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.write = write;
        self
    }

    /// Writes at the end of the file (`O_APPEND`). Implies writing.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.append = append;
        self
    }

    /// Truncates an existing file to length 0.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.truncate = truncate;
        self
    }

    /// Creates the file if it does not exist.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.create = create;
        self
    }

    /// Creates the file and fails if it exists.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.create_new = create_new;
        self
    }

    pub(crate) fn writes(&self) -> bool {
        self.write || self.append
    }

    pub(crate) fn creates(&self) -> bool {
        self.create || self.create_new
    }

    /// Returns whether the options contradict each other: the rules of `std::fs::OpenOptions` on Unix.
    pub(crate) fn are_contradictory(&self) -> bool {
        let no_access = !self.read && !self.writes();
        let create_without_write = (self.creates() || self.truncate) && !self.writes();
        let append_and_truncate = self.append && self.truncate && !self.create_new;
        no_access || create_without_write || append_and_truncate
    }
}
