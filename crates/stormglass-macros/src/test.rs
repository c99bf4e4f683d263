//! `#[test]`: a scenario and a test made of one function.

use crate::case::{camel, first_paragraph, kebab};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::Parser;
use syn::{Error, Expr, FnArg, ItemFn, LitStr, Path, Result, Token, parse_quote};

pub(crate) fn expand(attributes: TokenStream, function: ItemFn) -> Result<TokenStream> {
    let mut krate: Path = parse_quote!(::stormglass);
    let (mut seeds, mut nodes): (Option<Expr>, Option<Expr>) = (None, None);
    let (mut profile, mut plan, mut sets) = (String::from("quiet"), None, Vec::new());
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("seeds") {
            seeds = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("profile") {
            profile = meta.value()?.parse::<LitStr>()?.value();
        } else if meta.path.is_ident("plan") {
            plan = Some(meta.value()?.parse::<LitStr>()?);
        } else if meta.path.is_ident("nodes") {
            nodes = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("set") {
            let content;
            syn::parenthesized!(content in meta.input);
            let key: LitStr = content.parse()?;
            content.parse::<Token![=]>()?;
            let value: LitStr = content.parse()?;
            sets.push(quote!((#key, #value)));
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
    let plan = plan.map_or_else(
        || quote!(::core::option::Option::None),
        |plan| quote!(::core::option::Option::Some(#plan)),
    );
    let seeds = seeds.map(|seeds| quote!(.seeds(#seeds)));
    let doc = format!("The scenario of the test `{text}`.");
    Ok(quote! {
        #[doc = #doc]
        #vis struct #scenario;

        #[#krate::sim::scenario(name = #kebab, about = #about)]
        impl #krate::sim::Scenario for #scenario {
            #nodes

            fn run_defaults(&self) -> #krate::sim::RunDefaults {
                #krate::sim::RunDefaults { profile: #profile, plan: #plan, sets: &[#(#sets),*] }
            }

            async fn play(&self, #world, #settings) #block
        }

        #[cfg(test)]
        #(#attrs)*
        #[::core::prelude::v1::test]
        fn #name() {
            #krate::cli::testing::Test::of(#scenario, #krate::core::scenario::test_path(module_path!(), #text))
                #seeds
                .run();
        }
    })
}
