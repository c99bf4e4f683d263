//! A sweep that is killed (SIGKILL) at any moment resumes to the same table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use stormglass_core::Seed;

const SPACE: &str = "
scenario = 'cold-start'
model = 'restate-m25'
profile = 'quiet'
seeds = '0..60'
[[parameter]]
key = 'raft.election-ticks'
values = [5, 10, 20]
[[parameter]]
key = 'admin.deadline'
values = ['1s', '2s']
";

fn sweep(file: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stormglass"));
    command.arg("sweep").arg(file).arg("--out").arg(out).arg("--resume").stdout(Stdio::null());
    command
}

/// The test kills the sweep twenty times after some tens of milliseconds: before the folder
/// exists, while it writes rows, while it writes the table. No kill loses or duplicates a row,
/// and the final table has the same bytes as that of a sweep without kills.
#[test]
fn a_killed_sweep_goes_on_to_the_same_table() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("killed");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("space.toml");
    fs::write(&file, SPACE).unwrap();
    let (whole, killed) = (folder.join("whole"), folder.join("killed"));
    assert!(sweep(&file, &whole).status().unwrap().success());
    let mut stream = Seed(1).stream("kills");
    for _ in 0..20 {
        let mut child = sweep(&file, &killed).spawn().unwrap();
        #[expect(clippy::disallowed_methods, reason = "when a process dies is not for it to say")]
        std::thread::sleep(Duration::from_millis(20 + stream.below(150)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(sweep(&file, &killed).status().unwrap().success());
    for name in ["runs.parquet", "manifest.json"] {
        assert!(fs::read(killed.join(name)).unwrap() == fs::read(whole.join(name)).unwrap(), "{name}");
    }
    let left: Vec<_> = fs::read_dir(&killed).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name == "rows.jsonl"), "{left:?}");
}
