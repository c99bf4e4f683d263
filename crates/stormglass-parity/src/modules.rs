//! tokio's modules, as the compiler sees them on Linux.

use crate::cfg;
use crate::port::leaves;
use std::collections::BTreeMap;
use std::path::Path;
use syn::parse::Parser;
use syn::{Attribute, ImplItem, Item, Visibility};

/// A module of tokio, with the items of tokio's macros for conditional compilation in their place.
pub struct Module {
    /// For example `net::tcp::listener`.
    pub path: String,
    pub items: Vec<Item>,
    /// Whether users can name it.
    is_public: bool,
}

/// tokio's macros whose items exist on Linux with all stable features.
const MACROS: &[&str] = &[
    "cfg_coop",
    "cfg_fs",
    "cfg_io_util",
    "cfg_net",
    "cfg_net_unix",
    "cfg_not_wasi",
    "cfg_not_wasip1",
    "cfg_rt",
    "cfg_rt_multi_thread",
    "cfg_unix_or_wasi",
    "feature",
];

/// tokio's macros whose items do not exist there.
const OTHER_MACROS: &[&str] = &[
    "cfg_io_uring",
    "cfg_net_windows",
    "cfg_not_coop",
    "cfg_not_rt",
    "cfg_not_unstable_metrics",
    "cfg_trace",
    "cfg_unstable",
    "cfg_unstable_metrics",
    "pin_project",
    "tokio_thread_local",
    "cfg_windows",
];

/// Reads the module of this path, and its child modules, from tokio's `src`.
///
/// # Errors
///
/// A text that names the file that cannot be read or parsed, or a macro that is not known here.
pub fn load(source: &Path, path: &str, is_public: bool) -> Result<Vec<Module>, String> {
    let below = source.join(path.replace("::", "/"));
    let file = match below.join("mod.rs") {
        file if file.exists() => file,
        _ => below.with_extension("rs"),
    };
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let parsed = syn::parse_file(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    // A file of another system, such as `signal::windows`.
    if !cfg::holds(&parsed.attrs) {
        return Ok(Vec::new());
    }
    let mut items = Vec::new();
    flatten(parsed.items, &mut items).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut modules = vec![];
    let mut children = Vec::new();
    items.retain(|item| match item {
        Item::Mod(child) => {
            let hidden = child.attrs.iter().any(|attribute| {
                attribute.path().is_ident("doc")
                    && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "hidden")
            });
            // A file for each system, such as that of `signal::windows`: private.
            if child.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
                return false;
            }
            children.push((child.ident.to_string(), is_public && is_pub(&child.vis) && !hidden));
            false
        }
        _ => true,
    });
    modules.push(Module { path: path.to_string(), items, is_public });
    for (name, is_public) in children {
        modules.extend(load(source, &format!("{path}::{name}"), is_public)?);
    }
    Ok(modules)
}

/// Adds the items that exist on Linux, those within macros and inline modules among them.
fn flatten(items: Vec<Item>, into: &mut Vec<Item>) -> Result<(), String> {
    for item in items {
        if !cfg::holds(attributes(&item)) {
            continue;
        }
        match item {
            Item::Mod(module) if module.content.is_some() => {
                let inline = module.content.map(|(_, items)| items).unwrap_or_default();
                // Private to the file, such as tokio's `sys` and `sealed`.
                flatten(inline, into)?;
            }
            Item::Macro(call) if call.ident.is_none() => {
                let name = call.mac.path.get_ident().map(ToString::to_string).unwrap_or_default();
                if MACROS.contains(&name.as_str()) {
                    let body: syn::File =
                        syn::parse2(call.mac.tokens).map_err(|error| format!("{name}!: {error}"))?;
                    if body.attrs.iter().all(|condition| cfg::condition_holds(&condition.meta)) {
                        flatten(body.items, into)?;
                    }
                } else if !OTHER_MACROS.contains(&name.as_str()) {
                    return Err(unknown_macro(&name));
                }
            }
            Item::Impl(mut block) => {
                let mut members = Vec::new();
                flatten_impl(block.items, &mut members)?;
                block.items = members;
                into.push(Item::Impl(block));
            }
            other => into.push(other),
        }
    }
    Ok(())
}

