//! The data of a page: what its scripts draw.

use super::bands::{Band, PlannedFault};
use super::chance::Chance;
use super::columns::{self, Columns};
use super::headline::Headline;
use super::lives::Life;
use super::log::ShownLine;
use super::roles::Role;
use super::waits::{self, ShownWait};
use crate::lanes::Lanes;
use serde::Serialize;
use stormglass_core::event::Category;
use stormglass_core::{Kind, Outcome, Trace, Wait};

/// The version of the data's form.
const VERSION: u32 = 1;

/// The data of a page, without the columns of events. Times are nanoseconds since the start of the
/// run, events are named by their numbers from 1, lanes and waits by their indexes from 0.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    version: u32,
    ended: u64,
    pub(super) headline: Headline,
    passed: bool,
    symbols: &'a [String],
    kinds: Vec<(&'static str, usize)>,
    categories: [&'static str; Category::ALL.len()],
    pub(super) lanes: Vec<String>,
    /// Pairs of a node's symbol and its lane.
    lane_of: Vec<(usize, usize)>,
    scopes: Vec<[u32; 2]>,
    pub(super) events: usize,
    columns: [&'static str; columns::NAMES.len()],
    lengths: [usize; columns::NAMES.len()],
    pub(super) waits: Vec<ShownWait>,
    /// The wait that is shown first.
    chosen: Option<usize>,
    faults: Vec<Band>,
    lives: Vec<Life>,
    roles: Vec<Role>,
    log: Vec<ShownLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chance: Option<&'a Chance>,
}

impl Document<'_> {
    /// Returns the data of a run, and the bytes of its columns.
    pub(super) fn of<'a>(
        trace: &'a Trace,
        outcome: &Outcome,
        faults: &[PlannedFault],
        wait: Option<&Wait>,
        chance: Option<&'a Chance>,
    ) -> (Document<'a>, Vec<u8>) {
        let ended = trace.events.last().map_or(0, |event| event.at_nanos).max(outcome.ended.as_nanos());
        let end = stormglass_core::SimTime::from_nanos(ended);
        let lanes = Lanes::of(trace);
        let mut bands: Vec<Band> = faults.iter().map(|fault| Band::of(fault, &lanes, end)).collect();
        bands.extend(Band::of_injected(&trace.injected, &lanes, end));
        bands.sort_by_key(|band| band.from);
        let lives = Life::of(trace, &lanes, &bands, end);
        let waits = ShownWait::all(trace, &outcome.waits, &lanes);
        let wanted = wait.and_then(|wait| outcome.waits.iter().position(|other| other == wait));
        let chosen = wanted.or_else(|| waits::chosen(&outcome.waits, &outcome.verdict));
        let headline = Headline::of(trace, outcome, chosen.map(|index| &waits[index]), &bands, &lanes);
        let Columns { scopes, lengths, bytes } = Columns::of(trace);
        let log = ShownLine::all(trace);
        let category = |kind: &Kind| {
            Category::ALL.iter().position(|&of| of == kind.category()).expect("every category is in ALL")
        };
        let document = Document {
            version: VERSION,
            ended,
            headline,
            passed: outcome.verdict.is_passed(),
            symbols: &trace.symbols,
            kinds: Kind::ALL.iter().map(|kind| (kind.name(), category(kind))).collect(),
            categories: Category::ALL.map(Category::name),
            lane_of: lanes.of_symbol.iter().map(|(symbol, &lane)| (symbol.index(), lane)).collect(),
            roles: Role::of(trace, &lanes, &lives, end),
            lanes: lanes.names,
            scopes,
            events: trace.events.len(),
            columns: columns::NAMES,
            lengths,
            waits,
            chosen,
            faults: bands,
            lives,
            log,
            chance,
        };
        (document, bytes)
    }
}
