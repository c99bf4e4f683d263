//! `schema`, `completions` and `man`: what editors, shells and packages take from the file formats and
//! the grammar.

use crate::args::{Args, Completions, Format, Man, Schema};
use crate::error::{CliError, Exit};
use crate::files::write;
use crate::output::Output;
use crate::runfile::RunFile;
use clap::CommandFactory;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};
use stormglass_sim::Profile;
use stormglass_sim::faults::plan_schema;
use stormglass_sweep::calibration::Mapping;
use stormglass_sweep::space::Space;

pub(crate) fn schema(args: &Schema, output: &mut Output) -> Result<Exit, CliError> {
    output.print(&text(&schema_of(args.format)));
    Ok(Exit::Held)
}

/// The schema of the JSON output. A test of `sim-tests` makes it from what the commands print.
const OUTPUT: &str = include_str!("../../schemas/output.json");

/// Returns the text of a schema's file.
pub(crate) fn text(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).expect("a schema is plain data") + "\n"
}

/// Returns the JSON schema of a file format.
pub(crate) fn schema_of(format: Format) -> Value {
    if format == Format::Output {
        return serde_json::from_str(OUTPUT).expect("a test writes the file");
    }
    let generator = || -> SchemaGenerator { SchemaSettings::draft2020_12().into_generator() };
    let (title, schema) = match format {
        Format::Plan => ("A fault plan", plan_schema()),
        Format::Sweep => ("A sweep", generator().into_root_schema_for::<Space>()),
        Format::Profile => ("A profile", generator().into_root_schema_for::<Profile>()),
        Format::Run => ("A run", generator().into_root_schema_for::<RunFile>()),
        // The last one is returned above.
        Format::Mapping | Format::Output => {
            ("A mapping of log lines", generator().into_root_schema_for::<Mapping>())
        }
    };
    let mut schema = schema.to_value();
    schema["title"] = title.into();
    if format == Format::Profile {
        let disk = schema["properties"]["disk"].take();
        schema["properties"]["disk"] =
            json!({ "anyOf": [{ "type": "string", "description": "The name of a shipped disk." }, disk] });
    }
    schema
}

pub(crate) fn completions(args: &Completions, output: &mut Output) -> Result<Exit, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "stormglass", &mut text);
    output.print(&String::from_utf8_lossy(&text));
    Ok(Exit::Held)
}

pub(crate) fn man(args: &Man, output: &mut Output) -> Result<Exit, CliError> {
    let failed = |source| CliError::Write { file: args.folder.clone(), source };
    std::fs::create_dir_all(&args.folder).map_err(failed)?;
    let mut grammar = Args::command();
    grammar.build();
    let mut pages = vec![("stormglass".to_string(), grammar.clone())];
    for command in grammar.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("stormglass-{}", command.get_name());
        pages.push((name, command.clone()));
    }
    for (name, command) in pages {
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text).map_err(failed)?;
        let file = args.folder.join(format!("{name}.1"));
        write(&file, &String::from_utf8_lossy(&text))?;
        output.print(&format!("{}\n", file.display()));
    }
    Ok(Exit::Held)
}
