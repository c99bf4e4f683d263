//! What the VFS refuses, and what its runs depend on.

use sqlite::database::{Database, Error};
use sqlite::vfs::Syncs;
use std::sync::Mutex;
use stormglass::core::Verdict;
use stormglass::fs::{Disk, DiskProfile};
use stormglass::prelude::*;

/// A run of a function.
struct Story<F>(F);

/// A story.
#[stormglass::sim::scenario]
impl<F: Fn(World) + Send + Sync> Scenario for Story<F> {
    async fn play(&self, world: World) {
        (self.0)(world);
    }
}

fn play(seed: u64, story: impl Fn(World) + Send + Sync) -> Verdict {
    let story = Story(story);
    let settings = Settings::resolve(&story, None, "quiet", &[]).unwrap();
    Run::new(&story, settings, Seed(seed)).play(Keep::Nothing).outcome.verdict
}

fn passes(seed: u64, story: impl Fn(World) + Send + Sync) {
    let verdict = play(seed, story);
    assert!(verdict.is_passed(), "{verdict}");
}

fn open(path: &str, seed: Seed) -> Result<Database, Error> {
    let disk = Disk::new("disk", DiskProfile::instant(), seed);
    Database::open(&disk, path, Syncs::Honest, seed.stream("sqlite"))
}

#[test]
fn a_path_that_leaves_the_disk_is_named() {
    passes(1, |_| {
        let refused = |path| open(path, Seed(1)).unwrap_err().to_string();
        assert_eq!(
            refused("../app.db"),
            "the path \"../app.db\" of a database: `..` leaves the disk of the \
             simulation; give a path below its root `/`"
        );
        assert_eq!(
            refused("/a/.."),
            "the path \"/a/..\" of a database: it names no file; give one, such as `/app.db`"
        );
        let mut database = open("/a/../app.db", Seed(1)).unwrap();
        let attached =
            database.call(|connection| connection.execute_batch("ATTACH '/b/../../other.db' AS other"));
        assert_eq!(
            attached.unwrap_err().to_string(),
            "the path \"/b/../../other.db\" of a database: `..` leaves the disk of the \
             simulation; give a path below its root `/`"
        );
    });
}

#[test]
fn a_temporary_file_is_refused_with_the_remedy() {
    passes(1, |_| {
        let mut database = open("/app.db", Seed(1)).unwrap();
        let temporary = "PRAGMA temp_store = FILE; PRAGMA temp.cache_size = 1; CREATE TEMP TABLE big (body);
            INSERT INTO temp.big SELECT zeroblob(100000);";
        let refused = database.call(|connection| connection.execute_batch(temporary)).unwrap_err();
        assert!(refused.to_string().contains("set `temp_store = MEMORY`"), "{refused}");
    });
}

/// SQLite's own VFS would open files of the machine.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn the_vfs_of_the_machine_is_refused_with_call_and_path() {
    let verdict = play(1, |_| {
        let mut database = open("/app.db", Seed(1)).unwrap();
        let attach = "ATTACH 'file:/tmp/left.db?vfs=unix' AS left";
        let _ = database.call(|connection| connection.execute_batch(attach));
    });
    let told = verdict.to_string();
    assert!(
        !verdict.is_passed() && told.contains("/tmp/left.db") && told.contains("left the simulation"),
        "{told}"
    );
    assert!(!std::path::Path::new("/tmp/left.db").exists());
}

#[test]
fn a_database_is_one_connections_at_a_time() {
    passes(1, |world| {
        let disk = world.node("db").disk().clone();
        let open = || Database::open(&disk, "/app.db", Syncs::Honest, Seed(1).stream("sqlite"));
        let read = |database: &mut Database| {
            database.call(|connection| connection.execute_batch("SELECT 1 FROM sqlite_schema"))
        };
        let mut first = open().unwrap();
        read(&mut first).unwrap();
        let second = open().and_then(|mut second| read(&mut second)).unwrap_err();
        assert!(second.to_string().contains("database is locked"), "{second}");
        drop(first);
        read(&mut open().unwrap()).unwrap();
    });
}

/// Eight random numbers of 64 bits: two seeds agree by chance once in 2^512.
#[test]
fn random_numbers_and_dates_follow_from_the_seed() {
    let draw = |seed: u64| {
        let drawn = Mutex::new(Vec::new());
        passes(seed, |world| {
            let mut database = open("/app.db", world.seed()).unwrap();
            let row = database.call(|connection| {
                let query = "SELECT hex(randomblob(64)) || ' ' || datetime('now')";
                connection.query_row(query, [], |row| row.get::<_, String>(0))
            });
            drawn.lock().unwrap().push(row.unwrap());
        });
        drawn.into_inner().unwrap()
    };
    // Meanwhile another thread draws from the same generator of SQLite.
    let other = std::thread::spawn(move || (0..50).for_each(|seed| drop(draw(100 + seed))));
    let drawn: Vec<_> = (0..20).map(|seed| draw(seed % 2)).collect();
    other.join().unwrap();
    assert!(drawn.chunks(2).all(|pair| pair == &drawn[..2]), "{drawn:?}");
    assert_ne!(drawn[0], drawn[1]);
}
