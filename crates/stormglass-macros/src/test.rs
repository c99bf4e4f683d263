//! `#[test]`: a scenario and a test made of one function.

use crate::case::{camel, first_paragraph, kebab};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::Parser;
use syn::{Error, Expr, FnArg, ItemFn, LitStr, Path, Result, Token, parse_quote};

pub(crate) fn expand(attributes: TokenStream, function: ItemFn) -> Result<TokenStream> {
    let mut krate: Path = parse_quote!(::stormglass);
    let mut options: Vec<TokenStream> = Vec::new();
    let mut nodes: Option<Expr> = None;
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("seeds") {
            let seeds: Expr = meta.value()?.parse()?;
            options.push(quote!(.seeds(#seeds)));
        } else if meta.path.is_ident("profile") {
            let profile: LitStr = meta.value()?.parse()?;
            options.push(quote!(.profile(#profile)));
        } else if meta.path.is_ident("plan") {
            let plan: LitStr = meta.value()?.parse()?;
            options.push(quote!(.plan(#plan)));
        } else if meta.path.is_ident("nodes") {
            nodes = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("set") {
            let content;
            syn::parenthesized!(content in meta.input);
            let key: LitStr = content.parse()?;
            content.parse::<Token![=]>()?;
            let value: LitStr = content.parse()?;
            options.push(quote!(.set(#key, #value)));
        } else if meta.path.is_ident("crate") {
            krate = meta.value()?.parse::<LitStr>()?.parse()?;
        } else {
            return Err(meta.error(
                "unknown attribute: expected `seeds = A..B`, `profile = \"...\"`, `plan = \"...\"`, `nodes = [\"...\"]`, \
                 `set(\"KEY\" = \"VALUE\")` \
                 or `crate = \"...\"`",
            ));
        }
        Ok(())
    });
    parser.parse2(attributes)?;
    let ItemFn { attrs, vis, sig, block, .. } = &function;
    if sig.asyncness.is_none() || !matches!(sig.output, syn::ReturnType::Default) {
        let problem =
            "expected `async fn name(world: World)` or `async fn name(world: World, settings: ...)`";
        return Err(Error::new_spanned(sig, problem));
    }
    let (world, settings) = match sig.inputs.iter().collect::<Vec<_>>()[..] {
        [FnArg::Typed(world)] => (quote!(#world), quote!((): ())),
        [FnArg::Typed(world), FnArg::Typed(settings)] => (quote!(#world), quote!(#settings)),
        _ => {
            let problem =
                "expected the arguments `world: World`, and `settings: ...` if there are parameters";
            return Err(Error::new_spanned(&sig.inputs, problem));
        }
    };
    let (name, text) = (&sig.ident, sig.ident.to_string());
    let scenario = format_ident!("{}", camel(&text), span = name.span());
    let described = first_paragraph(attrs);
    let about =
        if described.is_empty() { text.trim_start_matches("r#").replace('_', " ") } else { described };
    let kebab = kebab(&text);
    let nodes = nodes.map(|nodes| {
        quote! {
            fn nodes(&self, _: &Self::Settings) -> ::std::vec::Vec<::std::string::String> {
                (#nodes).into_iter().map(::std::string::String::from).collect()
            }
        }
    });
    let doc = format!("The scenario of the test `{text}`.");
    Ok(quote! {
        #[doc = #doc]
        #vis struct #scenario;

        #[#krate::sim::scenario(name = #kebab, about = #about)]
        impl #krate::sim::Scenario for #scenario {
            #nodes

            async fn play(&self, #world, #settings) #block
        }

        #[cfg(test)]
        #(#attrs)*
        #[::core::prelude::v1::test]
        fn #name() {
            #krate::cli::testing::Test::of(#scenario, #krate::cli::testing::test_path(module_path!(), #text))
                #(#options)*
                .run();
        }
    })
}
