//! Ports a test file of tokio: which of its parts are tests, and how its text changes.

use crate::cfg;
use crate::compile::Source;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use syn::spanned::Spanned;
use syn::{Item, UseTree};

/// `tokio-tests/rules.toml`: how tokio's test files are ported, and what is expected of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The number of tests that pass.
    pub passed: usize,
    /// The test files, without `.rs`.
    pub files: Vec<String>,
    /// Replacements in every file, in order.
    pub everywhere: Vec<[String; 2]>,
    /// Replacements in one file, after those.
    #[serde(default)]
    pub patch: Vec<Patch>,
    /// Tests that are not run.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// Replacements in one file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    pub file: String,
    pub why: String,
    pub replace: Vec<[String; 2]>,
}

/// Tests that are not run, as `file::test` or `file`, with the reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    pub tests: Vec<String>,
    pub why: String,
}

/// A ported test file.
#[derive(Debug, Default)]
pub struct Ported {
    pub source: Source,
    /// The tests of each part. A part is a function, or a call of a macro that defines functions.
    pub tests: BTreeMap<String, Vec<String>>,
    /// The reason for each test that is left out by a rule.
    pub left_out: BTreeMap<String, String>,
}

/// Ports a test file.
///
/// # Errors
///
/// A text that names what does not parse, or the replacement whose text is not in the file.
pub fn port(file: &str, text: &str, rules: &Rules) -> Result<Ported, String> {
    let mut text = text.to_string();
    for [from, to] in &rules.everywhere {
        text = replace_word(&text, from, to);
    }
    for patch in rules.patch.iter().filter(|patch| patch.file == file) {
        for [from, to] in &patch.replace {
            if !text.contains(from) {
                return Err(format!(
                    "rules.toml: patch of {file} ({}): {from:?} is not in the file",
                    patch.why
                ));
            }
            text = text.replace(from, to);
        }
    }
    let parsed = syn::parse_file(&text).map_err(|error| format!("{file}: {error}"))?;
    let mut ported = Ported::default();
    if !cfg::holds(&parsed.attrs) {
        return Err(format!("{file}: the file is not for Linux"));
    }
    ported.source.push(format!("{file}: lints"), "#![allow(warnings)]");
    let mut used = BTreeSet::new();
    for (number, item) in parsed.items.iter().enumerate() {
        let range = item.span().byte_range();
        let text = &text[range];
        match item {
            Item::Use(import) if cfg::holds(&import.attrs) => {
                for leaf in leaves(&import.tree) {
                    let name = format!("{file}: use {leaf}");
                    if used.insert(name.clone()) {
                        ported.source.push(name, format!("use {leaf};"));
                    }
                }
            }
            Item::Use(_) => {}
            Item::Fn(function) if cfg::holds(&function.attrs) => {
                let name = function.sig.ident.to_string();
                let is_test = function.attrs.iter().any(|attribute| {
                    attribute.path().segments.last().is_some_and(|last| last.ident == "test")
                });
                add(&mut ported, file, name.clone(), text, if is_test { vec![name] } else { vec![] }, rules);
            }
            Item::Fn(_) => {}
            Item::Macro(call) if call.ident.is_none() => {
                if cfg::holds(&call.attrs) {
                    let tests = tests_of_call(call);
                    let name = format!(
                        "{}!({})",
                        quote::ToTokens::to_token_stream(&call.mac.path),
                        tests.join(", ")
                    );
                    add(&mut ported, file, name, text, tests, rules);
                }
            }
            _ => ported.source.push(format!("{file}: item {number}"), text),
        }
    }
    Ok(ported)
}

/// Replaces `from` where it does not continue a name: `std::` is not part of `unistd::`.
fn replace_word(text: &str, from: &str, to: &str) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let continues = rest[..at].ends_with(|last: char| last.is_alphanumeric() || last == '_');
        replaced += &rest[..at];
        replaced += if continues { from } else { to };
        rest = &rest[at + from.len()..];
    }
    replaced + rest
}

fn add(ported: &mut Ported, file: &str, name: String, text: &str, tests: Vec<String>, rules: &Rules) {
    let part = format!("{file}::{name}");
    let tests: Vec<String> = tests.iter().map(|test| format!("{file}::{test}")).collect();
    let reason =
        rules.left_out.iter().find(|rule| rule.tests.iter().any(|rule| *rule == part || rule == file));
    match reason {
        Some(rule) if !tests.is_empty() => {
            ported.left_out.extend(tests.into_iter().map(|test| (test, rule.why.clone())));
        }
        _ => {
            ported.source.push(part.clone(), text);
            ported.tests.insert(part, tests);
        }
    }
}

