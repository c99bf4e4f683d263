// The test bodies of the contract. They run on `fs`: both implementations have every name used
// here.

use std::future::poll_fn;
use std::io::{self, IoSlice, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::pin::Pin;
use tokio::io::{AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite, AsyncWriteExt};

/// The observations of a body, step by step.
#[derive(Default)]
struct Observations(Vec<String>);

impl Observations {
    /// Records the result of a step: the value, or the error: its kind, the kernel's number, and
    /// the text.
    fn note<T: std::fmt::Debug>(&mut self, what: &str, result: io::Result<T>) {
        self.0.push(match result {
            Ok(value) => format!("{what}: {value:?}"),
            Err(error) => {
                let (kind, number) = (error.kind(), error.raw_os_error());
                format!("{what}: {kind:?}, {number:?}, {error}")
            }
        });
    }
}

async fn list(path: impl AsRef<Path>) -> io::Result<Vec<String>> {
    let mut entries = fs::read_dir(path).await?;
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        let kind = entry.file_type().await?;
        let mark = if kind.is_dir() { "/" } else if kind.is_symlink() { "@" } else { "" };
        assert_eq!(entry.path().file_name(), Some(&*entry.file_name()));
        names.push(format!("{}{mark}", entry.file_name().to_str().unwrap()));
    }
    names.sort();
    Ok(names)
}

async fn text(path: impl AsRef<Path>) -> io::Result<String> {
    fs::read_to_string(path).await
}

/// Creates, replaces, moves and removes files by name.
pub async fn names(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let at = |name: &str| root.join(name);
    seen.note("read missing", text(at("missing")).await);
    seen.note("write", fs::write(at("a"), "one").await);
    seen.note("read", text(at("a")).await);
    seen.note("write shorter", fs::write(at("a"), "1").await);
    seen.note("read shorter", text(at("a")).await);
    seen.note("read what is no text", { fs::write(at("b"), [0xff, 0xfe]).await.unwrap(); text(at("b")).await });
    seen.note("write into a missing directory", fs::write(at("d/x"), "").await);
    seen.note("write below a file", fs::write(at("a/x"), "").await);
    seen.note("read below a file", text(at("a/x")).await);
    seen.note("mkdir", fs::create_dir(at("d")).await);
    seen.note("mkdir again", fs::create_dir(at("d")).await);
    seen.note("mkdir over a file", fs::create_dir(at("a")).await);
    seen.note("mkdir below a file", fs::create_dir(at("a/x")).await);
    seen.note("read a directory", fs::read(at("d")).await);
    seen.note("write a directory", fs::write(at("d"), "").await);
    seen.note("rename", fs::rename(at("b"), at("d/b")).await);
    seen.note("rename over a file", fs::rename(at("d/b"), at("a")).await);
    seen.note("list", list(root).await);
    seen.note("rename to itself", fs::rename(at("a"), at("a")).await);
    seen.note("rename missing", fs::rename(at("zz"), at("y")).await);
    seen.note("rename missing into a missing directory", fs::rename(at("zz"), at("zz/y")).await);
    seen.note("rename a file over a directory", fs::rename(at("a"), at("d")).await);
    seen.note("rename a directory over a file", fs::rename(at("d"), at("a")).await);
    seen.note("rename a directory into itself", fs::rename(at("d"), at("d/e")).await);
    seen.note("rename a directory over its parent", { fs::create_dir(at("d/e")).await.unwrap(); fs::rename(at("d/e"), at("d")).await });
    seen.note("rename a file over its directory", { fs::write(at("d/f"), "").await.unwrap(); fs::rename(at("d/f"), at("d")).await });
    seen.note("rename over a full directory", { fs::create_dir(at("g")).await.unwrap(); fs::rename(at("g"), at("d")).await });
    seen.note("rename over an empty directory", fs::rename(at("d"), at("g")).await);
    seen.note("list", list(root).await);
    seen.note("remove a directory as a file", fs::remove_file(at("g")).await);
    seen.note("remove a file as a directory", fs::remove_dir(at("a")).await);
    seen.note("remove a full directory", fs::remove_dir(at("g")).await);
    seen.note("remove", fs::remove_file(at("a")).await);
    seen.note("remove again", fs::remove_file(at("a")).await);
    seen.note("remove an empty directory", fs::remove_dir(at("g/e")).await);
    seen.note("remove a missing directory", fs::remove_dir(at("g/e")).await);
    seen.note("copy", fs::copy(at("g/f"), at("copy")).await);
    fs::write(at("long"), "x".repeat(10_000)).await.unwrap();
    seen.note("copy over", fs::copy(at("long"), at("copy")).await);
    seen.note("copied", text(at("copy")).await);
    seen.note("copy missing", fs::copy(at("zz"), at("y")).await);
    seen.note("copy a directory", fs::copy(at("g"), at("y")).await);
    seen.note("copy over a directory", fs::copy(at("long"), at("g")).await);
    seen.note("exists", fs::try_exists(at("long")).await);
    seen.note("exists not", fs::try_exists(at("zz")).await);
    seen.note("exists below a file", fs::try_exists(at("long/x")).await);
    seen.note("list", list(root).await);
    seen.0
}

