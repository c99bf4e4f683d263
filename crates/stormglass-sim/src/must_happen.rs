//! What must happen in a run, or in one of many: without it, a run in which a fault has stopped the
//! test passes, because it checks nothing.

use crate::client::Client;
use crate::world::World;
use std::panic::Location;

impl World {
    /// Requires that at least `count` waits ([`World::wait`]) and checks ([`World::check`]) of this
    /// name begin in the run. A run in which fewer do fails ([`stormglass_core::Verdict::TooFew`])
    /// unless it fails in another way. Call it when the scenario begins: a requirement that the
    /// scenario does not reach is none. Of several numbers for a name the largest counts.
    ///
    /// ```
    /// use stormglass_core::{Keep, Seed};
    /// use stormglass_sim::{Run, Scenario, Settings, World, scenario};
    ///
    /// struct Counts;
    ///
    /// /// Two of three checks
    /// #[scenario]
    /// impl Scenario for Counts {
    ///     async fn play(&self, world: World) {
    ///         world.at_least(3, "sums are right");
    ///         world.check("sums are right", 1 + 1 == 2);
    ///         world.check("sums are right", 1 + 2 == 3);
    ///     }
    /// }
    ///
    /// let settings = Settings::resolve(&Counts, None, "quiet", &[])?;
    /// let outcome = Run::new(&Counts, settings, Seed(1)).play(Keep::Nothing).outcome;
    /// assert_eq!(outcome.verdict.to_string(), "too few sums are right: 2, at least 3 are required");
    /// # Ok::<(), stormglass_sim::SettingsError>(())
    /// ```
    pub fn at_least(&self, count: u64, name: &str) {
        self.requirements(|requirements| requirements.require(count, name));
    }

    /// Reports a property that has to hold in at least one of the runs that are played together: that
    /// a request was tried again, that a leader was lost. If it held in none, the command or the test
    /// that plays many runs fails, and says so. A run of its own has no verdict on it.
    ///
    /// A property that no run reports is unknown: `world.sometimes(property, false)` when the scenario
    /// begins declares it. The first time that it holds in a run is a note in the trace.
    pub fn sometimes(&self, property: &str, holds: bool) {
        if self.requirements(|requirements| requirements.add_sometimes(property, holds)) {
            self.note(&format!("sometimes {property}"));
        }
    }

    /// Reports that the property of this name does not hold unless `holds`
    /// ([`World::violated`], with the place of the call as evidence), and counts the check
    /// ([`World::at_least`]).
    #[track_caller]
    pub fn check(&self, property: &str, holds: bool) {
        let place = Location::caller();
        self.check_with(property, holds, || format!("at {place}"));
    }

    fn check_with(&self, property: &str, holds: bool, evidence: impl FnOnce() -> String) {
        self.requirements(|requirements| requirements.add_check(property));
        if !holds {
            self.violated(property, evidence());
        }
    }
}

impl Client {
    /// As [`World::check`]; the evidence also names the client.
    #[track_caller]
    pub fn check(&self, property: &str, holds: bool) {
        let place = Location::caller();
        self.world().check_with(property, holds, || format!("on {}, at {place}", self.node().name()));
    }

    /// As [`World::sometimes`].
    pub fn sometimes(&self, property: &str, holds: bool) {
        self.world().sometimes(property, holds);
    }
}
