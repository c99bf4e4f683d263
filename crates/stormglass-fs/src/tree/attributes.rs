//! The attributes of an inode: permission bits, owner and times (`inode(7)`), and who may use the
//! file (`path_resolution(7)`, `capabilities(7)`).

use stormglass_core::SimTime;

/// The permission bits of `st_mode`: read, write, execute for owner, group and others, set-user-ID,
/// set-group-ID, sticky.
pub(crate) const MODE_BITS: u32 = 0o7777;
const SET_USER_ID: u32 = 0o4000;
pub(super) const SET_GROUP_ID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const GROUP_EXECUTE: u32 = 0o010;

/// The permissions that a process asks for; they are combined with `|`.
pub(crate) const READ: u32 = 4;
pub(crate) const WRITE: u32 = 2;
/// Of a directory: to look a name up in it.
pub(super) const SEARCH: u32 = 1;

/// Access times are updated when they are older than this (`relatime` of mount(8), the default of
/// Linux): 24 h in ns.
const ACCESS_TIME_AGE: i128 = 24 * 3_600 * 1_000_000_000;

/// A time of a file, in ns from the start of the run. Times before it are negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(pub(crate) i128);

impl From<SimTime> for Timestamp {
    fn from(at: SimTime) -> Timestamp {
        Timestamp(i128::from(at.as_nanos()))
    }
}

/// The user and the group of a process or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// The superuser: the disk does not check permission bits for it.
    pub(crate) const ROOT: User = User { uid: 0, gid: 0 };

    pub(crate) fn is_root(self) -> bool {
        self.uid == 0
    }
}

/// The attributes of an inode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    /// The permission bits.
    pub(crate) mode: u32,
    /// The permission bits that a power loss leaves.
    pub(super) durable_mode: u32,
    pub(crate) owner: User,
    pub(crate) accessed: Timestamp,
    /// When the contents, or a directory's entries, changed.
    pub(crate) modified: Timestamp,
    /// When the contents or the inode itself changed.
    pub(crate) changed: Timestamp,
    pub(crate) created: Timestamp,
}

impl Attributes {
    pub(super) fn new(mode: u32, owner: User, now: SimTime) -> Attributes {
        let now = Timestamp::from(now);
        let (accessed, modified, changed, created) = (now, now, now, now);
        Attributes { mode, durable_mode: mode, owner, accessed, modified, changed, created }
    }

    /// Returns whether the permission bits allow the user all of this access.
    pub(super) fn allow(&self, user: User, access: u32) -> bool {
        let shift = match (user.uid == self.owner.uid, user.gid == self.owner.gid) {
            (true, _) => 6,
            (false, true) => 3,
            (false, false) => 0,
        };
        user.is_root() || (self.mode >> shift) & access == access
    }

    /// Returns whether the user may change the attributes.
    pub(super) fn are_owned_by(&self, user: User) -> bool {
        user.is_root() || self.owner.uid == user.uid
    }

    /// Returns whether only the owners of a directory's entries may remove them.
    pub(super) fn are_sticky(&self) -> bool {
        self.mode & STICKY != 0
    }

    /// Returns whether a file starts programs as another user or group.
    pub(super) fn set_ids(&self) -> bool {
        self.mode & SET_USER_ID != 0
            || self.mode & (SET_GROUP_ID | GROUP_EXECUTE) == SET_GROUP_ID | GROUP_EXECUTE
    }

    /// Updates the times of changed contents; who is not root clears the set-ID bits
    /// (`file_remove_privs`).
    pub(super) fn modify(&mut self, user: User, now: SimTime) {
        (self.modified, self.changed) = (now.into(), now.into());
        if !user.is_root() && self.set_ids() {
            self.mode &= !SET_USER_ID;
            if self.mode & GROUP_EXECUTE != 0 {
                self.mode &= !SET_GROUP_ID;
            }
        }
    }

    /// Updates the access time, by the rule of `relatime`.
    pub(super) fn access(&mut self, now: SimTime) {
        let now = Timestamp::from(now);
        let newer = self.modified.max(self.changed) >= self.accessed;
        if newer || now.0 - self.accessed.0 >= ACCESS_TIME_AGE {
            self.accessed = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> SimTime = |hours| SimTime::from_nanos(hours * 3_600 * 1_000_000_000);

    /// Owner, group and others each have their own three bits; an owner without a bit is refused
    /// although others have it.
    #[test]
    fn permission_bits_of_the_first_matching_class_decide() {
        let (owner, group, other) =
            (User { uid: 1, gid: 1 }, User { uid: 2, gid: 1 }, User { uid: 2, gid: 2 });
        let attributes = Attributes::new(0o246, owner, AT(0));
        let allowed = |user| [READ, WRITE, READ | WRITE].map(|access| attributes.allow(user, access));
        assert_eq!(allowed(owner), [false, true, false]);
        assert_eq!(allowed(group), [true, false, false]);
        assert_eq!(allowed(other), [true, true, true]);
        assert_eq!(allowed(User::ROOT), [true, true, true]);
    }

    /// A read updates the access time if the file changed since the last one, or a day later.
    #[test]
    fn access_time_is_relative() {
        let mut attributes = Attributes::new(0o644, User::ROOT, AT(0));
        let mut read = |hours| {
            attributes.access(AT(hours));
            attributes.accessed.0 / (3_600 * 1_000_000_000)
        };
        assert_eq!([1, 2, 24, 25, 26].map(&mut read), [1, 1, 1, 25, 25]);
        attributes.modify(User::ROOT, AT(27));
        attributes.access(AT(28));
        assert_eq!(attributes.accessed, AT(28).into());
    }
}