/// Opens files with every combination of options, and reads and writes through each handle.
pub async fn options(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let all = [false, true];
    for number in 0..64 {
        let bit = |place: u32| all[(number >> place & 1) as usize];
        let mut options = fs::OpenOptions::new();
        options.read(bit(0)).write(bit(1)).append(bit(2)).truncate(bit(3)).create(bit(4)).create_new(bit(5));
        for name in ["there", "missing", "directory"] {
            let path = root.join(format!("{number}-{name}"));
            match name {
                "there" => fs::write(&path, "before").await.unwrap(),
                "directory" => fs::create_dir(&path).await.unwrap(),
                _ => {}
            }
            let step = format!("{number:06b} {name}");
            let mut file = match options.open(&path).await {
                Ok(file) => file,
                Err(error) => {
                    seen.note(&step, Err::<(), _>(error));
                    continue;
                }
            };
            let mut buffer = [0; 3];
            seen.note(&format!("{step}: read"), file.read(&mut buffer).await);
            seen.note(&format!("{step}: write"), match file.write(b"new").await {
                Ok(count) => file.flush().await.map(|()| count),
                Err(error) => Err(error),
            });
            seen.note(&format!("{step}: set_len"), file.set_len(5).await);
            seen.note(&format!("{step}: sync"), file.sync_all().await);
            seen.note(&format!("{step}: contents"), fs::read(&path).await);
        }
    }
    seen.0
}

/// Reads and writes files as streams.
pub async fn streams(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let path = root.join("a");
    let mut file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).await.unwrap();
    seen.note("write all", file.write_all(b"0123456789").await);
    seen.note("flush", file.flush().await);
    seen.note("place", file.stream_position().await);
    let mut buffer = [0; 4];
    seen.note("read at the end", file.read(&mut buffer).await);
    seen.note("seek", file.seek(SeekFrom::Start(3)).await);
    seen.note("read", file.read(&mut buffer).await);
    seen.note("what", Ok(buffer));
    seen.note("seek on", file.seek(SeekFrom::Current(-2)).await);
    seen.note("write there", file.write_all(b"xy").await);
    seen.note("seek from the end", file.seek(SeekFrom::End(-4)).await);
    let mut rest = String::new();
    seen.note("read on", file.read_to_string(&mut rest).await);
    seen.note("rest", Ok(&rest));
    seen.note("seek before the beginning", file.seek(SeekFrom::Current(-11)).await);
    seen.note("seek before the beginning from the end", file.seek(SeekFrom::End(-11)).await);
    seen.note("place", file.stream_position().await);
    seen.note("seek beyond the end", file.seek(SeekFrom::End(3)).await);
    seen.note("read beyond the end", file.read(&mut buffer).await);
    seen.note("write beyond the end", file.write_all(b"z").await);
    seen.note("flush", file.flush().await);
    seen.note("contents", fs::read(&path).await);
    seen.note("rewind", file.rewind().await);
    let mut exact = [0; 20];
    seen.note("read exactly too much", file.read_exact(&mut exact).await.map(drop));
    seen.note("read nothing", file.read(&mut []).await);

    // A long write and a long read are split into parts, which the caller does not notice.
    let long: Vec<u8> = (0..5_000_000u32).map(|n| (n % 251) as u8).collect();
    file.rewind().await.unwrap();
    seen.note("long write", file.write_all(&long).await);
    seen.note("shutdown", file.shutdown().await);
    file.rewind().await.unwrap();
    let mut back = Vec::new();
    seen.note("long read", file.read_to_end(&mut back).await);
    seen.note("the same", Ok(back == long));

    // An append goes to the end of the file, whatever the stream's position is.
    let mut appending = fs::OpenOptions::new().read(true).append(true).open(&path).await.unwrap();
    appending.set_len(3).await.unwrap();
    seen.note("seek while appending", appending.seek(SeekFrom::Start(1)).await);
    seen.note("append", appending.write_all(b"end").await);
    seen.note("flush", appending.flush().await);
    seen.note("place after appending", appending.stream_position().await);
    seen.note("appended", fs::read(&path).await);

    // Reading from a write-only handle, and writing to a read-only one.
    let mut written = fs::File::create(root.join("w")).await.unwrap();
    seen.note("read what is written", written.read(&mut buffer).await);
    let mut read = fs::File::open(root.join("w")).await.unwrap();
    seen.note("begin to write what is read", read.write(b"x").await);
    seen.note("and flush it", read.flush().await);
    seen.note("and flush again", read.flush().await);
    seen.note("begin once more", read.write(b"x").await);
    seen.note("sync", read.sync_all().await);
    seen.note("the next write tells", read.write(b"x").await);
    seen.note("create new over it", fs::File::create_new(root.join("w")).await.map(drop));
    let directory = fs::File::open(root).await.unwrap();
    seen.note("sync a directory", directory.sync_all().await);
    seen.note("cut a directory", directory.set_len(0).await);
    seen.0
}

