//! What users call of `tokio::{fs, net, signal, task}`, and for each item a function that compiles only
//! if the simulation has it with the same signature.

use crate::modules::{self, Module, is_pub};
use crate::port::leaves;
use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::{FnArg, ImplItem, Item, ReceiverKind, Signature};

/// An item of tokio's API.
#[derive(Debug)]
pub struct Entry {
    /// For example `fs::File::set_len` or `impl AsyncRead for net::TcpStream`.
    pub path: String,
    /// The type or module that the item is listed under, for example `fs::File`.
    pub group: String,
    pub kind: Kind,
    /// Source that compiles only if the item exists with tokio's signature.
    pub probe: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Type,
    Function,
    Method,
    Impl,
}

/// The entries of one source file, and the imports that their signatures need.
#[derive(Debug)]
pub struct FileApi {
    pub imports: Vec<String>,
    pub entries: Vec<Entry>,
}

/// Where tokio defines what `tokio::task` has of its runtime.
const RUNTIME: [&str; 4] =
    ["runtime::task::abort", "runtime::task::error", "runtime::task::id", "runtime::task::join"];

/// What tokio's signatures name of `tokio::io`.
const IO: [&str; 6] = ["AsyncRead", "AsyncSeek", "AsyncWrite", "Interest", "ReadBuf", "Ready"];

/// What signatures of `tokio::task` name, whichever way its files import it.
const OF_TASK: [&str; 5] = ["AbortHandle", "Id", "JoinError", "JoinHandle", "futures::TaskLocalFuture"];

/// What signatures of `tokio::task` name although users cannot.
const UNNAMEABLE: [&str; 2] = ["AccessError", "Coop"];

/// What tokio's signatures name of `std::fs` and the simulation has types of its own for.
const OF_STD: [&str; 2] = ["FileType", "Metadata"];

/// Reads the API from tokio's `src`. `named` gives the path in a program of an item's public path,
/// such as `net::TcpStream`.
///
/// # Errors
///
/// A text that names a file that cannot be read or is not understood.
pub fn read(source: &Path, named: impl Fn(&str) -> String) -> Result<Vec<FileApi>, String> {
    let mut all = Vec::new();
    for module in ["fs", "net", "signal", "task"] {
        all.extend(modules::load(source, module, true)?);
    }
    let of_runtime = RUNTIME.map(|module| modules::load(source, module, false));
    for module in of_runtime {
        all.extend(module?);
    }
    let mut public = modules::public_paths(&all);
    // `pub use crate::runtime::task::JoinHandle` in `task`, defined in `runtime::task::join`.
    for module in all.iter().filter(|module| RUNTIME.contains(&&*module.path)) {
        for item in &module.items {
            let Item::Struct(syn::ItemStruct { ident, .. }) = item else { continue };
            if let Some(path) = public.get(&format!("task::{ident}")).cloned() {
                public.insert(format!("{}::{ident}", module.path), path);
            }
        }
    }
    let api: Vec<FileApi> =
        all.iter().map(|module| FileReader { module, public: &public, named: &named }.read()).collect();
    let mut paths = BTreeSet::new();
    for entry in api.iter().flat_map(|file| &file.entries) {
        if !paths.insert(&entry.path) {
            return Err(format!("tokio's {} is found twice", entry.path));
        }
    }
    Ok(api)
}

struct FileReader<'a> {
    module: &'a Module,
    public: &'a BTreeMap<String, String>,
    named: &'a dyn Fn(&str) -> String,
}

