//! `#[derive(Parameters)]`.
//!
//! The derived code is a private struct, the *form*, with the same fields and doc comments, in which a duration has the attributes that serde
//! and schemars need. The user's struct is serialized, deserialized and described through its form.

use crate::case::kebab;
use proc_macro2::TokenStream;
use quote::quote;
use std::time::Duration;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DataStruct, DeriveInput, Error, Expr, ExprLit, Field, Fields, Ident, Lit, LitStr, Path,
    Result, Type,
};

/// What `#[parameters(...)]` says about the struct.
struct Options {
    section: String,
    validate: bool,
    /// The module of hidden re-exports.
    private: Path,
}

impl Options {
    fn of(input: &DeriveInput) -> Result<Options> {
        let (mut section, mut validate) = (default_section(&input.ident), false);
        let mut root: Path = syn::parse_quote!(::stormglass::sim);
        for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("parameters")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("section") {
                    section = meta.value()?.parse::<LitStr>()?.value();
                } else if meta.path.is_ident("validate") {
                    validate = true;
                } else if meta.path.is_ident("crate") {
                    let name: LitStr = meta.value()?.parse()?;
                    root = syn::parse_str(&format!("::{}", name.value().trim_start_matches("::")))
                        .map_err(|_| Error::new_spanned(&name, "expected the path of a crate"))?;
                } else {
                    return Err(meta.error(
                        "unknown attribute: expected `section = \"...\"`, `validate` or `crate = \"...\"`",
                    ));
                }
                Ok(())
            })?;
        }
        Ok(Options { section, validate, private: syn::parse_quote!(#root::__private) })
    }
}

/// What kind of value a field has, by the name of its type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Duration,
    Latency,
    /// A duration with the key of its parameter.
    Limit,
    Other,
}

impl Kind {
    fn of(ty: &Type) -> Kind {
        let Type::Path(path) = ty else { return Kind::Other };
        match path.path.segments.last().map(|segment| segment.ident.to_string()).as_deref() {
            Some("Duration") => Kind::Duration,
            Some("Latency") => Kind::Latency,
            Some("Limit") => Kind::Limit,
            _ => Kind::Other,
        }
    }
}

/// A field of the user's struct.
struct Parameter<'a> {
    name: &'a Ident,
    ty: &'a Type,
    docs: Vec<&'a Attribute>,
    kind: Kind,
    observer: bool,
    default: Option<Expr>,
    /// Its key with the section.
    key: String,
}