/// Uses several handles to one file, and files whose names are removed while they are open.
pub async fn sharing(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let path = root.join("a");
    fs::write(&path, "abcdef").await.unwrap();
    let mut one = fs::OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
    let mut two = fs::File::open(&path).await.unwrap();
    let mut clone = one.try_clone().await.unwrap();
    let mut buffer = [0; 2];
    seen.note("read one", one.read(&mut buffer).await);
    seen.note("its clone reads on", clone.read(&mut buffer).await);
    seen.note("what", Ok(buffer));
    seen.note("the other has its own place", two.read(&mut buffer).await);
    seen.note("what", Ok(buffer));
    one.write_all(b"XY").await.unwrap();
    one.flush().await.unwrap();
    two.rewind().await.unwrap();
    let mut all = String::new();
    seen.note("the other sees what one wrote", two.read_to_string(&mut all).await);
    seen.note("what", Ok(&all));

    fs::remove_file(&path).await.unwrap();
    two.rewind().await.unwrap();
    all.clear();
    seen.note("read after the name is gone", two.read_to_string(&mut all).await);
    one.write_all(b"more").await.unwrap();
    one.flush().await.unwrap();
    seen.note("length after the name is gone", two.metadata().await.map(|m| m.len()));
    fs::write(&path, "new").await.unwrap();
    seen.note("a new file under the old name", text(&path).await);
    seen.note("the old one", two.metadata().await.map(|m| m.len()));

    // A replaced file stays accessible through its open handles.
    let mut old = fs::File::open(&path).await.unwrap();
    fs::write(root.join("b"), "newer").await.unwrap();
    fs::rename(root.join("b"), &path).await.unwrap();
    all.clear();
    seen.note("read what was replaced", old.read_to_string(&mut all).await);
    seen.note("what", Ok(&all));
    seen.note("the new one", text(&path).await);

    // A renamed file keeps its handles.
    let moving = fs::OpenOptions::new().write(true).open(&path).await.unwrap();
    fs::rename(&path, root.join("moved")).await.unwrap();
    moving.set_len(2).await.unwrap();
    seen.note("cut after moving", text(root.join("moved")).await);
    seen.0
}

/// Creates and follows hard and symbolic links.
pub async fn links(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let at = |name: &str| root.join(name);
    fs::write(at("a"), "one").await.unwrap();
    fs::create_dir(at("d")).await.unwrap();
    seen.note("hard link", fs::hard_link(at("a"), at("d/hard")).await);
    seen.note("again", fs::hard_link(at("a"), at("d/hard")).await);
    seen.note("of a directory", fs::hard_link(at("d"), at("d2")).await);
    seen.note("of what is missing", fs::hard_link(at("zz"), at("d2")).await);
    seen.note("below a file", fs::hard_link(at("a"), at("a/x")).await);
    fs::write(at("d/hard"), "two").await.unwrap();
    seen.note("both names, one file", text(at("a")).await);
    seen.note("rename over the same file", fs::rename(at("a"), at("d/hard")).await);
    seen.note("both names are there", list(root).await);
    seen.note("and the other", list(at("d")).await);
    fs::remove_file(at("a")).await.unwrap();
    seen.note("read by the other name", text(at("d/hard")).await);

    seen.note("symlink", fs::symlink("d/hard", at("soft")).await);
    seen.note("read through it", text(at("soft")).await);
    seen.note("read it", fs::read_link(at("soft")).await);
    seen.note("read what is no link", fs::read_link(at("d")).await);
    seen.note("read missing", fs::read_link(at("zz")).await);
    seen.note("symlink over a name", fs::symlink("x", at("soft")).await);
    seen.note("an empty one", fs::symlink("", at("empty")).await);
    seen.note("a dangling one", fs::symlink("nowhere", at("dangling")).await);
    seen.note("read through the dangling one", text(at("dangling")).await);
    seen.note("exists", fs::try_exists(at("dangling")).await);
    seen.note("mkdir over it", fs::create_dir(at("dangling")).await);
    seen.note("create new over it", fs::File::create_new(at("dangling")).await.map(drop));
    seen.note("write through it", fs::write(at("dangling"), "made").await);
    seen.note("which makes the file", text(at("nowhere")).await);
    seen.note("a link to a directory", fs::symlink("d", at("dir")).await);
    seen.note("read below it", text(at("dir/hard")).await);
    seen.note("list it", list(at("dir")).await);
    seen.note("remove it as a directory", fs::remove_dir(at("dir")).await);
    seen.note("mkdir all over it", fs::create_dir_all(at("dir/e/f")).await);
    seen.note("list what it points to", list(at("d")).await);
    seen.note("a link of a link", fs::symlink("dir/e", at("twice")).await);
    seen.note("list it", list(at("twice")).await);
    seen.note("up from it is up from where it leads", list(at("twice/..")).await);
    seen.note("rename a link", fs::rename(at("soft"), at("softer")).await);
    seen.note("rename a file over a link", fs::rename(at("nowhere"), at("softer")).await);
    seen.note("the link is replaced", text(at("softer")).await);
    seen.note("its target is not", text(at("d/hard")).await);
    seen.note("rename a directory over a link", fs::rename(at("d"), at("dir")).await);
    seen.note("hard link of a link", fs::hard_link(at("twice"), at("thrice")).await);
    seen.note("is a link", fs::read_link(at("thrice")).await);
    seen.note("remove a link", fs::remove_file(at("thrice")).await);
    seen.note("a loop", fs::symlink("loop", at("loop")).await);
    seen.note("read through a loop", text(at("loop")).await);
    seen.note("write through a loop", fs::write(at("loop"), "").await);
    seen.note("a loop exists", fs::symlink_metadata(at("loop")).await.map(|m| m.is_symlink()));
    seen.note("an absolute one", fs::symlink(at("d/hard"), at("absolute")).await);
    seen.note("read through it", text(at("absolute")).await);
    for name in ["softer", "dir/e/../hard", "absolute", "twice", "d/./e//f/.."] {
        let canonical = fs::canonicalize(at(name)).await;
        seen.note(&format!("canonical {name}"), canonical.map(|path| path.strip_prefix(root).unwrap().to_path_buf()));
    }
    seen.note("canonical missing", fs::canonicalize(at("zz")).await);
    seen.note("canonical below a file", fs::canonicalize(at("softer/x")).await);
    // The filesystem follows 40 links, and refuses 41.
    fs::write(at("l0"), "end").await.unwrap();
    for number in 0..41 {
        fs::symlink(format!("l{number}"), at(&format!("l{}", number + 1))).await.unwrap();
    }
    seen.note("40 links", text(at("l40")).await);
    seen.note("41 links", text(at("l41")).await);
    seen.0
}

