//! Where a call was made, from the text of its backtrace.
//!
//! The frames of a backtrace are, from the inside: those of this crate, of std (or of tokio), of a
//! library, of the user's code, and of the framework that polls it. With debug information a frame
//! has its file, which says whose it is; without, its function's name is all there is.

use std::fmt;

/// Where a call was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The function of std or tokio that was called, if there is one: `std::fs::write`.
    pub function: Option<String>,
    /// The library that called it, with its version, if it was not the user's code and the program
    /// has debug information: `rustls-native-certs-0.8.1`.
    pub library: Option<String>,
    /// The innermost place in the user's source: `src/lib.rs:12:5`; without debug information the
    /// function's name; that in the library if no code of the user is on the stack.
    pub place: Option<String>,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place.as_deref().unwrap_or("an unknown place"))
    }
}

/// A frame: the function's name, and `file:line:column`.
struct Frame<'a> {
    name: &'a str,
    at: Option<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// std, or tokio, whose functions are named as what was called.
    System,
    /// What polls the code under test, and functions of C.
    Framework,
    Library,
    User,
}

impl Site {
    /// Returns the site of a call of this function of libc, from the text of its backtrace in the
    /// long form (`{:#}`). Paths within `folder` are relative to it.
    pub(super) fn of(call: &str, backtrace: &str, folder: &str) -> Site {
        let mut site = Site::default();
        let mut in_library = None;
        let mut is_called = false;
        // The frames within the function capture the backtrace.
        let frames: Vec<_> = frames(backtrace).collect();
        let begin = frames.iter().position(|frame| frame.name == call).map_or(0, |index| index + 1);
        for frame in &frames[begin..] {
            let owner = frame.owner();
            match owner {
                Owner::Framework => {}
                Owner::System if !is_called => site.function = Some(frame.function()),
                Owner::System => {}
                Owner::Library if in_library.is_none() => {
                    let file = frame.file().map_or(frame.at.unwrap_or_default(), |(_, path)| path);
                    site.library = file.split('/').next().map(str::to_string);
                    in_library = Some(file.to_string());
                }
                Owner::Library => {}
                Owner::User => {
                    let place = frame.at.map(|at| within(at, folder).to_string());
                    site.place = Some(place.unwrap_or_else(|| plain_name(frame.name)));
                    return site;
                }
            }
            // The function that was called is the outermost one of std before other frames.
            is_called |= owner != Owner::System && site.function.is_some();
        }
        site.place = in_library;
        site
    }
}

/// Returns the frames of a backtrace: a line with number, address and name, and one with the place.
fn frames(backtrace: &str) -> impl Iterator<Item = Frame<'_>> {
    let mut lines = backtrace.lines().map(str::trim).peekable();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            if let Some(name) = name_of(line) {
                let at = lines.peek().and_then(|line| line.strip_prefix("at "));
                return Some(Frame { name, at });
            }
        }
    })
}

/// Returns the name in a line "12: 0x0123 - name", or "0x0123 - name" of an inlined function.
fn name_of(line: &str) -> Option<&str> {
    let rest = match line.split_once(": ") {
        Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest.trim_start(),
        _ => line,
    };
    if line.starts_with("at ") {
        return None;
    }
    match rest.split_once(" - ") {
        Some((address, name)) if address.starts_with("0x") => Some(name),
        _ => Some(rest),
    }
}

impl<'a> Frame<'a> {
    fn owner(&self) -> Owner {
        if self.at.is_some_and(|at| !at.contains(".rs:")) {
            return Owner::Framework;
        }
        let owner = match (self.file(), self.at) {
            (Some((name, _)), _) => Some(name),
            (None, Some(at)) if at.contains("/git/checkouts/") && !is_framework(at) => return Owner::Library,
            (None, Some(at)) => return if is_framework(at) { Owner::Framework } else { Owner::User },
            (None, None) => root(self.name),
        };
        match owner {
            None | Some("madsim" | "async-task" | "async_task") => Owner::Framework,
            Some("std" | "core" | "alloc" | "tokio" | "mio" | "socket2") => Owner::System,
            Some(name) if name.starts_with("stormglass") => Owner::Framework,
            Some(_) if self.at.is_some() => Owner::Library,
            Some(_) => Owner::User,
        }
    }

    /// Returns the crate and the path of a file of std, or of a crate of crates.io: from the folder
    /// of the package on.
    fn file(&self) -> Option<(&'a str, &'a str)> {
        let at = self.at?;
        let std = ["/rustc/", "/lib/rustlib/src/"].iter().any(|folder| at.contains(folder));
        if let Some((_, path)) = at.split_once("/library/").filter(|_| std) {
            return Some((path.split('/').next()?, path));
        }
        let (_, path) = at.split_once("/registry/src/")?.1.split_once('/')?;
        Some((path.split('/').next()?.rsplit_once('-')?.0, path))
    }

