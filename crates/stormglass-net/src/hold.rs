//! Holding messages back, and letting them go one by one.

use crate::fault::{Action, ActiveRule, FaultGuard, InvalidRule};
use crate::network::Network;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_core::SimTime;

/// Messages that are held back; dropping it lets them all go, in order.
///
/// One-way messages are held one by one. Of a stream or a channel of calls the first is held and listed; what follows it waits
/// behind it and is held in its turn when that one has gone. Handshakes, acknowledgements and resets pass.
///
/// ```
/// use stormglass_core::Seed;
/// use stormglass_net::{NetProfile, Network};
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let network = Network::new(NetProfile::instant(), Seed(1));
///     let (a, b) = (network.host("a"), network.host("b"));
///     let (from, mut to) = (a.bind::<u32>(1)?, b.bind::<u32>(1)?);
///     let hold = network.hold("a", "b")?;
///     for number in 0..3 {
///         from.send_to(to.address(), number);
///     }
///     assert_eq!(hold.held().len(), 3);
///     hold.release(1);
///     assert_eq!(to.recv_from().await.0, 1);
///     drop(hold);
///     assert_eq!((to.recv_from().await.0, to.recv_from().await.0), (0, 2));
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping the guard lets everything go"]
pub struct Hold {
    rule: Option<FaultGuard>,
    parcels: Arc<Parcels>,
}

/// A message that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The host that has sent it.
    pub from: String,
    /// The host that it is for.
    pub to: String,
    /// The service's port.
    pub port: u16,
    /// How many bytes, 0 if it has no size.
    pub bytes: u64,
    /// When it was held, or became the first of its stream.
    pub since: SimTime,
}

/// What is held by one rule.
#[derive(Default)]
pub(crate) struct Parcels(Mutex<Vec<Parcel>>);

struct Parcel {
    held: Held,
    release: Box<dyn FnOnce() + Send>,
}

impl Parcels {
    fn lock(&self) -> MutexGuard<'_, Vec<Parcel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keep(&self, held: Held, release: impl FnOnce() + Send + 'static) {
        self.lock().push(Parcel { held, release: Box::new(release) });
    }
}

impl fmt::Debug for Parcels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter().map(|parcel| &parcel.held)).finish()
    }
}

impl Network {
    /// Holds back what is sent from and to hosts whose names match these patterns of shell wildcards.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn hold(&self, from: &str, to: &str) -> Result<Hold, InvalidRule> {
        self.hold_what(ActiveRule::new(Action::Hold(Arc::default())).from(from).to(to))
    }

    /// As [`Network::hold`], only of this port of a service: what is sent to it, and what it answers.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn hold_port(&self, from: &str, to: &str, port: u16) -> Result<Hold, InvalidRule> {
        self.hold_what(ActiveRule::new(Action::Hold(Arc::default())).from(from).to(to).port(port))
    }

    fn hold_what(&self, rule: ActiveRule) -> Result<Hold, InvalidRule> {
        let Action::Hold(parcels) = rule.effect.clone() else { unreachable!("made by `hold`") };
        Ok(Hold { rule: Some(self.install(rule)?), parcels })
    }
}

impl Hold {
    /// What is held, in the order in which that began.
    pub fn held(&self) -> Vec<Held> {
        self.parcels.lock().iter().map(|parcel| parcel.held.clone()).collect()
    }

    /// Lets one go, by its place in [`Hold::held`]: it takes its latency from now on. Says whether there was one.
    pub fn release(&self, place: usize) -> bool {
        let mut parcels = self.parcels.lock();
        if place >= parcels.len() {
            return false;
        }
        let parcel = parcels.remove(place);
        drop(parcels);
        (parcel.release)();
        true
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.rule = None;
        while self.release(0) {}
    }
}