/// Returns the tests that a call of a file's own macro defines: `test!(IPv4 ttl, set_ttl(40))`
/// defines `ttl`, `test_accept! { (ip_str, …), (host_str, …) }` defines `ip_str` and `host_str`.
fn tests_of_call(call: &syn::ItemMacro) -> Vec<String> {
    use proc_macro2::TokenTree;
    let mut tests = Vec::new();
    let mut last = None;
    for token in call.mac.tokens.clone() {
        match token {
            TokenTree::Ident(name) => last = Some(name.to_string()),
            TokenTree::Punct(comma) if comma.as_char() == ',' => {
                tests.extend(last.take());
                if !tests.is_empty() && !call.mac.path.is_ident("test_accept") {
                    break;
                }
            }
            TokenTree::Group(group) if group.delimiter() == proc_macro2::Delimiter::Parenthesis => {
                if let Some(TokenTree::Ident(name)) = group.stream().into_iter().next()
                    && call.mac.path.is_ident("test_accept")
                {
                    tests.push(name.to_string());
                }
            }
            _ => {}
        }
    }
    tests
}

/// Returns the paths that an import names, each as the text of an import of its own.
pub fn leaves(tree: &UseTree) -> Vec<String> {
    match tree {
        UseTree::Path(path) => {
            leaves(&path.tree).iter().map(|leaf| format!("{}::{leaf}", path.ident)).collect()
        }
        UseTree::Name(name) => vec![name.ident.to_string()],
        UseTree::Rename(rename) => vec![format!("{} as {}", rename.ident, rename.rename)],
        UseTree::Glob(_) => vec!["*".to_string()],
        UseTree::Group(group) => group
            .items
            .iter()
            .flat_map(leaves)
            // `a::{self}` is `a`.
            .collect(),
    }
    .into_iter()
    .map(|leaf| match leaf.split_once("::self") {
        Some((path, "")) => path.to_string(),
        Some((path, rename)) if rename.starts_with(" as ") => format!("{path}{rename}"),
        _ => leaf,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        toml::from_str(&format!("passed = 1\nfiles = []\n{text}")).unwrap()
    }

    #[test]
    fn imports_are_split_so_that_each_can_be_left_out() {
        let item: syn::ItemUse =
            syn::parse_str("use tokio::{io::{self, Interest}, net::UdpSocket as U};").unwrap();
        assert_eq!(leaves(&item.tree), ["tokio::io", "tokio::io::Interest", "tokio::net::UdpSocket as U"]);
    }

    #[test]
    fn whole_words_are_replaced() {
        assert_eq!(replace_word("std::fs, unistd::pipe", "std::", "simstd::"), "simstd::fs, unistd::pipe");
    }

    #[test]
    fn tests_for_other_systems_and_tests_of_the_list_are_left_out() {
        let rules =
            rules("everywhere = [['std::fs', 'simstd::fs']]\n[[left_out]]\ntests = ['f::raw']\nwhy = 'fd'");
        let text = "use std::fs;\n#[tokio::test]\n#[cfg(windows)]\nasync fn w() {}\n#[test]\nfn raw() {}\n\
            #[tokio::test]\nasync fn kept() {}\nfn helper() {}\ntest!(IPv4 ttl, set_ttl(40));\n";
        let ported = port("f", text, &rules).unwrap();
        let names: Vec<&str> = ported.source.parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["f: lints", "f: use simstd::fs", "f::kept", "f::helper", "f::test!(ttl)"]);
        assert_eq!(ported.tests["f::kept"], ["f::kept"]);
        assert_eq!(ported.tests["f::test!(ttl)"], ["f::ttl"]);
        assert_eq!(ported.tests["f::helper"], [""; 0]);
        assert_eq!(ported.left_out["f::raw"], "fd");
    }

    #[test]
    fn a_patch_that_does_not_apply_is_an_error() {
        let rules = rules("everywhere = []\n[[patch]]\nfile = 'f'\nwhy = 'w'\nreplace = [['old', 'new']]");
        assert!(port("f", "fn a() {}", &rules).unwrap_err().contains("\"old\" is not in the file"));
    }
}
