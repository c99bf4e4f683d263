//! The modules of a crate have no cyclic dependencies: those of each `lib.rs` can be read in one
//! order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The path of a module in its crate: `["disk", "state"]`; empty for `lib.rs`.
type Module = Vec<String>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Collects the files below a folder, by module.
fn modules(folder: &Path, above: &[String], found: &mut BTreeMap<Module, PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let mut module = above.to_vec();
        if path.is_dir() {
            modules(&path, &[module, vec![name]].concat(), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            if !["lib", "main", "mod"].contains(&name.as_str()) {
                module.push(name);
            }
            found.insert(module, path);
        }
    }
}

/// Returns the code of a file without comments and without its unit tests, which may depend on any
/// module.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Collects the paths of a `use` tree, each as its segments.
fn flatten(prefix: &[String], tree: &str, paths: &mut Vec<Module>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path =
            tree.split(" as ").next().unwrap_or_default().split("::").map(|part| part.trim().to_string());
        paths.push(prefix.iter().cloned().chain(path).collect());
        return;
    };
    let head = tree[..open].split("::").map(|part| part.trim().to_string()).filter(|part| !part.is_empty());
    let prefix: Module = prefix.iter().cloned().chain(head).collect();
    let inside = tree[open + 1..].strip_suffix('}').unwrap_or_default();
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in inside.char_indices().chain([(inside.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inside[start..at].trim().is_empty() {
                    flatten(&prefix, &inside[start..at], paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Returns the modules that a module's code names through `crate::` and `super::`.
fn uses(module: &Module, code: &str, known: &BTreeMap<Module, PathBuf>) -> BTreeSet<Module> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            if code[..at].ends_with("::") {
                continue;
            }
            let rest = &code[at..];
            let is_use = code[..at].trim_end().ends_with("use");
            let end = rest.find(|letter: char| match is_use {
                true => letter == ';',
                false => !letter.is_alphanumeric() && letter != '_' && letter != ':',
            });
            flatten(&[], &rest[..end.unwrap_or(rest.len())], &mut paths);
        }
    }
    let mut used = BTreeSet::new();
    for path in paths {
        let ups = path.iter().take_while(|part| *part == "super").count();
        let base = if ups > 0 { &module[..module.len().saturating_sub(ups)] } else { &[] };
        let rest = path.iter().skip(ups.max(1)).cloned();
        let full: Module = base.iter().cloned().chain(rest).collect();
        // The longest prefix that is a file; a crate's root only re-exports.
        let file =
            (1..=full.len()).rev().map(|len| full[..len].to_vec()).find(|path| known.contains_key(path));
        used.extend(file.filter(|file| file != module));
    }
    used
}

/// Returns the modules on cycles: repeatedly removes each module that uses no remaining module,
/// and each that no remaining module uses.
fn circle(mut uses: BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    loop {
        let left: BTreeSet<Module> = uses.keys().cloned().collect();
        let before = uses.len();
        uses.retain(|_, used| used.iter().any(|module| left.contains(module)));
        let wanted: BTreeSet<Module> = uses.values().flatten().cloned().collect();
        uses.retain(|module, _| wanted.contains(module));
        if uses.len() == before {
            return uses.keys().map(|module| module.join("::")).collect();
        }
    }
}

#[test]
fn modules_of_a_crate_have_no_cyclic_dependencies() {
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let mut files = BTreeMap::new();
        modules(&folder.join("src"), &[], &mut files);
        files.remove(&Module::new());
        let graph = files.iter().map(|(module, file)| (module.clone(), uses(module, &code(file), &files)));
        let circle = circle(graph.collect());
        assert!(circle.is_empty(), "{}: {circle:?}", folder.display());
    }
}

#[test]
fn cycle_of_two_is_found_and_chain_is_not() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (from, to) in edges {
            graph.entry(vec![(*from).into()]).or_default().insert(vec![(*to).into()]);
            graph.entry(vec![(*to).into()]).or_default();
        }
        graph
    };
    assert!(circle(graph(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    assert_eq!(circle(graph(&[("a", "b"), ("b", "c"), ("c", "b")])), ["b", "c"]);
}
