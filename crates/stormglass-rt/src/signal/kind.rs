//! Kinds of signals, and their default actions.

use std::ffi::c_int;

/// A kind of signal, by its number on Linux (`signal(7)`, x86 and ARM).
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignalKind(c_int);

macro_rules! kinds {
    ($($name:ident: $number:literal, $signal:literal, $about:literal;)+) => {$(
        #[doc = concat!("Returns ", $signal, ": ", $about, ".")]
        pub const fn $name() -> SignalKind {
            SignalKind($number)
        }
    )+};
}

impl SignalKind {
    /// Returns the signal of this number.
    pub const fn from_raw(signum: c_int) -> SignalKind {
        SignalKind(signum)
    }

    /// Returns the signal's number.
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }

    kinds! {
        alarm: 14, "`SIGALRM`", "a timer has expired; by default it ends the process";
        child: 17, "`SIGCHLD`", "a child has changed its state; by default it is ignored";
        hangup: 1, "`SIGHUP`", "the terminal is disconnected; by default it ends the process";
        interrupt: 2, "`SIGINT`", "Ctrl-C; by default it ends the process";
        io: 29, "`SIGIO`", "input or output is possible; by default it ends the process";
        pipe: 13, "`SIGPIPE`", "a pipe has no reader; Rust's runtime ignores it";
        quit: 3, "`SIGQUIT`", "by default it ends the process";
        terminate: 15, "`SIGTERM`", "by default it ends the process";
        user_defined1: 10, "`SIGUSR1`", "by default it ends the process";
        user_defined2: 12, "`SIGUSR2`", "by default it ends the process";
        window_change: 28, "`SIGWINCH`", "the terminal has another size; by default it is ignored";
    }

    /// Returns what the kernel does with a signal for which the process does not listen
    /// (`signal(7)`). A core dump is none here.
    pub fn default_action(self) -> DefaultAction {
        match self.0 {
            // SIGCHLD, SIGURG and SIGWINCH; SIGPIPE, which Rust's runtime sets to be ignored.
            13 | 17 | 23 | 28 => DefaultAction::Ignore,
            // SIGCONT.
            18 => DefaultAction::Continue,
            // SIGSTOP, SIGTSTP, SIGTTIN and SIGTTOU.
            19..=22 => DefaultAction::Stop,
            _ => DefaultAction::Terminate,
        }
    }

    /// Returns whether no program can listen for the signal: SIGKILL and SIGSTOP, which the kernel
    /// reserves, and SIGILL, SIGFPE and SIGSEGV, which tokio refuses (`signal_hook`'s list).
    pub(super) fn is_forbidden(self) -> bool {
        matches!(self.0, 4 | 8 | 9 | 11 | 19)
    }
}

/// What a signal does to a process that does not listen for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// The process ends.
    Terminate,
    /// The process stops until SIGCONT.
    Stop,
    /// The process continues.
    Continue,
    /// Nothing happens.
    Ignore,
}

impl From<c_int> for SignalKind {
    fn from(signum: c_int) -> SignalKind {
        SignalKind(signum)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> c_int {
        kind.0
    }
}
