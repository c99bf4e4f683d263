//! Captures what a replay identity needs to know about the build: commit, lock file and compiler.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "a build script gets its inputs this way")]
fn main() {
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    // The lock file of the workspace that builds us, which need not be ours.
    let lock = out.ancestors().map(|dir| dir.join("Cargo.lock")).find(|file| file.exists());
    let lock_hash = lock.as_deref().map_or_else(unknown, hash_file);
    println!("cargo::rustc-env=STORMGLASS_LOCK_HASH={lock_hash}");
    if let Some(lock) = &lock {
        println!("cargo::rerun-if-changed={}", lock.display());
    }

    let root = lock.as_deref().and_then(Path::parent).unwrap_or(&out).to_path_buf();
    let commit = git(&root, &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(unknown);
    println!("cargo::rustc-env=STORMGLASS_COMMIT={commit}");
    if let Some(head) = git(&root, &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={}", root.join(head).display());
    }

    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = run(Command::new(rustc).arg("--version")).unwrap_or_else(unknown);
    println!("cargo::rustc-env=STORMGLASS_RUSTC={version}");
    println!("cargo::rerun-if-changed=build.rs");
}

fn unknown() -> String {
    "unknown".into()
}

fn hash_file(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    Sha256::digest(&bytes)[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn git(dir: &Path, arguments: &[&str]) -> Option<String> {
    run(Command::new("git").arg("-C").arg(dir).args(arguments))
}

fn run(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_string()).filter(|text| !text.is_empty())
}
