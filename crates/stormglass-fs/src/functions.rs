//! The list of the functions of `tokio::fs`: each is a method of a disk, a function on the mounted disk, and a method of a
//! blocking disk.

/// Calls a macro with the whole list.
macro_rules! each {
    ($to:ident) => {
        $to! {
            canonicalize(path: impl AsRef<Path>) -> PathBuf;
            copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> u64;
            create_dir(path: impl AsRef<Path>) -> ();
            create_dir_all(path: impl AsRef<Path>) -> ();
            hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> ();
            metadata(path: impl AsRef<Path>) -> Metadata;
            read(path: impl AsRef<Path>) -> Vec<u8>;
            read_dir(path: impl AsRef<Path>) -> ReadDir;
            read_link(path: impl AsRef<Path>) -> PathBuf;
            read_to_string(path: impl AsRef<Path>) -> String;
            remove_dir(path: impl AsRef<Path>) -> ();
            remove_dir_all(path: impl AsRef<Path>) -> ();
            remove_file(path: impl AsRef<Path>) -> ();
            rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> ();
            set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> ();
            symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> ();
            symlink_metadata(path: impl AsRef<Path>) -> Metadata;
            try_exists(path: impl AsRef<Path>) -> bool;
            write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> ();
        }
    };
}

pub(crate) use each;
