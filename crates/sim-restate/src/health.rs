//! What a node tells of itself, role by role.
//!
//! Each change is an event, a [`Kind::Status`](stormglass_core::Kind::Status), that nothing waits for: it takes no time and wakes nobody. Values and who moves them are those of restatedev/restate
//! `crates/types/protobuf/restate/common.proto` and `crates/types/src/health.rs`.

use sim_raft::{Roles, Status};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use stormglass_core::Recorder;
use stormglass_rt as rt;

/// The state of one role.
pub trait RoleStatus: Copy + PartialEq {
    /// The role's name.
    const ROLE: &'static str;

    /// The state's name.
    fn name(self) -> &'static str;

    /// Its place among those of all roles.
    fn of(all: &mut Statuses) -> &mut Self;
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident $field:ident $role:literal of $has:expr, { $($(#[$about:meta])* $value:ident $text:literal,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub enum $name {
                /// Nothing is known of it yet, or the node has no such role.
                #[default]
                Unknown,
                $($(#[$about])* $value,)+
            }

            impl RoleStatus for $name {
                const ROLE: &'static str = $role;

                fn name(self) -> &'static str {
                    match self {
                        $name::Unknown => "unknown",
                        $($name::$value => $text,)+
                    }
                }

                fn of(all: &mut Statuses) -> &mut $name {
                    &mut all.$field
                }
            }
        )+

        /// The states of all roles of a node; each is unknown at first.
        ///
        /// ```
        /// use sim_restate::health::{AdminStatus, NodeStatus, Statuses};
        ///
        /// let now = Statuses { node: NodeStatus::StartingUp, admin: AdminStatus::Ready, ..Statuses::default() };
        /// assert!(now.to_string().starts_with("node starting up, fabric unknown, "));
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Statuses {
            $($(#[$doc])* pub $field: $name,)+
        }

        /// One after the other, separated by commas.
        impl fmt::Display for Statuses {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let all = [$(format!("{} {}", $name::ROLE, self.$field.name())),+];
                f.write_str(&all.join(", "))
            }
        }

        impl Health {
            /// Records that nothing is known of these roles yet: what an earlier process of the node has told holds no more.
            pub(crate) fn begin(&self, roles: &Roles) {
                $(if $has(roles) { self.record($name::Unknown); })+
            }
        }
    };
}

statuses! {
    /// The node as a whole.
    NodeStatus node "node" of |_: &Roles| true, {
        /// Its process has begun.
        StartingUp "starting up",
        /// All steps of its start are done: other nodes are answered.
        Alive "alive",
        /// It was told to stop, and does.
        ShuttingDown "shutting down",
    }
    /// What serves other nodes: the fabric.
    NodeRpcStatus fabric "fabric" of |_: &Roles| true, {
        /// About to be served.
        StartingUp "starting up",
        /// It answers.
        Ready "ready",
        /// It answers still, and will not for long.
        Stopping "stopping",
    }
    /// The metadata server.
    MetadataServerStatus metadata_server "metadata server" of |roles: &Roles| roles.metadata_server, {
        /// Its database is being opened.
        StartingUp "starting up",
        /// It belongs to no cluster.
        AwaitingProvisioning "awaiting provisioning",
        /// It belongs to a cluster and is no member.
        Standby "standby",
        /// It is a member.
        Member "member",
    }
    /// The log server.
    LogServerStatus log_server "log server" of |roles: &Roles| roles.log_server, {
        /// Its database is being opened, or it enters itself.
        StartingUp "starting up",
        /// It takes records.
        Ready "ready",
        /// Its disk has failed it: it takes no more records.
        Failsafe "failsafe",
        /// Its node shuts down.
        Stopping "stopping",
    }
    /// The worker: where partitions are.
    WorkerStatus worker "worker" of |roles: &Roles| roles.worker, {
        /// About to be started.
        StartingUp "starting up",
        /// It takes orders of the controller.
        Ready "ready",
    }
    /// The admin role: cluster controller and admin API.
    AdminStatus admin "admin" of |roles: &Roles| roles.admin, {
        /// About to be started.
        StartingUp "starting up",
        /// The controller runs.
        Ready "ready",
    }
    /// The ingress.
    IngressStatus ingress "ingress" of |roles: &Roles| roles.ingress, {
        /// About to be started.
        StartingUp "starting up",
        /// It takes requests.
        Ready "ready",
    }
}

impl From<&Status> for MetadataServerStatus {
    fn from(status: &Status) -> MetadataServerStatus {
        match status {
            Status::StartingUp => MetadataServerStatus::StartingUp,
            Status::AwaitingProvisioning => MetadataServerStatus::AwaitingProvisioning,
            Status::Standby => MetadataServerStatus::Standby,
            Status::Member { .. } => MetadataServerStatus::Member,
        }
    }
}

/// What one process tells of itself. Clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    now: Arc<Mutex<Statuses>>,
    recorder: Recorder,
}

impl Health {
    /// Of a process of which nothing is known yet.
    pub fn new(recorder: &Recorder) -> Health {
        Health { now: Arc::default(), recorder: recorder.clone() }
    }

    /// How all roles are.
    pub fn now(&self) -> Statuses {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A role is like this from now on.
    pub fn set<S: RoleStatus>(&self, status: S) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let was = std::mem::replace(S::of(&mut now), status);
        drop(now);
        if was != status {
            self.record(status);
        }
    }

    fn record<S: RoleStatus>(&self, status: S) {
        rt::record_status(&self.recorder, S::ROLE, status.name());
    }
}