/// Resolves paths with slashes and dots, and invalid names.
pub async fn paths(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let at = |name: &str| format!("{}/{name}", root.display());
    fs::write(at("f"), "file").await.unwrap();
    fs::create_dir(at("d")).await.unwrap();
    fs::symlink("d", at("to-d")).await.unwrap();
    fs::symlink("f", at("to-f")).await.unwrap();
    for path in ["f/", "f/.", "f/..", "zz/", "zz/..", "d/../f", "d//..//f", "./f", "to-d/../f", "to-f/", "d/."] {
        seen.note(&format!("read {path}"), text(at(path)).await);
        seen.note(&format!("metadata {path}"), fs::metadata(at(path)).await.map(|m| m.is_dir()));
        seen.note(&format!("link metadata {path}"), fs::symlink_metadata(at(path)).await.map(|m| m.is_symlink()));
        seen.note(&format!("mkdir {path}"), fs::create_dir(at(path)).await);
        seen.note(&format!("create new {path}"), fs::File::create_new(at(path)).await.map(drop));
        seen.note(&format!("symlink at {path}"), fs::symlink("x", at(path)).await);
        seen.note(&format!("hard link at {path}"), fs::hard_link(at("f"), at(path)).await);
        seen.note(&format!("rmdir {path}"), fs::remove_dir(at(path)).await);
        if path != "zz/.." {
            seen.note(&format!("rename {path}"), fs::rename(at(path), at("y/z")).await);
            seen.note(&format!("rename to {path}"), fs::rename(at("f"), at(path)).await);
        }
        if fs::try_exists(at("f")).await.is_ok_and(|there| !there) {
            fs::write(at("f"), "file").await.unwrap();
        }
        let _ = fs::create_dir(at("d")).await;
    }
    seen.note("create with a slash", fs::write(at("new/"), "").await);
    seen.note("mkdir with a slash", fs::create_dir(at("new/")).await);
    seen.note("rename a directory to a slash", fs::rename(at("new/"), at("newer/")).await);
    seen.note("rename a file to a slash", fs::rename(at("f"), at("g/")).await);
    seen.note("remove a file with a slash", fs::remove_file(at("f/")).await);
    seen.note("remove a link to a directory with a slash", fs::remove_file(at("to-d/")).await);
    seen.note("remove dots", fs::remove_file(at("d/.")).await);
    seen.note("an empty path", text("").await);
    seen.note("mkdir of an empty path", fs::create_dir("").await);
    seen.note("mkdir all of an empty path", fs::create_dir_all("").await);
    seen.note("the root", fs::metadata("/").await.map(|m| m.is_dir()));
    seen.note("mkdir the root", fs::create_dir("/").await);
    seen.note("remove the root as a file", fs::remove_file("/").await);
    seen.note("a NUL", fs::write(at("a\0b"), "").await);
    seen.note("a name of 255", fs::write(at(&"n".repeat(255)), "").await);
    seen.note("a name of 256", fs::write(at(&"n".repeat(256)), "").await);
    seen.note("a path of 5,000", text(at(&"d/../".repeat(1_000))).await);
    seen.note("list", list(root).await.map(|names| names.into_iter().filter(|name| name.len() < 255).collect::<Vec<_>>()));
    seen.0
}

