//! Names in kebab-case, and doc comments as text.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Returns `two-writes` for `TwoWrites` and for `two_writes`.
pub(crate) fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.trim_start_matches("r#").chars() {
        if letter == '_' {
            kebab.push('-');
            continue;
        }
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

/// Returns `TwoWrites` for `two_writes`.
pub(crate) fn camel(name: &str) -> String {
    let words = name.trim_start_matches("r#").split('_');
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    words.map(capital).collect()
}

/// Returns the first paragraph of a doc comment on one line, without a full stop at its end.
pub(crate) fn first_paragraph(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(doc_line);
    let lines: Vec<String> = lines.map(|line| line.trim().to_string()).collect();
    let first = lines.iter().skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    let text = first.map(String::as_str).collect::<Vec<_>>().join(" ");
    text.strip_suffix('.').unwrap_or(&text).to_string()
}

/// Returns the text of `#[doc = "..."]`, which is what a doc comment becomes.
fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn names_become_kebab_case() {
        let names = ["TwoWrites", "request_timeout", "r#type", "A", "count"].map(kebab);
        assert_eq!(names, ["two-writes", "request-timeout", "type", "a", "count"]);
    }

    #[test]
    fn names_become_camel_case() {
        assert_eq!(
            ["two_writes", "r#loop", "a", "writes_2"].map(camel),
            ["TwoWrites", "Loop", "A", "Writes2"]
        );
    }

    #[test]
    fn about_is_the_first_paragraph() {
        let item: syn::ItemStruct = parse_quote! {
            /// A client writes,
            /// twice.
            ///
            /// More.
            struct Documented;
        };
        assert_eq!(first_paragraph(&item.attrs), "A client writes, twice");
    }
}
