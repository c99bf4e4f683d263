//! The order of dependence of the crate's modules, which `lib.rs` promises.

use std::fs;
use std::path::{Path, PathBuf};

/// The files of a module: `name.rs`, and those in the directory `name`.
fn files(src: &Path, module: &str) -> Vec<PathBuf> {
    let nested = fs::read_dir(src.join(module)).into_iter().flatten().map(|entry| entry.unwrap().path());
    [src.join(format!("{module}.rs"))].into_iter().chain(nested).collect()
}

/// The modules that a source text names by `crate::`, comments left out.
fn uses(source: &str) -> impl Iterator<Item = &str> {
    let code = source.lines().map(|line| line.split("//").next().unwrap_or_default());
    let paths = code.flat_map(|line| line.split("crate::").skip(1));
    paths.map(|path| path.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap_or_default())
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    let declared = lib.lines().filter_map(|line| {
        line.trim_start_matches("pub ").strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'))
    });
    let order: Vec<&str> = declared.collect();
    assert!(order.len() > 30, "{order:?}");
    for (index, module) in order.iter().enumerate() {
        for file in files(&src, module) {
            let source = fs::read_to_string(&file).unwrap();
            for used in uses(&source).filter(|used| used != module && order.contains(used)) {
                let above = order[..index].contains(&used);
                assert!(above, "{} uses `{used}`, which lib.rs declares below `{module}`", file.display());
            }
        }
    }
}
