//! The pages of the command line and of the kinds of events.

use super::markdown::{head, row};
use crate::args::Args;
use crate::error::Exit;
use clap::{Arg, Command, CommandFactory};
use stormglass_core::Kind;

pub(super) fn commands() -> String {
    let mut grammar = Args::command();
    grammar.build();
    let mut text = head("Commands");
    text += "Each command is called as `stormglass COMMAND`, in this repository as\n\
             `cargo run --release -- COMMAND`, and for a test with `#[stormglass::test]` as\n\
             `STORMGLASS='COMMAND' cargo test NAME -- --exact`.\n\n";
    text += "| command | what it does |\n| --- | --- |\n";
    let commands = || grammar.get_subcommands().filter(|command| command.get_name() != "help");
    for command in commands() {
        let name = command.get_name();
        text += &row([&format!("[`{name}`](#{name})"), &about(command)]);
    }
    text += "\n## Options of all commands\n\n| option | meaning |\n| --- | --- |\n";
    let globals: Vec<&Arg> = grammar.get_arguments().filter(|argument| argument.is_global_set()).collect();
    globals.iter().for_each(|argument| text += &option(argument));
    for command in commands() {
        text += &format!("\n## {}\n\n{}\n\n", command.get_name(), about(command));
        text += "| argument | meaning |\n| --- | --- |\n";
        let own = command.get_arguments().filter(|argument| {
            !argument.is_global_set() && argument.get_id() != "help" && argument.get_id() != "version"
        });
        own.for_each(|argument| text += &option(argument));
    }
    text += "\n## Exit codes\n\n| code | meaning |\n| ---: | --- |\n";
    for exit in Exit::ALL {
        text += &row([&(exit as u8).to_string(), exit.about()]);
    }
    text
}

fn about(command: &Command) -> String {
    let text = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    // clap leaves out the last full stop.
    if text.ends_with('.') || text.is_empty() { text } else { text + "." }
}

/// Returns the row of an argument: how it is written, and its help with its default and its words.
fn option(argument: &Arg) -> String {
    let names: Vec<String> =
        argument.get_value_names().unwrap_or_default().iter().map(|name| format!("<{name}>")).collect();
    let takes_value = argument.get_action().takes_values();
    let value = if takes_value { names.join(" ") } else { String::new() };
    let written = match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} {value}"),
        (None, Some(long)) => format!("--{long} {value}"),
        (Some(short), None) => format!("-{short} {value}"),
        (None, None) => value,
    };
    let mut help =
        argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let words: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|word| format!("`{}`", word.get_name()))
        .filter(|_| takes_value)
        .collect();
    if !help.is_empty() && !help.ends_with('.') {
        help.push('.');
    }
    if !words.is_empty() {
        help += &format!(" One of {}.", words.join(", "));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if !defaults.is_empty() && takes_value {
        help += &format!(" Default: `{}`.", defaults.join(" "));
    }
    // A span of code shows `<` as it is.
    format!("| `{}` | {}", written.trim().replace('|', "\\|"), row([&help]).trim_start_matches("| "))
}

pub(super) fn events() -> String {
    let mut text = head("Events");
    text += "Everything that happens in a run is an event. `replay --all` prints every event, and\n\
             `replay --kind NAME` those of one kind. `explain` adds up their time by category.\n\n";
    text += "| kind | category | what happened |\n| --- | --- | --- |\n";
    for kind in Kind::ALL {
        text += &row([&format!("`{}`", kind.name()), kind.category().name(), kind.about()]);
    }
    text
}