/// Creates and lists directories, and removes one while it is open.
pub async fn directories(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let at = |name: &str| root.join(name);
    seen.note("mkdir all", fs::create_dir_all(at("a/b/c")).await);
    seen.note("again", fs::create_dir_all(at("a/b/c")).await);
    seen.note("with dots", fs::create_dir_all(at("a/./x/../y")).await);
    fs::write(at("a/f"), "").await.unwrap();
    seen.note("over a file", fs::create_dir_all(at("a/f")).await);
    seen.note("below a file", fs::create_dir_all(at("a/f/g/h")).await);
    seen.note("list", list(at("a")).await);
    seen.note("list a file", list(at("a/f")).await);
    seen.note("list missing", list(at("zz")).await);
    let entries = fs::read_dir(at("a")).await.unwrap();
    let before = fs::metadata(at("a")).await.unwrap().is_dir();
    seen.note("is a directory", Ok(before));
    drop(entries);
    let open = fs::File::open(at("a/b/c")).await.unwrap();
    seen.note("remove while it is open", fs::remove_dir(at("a/b/c")).await);
    seen.note("sync what is removed", open.sync_all().await);
    seen.note("is still a directory", open.metadata().await.map(|m| m.is_dir()));
    seen.0
}

/// Removes a directory with everything in it.
pub async fn whole_trees(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let at = |name: &str| root.join(name);
    fs::create_dir_all(at("t/a/b")).await.unwrap();
    fs::create_dir_all(at("kept")).await.unwrap();
    fs::write(at("kept/f"), "kept").await.unwrap();
    for file in ["t/1", "t/a/2", "t/a/b/3"] {
        fs::write(at(file), "x").await.unwrap();
    }
    fs::symlink("../kept", at("t/link")).await.unwrap();
    seen.note("remove all", fs::remove_dir_all(at("t")).await);
    seen.note("list", list(root).await);
    seen.note("behind the link nothing is gone", text(at("kept/f")).await);
    seen.note("remove all of what is missing", fs::remove_dir_all(at("t")).await);
    seen.note("of a file", fs::remove_dir_all(at("kept/f")).await);
    fs::symlink("kept", at("link")).await.unwrap();
    seen.note("of a link", fs::remove_dir_all(at("link")).await);
    seen.note("list", list(root).await);
    seen.0
}

/// Sets lengths, and reads holes.
pub async fn lengths(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let path = root.join("a");
    let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).await.unwrap();
    seen.note("grow", file.set_len(5_000).await);
    seen.note("holes are zeros", fs::read(&path).await.map(|bytes| bytes == [0; 5_000]));
    fs::write(&path, [7; 9_000]).await.unwrap();
    file.set_len(4_100).await.unwrap();
    file.set_len(9_000).await.unwrap();
    let bytes = fs::read(&path).await.unwrap();
    seen.note("what was cut is zeros", Ok((bytes.len(), bytes.iter().filter(|&&byte| byte == 7).count())));
    seen.note("a GiB of holes", file.set_len(1 << 30).await);
    seen.note("its length", file.metadata().await.map(|m| m.len()));
    seen.note("cut to nothing", file.set_len(0).await);
    seen.note("too long", file.set_len(u64::MAX).await);
    seen.0
}

/// Reads the metadata of names.
pub async fn metadata(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let at = |name: &str| root.join(name);
    fs::write(at("f"), "12345").await.unwrap();
    fs::create_dir(at("d")).await.unwrap();
    fs::symlink("f", at("l")).await.unwrap();
    for name in ["f", "d", "l", "zz", "f/x"] {
        for (follows, metadata) in [(true, fs::metadata(at(name)).await), (false, fs::symlink_metadata(at(name)).await)] {
            let known = metadata.map(|m| {
                let kind = m.file_type();
                assert_eq!((m.is_file(), m.is_dir(), m.is_symlink()), (kind.is_file(), kind.is_dir(), kind.is_symlink()));
                (m.is_file(), m.is_dir(), m.is_symlink(), if m.is_dir() { 0 } else { m.len() })
            });
            seen.note(&format!("{name}, {follows}"), known);
        }
    }
    let modified = async || fs::metadata(at("f")).await.unwrap().modified().unwrap();
    let before = modified().await;
    seen.note("reading changes no time", { text(at("f")).await.unwrap(); Ok(modified().await == before) });
    seen.note("time goes on", { fs::write(at("f"), "x").await.unwrap(); Ok(modified().await >= before) });
    seen.0
}

