//! Stands in for `#[tokio::test]`.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Makes a function, asynchronous or not, a test that runs on a simulated machine.
#[proc_macro_attribute]
pub fn test(_: TokenStream, function: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = function.into_iter().collect();
    let body = tokens.pop().expect("a function has a body");
    let fn_at = tokens
        .iter()
        .position(|token| matches!(token, TokenTree::Ident(name) if name.to_string() == "fn"))
        .expect("a test is a function");
    if fn_at > 0 && matches!(&tokens[fn_at - 1], TokenTree::Ident(name) if name.to_string() == "async") {
        tokens.remove(fn_at - 1);
    }
    let parse = |text: &str| text.parse::<TokenStream>().expect("written here");
    let mut simulated = parse("::tokio::simulate");
    let mut future = parse("async move");
    future.extend([body]);
    simulated.extend([TokenTree::Group(Group::new(Delimiter::Parenthesis, future))]);
    let mut test = parse("#[::core::prelude::v1::test]");
    test.extend(tokens);
    test.extend([TokenTree::Group(Group::new(Delimiter::Brace, simulated))]);
    test
}