impl FileReader<'_> {
    fn read(&self) -> FileApi {
        let mut imports = BTreeMap::new();
        let mut entries = Vec::new();
        for item in &self.module.items {
            match item {
                Item::Use(import) => {
                    for leaf in leaves(&import.tree) {
                        if let Some(import) = self.import(&leaf) {
                            let name = import.rsplit(['\u{20}', ':']).next().unwrap_or_default().to_string();
                            imports.entry(name).or_insert(import);
                        }
                    }
                }
                Item::Fn(function) if is_pub(&function.vis) => {
                    if let Some(path) = self.public_path(&function.sig.ident.to_string()) {
                        entries.push(self.function(path, &function.sig));
                    }
                }
                Item::Struct(item) if is_pub(&item.vis) => {
                    entries.extend(self.named_type(&item.ident, &item.attrs, &item.generics));
                }
                Item::Enum(item) if is_pub(&item.vis) => {
                    entries.extend(self.named_type(&item.ident, &item.attrs, &item.generics));
                }
                Item::Trait(item) if is_pub(&item.vis) => {
                    entries.extend(self.named_type(&item.ident, &[], &syn::Generics::default()));
                }
                Item::Type(item) if is_pub(&item.vis) => {
                    entries.extend(self.named_type(&item.ident, &[], &syn::Generics::default()));
                }
                Item::Impl(block) => entries.extend(self.implementation(block)),
                _ => {}
            }
        }
        if self.module.path.starts_with("task") || RUNTIME.contains(&&*self.module.path) {
            let names = OF_TASK.iter().map(|name| (self.named)(&format!("task::{name}")));
            for import in names.chain(["tokio::runtime".into(), "tokio::runtime::Handle".into()]) {
                let name = import.rsplit(':').next().unwrap_or_default().to_string();
                imports.entry(name).or_insert(import);
            }
        }
        for (definition, path) in self.public {
            if let Some((module, name)) = definition.rsplit_once("::")
                && module == self.module.path
            {
                imports.insert(name.to_string(), (self.named)(path));
            }
        }
        entries.retain(|entry: &Entry| {
            let words = |probe: &str| {
                probe.split(|c: char| !c.is_alphanumeric()).map(String::from).collect::<Vec<_>>()
            };
            !words(&entry.probe).iter().any(|word| UNNAMEABLE.contains(&&**word))
        });
        FileApi { imports: imports.into_values().collect(), entries }
    }

    fn public_path(&self, name: &str) -> Option<&str> {
        self.public.get(&format!("{}::{name}", self.module.path)).map(String::as_str)
    }

    /// Returns the import in a program that this import in tokio's source stands for, if it matters.
    fn import(&self, leaf: &str) -> Option<String> {
        let (path, rename) = match leaf.split_once(" as ") {
            Some((path, rename)) => (path, format!(" as {rename}")),
            None => (leaf, String::new()),
        };
        let name = path.rsplit("::").next().unwrap_or(path);
        if let Some(of_std) = path.strip_prefix("std::fs::")
            && OF_STD.contains(&of_std)
        {
            return Some((self.named)(&format!("fs::{of_std}")) + &rename);
        }
        if path.starts_with("std::") || path.starts_with("bytes::") {
            return Some(format!("{path}{rename}"));
        }
        if path.starts_with("crate::io::") && IO.contains(&name) {
            return Some(format!("tokio::io::{name}{rename}"));
        }
        let within = path.strip_prefix("crate::")?;
        self.public.get(within).map(|public| (self.named)(public) + &rename)
    }

    fn named_type(
        &self,
        name: &syn::Ident,
        attributes: &[syn::Attribute],
        generics: &syn::Generics,
    ) -> Vec<Entry> {
        let Some(path) = self.public_path(&name.to_string()) else { return Vec::new() };
        let mut entries = vec![Entry {
            path: path.to_string(),
            group: path.to_string(),
            kind: Kind::Type,
            probe: format!("pub use {} as _{name};", (self.named)(path)),
        }];
        let (_, arguments, _) = generics.split_for_impl();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
            let _ = attribute.parse_nested_meta(|derived| {
                let of = derived.path.to_token_stream();
                let bound = match of.to_string().as_str() {
                    "Debug" => quote!(std::fmt::Debug),
                    "Hash" => quote!(std::hash::Hash),
                    _ => of.clone(),
                };
                entries.push(self.has(
                    path,
                    &of,
                    &bound,
                    &quote!(#name #arguments),
                    &syn::Generics::default(),
                ));
                Ok(())
            });
        }
        entries
    }

    /// A trait that a type implements.
    fn has(
        &self,
        group: &str,
        of: &TokenStream,
        bound: &TokenStream,
        of_type: &TokenStream,
        generics: &syn::Generics,
    ) -> Entry {
        let of_type = static_lifetimes(of_type.clone());
        let (parameters, _, bounds) = generics.split_for_impl();
        let shown = shown_trait(of);
        let shown_type = match group.rsplit_once("::") {
            Some((_, name)) if text(&of_type).split('<').next() == Some(name) => group.to_string(),
            _ => text(&of_type),
        };
        // An inner function cannot name the parameters of the outer one.
        let mut names = BTreeSet::new();
        collect_names(bound.clone(), &mut names);
        let is_generic = generics.type_params().any(|parameter| names.contains(&parameter.ident.to_string()));
        let probe = if is_generic {
            quote!(fn probe #parameters (x: #of_type) -> impl #bound #bounds { x })
        } else {
            quote!(fn probe #parameters () #bounds { fn has<X: #bound + ?Sized>() {} has::<#of_type>() })
        };
        Entry {
            path: format!("impl {shown} for {shown_type}"),
            group: group.to_string(),
            kind: Kind::Impl,
            probe: probe.to_string(),
        }
    }

    fn function(&self, path: &str, signature: &Signature) -> Entry {
        let (arguments, names) = arguments(signature);
        let (name, await_) = (&signature.ident, signature.asyncness.map(|_| quote!(.await)));
        let (generics, bounds) = (&signature.generics, &signature.generics.where_clause);
        let (asyncness, output) = (&signature.asyncness, &signature.output);
        let group = path.rsplit_once("::").map_or(path, |(module, _)| module);
        Entry {
            path: path.to_string(),
            group: group.to_string(),
            kind: Kind::Function,
            probe: quote!(#asyncness fn probe #generics (#(#arguments),*) #output #bounds { #name(#(#names),*)#await_ })
                .to_string(),
        }
    }

    fn implementation(&self, block: &syn::ItemImpl) -> Vec<Entry> {
        let self_type = &block.self_ty;
        let type_name = match &**self_type {
            syn::Type::Path(path) => {
                path.path.get_ident().or(path.path.segments.last().map(|last| &last.ident))
            }
            _ => None,
        };
        let is_local = matches!(&**self_type, syn::Type::Path(path) if path.path.segments.len() == 1);
        let group = type_name.filter(|_| is_local).and_then(|name| self.public_path(&name.to_string()));
        if let Some((of, _)) = &block.trait_ {
            let name = of.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
            // A user does not call these.
            if name == "Drop"
                || of.segments.iter().any(|segment| segment.ident == "sealed")
                || name == "ToSocketAddrsPriv"
                || name == "InternalStream"
            {
                return Vec::new();
            }
            // `impl ToSocketAddrs for str`, `impl From<SocketAddr> for std::…::SocketAddr`.
            let Some(group) = group.or_else(|| self.group_of_trait(of)) else { return Vec::new() };
            let of_type = quote!(#self_type);
            let of = replace_self(quote!(#of), &of_type);
            return vec![self.has(group, &of, &of, &of_type, &block.generics)];
        }
        let (Some(name), Some(path)) = (type_name, group) else { return Vec::new() };
        let methods = block.items.iter().filter_map(|item| match item {
            ImplItem::Fn(function) if is_pub(&function.vis) => Some(&function.sig),
            _ => None,
        });
        methods.map(|signature| self.method(name, path, block, signature)).collect()
    }

    fn group_of_trait(&self, of: &syn::Path) -> Option<&str> {
        let mut names = BTreeSet::new();
        collect_names(of.to_token_stream(), &mut names);
        names.iter().find_map(|name| self.public_path(name))
    }

    fn method(
        &self,
        type_name: &syn::Ident,
        path: &str,
        block: &syn::ItemImpl,
        signature: &Signature,
    ) -> Entry {
        let self_type = &block.self_ty;
        let (arguments, mut names) = arguments(signature);
        if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
            names[0] = match &receiver.kind {
                ReceiverKind::Reference(_, _, Some(_)) => quote!(&mut self.0),
                ReceiverKind::Reference(..) => quote!(&self.0),
                _ => quote!(self.0),
            };
        }
        let (name, await_) = (&signature.ident, signature.asyncness.map(|_| quote!(.await)));
        let (generics, bounds) = (&signature.generics, &signature.generics.where_clause);
        let (asyncness, output) = (&signature.asyncness, &signature.output);
        let function = quote!(#asyncness fn #name #generics (#(#arguments),*) #output #bounds { #type_name::#name(#(#names),*)#await_ });
        // Within the wrapper, `Self` would be the wrapper.
        let function = replace_self(function, &quote!(#self_type));
        let block_generics = &block.generics;
        Entry {
            path: format!("{path}::{name}"),
            group: path.to_string(),
            kind: Kind::Method,
            probe: quote!(struct Probe<T>(T); impl #block_generics Probe<#self_type> { #function })
                .to_string(),
        }
    }
}

/// Returns the declarations of a function's arguments with names of their own, and those names.
fn arguments(signature: &Signature) -> (Vec<TokenStream>, Vec<TokenStream>) {
    let declare = |(number, argument): (usize, &FnArg)| match argument {
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Reference(..) => (quote!(#receiver), quote!(self)),
            _ => (quote!(self), quote!(self)),
        },
        FnArg::Typed(typed) => {
            let (name, of) = (format_ident!("a{number}"), &typed.ty);
            (quote!(#name: #of), quote!(#name))
        }
    };
    signature.inputs.iter().enumerate().map(declare).unzip()
}

fn map_tokens(tokens: TokenStream, change: &impl Fn(&TokenTree) -> Option<TokenStream>) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|token| match (change(&token), token) {
            (Some(changed), _) => changed,
            (None, TokenTree::Group(group)) => {
                let inner = map_tokens(group.stream(), change);
                TokenTree::Group(Group::new(group.delimiter(), inner)).into()
            }
            (None, token) => token.into(),
        })
        .collect()
}

/// `Self` as the type, `crate` as tokio.
fn replace_self(tokens: TokenStream, self_type: &TokenStream) -> TokenStream {
    map_tokens(tokens, &|token| match token {
        TokenTree::Ident(name) if name == "Self" => Some(self_type.clone()),
        TokenTree::Ident(name) if name == "crate" => Some(quote!(tokio)),
        _ => None,
    })
}

/// `ReadHalf<'_>` and `ReadHalf<'a>` as `ReadHalf<'static>`.
fn static_lifetimes(tokens: TokenStream) -> TokenStream {
    map_tokens(tokens, &|token| match token {
        TokenTree::Ident(name) if name == "_" || name == "a" => Some(quote!(static)),
        _ => None,
    })
}

fn collect_names(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => drop(names.insert(name.to_string())),
            TokenTree::Group(group) => collect_names(group.stream(), names),
            _ => {}
        }
    }
}

/// `std::os::fd::AsRawFd` as `AsRawFd`, `From<std::os::fd::OwnedFd>` as it is.
fn shown_trait(of: &TokenStream) -> String {
    let of = text(of);
    let (path, arguments) = of.split_at(of.find('<').unwrap_or(of.len()));
    format!("{}{arguments}", path.rsplit("::").next().unwrap_or(path))
}

/// Returns tokens as people write them.
fn text(tokens: &TokenStream) -> String {
    let mut text = tokens.to_string();
    for (from, to) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        (" < ", "<"),
        (" >", ">"),
        ("< ", "<"),
        ("& ", "&"),
        (" ,", ","),
        ("' ", "'"),
    ] {
        text = text.replace(from, to);
    }
    text
}
