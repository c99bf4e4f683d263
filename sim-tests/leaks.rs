//! Scenarios with a source of nondeterminism, each a different one, and some without.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use stormglass_sim::{Scenario, World, scenario};

/// The source of a scenario's random choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    /// `tokio::select!` without `biased`, outside a hosted process, picks among ready branches by a
    /// generator of the thread that a process-wide counter seeds.
    UnbiasedSelect,
    /// The same within a hosted process, where the run's seed determines the generator: no leak.
    HostedSelect,
    /// `futures::select!` picks by a generator of the thread that a process-wide counter seeds.
    FuturesSelect,
    /// `rand::thread_rng` takes its seed from the operating system, which in a run is the run's seed:
    /// no leak.
    ThreadRng,
    /// The order of a `HashMap` depends on the thread's hash keys.
    HashMapOrder,
    /// The hash of a pointer depends on the allocator.
    PointerHash,
    /// A static outlives the run.
    Counter,
    /// The processor's counter of cycles.
    Cycles,
    /// std's clocks, which show simulated time: no leak.
    Clocks,
    /// A file of the real disk that each run changes.
    RealFile,
    /// A thread of the system, whose number no other thread of the process has.
    RealThread,
    /// A variable of the environment that each run changes.
    Environment,
    /// No leak: the choices come from a stream of the seed.
    None,
}

static COUNTER: AtomicU64 = AtomicU64::new(0);

impl Leak {
    /// All variants.
    pub const ALL: [Leak; 13] = [
        Leak::UnbiasedSelect,
        Leak::HostedSelect,
        Leak::FuturesSelect,
        Leak::ThreadRng,
        Leak::HashMapOrder,
        Leak::PointerHash,
        Leak::Counter,
        Leak::Cycles,
        Leak::Clocks,
        Leak::RealFile,
        Leak::RealThread,
        Leak::Environment,
        Leak::None,
    ];

    /// Returns eight choices from the source of this leak.
    async fn choices(self, world: &World) -> Vec<u64> {
        match self {
            Leak::UnbiasedSelect => unbiased_choices().await,
            Leak::HostedSelect => world.client("client").run(|_| unbiased_choices()).await,
            Leak::FuturesSelect => futures_choices().await,
            Leak::ThreadRng => thread_rng_choices(),
            Leak::HashMapOrder => hash_map_choices(),
            Leak::PointerHash => {
                (0..8).map(|size| hash(&std::ptr::from_ref(&*vec![0u8; 32 << size]).addr())).collect()
            }
            Leak::Counter => (0..8).map(|_| COUNTER.fetch_add(1, Relaxed)).collect(),
            Leak::Cycles => (0..8).map(|_| cycles()).collect(),
            Leak::Clocks => clock_choices(),
            Leak::RealFile => file_choices(),
            Leak::RealThread => thread_choices(),
            Leak::Environment => environment_choices(),
            Leak::None => {
                let mut stream = world.seed().stream("choices");
                (0..8).map(|_| stream.below(8)).collect()
            }
        }
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "planted")]
fn cycles() -> u64 {
    // SAFETY: every processor of this architecture has the instruction.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn cycles() -> u64 {
    COUNTER.fetch_add(1, Relaxed)
}

#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "planted")]
fn clock_choices() -> Vec<u64> {
    let began = std::time::Instant::now();
    let date = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    (0..8).map(|_| (began.elapsed() + date).as_nanos() as u64).collect()
}

/// Appends to a file of this process, and chooses by its length.
fn file_choices() -> Vec<u64> {
    let file = std::env::temp_dir().join(format!("stormglass-leak-{}", std::process::id()));
    let mut text = std::fs::read(&file).unwrap_or_default();
    text.push(b'x');
    std::fs::write(&file, &text).expect("the temporary folder can be written");
    (0..8).map(|choice| choice + text.len() as u64).collect()
}

#[expect(clippy::disallowed_methods, reason = "planted")]
fn thread_choices() -> Vec<u64> {
    let id = || hash(&std::thread::current().id());
    (0..8).map(|_| std::thread::spawn(id).join().expect("it returns")).collect()
}

#[expect(clippy::disallowed_methods, unsafe_code, reason = "planted")]
fn environment_choices() -> Vec<u64> {
    const NAME: &str = "STORMGLASS_LEAK";
    let length = std::env::var(NAME).unwrap_or_default().len();
    // SAFETY: libc locks the environment for `std::env`, which alone is used here.
    unsafe { std::env::set_var(NAME, "x".repeat(length + 1)) };
    (0..8).map(|choice| choice + length as u64).collect()
}

async fn futures_choices() -> Vec<u64> {
    use futures_util::FutureExt;
    let mut choices = Vec::new();
    for _ in 0..8 {
        let (mut one, mut two, mut three, mut four) = (
            async {}.boxed().fuse(),
            async {}.boxed().fuse(),
            async {}.boxed().fuse(),
            async {}.boxed().fuse(),
        );
        choices.push(futures_util::select! {
            () = one => 0,
            () = two => 1,
            () = three => 2,
            () = four => 3,
        });
    }
    choices
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
            Leak::HostedSelect => "leak-hosted-select",
            Leak::FuturesSelect => "leak-futures-select",
            Leak::PointerHash => "leak-pointer-hash",
            Leak::Counter => "leak-counter",
            Leak::Cycles => "leak-cycles",
            Leak::Clocks => "leak-clocks",
            Leak::RealFile => "leak-real-file",
            Leak::RealThread => "leak-real-thread",
            Leak::Environment => "leak-environment",
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
