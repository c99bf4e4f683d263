//! The pages of the reference, made from the code: the grammar of the command line, the parameters, the faults, the
//! kinds of events and the file formats with their JSON schemas.
//!
//! A test compares them with `docs/reference/`.

mod commands;
mod formats;
mod markdown;
mod parameters;

use crate::app::App;

/// A page of the reference, or a JSON schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The file's name.
    pub file: String,
    /// The file's text.
    pub text: String,
}

/// Returns all pages.
///
/// ```
/// use stormglass_cli::{App, reference};
///
/// let pages = reference::pages(&App::new());
/// assert!(pages.iter().any(|page| page.file == "commands.md" && page.text.contains("## run")));
/// assert!(pages.iter().any(|page| page.file == "schemas/plan.json"));
/// ```
pub fn pages(app: &App) -> Vec<Page> {
    let mut pages = vec![
        page("commands.md", commands::commands()),
        page("parameters.md", parameters::parameters(app)),
        page("faults.md", formats::faults()),
        page("events.md", commands::events()),
        page("formats.md", formats::formats()),
    ];
    pages.extend(formats::schemas().into_iter().map(|(file, text)| page(&file, text)));
    pages
}

fn page(file: &str, text: String) -> Page {
    Page { file: file.into(), text }
}
