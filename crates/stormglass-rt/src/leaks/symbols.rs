//! The symbols of libc that this crate owns.
//!
//! Each function asks [`super::record`] whether its thread is watched; if it is not, or if the call
//! may pass, it calls libc's function of the same name, the next definition in the order of the
//! dynamic linker. madsim owns the symbols of clocks, of random numbers, of the number of CPUs and of
//! `pthread_attr_init` in the same way.
//!
//! `stat` and its like are not owned: before glibc 2.33 they are no symbols of the shared library.
//! std asks by `statx`. `vfork` cannot be wrapped, because it returns twice. `socket`
//! is not owned: a socket has no peer before it is bound or connected.

#![expect(unsafe_code, reason = "definitions of libc's functions; each calls libc's own with its arguments")]

use super::record::LeakKind::{self, Driver, Environment, File, Process, Sleep, Socket, Thread};
use super::record::{fill_from_seed, is_watched, passes, refuses};
use libc::{c_char, c_int, c_long, c_uint, c_void, mode_t, sa_family_t, size_t, sockaddr};
use libc::{sockaddr_in, sockaddr_in6, socklen_t, ssize_t, timespec};
use madsim::time::TimeHandle;
use std::ffi::CStr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::time::Duration;

/// Keeps the symbols in the program, and finds the program's path outside of any run.
pub(super) fn keep() {
    std::hint::black_box(open64 as *const () as usize);
    program();
}

/// libc's own function, once it is known.
struct Real(AtomicPtr<c_void>);

impl Real {
    const fn unknown() -> Real {
        Real(AtomicPtr::new(std::ptr::null_mut()))
    }

    fn find(&self, name: &CStr) -> *mut c_void {
        let known = self.0.load(Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name ends with a null byte.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        assert!(!found.is_null(), "libc has the function {name:?}");
        self.0.store(found, Relaxed);
        found
    }
}

/// Sets `errno` and returns the result of the failed call.
fn fails<T>(errno: c_int, result: T) -> T {
    // SAFETY: libc returns the address of the thread's variable.
    unsafe { *libc::__errno_location() = errno };
    result
}

/// Defines functions of libc. Behind `if`: what the call asks for, with an argument as text, and
/// what the refused call returns. `None` is a call that is let through.
macro_rules! own {
    ($(fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty, if $leak:expr => $refused:expr;)*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name($($arg: $type),*) -> $result {
            static REAL: Real = Real::unknown();
            if is_watched() {
                let leak: Option<(LeakKind, String)> = $leak;
                if let Some((kind, argument)) = leak
                    && !passes(stringify!($name), kind, argument)
                {
                    return $refused;
                }
            }
            const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => unreachable!(),
            };
            let real = REAL.find(NAME);
            // SAFETY: libc's function of this name has this signature.
            let real: unsafe extern "C" fn($($type),*) -> $result = unsafe { std::mem::transmute(real) };
            // SAFETY: the arguments are the caller's.
            unsafe { real($($arg),*) }
        }
    )*};
}

type Path = *const c_char;