    /// Returns the function's name. Debug information without types has the last part alone; then the
    /// module follows from the file.
    fn function(&self) -> String {
        let name = plain_name(self.name);
        let Some((owner, path)) = self.file().filter(|_| !name.contains("::")) else { return name };
        let file = path.split_once("/src/").map_or("", |(_, file)| file);
        let file = file.split_once(".rs").map_or(file, |(file, _)| file);
        let parts = std::iter::once(owner).chain(file.split('/')).chain([&*name]);
        let is_named = |part: &&str| !part.is_empty() && !matches!(*part, "mod" | "lib");
        parts.filter(is_named).collect::<Vec<_>>().join("::")
    }
}

/// Whether a file belongs to a crate of the framework, whose frames poll the code under test.
fn is_framework(file: &str) -> bool {
    const CRATES: [&str; 8] = ["cli", "core", "fs", "net", "plan", "rt", "sim", "tokio"];
    let Some((package, _)) = file.rsplit_once("/src/") else { return false };
    let package = package.rsplit('/').next().unwrap_or_default();
    let name = package.strip_prefix("stormglass-").unwrap_or_default();
    package == "stormglass" || CRATES.iter().any(|known| name.strip_prefix(known).is_some_and(is_version))
}

/// Whether nothing, or a version, follows the name of a package.
fn is_version(rest: &str) -> bool {
    rest.is_empty()
        || rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn within<'a>(path: &'a str, folder: &str) -> &'a str {
    path.strip_prefix(folder).and_then(|path| path.strip_prefix('/')).unwrap_or(path)
}

/// Returns the crate of a function. A function of C has none, and neither has one whose name begins
/// with a type parameter.
fn root(name: &str) -> Option<&str> {
    let name = name.trim_start_matches(['<', '&', '*', '(']);
    let name = ["mut ", "dyn "].iter().fold(name, |name, word| name.strip_prefix(word).unwrap_or(name));
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    // With disambiguators: `name[0123456789abcdef]::`.
    let rest = &name[end..];
    let rest = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(rest, |(_, rest)| rest);
    (end > 0 && rest.starts_with("::")).then_some(&name[..end])
}

