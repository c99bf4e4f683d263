//! Conditions of conditional compilation, for Linux with all of tokio's stable features.

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Token};

/// Whether all `cfg` attributes hold. Other attributes do not matter.
pub fn holds(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .all(|attribute| attribute.parse_args::<Meta>().is_ok_and(|condition| condition_holds(&condition)))
}

/// Whether a condition holds: the text within `cfg(…)`.
pub fn condition_holds(condition: &Meta) -> bool {
    match condition {
        Meta::Path(name) => name.is_ident("unix"),
        Meta::NameValue(pair) => {
            let Expr::Lit(ExprLit { lit: Lit::Str(value), .. }) = &pair.value else { return false };
            let value = value.value();
            match pair.path.get_ident().map(ToString::to_string).as_deref() {
                Some("feature") => value != "io-uring",
                Some("target_os") => value == "linux",
                Some("target_family") => value == "unix",
                Some("target_arch") => value == "x86_64",
                Some("target_pointer_width") => value == "64",
                Some("panic") => value == "unwind",
                _ => false,
            }
        }
        Meta::List(list) => {
            let parse = Punctuated::<Meta, Token![,]>::parse_terminated;
            let Ok(inner) = list.parse_args_with(parse) else { return false };
            let mut inner = inner.iter().map(condition_holds);
            match list.path.get_ident().map(ToString::to_string).as_deref() {
                Some("all") => inner.all(|holds| holds),
                Some("any") => inner.any(|holds| holds),
                Some("not") => !inner.any(|holds| holds),
                _ => false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_those_of_linux() {
        let holds = |text: &str| condition_holds(&syn::parse_str(text).unwrap());
        assert!(holds("unix"));
        assert!(!holds("windows"));
        assert!(holds(r#"any(target_os = "android", target_os = "linux")"#));
        assert!(!holds(r#"not(any(target_os = "fuchsia", target_os = "linux"))"#));
        assert!(holds(r#"all(feature = "net", not(all(target_os = "wasi", target_env = "p1")))"#));
        assert!(!holds(r#"all(tokio_unstable, feature = "io-uring")"#));
        assert!(holds("not(loom)"));
    }
}