impl<'a> Parameter<'a> {
    fn of(field: &'a Field, section: &str) -> Result<Parameter<'a>> {
        let name = field.ident.as_ref().ok_or_else(|| Error::new(field.span(), "expected a named field"))?;
        let kind = Kind::of(&field.ty);
        let (mut observer, mut default) = (kind == Kind::Limit, None);
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("parameter")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("observer") {
                    observer = true;
                } else if meta.path.is_ident("default") {
                    default = Some(meta.value()?.parse()?);
                } else {
                    return Err(meta.error("unknown attribute: expected `default = ...` or `observer`"));
                }
                Ok(())
            })?;
        }
        if observer && !matches!(kind, Kind::Duration | Kind::Limit) {
            let problem = "an observer is the deadline of waits: its type must be `Duration` or `Limit`";
            return Err(Error::new_spanned(&field.ty, problem));
        }
        let docs: Vec<_> = field.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).collect();
        if docs.is_empty() {
            let problem = "the parameter has no doc comment, which is what `list parameters` prints";
            return Err(Error::new_spanned(name, problem));
        }
        let key = format!("{section}.{}", kebab(&name.to_string()));
        Ok(Parameter { name, ty: &field.ty, docs, kind, observer, default, key })
    }

    /// The field of the form.
    fn form(&self, private: &Path) -> TokenStream {
        let Parameter { name, ty, docs, kind, observer, .. } = self;
        let observer = observer.then(|| quote!(#[schemars(extend("x-observer" = true))]));
        match kind {
            Kind::Duration | Kind::Limit => {
                let with = quote!(#private::HumanDuration).to_string().replace(' ', "");
                quote!(#(#docs)* #[serde(with = #with)] #observer #name: ::core::time::Duration)
            }
            Kind::Latency | Kind::Other => quote!(#(#docs)* #name: #ty),
        }
    }

    /// The value of the user's struct, from the form.
    fn value(&self, private: &Path) -> TokenStream {
        let Parameter { name, key, .. } = self;
        match self.kind {
            Kind::Limit => quote!(#name: #private::Limit::of(#key, form.#name)),
            _ => quote!(#name: form.#name),
        }
    }

    /// The value of the form, from the user's struct.
    fn form_value(&self) -> TokenStream {
        let name = self.name;
        match self.kind {
            Kind::Limit => quote!(#name: values.#name.deadline),
            _ => quote!(#name: ::core::clone::Clone::clone(&values.#name)),
        }
    }

    /// The arm that sets the parameter from a text, in a build without simulation.
    fn assignment(&self, private: &Path) -> TokenStream {
        let Parameter { name, key, kind, .. } = self;
        match kind {
            Kind::Duration => quote!(#key => self.#name = #private::parse_duration(value)?,),
            Kind::Limit => quote!(#key => self.#name.deadline = #private::parse_duration(value)?,),
            Kind::Latency | Kind::Other => quote!(#key => self.#name = #private::parse(value)?,),
        }
    }

    /// The default of the user's struct.
    fn default(&self, private: &Path) -> Result<TokenStream> {
        let Parameter { name, key, kind, .. } = self;
        let literal = match &self.default {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => Some(text),
            _ => None,
        };
        let value = match (&self.default, literal, kind) {
            (None, _, Kind::Limit) => quote!(#private::Limit::of(#key, ::core::time::Duration::ZERO)),
            (None, _, Kind::Latency) => quote!(#private::Latency::Constant(::core::time::Duration::ZERO)),
            (None, ..) => quote!(::core::default::Default::default()),
            (Some(_), Some(text), Kind::Duration) => duration(text)?,
            (Some(_), Some(text), Kind::Latency) => {
                let duration = duration(text)?;
                quote!(#private::Latency::Constant(#duration))
            }
            (Some(_), Some(text), Kind::Limit) => {
                let duration = duration(text)?;
                quote!(#private::Limit::of(#key, #duration))
            }
            (Some(_), Some(text), Kind::Other) => quote!(::core::convert::From::from(#text)),
            (Some(value), None, Kind::Limit) => quote!(#private::Limit::of(#key, #value)),
            (Some(value), None, _) => quote!(#value),
        };
        Ok(quote!(#name: #value))
    }
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(DataStruct { fields: Fields::Named(fields), .. }) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "parameters are a struct with named fields"));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "parameters cannot be generic"));
    }
    let Options { section, validate, private } = Options::of(input)?;
    let parameters: Vec<Parameter<'_>> =
        fields.named.iter().map(|field| Parameter::of(field, &section)).collect::<Result<_>>()?;
    let (name, title) = (&input.ident, input.ident.to_string());
    let docs = input.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let form = parameters.iter().map(|parameter| parameter.form(&private));
    let values = parameters.iter().map(|parameter| parameter.value(&private));
    let form_values = parameters.iter().map(Parameter::form_value);
    let defaults: Vec<TokenStream> =
        parameters.iter().map(|parameter| parameter.default(&private)).collect::<Result<_>>()?;
    let assignments = parameters.iter().map(|parameter| parameter.assignment(&private));
    let path = |name: &str| format!("{}::{name}", quote!(#private).to_string().replace(' ', ""));
    let (serde, schemars) = (path("serde"), path("schemars"));
    let validate = validate.then(|| {
        quote! {
            if let ::core::result::Result::Err((field, problem)) = values.validate() {
                return ::core::result::Result::Err(resolved.wrong(&::std::format!("{}.{field}", #section), problem));
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl ::core::default::Default for #name {
            fn default() -> #name {
                #name { #(#defaults),* }
            }
        }

        #private::real! {
            #[automatically_derived]
            impl #private::Parameters for #name {
                fn set(&mut self, key: &str, value: &str) -> ::core::result::Result<bool, ::std::string::String> {
                    match key {
                        #(#assignments)*
                        _ => return ::core::result::Result::Ok(false),
                    }
                    ::core::result::Result::Ok(true)
                }
            }
        }

        #private::simulated! { const _: () = {
            use #private as private;
            // The code that schemars derives names serde by this path, whatever its attribute `crate` says.
            #[allow(unused_imports)]
            use private::serde;

            #(#docs)*
            #[derive(private::serde::Serialize, private::serde::Deserialize, private::schemars::JsonSchema)]
            #[serde(crate = #serde, rename_all = "kebab-case", deny_unknown_fields, default, expecting = "a table of parameters")]
            #[schemars(crate = #schemars, rename = #title)]
            struct Form { #(#form),* }

            impl Form {
                fn of(values: &#name) -> Form {
                    Form { #(#form_values),* }
                }
            }

            impl ::core::default::Default for Form {
                fn default() -> Form {
                    Form::of(&<#name as ::core::default::Default>::default())
                }
            }

            #[automatically_derived]
            impl private::serde::Serialize for #name {
                fn serialize<S: private::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                    private::serde::Serialize::serialize(&Form::of(self), serializer)
                }
            }

            #[automatically_derived]
            impl<'de> private::serde::Deserialize<'de> for #name {
                fn deserialize<D: private::serde::Deserializer<'de>>(deserializer: D) -> ::core::result::Result<#name, D::Error> {
                    let form: Form = private::serde::Deserialize::deserialize(deserializer)?;
                    ::core::result::Result::Ok(#name { #(#values),* })
                }
            }

            #[automatically_derived]
            impl private::schemars::JsonSchema for #name {
                fn schema_name() -> ::std::borrow::Cow<'static, str> {
                    <Form as private::schemars::JsonSchema>::schema_name()
                }
                fn schema_id() -> ::std::borrow::Cow<'static, str> {
                    ::std::borrow::Cow::Borrowed(::core::concat!(::core::module_path!(), "::", #title))
                }
                fn json_schema(generator: &mut private::schemars::SchemaGenerator) -> private::schemars::Schema {
                    <Form as private::schemars::JsonSchema>::json_schema(generator)
                }
            }

            #[automatically_derived]
            impl private::Parameters for #name {
                fn describe(&self) -> private::ParameterSet {
                    private::ParameterSet::none().with(#section, self)
                }
                fn read(resolved: &private::Values) -> ::core::result::Result<#name, private::SettingsError> {
                    let values: #name = resolved.section(#section)?;
                    #validate
                    ::core::result::Result::Ok(values)
                }
            }
        }; }
    })
}

/// Returns the section of a struct that names none: `TwoWritesSettings` has `two-writes`.
fn default_section(name: &Ident) -> String {
    let name = name.to_string();
    let short = ["Settings", "Parameters"].iter().find_map(|end| name.strip_suffix(end));
    kebab(short.filter(|short| !short.is_empty()).unwrap_or(&name))
}

/// Parses a duration as it is written in TOML.
fn duration(text: &LitStr) -> Result<TokenStream> {
    let problem = || {
        let problem = format!("{:?} is no duration with its unit, such as \"150ms\" or \"5s\"", text.value());
        Error::new_spanned(text, problem)
    };
    let duration: Duration = humantime::parse_duration(&text.value()).map_err(|_| problem())?;
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    Ok(quote!(::core::time::Duration::new(#seconds, #nanos)))
}