/// Returns a function's name without type arguments, closures, disambiguators and hash.
fn plain_name(name: &str) -> String {
    // `<std::thread::Builder>::spawn` is a function of a type; `<A as B>::c` is kept.
    let of_type = name.strip_prefix('<').and_then(|name| name.split_once(">::"));
    let (kind, rest) = of_type.filter(|(kind, _)| !kind.contains([' ', '<'])).unwrap_or(("", name));
    let mut plain = String::new();
    let mut depth = 0;
    for c in kind.chars().chain(if kind.is_empty() { "" } else { "::" }.chars()).chain(rest.chars()) {
        match c {
            '<' | '[' if depth > 0 || !plain.is_empty() => depth += 1,
            '>' | ']' if depth > 0 => depth -= 1,
            _ if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    let is_hash = |part: &str| {
        part.len() == 17 && part.starts_with('h') && part[1..].bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let is_name =
        |part: &&str| !part.is_empty() && *part != "inner" && !part.starts_with('{') && !is_hash(part);
    plain.split("::").filter(is_name).collect::<Vec<_>>().join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(function: Option<&str>, library: Option<&str>, place: Option<&str>) -> Site {
        let [function, library, place] = [function, library, place].map(|text| text.map(str::to_string));
        Site { function, library, place }
    }

    /// The long form of a backtrace, from frames of name and place.
    fn backtrace(frames: &[(&str, &str)]) -> String {
        let mut text = String::new();
        for (number, (name, at)) in frames.iter().enumerate() {
            text += &format!("{number:4}:     0x55d5f6a3c8d0 - {name}\n");
            if !at.is_empty() {
                text += &format!("                               at {at}:12:5\n");
            }
        }
        text
    }

    const OURS: (&str, &str) = ("open64", "/u/storm/crates/stormglass-rt/src/leaks/symbols.rs");
    const STD: &str = "/rustc/0123/library/std/src";
    const CORE: &str = "/home/u/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src";
    const CRATES: &str = "/home/u/.cargo/registry/src/index.crates.io-19";

    #[test]
    fn the_place_is_the_innermost_frame_of_the_user() {
        let text = backtrace(&[
            ("std::backtrace::Backtrace::force_capture", &format!("{STD}/backtrace.rs")),
            ("stormglass_rt::leaks::record::passes", "/u/storm/crates/stormglass-rt/src/leaks/record.rs"),
            OURS,
            ("std::sys::fs::unix::File::open_c::{{closure}}", &format!("{STD}/sys/fs/unix.rs")),
            ("std::fs::write::inner", &format!("{STD}/fs.rs")),
            ("std::fs::write::<&str, &[u8; 3]>", &format!("{STD}/fs.rs")),
            ("kv::serve::{{closure}}", "/u/kv/src/lib.rs"),
            (
                "<core::pin::Pin<P> as core::future::future::Future>::poll",
                &format!("{CORE}/future/future.rs"),
            ),
            ("kv::main", "/u/kv/src/main.rs"),
        ]);
        assert_eq!(
            Site::of("open64", &text, "/u/kv"),
            site(Some("std::fs::write"), None, Some("src/lib.rs:12:5"))
        );
        assert_eq!(Site::of("open64", &text, "/u/k").place.as_deref(), Some("/u/kv/src/lib.rs:12:5"));
    }

    /// Without types in the debug information, as in `debug = "line-tables-only"`, names are short.
    #[test]
    fn a_short_name_gets_its_module_from_the_file() {
        let text = backtrace(&[
            OURS,
            ("{closure#0}", &format!("{STD}/sys/fs/unix.rs")),
            ("write<&str, &[u8; 3]>", &format!("{STD}/fs.rs")),
            ("{async_block#0}", "/u/kv/src/lib.rs"),
            ("poll<kv::serve::{async_block_env#0}>", "/u/storm/crates/stormglass-rt/src/task.rs"),
        ]);
        assert_eq!(
            Site::of("open64", &text, "/u/kv"),
            site(Some("std::fs::write"), None, Some("src/lib.rs:12:5"))
        );
    }

    #[test]
    fn a_library_is_named_with_the_users_place() {
        let frames = [
            OURS,
            (
                "<std::thread::Builder>::spawn_unchecked::<a::b::{closure#0}, ()>",
                &*format!("{STD}/thread.rs"),
            ),
            (
                "tokio::task::blocking::spawn_blocking",
                &*format!("{CRATES}/tokio-1.54.1/src/task/blocking.rs"),
            ),
            ("certs::load", &*format!("{CRATES}/native-certs-0.8.1/src/unix.rs")),
            ("<F as core::future::future::Future>::poll", &*format!("{CORE}/future/future.rs")),
            ("app::start", "/u/app/src/start.rs"),
        ];
        let function = Some("tokio::task::blocking::spawn_blocking");
        let library = Some("native-certs-0.8.1");
        let expected = site(function, library, Some("src/start.rs:12:5"));
        assert_eq!(Site::of("open64", &backtrace(&frames), "/u/app"), expected);
        let expected = site(function, library, Some("native-certs-0.8.1/src/unix.rs:12:5"));
        assert_eq!(Site::of("open64", &backtrace(&frames[..5]), "/u/app"), expected);
    }

    #[test]
    fn without_debug_information_the_function_is_the_place() {
        let text = backtrace(&[
            ("open64", ""),
            ("std::sys::fs::unix::File::open_c", ""),
            ("std::fs::read::inner", ""),
            ("<F as core::future::future::Future>::poll", ""),
            ("app::load::<app::Kind>::h0123456789abcdef", ""),
            ("stormglass_rt::hosted::run", ""),
        ]);
        assert_eq!(Site::of("open64", &text, ""), site(Some("std::fs::read"), None, Some("app::load")));
    }

    /// An optimised build has inlined the user's function into the framework's poll of its future.
    #[test]
    fn without_a_frame_of_the_user_the_place_is_unknown() {
        let text = backtrace(&[
            ("open64", ""),
            ("std::fs::write::inner", &format!("{STD}/fs.rs")),
            ("<stormglass_rt::hosted::task::Scheduled<F> as core::future::future::Future>::poll", ""),
            ("std::sys::thread::unix::Thread::new::thread_start", &format!("{STD}/sys/thread/unix.rs")),
            ("start_thread", "./nptl/pthread_create.c"),
        ]);
        assert_eq!(Site::of("open64", &text, ""), site(Some("std::fs::write"), None, None));
    }

    #[test]
    fn names_lose_type_arguments_and_closures() {
        assert_eq!(
            plain_name("<std::thread::Builder>::spawn::<a::B<c::D>, ()>"),
            "std::thread::Builder::spawn"
        );
        assert_eq!(plain_name("std::net::TcpStream::connect"), "std::net::TcpStream::connect");
        assert_eq!(plain_name("<std[01ab]::process::Command>::output"), "std::process::Command::output");
        assert_eq!(plain_name("a[0123456789abcdef]::b::{closure#0}"), "a::b");
        assert_eq!(plain_name("{async_fn#0}<&str>"), "");
    }

    #[test]
    fn files_of_the_framework_are_recognised() {
        assert!(is_framework("/u/storm/crates/stormglass-rt/src/worker/pool.rs:1:1"));
        assert!(is_framework("/c/registry/src/i/stormglass-net-0.1.0/src/udp.rs:1:1"));
        assert!(!is_framework("/u/storm/crates/stormglass-rt/tests/it/tasks.rs:1:1"));
        assert!(!is_framework("/u/stormglass-rtx/src/lib.rs:1:1"));
        assert!(!is_framework("/u/stormglass/app/src/main.rs:1:1"));
    }
}
