//! What the backend refuses.

use redb_crashes::backend::Syncs;
use redb_crashes::database::{Database, Error};
use redb_crashes::workload::{self, Commit, Durable};
use stormglass::core::Verdict;
use stormglass::fs::{Disk, DiskProfile};
use stormglass::prelude::*;

/// A run of a function.
struct Story<F>(F);

/// A story.
#[stormglass::sim::scenario]
impl<F: Fn() + Send + Sync> Scenario for Story<F> {
    async fn play(&self, _world: World) {
        (self.0)();
    }
}

fn play(story: impl Fn() + Send + Sync) -> Verdict {
    let story = Story(story);
    let settings = Settings::resolve(&story, None, "quiet", &[]).unwrap();
    Run::new(&story, settings, Seed(1)).play(Keep::Nothing).outcome.verdict
}

fn passes(story: impl Fn() + Send + Sync) {
    let verdict = play(story);
    assert!(verdict.is_passed(), "{verdict}");
}

fn open(disk: &Disk, path: &str) -> Result<Database, Error> {
    Database::open(disk, path, Syncs::Honest)
}

fn disk() -> Disk {
    Disk::new("disk", DiskProfile::instant(), Seed(1))
}

#[test]
fn a_path_that_leaves_the_disk_is_named() {
    passes(|| {
        let refused = |path| open(&disk(), path).unwrap_err().to_string();
        assert_eq!(
            refused("../app.redb"),
            "the path \"../app.redb\" of a database: `..` leaves the disk of the \
             simulation; give a path below its root `/`"
        );
        assert_eq!(
            refused("/a/.."),
            "the path \"/a/..\" of a database: it names no file; give one, such as `/app.redb`"
        );
        open(&disk(), "/a/../app.redb").unwrap();
    });
}

/// redb's own backend would open a file of the machine.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_file_of_the_machine_is_refused_with_call_and_path() {
    let verdict = play(|| drop(redb::Database::create("/tmp/left.redb")));
    let told = verdict.to_string();
    assert!(
        !verdict.is_passed() && told.contains("/tmp/left.redb") && told.contains("left the simulation"),
        "{told}"
    );
    assert!(!std::path::Path::new("/tmp/left.redb").exists());
}

#[test]
fn a_database_is_one_process_s_at_a_time() {
    passes(|| {
        let disk = disk();
        let first = open(&disk, "/app.redb").unwrap();
        let second = open(&disk, "/app.redb").unwrap_err();
        assert!(second.to_string().contains("already open"), "{second}");
        drop(first);
        open(&disk, "/app.redb").unwrap();
    });
}

/// A process that is killed closes nothing; one that ends in order does.
#[test]
fn a_database_that_is_not_closed_is_repaired() {
    passes(|| {
        let disk = disk();
        let commit = |database: &mut Database| {
            workload::commit(database, 1, Durable::Each, Commit::OnePhase).unwrap();
        };
        let mut database = open(&disk, "/app.redb").unwrap();
        commit(&mut database);
        drop(database);
        let mut database = open(&disk, "/app.redb").unwrap();
        assert!(database.is_repaired());
        assert_eq!(workload::transactions(&mut database), Ok(1));
        database.close().unwrap();
        assert!(!open(&disk, "/app.redb").unwrap().is_repaired());
    });
}
