//! Which readiness a task waits for, and which a socket has. With the feature `tokio-net` these
//! are tokio's own types, otherwise types with the same names, constants and methods.

#[cfg(feature = "tokio-net")]
pub use tokio::io::{Interest, Ready};

#[cfg(not(feature = "tokio-net"))]
pub use same::{Interest, Ready};

#[cfg(not(feature = "tokio-net"))]
mod same {
    use std::fmt;
    use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};

    /// The readiness that a task waits for, named after `tokio::io::Interest`.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct Interest(u8);

    macro_rules! interests {
        ($($name:ident, $is:ident = $bit:literal, $what:literal;)+) => {
            impl Interest {
                $(
                    #[doc = concat!("Interest in ", $what, ".")]
                    pub const $name: Interest = Interest($bit);

                    #[doc = concat!("Whether the set has the interest in ", $what, ".")]
                    pub const fn $is(self) -> bool {
                        self.0 & $bit != 0
                    }
                )+

                /// Returns the union of two sets.
                #[must_use = "this returns the result, and changes neither set"]
                pub const fn add(self, other: Interest) -> Interest {
                    Interest(self.0 | other.0)
                }

                /// Returns the set without `other`; `None` if nothing is left.
                #[must_use = "this returns the result, and changes neither set"]
                pub fn remove(self, other: Interest) -> Option<Interest> {
                    let left = self.0 & !other.0;
                    (left != 0).then_some(Interest(left))
                }
            }

            impl fmt::Debug for Interest {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    let names = [$((self.$is(), stringify!($name))),+];
                    let names: Vec<&str> =
                        names.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect();
                    f.write_str(&names.join(" | "))
                }
            }
        };
    }

    interests! {
        READABLE, is_readable = 1, "reading and the end of the stream";
        WRITABLE, is_writable = 2, "writing and the end of what can be written";
        PRIORITY, is_priority = 4, "out-of-band data";
        ERROR, is_error = 8, "errors";
    }

    impl BitOr for Interest {
        type Output = Interest;

        fn bitor(self, other: Interest) -> Interest {
            self.add(other)
        }
    }

    impl BitOrAssign for Interest {
        fn bitor_assign(&mut self, other: Interest) {
            *self = self.add(other);
        }
    }

    /// The readiness of a socket, named after `tokio::io::Ready`.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Ready(u8);

    impl Ready {
        /// No readiness.
        pub const EMPTY: Ready = Ready(0);
        /// A read would not block.
        pub const READABLE: Ready = Ready(1);
        /// A write would not block.
        pub const WRITABLE: Ready = Ready(2);
        /// The peer sends no more data.
        pub const READ_CLOSED: Ready = Ready(4);
        /// Nothing can be written any more.
        pub const WRITE_CLOSED: Ready = Ready(8);
        /// There is out-of-band data.
        pub const PRIORITY: Ready = Ready(16);
        /// The socket has an error.
        pub const ERROR: Ready = Ready(32);
        /// All of them.
        pub const ALL: Ready = Ready(63);

        /// Whether the set is empty.
        pub fn is_empty(self) -> bool {
            self == Ready::EMPTY
        }

        /// Whether a read would not block; so at the end of the stream.
        pub fn is_readable(self) -> bool {
            self.contains(Ready::READABLE) || self.is_read_closed()
        }

        /// Whether a write would not block; so when nothing can be written any more.
        pub fn is_writable(self) -> bool {
            self.contains(Ready::WRITABLE) || self.is_write_closed()
        }

        /// Whether the peer sends no more data.
        pub fn is_read_closed(self) -> bool {
            self.contains(Ready::READ_CLOSED)
        }

        /// Whether nothing can be written any more.
        pub fn is_write_closed(self) -> bool {
            self.contains(Ready::WRITE_CLOSED)
        }

        /// Whether there is out-of-band data.
        pub fn is_priority(self) -> bool {
            self.contains(Ready::PRIORITY)
        }

        /// Whether the socket has an error.
        pub fn is_error(self) -> bool {
            self.contains(Ready::ERROR)
        }

        fn contains(self, other: Ready) -> bool {
            self & other == other
        }
    }

    impl BitOr for Ready {
        type Output = Ready;

        fn bitor(self, other: Ready) -> Ready {
            Ready(self.0 | other.0)
        }
    }

    impl BitOrAssign for Ready {
        fn bitor_assign(&mut self, other: Ready) {
            *self = *self | other;
        }
    }

    impl BitAnd for Ready {
        type Output = Ready;

        fn bitand(self, other: Ready) -> Ready {
            Ready(self.0 & other.0)
        }
    }

    impl Sub for Ready {
        type Output = Ready;

        fn sub(self, other: Ready) -> Ready {
            Ready(self.0 & !other.0)
        }
    }

    impl fmt::Debug for Ready {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Ready")
                .field("is_readable", &self.is_readable())
                .field("is_writable", &self.is_writable())
                .field("is_read_closed", &self.is_read_closed())
                .field("is_write_closed", &self.is_write_closed())
                .field("is_error", &self.is_error())
                .field("is_priority", &self.is_priority())
                .finish()
        }
    }
}
