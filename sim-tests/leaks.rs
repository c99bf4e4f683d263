//! Three scenarios with a source of nondeterminism, each a different one, and one without.

use std::time::Duration;
use stormglass_sim::{Scenario, World, scenario};

/// The source of a scenario's random choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    /// `tokio::select!` without `biased` picks among ready branches by a process-wide counter.
    UnbiasedSelect,
    /// `rand::thread_rng` takes its seed from the operating system.
    ThreadRng,
    /// The order of a `HashMap` depends on the thread's hash keys.
    HashMapOrder,
    /// No leak: the choices come from a stream of the seed.
    None,
}

impl Leak {
    /// All variants.
    pub const ALL: [Leak; 4] = [Leak::UnbiasedSelect, Leak::ThreadRng, Leak::HashMapOrder, Leak::None];

    /// Returns eight choices among up to eight, from the source of this leak.
    async fn choices(self, world: &World) -> Vec<u64> {
        match self {
            Leak::UnbiasedSelect => unbiased_choices().await,
            Leak::ThreadRng => thread_rng_choices(),
            Leak::HashMapOrder => hash_map_choices(),
            Leak::None => {
                let mut stream = world.seed().stream("choices");
                (0..8).map(|_| stream.below(8)).collect()
            }
        }
    }
}

async fn unbiased_choices() -> Vec<u64> {
    let mut choices = Vec::new();
    for _ in 0..8 {
        choices.push(tokio::select! {
            () = async {} => 0,
            () = async {} => 1,
            () = async {} => 2,
            () = async {} => 3,
        });
    }
    choices
}

#[expect(clippy::disallowed_methods, reason = "planted")]
fn thread_rng_choices() -> Vec<u64> {
    use rand::Rng;
    (0..8).map(|_| rand::thread_rng().gen_range(0..8)).collect()
}

#[expect(clippy::disallowed_types, reason = "planted")]
fn hash_map_choices() -> Vec<u64> {
    let map: std::collections::HashMap<u64, ()> = (0..8).map(|key| (key, ())).collect();
    map.into_keys().collect()
}

/// A scenario that records its choices as events.
#[derive(Clone, Copy, Debug)]
pub struct Leaky(pub Leak);

#[scenario(about = "makes choices that follow from the seed, or do not")]
impl Scenario for Leaky {
    fn name(&self) -> &str {
        match self.0 {
            Leak::UnbiasedSelect => "leak-unbiased-select",
            Leak::ThreadRng => "leak-thread-rng",
            Leak::HashMapOrder => "leak-hash-map-order",
            Leak::None => "leak-none",
        }
    }

    async fn play(&self, world: World) {
        let leak = self.0;
        world.note("before");
        stormglass_rt::sleep(Duration::from_millis(1)).await;
        for choice in leak.choices(&world).await {
            world.note(&format!("chose {choice}"));
        }
        // A failing run is compared as well.
        world.violated("none", "a run that fails on purpose");
    }
}