/// Permission bits of new and of changed files and directories.
pub async fn permissions(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let at = |name: &str| root.join(name);
    let mode = async |name: &str| fs::symlink_metadata(at(name)).await.map(|m| format!("{:o}", m.mode()));
    fs::write(at("f"), "x").await.unwrap();
    fs::create_dir_all(at("d/e")).await.unwrap();
    fs::symlink("f", at("l")).await.unwrap();
    for name in ["f", "d", "d/e", "l"] {
        seen.note(&format!("mode of {name}"), mode(name).await);
    }
    for bits in [0, 0o600, 0o666, 0o777, 0o1777, 0o4755] {
        let name = format!("f{bits:o}");
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(bits).open(at(&name)).await;
        seen.note(&format!("create {bits:o}"), file.map(drop));
        seen.note("mode", mode(&name).await);
        let name = format!("d{bits:o}");
        seen.note(&format!("mkdir {bits:o}"), fs::DirBuilder::new().mode(bits).create(at(&name)).await);
        seen.note("mode", mode(&name).await);
    }
    seen.note("an existing file keeps its mode", fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(at("f")).await.map(drop));
    seen.note("mode", mode("f").await);
    seen.note("mkdir, parents too", fs::DirBuilder::new().recursive(true).mode(0o710).create(at("p/q/r")).await);
    seen.note("mode of the parent", mode("p").await);
    seen.note("mode", mode("p/q/r").await);
    seen.note("again", fs::DirBuilder::new().recursive(true).create(at("p/q/r")).await);
    seen.note("again, alone", fs::DirBuilder::new().create(at("p/q/r")).await);
    seen.note("alone below nothing", fs::DirBuilder::new().create(at("y/z")).await);
    seen.note("chmod", fs::set_permissions(at("f"), PermissionsExt::from_mode(0o640)).await);
    seen.note("mode", mode("f").await);
    seen.note("chmod through a link", fs::set_permissions(at("l"), PermissionsExt::from_mode(0o100604)).await);
    seen.note("mode", mode("f").await);
    seen.note("mode of the link", mode("l").await);
    seen.note("chmod missing", fs::set_permissions(at("zz"), PermissionsExt::from_mode(0o644)).await);
    seen.note("chmod below a file", fs::set_permissions(at("f/x"), PermissionsExt::from_mode(0o644)).await);
    let mut permissions = fs::metadata(at("f")).await.unwrap().permissions();
    seen.note("is writable", Ok(permissions.readonly()));
    permissions.set_readonly(true);
    let file = fs::File::open(at("f")).await.unwrap();
    seen.note("fchmod", file.set_permissions(permissions.clone()).await);
    seen.note("as set", file.metadata().await.map(|m| m.permissions() == permissions));
    seen.note("mode", mode("f").await);
    seen.note("copy", fs::copy(at("f"), at("copy")).await);
    seen.note("mode of the copy", mode("copy").await);
    fs::write(at("g"), "").await.unwrap();
    seen.note("copy over", fs::copy(at("f4755"), at("g")).await);
    seen.note("mode of the copy", mode("g").await);
    let directory = fs::File::open(at("d")).await.unwrap();
    seen.note("fchmod of a directory", directory.set_permissions(PermissionsExt::from_mode(0o700)).await);
    seen.note("mode", mode("d").await);
    fs::set_permissions(at("d"), PermissionsExt::from_mode(0o2755)).await.unwrap();
    seen.note("mkdir below set-group-ID", fs::create_dir(at("d/inherits")).await);
    seen.note("mode", mode("d/inherits").await);
    seen.0
}

/// Inode numbers, links, devices and types.
pub async fn inodes(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let at = |name: &str| root.join(name);
    fs::write(at("f"), "12345").await.unwrap();
    fs::create_dir(at("d")).await.unwrap();
    fs::hard_link(at("f"), at("d/g")).await.unwrap();
    fs::symlink("f", at("l")).await.unwrap();
    let all = [at("f"), at("d"), at("d/g"), at("l")];
    let mut metadata = Vec::new();
    for path in &all {
        metadata.push(fs::symlink_metadata(path).await.unwrap());
    }
    let same = |of: fn(&Metadata) -> u64| Ok(metadata.iter().map(|m| of(m) == of(&metadata[0])).collect::<Vec<_>>());
    seen.note("one device", same(|m| m.dev()));
    seen.note("two hard links, one inode", same(|m| m.ino()));
    seen.note("links", Ok([metadata[0].nlink(), metadata[2].nlink(), metadata[3].nlink()]));
    seen.note("one owner", same(|m| u64::from(m.uid())));
    seen.note("one group", same(|m| u64::from(m.gid())));
    seen.note("sizes", Ok([metadata[0].size(), metadata[3].size()]));
    seen.note("no device", Ok(metadata.iter().map(|m| m.rdev()).collect::<Vec<_>>()));
    seen.note("block size", Ok(metadata[0].blksize()));
    for m in &metadata {
        let kind = m.file_type();
        seen.note("type", Ok([kind.is_socket(), kind.is_fifo(), kind.is_char_device(), kind.is_block_device()]));
    }
    let file = fs::File::open(at("f")).await.unwrap();
    fs::remove_file(at("f")).await.unwrap();
    seen.note("a name less", file.metadata().await.map(|m| m.nlink()));
    fs::remove_file(at("d/g")).await.unwrap();
    seen.note("no name", file.metadata().await.map(|m| m.nlink()));
    let mut entries = fs::read_dir(root).await.unwrap();
    while let Some(entry) = poll_fn(|context| entries.poll_next_entry(context)).await.unwrap() {
        assert_eq!(entry.ino(), entry.metadata().await.unwrap().ino());
        assert_eq!(entry.ino(), fs::symlink_metadata(entry.path()).await.unwrap().ino());
    }
    seen.note("no more", poll_fn(|context| entries.poll_next_entry(context)).await.map(|entry| entry.is_none()));
    seen.0
}

