//! The status of each role of a node.
//!
//! Each change is an event, a [`Kind::Status`](stormglass_core::Kind::Status), without any effect
//! on the run: it takes no time and wakes no task. The values, and the components that set them,
//! are those of restatedev/restate `crates/types/protobuf/restate/common.proto` and
//! `crates/types/src/health.rs`.

use sim_raft::{Roles, Status};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use stormglass_core::Recorder;
use stormglass_rt as rt;

/// The status of one role.
pub trait RoleStatus: Copy + PartialEq {
    /// The role's name.
    const ROLE: &'static str;

    /// Returns the status's name.
    fn name(self) -> &'static str;

    /// Returns this role's field among those of all roles.
    fn of(all: &mut Statuses) -> &mut Self;
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident $field:ident $role:literal of $has:expr, { $($(#[$about:meta])* $value:ident $text:literal,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub enum $name {
                /// Not known yet, or the node has no such role.
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

        /// The roles' names and statuses, separated by commas.
        impl fmt::Display for Statuses {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let all = [$(format!("{} {}", $name::ROLE, self.$field.name())),+];
                f.write_str(&all.join(", "))
            }
        }

        impl Health {
            /// Records the status of these roles as unknown: the statuses of an earlier process of
            /// the node are no longer valid.
            pub(crate) fn begin(&self, roles: &Roles) {
                $(if $has(roles) { self.record($name::Unknown); })+
            }
        }
    };
}

statuses! {
    /// The node as a whole.
    NodeStatus node "node" of |_: &Roles| true, {
        /// Its process has started.
        StartingUp "starting up",
        /// All steps of its start are completed: it serves other nodes.
        Alive "alive",
        /// It has got SIGTERM, and shuts down.
        ShuttingDown "shutting down",
    }
    /// The service for other nodes: the fabric.
    NodeRpcStatus fabric "fabric" of |_: &Roles| true, {
        /// It is about to be served.
        StartingUp "starting up",
        /// It is served.
        Ready "ready",
        /// It is still served, until the process ends.
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
        /// Its database is being opened, or it is being registered.
        StartingUp "starting up",
        /// It stores records.
        Ready "ready",
        /// Its disk has failed: it stores no more records.
        Failsafe "failsafe",
        /// Its node shuts down.
        Stopping "stopping",
    }
    /// The worker, which runs partitions.
    WorkerStatus worker "worker" of |roles: &Roles| roles.worker, {
        /// It is about to be started.
        StartingUp "starting up",
        /// It accepts orders of the controller.
        Ready "ready",
    }
    /// The admin role: cluster controller and admin API.
    AdminStatus admin "admin" of |roles: &Roles| roles.admin, {
        /// It is about to be started.
        StartingUp "starting up",
        /// The controller runs.
        Ready "ready",
    }
    /// The ingress.
    IngressStatus ingress "ingress" of |roles: &Roles| roles.ingress, {
        /// It is about to be started.
        StartingUp "starting up",
        /// It accepts requests.
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

/// The statuses of the roles of one process. Clones share them.
#[derive(Clone, Debug)]
pub struct Health {
    now: Arc<Mutex<Statuses>>,
    recorder: Recorder,
}

impl Health {
    /// Returns the statuses of a process, all unknown.
    pub fn new(recorder: &Recorder) -> Health {
        Health { now: Arc::default(), recorder: recorder.clone() }
    }

    /// Returns the statuses of all roles.
    pub fn now(&self) -> Statuses {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the status of a role.
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