fn flatten_impl(items: Vec<ImplItem>, into: &mut Vec<ImplItem>) -> Result<(), String> {
    for item in items {
        match item {
            ImplItem::Fn(function) if cfg::holds(&function.attrs) => into.push(ImplItem::Fn(function)),
            ImplItem::Macro(call) => {
                let name = call.mac.path.get_ident().map(ToString::to_string).unwrap_or_default();
                if MACROS.contains(&name.as_str()) {
                    let parse = |input: syn::parse::ParseStream<'_>| {
                        let mut items = Vec::new();
                        while !input.is_empty() {
                            items.push(input.parse::<ImplItem>()?);
                        }
                        Ok(items)
                    };
                    let items = parse.parse2(call.mac.tokens).map_err(|error| format!("{name}!: {error}"))?;
                    flatten_impl(items, into)?;
                } else if !OTHER_MACROS.contains(&name.as_str()) {
                    return Err(unknown_macro(&name));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn unknown_macro(name: &str) -> String {
    format!(
        "the macro `{name}!` is not known: add it to `MACROS` or `OTHER_MACROS` in \
         crates/stormglass-parity/src/modules.rs"
    )
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

pub fn is_pub(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Returns the public path of each public item by the path of its definition:
/// `net::tcp::listener::TcpListener` is `net::TcpListener`.
pub fn public_paths(modules: &[Module]) -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    for module in modules.iter().filter(|module| module.is_public) {
        for item in &module.items {
            let own = match item {
                Item::Enum(item) if is_pub(&item.vis) => &item.ident,
                Item::Fn(item) if is_pub(&item.vis) => &item.sig.ident,
                Item::Struct(item) if is_pub(&item.vis) => &item.ident,
                Item::Trait(item) if is_pub(&item.vis) => &item.ident,
                Item::Type(item) if is_pub(&item.vis) => &item.ident,
                Item::Use(import) if is_pub(&import.vis) => {
                    for leaf in leaves(&import.tree) {
                        let definition = format!("{}::{}", module.path, leaf.trim_start_matches("self::"));
                        let name = leaf.rsplit("::").next().unwrap_or(&leaf);
                        paths.insert(definition, format!("{}::{name}", module.path));
                    }
                    continue;
                }
                _ => continue,
            };
            let path = format!("{}::{own}", module.path);
            paths.insert(path.clone(), path);
        }
    }
    // Names by which tokio's own files import them: the public ones, `pub(crate) use stream::TcpStream`,
    // and modules.
    let public: Vec<String> = paths.values().cloned().collect();
    paths.extend(public.into_iter().map(|path| (path.clone(), path)));
    for module in modules {
        for import in module.items.iter().filter_map(|item| match item {
            Item::Use(import) if matches!(import.vis, Visibility::Restricted(_)) => Some(import),
            _ => None,
        }) {
            for leaf in leaves(&import.tree) {
                let definition = format!("{}::{}", module.path, leaf.trim_start_matches("self::"));
                let name = leaf.rsplit("::").next().unwrap_or(&leaf);
                if let Some(public) = paths.get(&definition).cloned() {
                    paths.entry(format!("{}::{name}", module.path)).or_insert(public);
                }
            }
        }
        if module.is_public {
            paths.entry(module.path.clone()).or_insert_with(|| module.path.clone());
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_and_conditions_are_those_of_linux() {
        let file = syn::parse_file(
            "cfg_net! { pub fn a() {} }\n\
             cfg_windows! { pub fn b() {} }\n\
             feature! {\n#![unix]\npub fn c() {}\n}\n\
             #[cfg(windows)] pub fn d() {}\n\
             impl E { cfg_io_util! { pub fn f() {} } #[cfg(windows)] pub fn g() {} }",
        )
        .unwrap();
        let mut items = Vec::new();
        flatten(file.items, &mut items).unwrap();
        let names: Vec<String> = items
            .iter()
            .flat_map(|item| match item {
                Item::Fn(function) => vec![function.sig.ident.to_string()],
                Item::Impl(block) => block
                    .items
                    .iter()
                    .filter_map(|item| match item {
                        ImplItem::Fn(function) => Some(function.sig.ident.to_string()),
                        _ => None,
                    })
                    .collect(),
                _ => vec![],
            })
            .collect();
        assert_eq!(names, ["a", "c", "f"]);
    }

    #[test]
    fn a_macro_that_is_not_known_is_an_error() {
        let file = syn::parse_file("cfg_new_thing! { pub fn a() {} }").unwrap();
        let error = flatten(file.items, &mut Vec::new()).unwrap_err();
        assert!(error.contains("`cfg_new_thing!` is not known"), "{error}");
    }
}