own! {
    fn open(path: Path, flags: c_int, mode: mode_t) -> c_int, if file(path) => fails(libc::EPERM, -1);
    fn open64(path: Path, flags: c_int, mode: mode_t) -> c_int, if file(path) => fails(libc::EPERM, -1);
    fn openat(dir: c_int, path: Path, flags: c_int, mode: mode_t) -> c_int,
        if file(path) => fails(libc::EPERM, -1);
    fn openat64(dir: c_int, path: Path, flags: c_int, mode: mode_t) -> c_int,
        if file(path) => fails(libc::EPERM, -1);
    fn fopen(path: Path, mode: Path) -> *mut c_void,
        if file(path) => fails(libc::EPERM, std::ptr::null_mut());
    fn fopen64(path: Path, mode: Path) -> *mut c_void,
        if file(path) => fails(libc::EPERM, std::ptr::null_mut());
    fn opendir(path: Path) -> *mut c_void, if file(path) => fails(libc::EPERM, std::ptr::null_mut());
    fn statx(dir: c_int, path: Path, flags: c_int, mask: c_uint, to: *mut c_void) -> c_int,
        if file(path) => fails(libc::EPERM, -1);
    fn access(path: Path, mode: c_int) -> c_int, if file(path) => fails(libc::EPERM, -1);
    fn mkdir(path: Path, mode: mode_t) -> c_int, if file(path) => fails(libc::EPERM, -1);
    fn rmdir(path: Path) -> c_int, if file(path) => fails(libc::EPERM, -1);
    fn unlink(path: Path) -> c_int, if file(path) => fails(libc::EPERM, -1);
    fn rename(from: Path, to: Path) -> c_int, if file(from) => fails(libc::EPERM, -1);
    fn link(from: Path, to: Path) -> c_int, if file(from) => fails(libc::EPERM, -1);
    fn linkat(from_dir: c_int, from: Path, to_dir: c_int, to: Path, flags: c_int) -> c_int,
        if file(from) => fails(libc::EPERM, -1);
    fn symlink(target: Path, path: Path) -> c_int, if file(path) => fails(libc::EPERM, -1);
    fn readlink(path: Path, to: *mut c_char, size: size_t) -> ssize_t,
        if file(path) => fails(libc::EPERM, -1);
    fn realpath(path: Path, to: *mut c_char) -> *mut c_char,
        if file(path) => fails(libc::EPERM, std::ptr::null_mut());
    fn chmod(path: Path, mode: mode_t) -> c_int, if file(path) => fails(libc::EPERM, -1);
    fn truncate64(path: Path, size: i64) -> c_int, if file(path) => fails(libc::EPERM, -1);

    fn bind(socket: c_int, address: *const sockaddr, len: socklen_t) -> c_int,
        if Some((Socket, socket_address(address, len))) => fails(libc::EPERM, -1);
    fn connect(socket: c_int, address: *const sockaddr, len: socklen_t) -> c_int,
        if Some((Socket, socket_address(address, len))) => fails(libc::EPERM, -1);
    fn listen(socket: c_int, backlog: c_int) -> c_int,
        if Some((Socket, String::new())) => fails(libc::EPERM, -1);
    fn sendto(
        socket: c_int, bytes: *const c_void, size: size_t, flags: c_int, address: *const sockaddr,
        len: socklen_t
    ) -> ssize_t, if Some((Socket, socket_address(address, len))) => fails(libc::EPERM, -1);
    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int,
        if Some((Socket, String::new())) => fails(libc::EPERM, -1);
    fn getaddrinfo(host: Path, service: Path, hints: *const c_void, to: *mut *mut c_void) -> c_int,
        if Some((Socket, text(host))) => libc::EAI_FAIL;

    // A refused sleep ends at once. The clock advances, so that a loop until a deadline ends too; the
    // run has failed already.
    fn nanosleep(length: *const timespec, left: *mut timespec) -> c_int,
        if Some((Sleep, advance_if_refused(duration(length)))) => 0;
    fn clock_nanosleep(clock: c_int, flags: c_int, length: *const timespec, left: *mut timespec) -> c_int,
        if Some((Sleep, clock_sleep(clock, flags, length))) => 0;
    fn usleep(micros: c_uint) -> c_int,
        if Some((Sleep, advance_if_refused(Duration::from_micros(micros.into())))) => 0;
    fn sleep(seconds: c_uint) -> c_uint,
        if Some((Sleep, advance_if_refused(Duration::from_secs(seconds.into())))) => 0;

    fn pthread_create(
        thread: *mut c_void, attributes: *const c_void, start: *const c_void, argument: *mut c_void
    ) -> c_int, if Some((Thread, String::new())) => libc::EAGAIN;

    fn fork() -> c_int, if Some((Process, String::new())) => fails(libc::EPERM, -1);
    fn posix_spawn(
        process: *mut c_int, path: Path, actions: *const c_void, attributes: *const c_void,
        arguments: *const c_void, environment: *const c_void
    ) -> c_int, if Some((Process, text(path))) => libc::EPERM;
    fn posix_spawnp(
        process: *mut c_int, path: Path, actions: *const c_void, attributes: *const c_void,
        arguments: *const c_void, environment: *const c_void
    ) -> c_int, if Some((Process, text(path))) => libc::EPERM;

    fn setenv(name: Path, value: Path, overwrites: c_int) -> c_int,
        if Some((Environment, text(name))) => fails(libc::EPERM, -1);
    fn unsetenv(name: Path) -> c_int, if Some((Environment, text(name))) => fails(libc::EPERM, -1);
    fn chdir(path: Path) -> c_int, if Some((Environment, text(path))) => fails(libc::EPERM, -1);

    fn epoll_create1(flags: c_int) -> c_int, if Some((Driver, String::new())) => fails(libc::EPERM, -1);
}

/// Returns what a call asks for that names a file, unless it is one that tells the program about
/// itself: its symbols for a backtrace, its memory, its share of the machine.
fn file(path: Path) -> Option<(LeakKind, String)> {
    let path = text(path);
    // `statx` of an open file has no path.
    (!path.is_empty() && !is_about_itself(&path)).then_some((File, path))
}