/// Times that the program sets, and those that follow from what it does.
#[expect(clippy::disallowed_types, reason = "times that a test sets")]
pub async fn times(root: &Path) -> Vec<String> {
    use std::time::{Duration, SystemTime};
    let mut seen = Observations::default();
    let path = root.join("f");
    let after = |seconds: u64, nanos: u32| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    fs::write(&path, "x").await.unwrap();
    let metadata = async || fs::metadata(&path).await.unwrap();
    let new = metadata().await;
    seen.note("not modified before it was created", Ok(new.created().unwrap() <= new.modified().unwrap()));
    let file = fs::File::open(&path).await.unwrap();
    let times = fs::FileTimes::new().set_accessed(after(1_600_000_000, 0)).set_modified(after(1_500_000_000, 7_000));
    seen.note("set both", file.set_times(times).await);
    let set = metadata().await;
    seen.note("accessed", Ok((set.accessed().unwrap() == after(1_600_000_000, 0), set.atime(), set.atime_nsec())));
    seen.note("modified", Ok((set.modified().unwrap() == after(1_500_000_000, 7_000), set.mtime(), set.mtime_nsec())));
    seen.note("created is as before", Ok(set.created().unwrap() == new.created().unwrap()));
    seen.note("the change is noted", Ok((set.ctime(), set.ctime_nsec()) >= (new.ctime(), new.ctime_nsec())));
    seen.note("set one", file.set_modified(after(1_400_000_000, 0)).await);
    seen.note("times", file.metadata().await.map(|m| (m.atime(), m.mtime())));
    seen.note("set none", file.set_times(fs::FileTimes::new()).await);
    seen.note("times", file.metadata().await.map(|m| (m.atime(), m.mtime())));
    let before_1970 = SystemTime::UNIX_EPOCH - Duration::new(1, 250_000_000);
    seen.note("before 1970", file.set_modified(before_1970).await);
    seen.note("time", file.metadata().await.map(|m| (m.mtime(), m.mtime_nsec(), m.modified().unwrap() == before_1970)));
    seen.note("a write is newer", { fs::write(&path, "y").await.unwrap(); Ok(metadata().await.mtime() > 1_600_000_000) });
    let handle = fs::OpenOptions::new().write(true).open(&path).await.unwrap();
    let old = fs::FileTimes::new().set_accessed(after(1, 0)).set_modified(after(1, 0));
    handle.set_times(old.clone()).await.unwrap();
    seen.note("the same length is newer", { handle.set_len(1).await.unwrap(); Ok(metadata().await.mtime() > 1) });
    handle.set_times(old.clone()).await.unwrap();
    seen.note("a new mode is not", { handle.set_permissions(PermissionsExt::from_mode(0o600)).await.unwrap(); Ok(metadata().await.mtime()) });
    seen.note("a new name is not", { fs::rename(&path, root.join("g")).await.unwrap(); fs::rename(root.join("g"), &path).await.unwrap(); Ok(metadata().await.mtime()) });
    fs::write(&path, "").await.unwrap();
    handle.set_times(old).await.unwrap();
    seen.note("an empty file truncated is newer", { fs::File::create(&path).await.unwrap(); Ok(metadata().await.mtime() > 1) });
    let directory = fs::File::open(root).await.unwrap();
    directory.set_modified(after(5, 0)).await.unwrap();
    seen.note("a directory's time", directory.metadata().await.map(|m| m.mtime()));
    fs::write(root.join("h"), "").await.unwrap();
    seen.note("a new entry is newer", directory.metadata().await.map(|m| m.mtime() > 5));
    seen.0
}

