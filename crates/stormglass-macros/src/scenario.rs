//! `#[scenario]`: the name, the description and the parameters' type of a scenario.

use crate::case::{first_paragraph, kebab};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::Parser;
use syn::{Error, FnArg, ImplItem, ItemImpl, LitStr, Result, Type, parse_quote};

pub(crate) fn expand(attributes: TokenStream, mut item: ItemImpl) -> Result<TokenStream> {
    let (mut name, mut about) = (None, None);
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("name") {
            name = Some(meta.value()?.parse::<LitStr>()?.value());
        } else if meta.path.is_ident("about") {
            about = Some(meta.value()?.parse::<LitStr>()?.value());
        } else {
            return Err(meta.error("unknown attribute: expected `name = \"...\"` or `about = \"...\"`"));
        }
        Ok(())
    });
    parser.parse2(attributes)?;
    let settings = settings_type(&mut item)?;
    let has = |method: &str| {
        item.items.iter().any(|item| matches!(item, ImplItem::Fn(function) if function.sig.ident == method))
    };
    let mut added: Vec<ImplItem> = Vec::new();
    if !has("name") {
        let name = name.map_or_else(|| type_name(&item.self_ty).map(|name| kebab(&name)), Ok)?;
        added.push(parse_quote!(fn name(&self) -> &str { #name }));
    }
    if !has("about") {
        let about = about.unwrap_or_else(|| first_paragraph(&item.attrs));
        if about.is_empty() {
            let problem = "the scenario has no description: write a doc comment on this block, or `#[scenario(about = \"...\")]`";
            return Err(Error::new_spanned(&item.self_ty, problem));
        }
        added.push(parse_quote!(fn about(&self) -> &str { #about }));
    }
    if !has("source") {
        added.push(parse_quote!(
            fn source(&self) -> ::core::option::Option<(&'static str, u32)> {
                ::core::option::Option::Some((::core::file!(), ::core::line!()))
            }
        ));
    }
    if let Some(settings) = settings {
        item.items.insert(0, parse_quote!(type Settings = #settings;));
    }
    item.items.extend(added);
    Ok(item.into_token_stream())
}

/// Returns the type of the last argument of `play`, unless the block names the type itself. A `play` without settings gets an argument `()`.
fn settings_type(item: &mut ItemImpl) -> Result<Option<Type>> {
    let names = |item: &ImplItem| matches!(item, ImplItem::Type(alias) if alias.ident == "Settings");
    let is_named = item.items.iter().any(names);
    let play = item.items.iter_mut().find_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident == "play" => Some(&mut function.sig),
        _ => None,
    });
    let Some(play) = play else {
        let problem = "expected `async fn play(&self, world: World, settings: ...)`";
        return Err(Error::new_spanned(&item.self_ty, problem));
    };
    if play.inputs.len() == 2 {
        play.inputs.push(parse_quote!((): ()));
    }
    Ok(match play.inputs.get(2) {
        Some(FnArg::Typed(argument)) if !is_named => Some((*argument.ty).clone()),
        _ => None,
    })
}

/// Returns the last segment of the path of a type.
fn type_name(ty: &Type) -> Result<String> {
    match ty {
        Type::Path(path) => Ok(path.path.segments.last().map_or_else(String::new, |it| it.ident.to_string())),
        _ => Err(Error::new_spanned(ty, "the scenario has no name: write `#[scenario(name = \"...\")]`")),
    }
}
