//! Macros for scenarios. They are re-exported by `stormglass` and `stormglass_sim`, where they are documented by examples that run.
//!
//! The generated code names no crate but the one that re-exports these macros, so that a user's crate needs no dependency on `serde` or
//! `schemars`.

mod case;
mod parameters;
mod scenario;
mod test;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, ItemImpl, parse_macro_input};

/// Derives the parameters of a scenario from a struct with named fields.
///
/// The doc comment of a field is what `list parameters` prints; its sentences `Range: ...` and `Default: ...` are parsed. A field's key is
/// its name in kebab-case behind the struct's section, such as `writes.request-timeout`. Unknown keys are refused. The struct must be `Clone`.
///
/// Implements `stormglass_sim::Parameters`, `Default`, `Serialize`, `Deserialize` and `JsonSchema`.
///
/// | attribute of the struct | meaning |
/// | --- | --- |
/// | `#[parameters(section = "writes")]` | the section; default: the struct's name in kebab-case without `Settings` or `Parameters` at its end |
/// | `#[parameters(validate)]` | calls `self.validate()` after reading; it returns `Result<(), (&'static str, String)>` with the field's key and what would be right |
/// | `#[parameters(crate = "stormglass_sim")]` | the crate that re-exports the macros; default: `stormglass` |
///
/// | attribute of a field | meaning |
/// | --- | --- |
/// | `#[parameter(default = "100ms")]` | the default: a duration with its unit for `Duration`, `Latency` and `Limit`, otherwise any expression; without it `Default::default()` |
/// | `#[parameter(observer)]` | the field is nothing but the deadline of waits; a field of type `Limit` always is, and carries its key |
#[proc_macro_derive(Parameters, attributes(parameters, parameter))]
pub fn parameters(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    parameters::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Completes an `impl Scenario` block with the name, the description and the parameters' type.
///
/// `name` is the type's name in kebab-case (`TwoWrites` is `two-writes`) unless `#[scenario(name = "...")]` says otherwise. `about` is the
/// first paragraph of the block's doc comment, without a full stop at its end, unless `#[scenario(about = "...")]` says otherwise. `source` is the line of the attribute.
/// `type Settings` is the type of the last argument of `play`; a `play(&self, world: World)` has no parameters. What the block contains itself is left as
/// it is.
#[proc_macro_attribute]
pub fn scenario(attributes: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemImpl);
    scenario::expand(attributes.into(), item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a scenario and a test of a function: `async fn name(world: World)` or `async fn name(world: World, settings: Settings)`.
///
/// The scenario is a unit type with the function's name in camel case (`acknowledged_writes_stay` is
/// `AcknowledgedWritesStay`). `stormglass::main![AcknowledgedWritesStay]` gives a program, or a test with `harness = false`,
/// every command on it, with the profile, the plan and the parameters of the attribute as defaults. The test plays it with many seeds; see
/// `stormglass_cli::testing` for what it prints and for its environment variables.
///
/// ```ignore
/// #[stormglass::test(seeds = 0..100, profile = "quiet", plan = "storm")]
/// async fn acknowledged_writes_stay(world: World, settings: Writes) { .. }
/// ```
///
/// | attribute | meaning |
/// | --- | --- |
/// | `seeds = 0..100` | the seeds; default: 100 fresh ones each day, which follow from the date and are printed |
/// | `profile = "quiet"` | a shipped profile or a TOML file; default: `quiet` |
/// | `plan = "storm"` | a shipped plan or a TOML file; default: no faults |
/// | `nodes = ["kv-1", "kv-2"]` | the nodes among which a plan's generator chooses; default: those of the parameters |
/// | `set("disk.sync.delay" = "20ms")` | sets a parameter; repeatable |
/// | `crate = "stormglass"` | the crate that re-exports this macro; default: `stormglass` |
#[proc_macro_attribute]
pub fn test(attributes: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemFn);
    test::expand(attributes.into(), item).unwrap_or_else(syn::Error::into_compile_error).into()
}