fn is_about_itself(path: &str) -> bool {
    const PREFIXES: [&str; 5] =
        ["/proc/self/", "/proc/thread-self/", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/usr/lib/debug"];
    let is_program = |program: &PathBuf| path.starts_with(&*program.to_string_lossy());
    PREFIXES.iter().any(|prefix| path.starts_with(prefix))
        || path == "/dev/null"
        || path == "/proc/cpuinfo"
        || path.ends_with(".so")
        || path.contains(".so.")
        || program().as_ref().is_some_and(is_program)
}

/// Returns the program's path.
fn program() -> &'static Option<PathBuf> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM.get_or_init(|| std::env::current_exe().ok())
}

fn text(text: Path) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller passes a text that ends with a null byte, as libc's function wants it.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Returns the address of a socket as text, or nothing if it has none or one of another kind.
fn socket_address(address: *const sockaddr, len: socklen_t) -> String {
    let has = |size: usize| !address.is_null() && len as usize >= size;
    if !has(size_of::<sa_family_t>()) {
        return String::new();
    }
    // SAFETY: the caller passes an address of `len` bytes, of the kind that its family says.
    unsafe {
        match c_int::from((*address).sa_family) {
            libc::AF_INET if has(size_of::<sockaddr_in>()) => {
                let address = &*address.cast::<sockaddr_in>();
                let ip = Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr));
                SocketAddrV4::new(ip, u16::from_be(address.sin_port)).to_string()
            }
            libc::AF_INET6 if has(size_of::<sockaddr_in6>()) => {
                let address = &*address.cast::<sockaddr_in6>();
                let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
                SocketAddrV6::new(ip, u16::from_be(address.sin6_port), 0, 0).to_string()
            }
            libc::AF_UNIX => "a Unix socket".into(),
            _ => String::new(),
        }
    }
}

fn duration(length: *const timespec) -> Duration {
    if length.is_null() {
        return Duration::ZERO;
    }
    // SAFETY: the caller passes a valid time, as libc's function wants it.
    let length = unsafe { *length };
    Duration::new(length.tv_sec.try_into().unwrap_or(0), length.tv_nsec.try_into().unwrap_or(0))
}

/// Returns the length of a sleep as text. The clock advances by a sleep that is refused.
fn advance_if_refused(length: Duration) -> String {
    if refuses()
        && let Some(clock) = TimeHandle::try_current()
    {
        clock.advance(length);
    }
    format!("{length:?}")
}

/// Returns the distance of a deadline on a clock, which madsim simulates.
fn until(clock: c_int, deadline: *const timespec) -> Duration {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a time that the function may write.
    unsafe { libc::clock_gettime(clock, &mut now) };
    duration(deadline).saturating_sub(duration(&now))
}

fn clock_sleep(clock: c_int, flags: c_int, length: *const timespec) -> String {
    let is_deadline = flags & libc::TIMER_ABSTIME != 0;
    advance_if_refused(if is_deadline { until(clock, length) } else { duration(length) })
}

/// libc's `syscall`, through which the crate `getrandom` reads random numbers and std waits for
/// threads.
///
/// It has a variable number of arguments, which are passed like these six. The kernel is called
/// without libc, because an allocator may call this before the dynamic linker can search.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    if number == libc::SYS_getrandom {
        // SAFETY: the caller passes a buffer of `b` bytes, or none.
        let buffer = match b {
            1.. => unsafe { std::slice::from_raw_parts_mut(a as *mut u8, b as usize) },
            _ => &mut [],
        };
        if fill_from_seed(buffer) {
            return b;
        }
    }
    if number == libc::SYS_futex && is_watched() && d != 0 {
        let is_wait = [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET]
            .contains(&(b as c_int & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME)));
        if is_wait
            && !passes("futex", Sleep, advance_if_refused(futex_timeout(b as c_int, d as *const timespec)))
        {
            return fails(libc::ETIMEDOUT, -1);
        }
    }
    // SAFETY: the arguments are the caller's.
    let result = unsafe { call_kernel(number, [a, b, c, d, e, f]) };
    if (-4095..0).contains(&result) { fails(-result as c_int, -1) } else { result }
}

/// Returns how long a thread waits at most: the timeout of `FUTEX_WAIT`, the deadline of
/// `FUTEX_WAIT_BITSET`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn futex_timeout(operation: c_int, timeout: *const timespec) -> Duration {
    if operation & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) == libc::FUTEX_WAIT {
        return duration(timeout);
    }
    let is_date = operation & libc::FUTEX_CLOCK_REALTIME != 0;
    until(if is_date { libc::CLOCK_REALTIME } else { libc::CLOCK_MONOTONIC }, timeout)
}

/// # Safety
///
/// As the system call of this number.
#[cfg(target_arch = "x86_64")]
unsafe fn call_kernel(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
    let result;
    // SAFETY: the kernel changes these registers, and what the call says.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// # Safety
///
/// As the system call of this number.
#[cfg(target_arch = "aarch64")]
unsafe fn call_kernel(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
    let result;
    // SAFETY: the kernel changes these registers, and what the call says.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}
