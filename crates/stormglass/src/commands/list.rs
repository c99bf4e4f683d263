//! `list`

use super::Context;
use crate::args::{List, Listed, What};
use crate::error::{CliError, Exit};
use crate::output::Output;
use serde::Serialize;
use stormglass_report::table;
use stormglass_sim::{Preset, Profile};

#[derive(Serialize)]
struct Item {
    kind: &'static str,
    name: String,
    about: String,
}

pub(crate) fn list(context: &Context<'_>, args: List, output: &mut Output) -> Result<Exit, CliError> {
    let wanted = |what: Listed| args.what.is_none() && what != Listed::Parameters || args.what == Some(what);
    let mut items = Vec::new();
    if wanted(Listed::Scenarios) {
        for scenario in context.scenarios {
            items.push(Item {
                kind: "scenario",
                name: scenario.name().into(),
                about: scenario.about().into(),
            });
        }
    }
    if wanted(Listed::Exhibits) {
        for exhibit in context.scenarios.iter().flat_map(|scenario| scenario.exhibits()) {
            items.push(Item { kind: "exhibit", name: exhibit.name.into(), about: exhibit.about.into() });
        }
    }
    if wanted(Listed::Models) {
        for scenario in context.scenarios {
            for preset in scenario.models() {
                let item = item("model", preset);
                if !items.iter().any(|known: &Item| known.kind == "model" && known.name == item.name) {
                    items.push(item);
                }
            }
        }
    }
    if wanted(Listed::Profiles) {
        items.extend(Profile::PRESETS.iter().map(|preset| item("profile", preset)));
    }
    if wanted(Listed::Parameters) {
        let scenario = context.scenario(&args.scenario)?;
        let what = What { model: None, profile: "quiet".into(), sets: Vec::new() };
        let leaves = context.settings(scenario, &what)?.leaves();
        items.extend(leaves.into_iter().map(|(name, value)| Item { kind: "parameter", name, about: value }));
    }
    if context.json {
        items.iter().for_each(|item| output.print_json(item));
        return Ok(Exit::Held);
    }
    let mut table = table::plain();
    for item in items {
        table.add_row([item.kind.to_string(), item.name, item.about]);
    }
    output.print(&table::text(&table));
    Ok(Exit::Held)
}

fn item(kind: &'static str, preset: &Preset) -> Item {
    Item { kind, name: preset.name.into(), about: preset.about().into() }
}