/// Flags of `open(2)` that the options have no method for.
pub async fn flags(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let at = |name: &str| root.join(name);
    fs::write(at("f"), "abc").await.unwrap();
    fs::create_dir(at("d")).await.unwrap();
    fs::symlink("f", at("to-f")).await.unwrap();
    fs::symlink("d", at("to-d")).await.unwrap();
    let all = [
        ("nofollow", libc::O_NOFOLLOW),
        ("directory", libc::O_DIRECTORY),
        ("both", libc::O_NOFOLLOW | libc::O_DIRECTORY),
        ("path", libc::O_PATH),
        ("path nofollow", libc::O_PATH | libc::O_NOFOLLOW),
        ("access mode", libc::O_RDWR),
    ];
    for (flag, bits) in all {
        for name in ["f", "d", "to-f", "to-d", "to-d/", "zz"] {
            let opened = fs::OpenOptions::new().read(true).custom_flags(bits).open(at(name)).await;
            let step = format!("{flag} {name}");
            let mut file = match opened {
                Ok(file) => file,
                Err(error) => {
                    seen.note(&step, Err::<(), _>(error));
                    continue;
                }
            };
            seen.note(&step, file.metadata().await.map(|m| (m.is_file(), m.is_dir(), m.is_symlink())));
            seen.note("read", file.read(&mut [0; 3]).await);
            seen.note("seek", file.seek(SeekFrom::Current(0)).await);
            seen.note("sync", file.sync_all().await);
            seen.note("set_len", file.set_len(1).await);
            seen.note("fchmod", file.set_permissions(PermissionsExt::from_mode(0o755)).await);
            seen.note("write", match file.write(b"x").await {
                Ok(_) => file.flush().await,
                Err(error) => Err(error),
            });
        }
    }
    let with = |bits: i32| {
        let mut options = fs::OpenOptions::new();
        options.write(true).custom_flags(bits);
        options
    };
    seen.note("write nofollow", with(libc::O_NOFOLLOW).open(at("to-f")).await.map(drop));
    seen.note("create nofollow", with(libc::O_NOFOLLOW | libc::O_CREAT).open(at("to-f")).await.map(drop));
    seen.note("create", with(libc::O_CREAT).open(at("new")).await.map(drop));
    seen.note("create exclusively", with(libc::O_CREAT | libc::O_EXCL).open(at("new")).await.map(drop));
    let mut appending = with(libc::O_APPEND).open(at("f")).await.unwrap();
    appending.write_all(b"def").await.unwrap();
    appending.flush().await.unwrap();
    seen.note("append", text(at("f")).await);
    seen.note("truncate", with(libc::O_TRUNC).open(at("f")).await.map(drop));
    seen.note("truncated", text(at("f")).await);
    fs::write(at("f"), "abc").await.unwrap();
    seen.note("read and truncate", fs::OpenOptions::new().read(true).custom_flags(libc::O_TRUNC).open(at("f")).await.map(drop));
    seen.note("truncated", text(at("f")).await);
    for bits in [libc::O_SYNC, libc::O_DSYNC, libc::O_NOATIME, libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY] {
        let mut file = with(bits).open(at("f")).await.unwrap();
        seen.note("write", file.write_all(b"synced").await);
        seen.note("flush", file.flush().await);
        seen.note("contents", text(at("f")).await);
    }
    seen.0
}

/// Writes of several slices, the size of the buffer, and the parts of a seek.
pub async fn stream_parts(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let path = root.join("f");
    let mut file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).await.unwrap();
    let slices = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two "), IoSlice::new(b"three")];
    seen.note("is vectored", Ok(file.is_write_vectored()));
    seen.note("write slices", file.write_vectored(&slices).await);
    seen.note("flush", file.flush().await);
    seen.note("contents", text(&path).await);
    seen.note("write no slices", file.write_vectored(&[]).await);
    seen.note("flush", file.flush().await);
    seen.note("size of the buffer", Ok(file.max_buf_size()));
    file.set_max_buf_size(6);
    seen.note("size of the clone's", file.try_clone().await.map(|clone| clone.max_buf_size()));
    seen.note("write slices in part", file.write_vectored(&slices).await);
    seen.note("write in part", file.write(b"0123456789").await);
    seen.note("flush", file.flush().await);
    seen.note("contents", text(&path).await);
    seen.note("rewind", file.rewind().await);
    let mut buffer = [0; 10];
    seen.note("read in part", file.read(&mut buffer).await);
    seen.note("read exactly", file.read_exact(&mut buffer).await.map(drop));
    seen.note("what", Ok(buffer));

    seen.note("no seek", poll_fn(|context| Pin::new(&mut file).poll_complete(context)).await);
    seen.note("start", Pin::new(&mut file).start_seek(SeekFrom::Start(4)));
    seen.note("start again", Pin::new(&mut file).start_seek(SeekFrom::Start(5)));
    seen.note("complete", poll_fn(|context| Pin::new(&mut file).poll_complete(context)).await);
    seen.note("complete again", poll_fn(|context| Pin::new(&mut file).poll_complete(context)).await);
    seen.note("read", file.read(&mut buffer[..3]).await);
    seen.note("what", Ok(&buffer[..3]));
    seen.note("the last seek", poll_fn(|context| Pin::new(&mut file).poll_complete(context)).await);
    seen.note("start to where nothing is", Pin::new(&mut file).start_seek(SeekFrom::Current(-100)));
    seen.note("complete", poll_fn(|context| Pin::new(&mut file).poll_complete(context)).await);
    seen.note("still there", file.stream_position().await);
    seen.note("start, and read instead", Pin::new(&mut file).start_seek(SeekFrom::Start(1)));
    seen.note("read", file.read(&mut buffer[..2]).await);
    seen.note("what", Ok(&buffer[..2]));
    seen.note("start, and flush instead", Pin::new(&mut file).start_seek(SeekFrom::Start(2)));
    seen.note("flush", poll_fn(|context| Pin::new(&mut file).poll_flush(context)).await);
    seen.note("set_len", file.set_len(20).await);
    seen.note("no seek", poll_fn(|context| Pin::new(&mut file).poll_complete(context)).await);
    seen.note("place", file.stream_position().await);
    seen.note("set_len beyond any file", file.set_len(i64::MAX as u64).await);
    seen.note("seek beyond any number", file.seek(SeekFrom::Start(u64::MAX)).await);
    seen.note("seek back beyond any number", file.seek(SeekFrom::Current(i64::MIN)).await);
    seen.0
}
