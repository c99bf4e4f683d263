//! The report of a sweep in every form.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

use expect_test::expect;
use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_core::identity::Build;
use stormglass_core::trace::TraceHash;
use stormglass_core::{EventId, Length, Outcome, Seed, SimTime, Verdict, Wait};
use stormglass_report::sweep::{Findings, junit::junit, page::html, tables};
use stormglass_sweep::plan::Resolved;
use stormglass_sweep::stats::stopping::Target;
use stormglass_sweep::{Manifest, Plan, Row, Shard, Space, Tally};

const SPACE: &str = "
scenario = 'start <b>&'
seeds = '0..400'
variant = [{ name = 'as it was' }, { name = 'twice as fast', set = { speed = 2 } }]
[[parameter]]
key = 'nodes'
values = [3, 5]
[[parameter]]
key = 'admin.deadline'
values = ['5s', '20s']
";

/// Exponential waits of a second for each node, or half of that.
fn findings() -> Findings {
    findings_of(SPACE)
}

fn findings_of(space: &str) -> Findings {
    let space = Space::parse("start.toml", space).unwrap();
    let value = |sets: &[(String, String)], key: &str| {
        sets.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
    };
    let plan = Plan::of(space.cells().unwrap(), |cell| {
        let deadline = value(&cell.sets, "admin.deadline").unwrap_or_else(|| "5s".into());
        let deadline = humantime::parse_duration(&deadline).unwrap();
        let behaviour = format!("{:?} {:?}", value(&cell.sets, "nodes"), value(&cell.sets, "speed"));
        Ok::<_, ()>(Resolved { behaviour, deadlines: vec![("admin.deadline".into(), deadline)] })
    });
    let plan = plan.unwrap();
    let mut tally = Tally::new(&plan);
    for (history, cell) in plan.histories.iter().enumerate() {
        let number = |key: &str| value(&cell.sets, key).map_or(1.0, |value| value.parse().unwrap());
        let mean = number("nodes") / number("speed");
        for seed in cell.seeds.range() {
            let length = Duration::from_secs_f64(-Seed(seed).stream("weather").uniform().ln() * mean);
            let (ended, parameter) = (SimTime::from(length), Some("admin.deadline".into()));
            let (began, deadline) = (SimTime::ZERO, Duration::from_secs(5));
            let (name, node) = ("admin".to_string(), "node-1".to_string());
            let length = Length::Observed(length);
            let waits = vec![Wait { name, node, began, deadline, parameter, length, end: EventId::START }];
            let verdict = Verdict::of_waits(&waits, ended);
            let (counters, trace_hash) = (BTreeMap::new(), TraceHash(1));
            let outcome = Outcome {
                verdict,
                waits,
                counters,
                events: 1,
                trace_hash,
                ended,
                sometimes: BTreeMap::new(),
                too_few: None,
            };
            tally.add(&plan, &Row { history, seed, outcome });
        }
    }
    let build = Build { commit: "0123abcd".into(), lock_hash: "l".into(), rustc: "r".into() };
    let target = Target { flake: 0.05, ..Target::default() };
    let sweep = "start".to_string();
    let manifest = Manifest {
        schema: Manifest::SCHEMA,
        sweep,
        build,
        plan,
        target,
        stop: None,
        shard: Shard::WHOLE,
        rows: None,
    };
    Findings::of(&manifest, &tally, |cell, seed| format!("explain {} --seed {seed}", cell.label()))
}

#[test]
fn terminal_report_has_tables() {
    expect![[r#"
        start <b>&

         cell                                        runs  failed      failure rate (95 % CI)  no longer fail  fail now        p  admin.deadline: change in wait, median (95 % CI)  first seed
         as it was, admin.deadline=5s, nodes=3        400      74  18.50 % (14.81 to 22.66 %)                                                                                                3
         as it was, admin.deadline=20s, nodes=3       400       0     0.00 % (0.00 to 0.92 %)
         as it was, admin.deadline=5s, nodes=5        400     144  36.00 % (31.29 to 40.92 %)                                                                                                3
         as it was, admin.deadline=20s, nodes=5       400       8     2.00 % (0.87 to 3.90 %)                                                                                              101
         twice as fast, admin.deadline=5s, nodes=3    400      16     4.00 % (2.30 to 6.41 %)              58         0  < 0.001                       -1.015 s (-1.201 to -0.865)           3
         twice as fast, admin.deadline=20s, nodes=3   400       0     0.00 % (0.00 to 0.92 %)               0         0    1.000                       -1.015 s (-1.201 to -0.865)
         twice as fast, admin.deadline=5s, nodes=5    400      55  13.75 % (10.53 to 17.52 %)              89         0  < 0.001                       -1.691 s (-2.001 to -1.442)           3
         twice as fast, admin.deadline=20s, nodes=5   400       0     0.00 % (0.00 to 0.92 %)               8         0    0.016                       -1.691 s (-2.001 to -1.442)

        Causes of failure in "as it was, admin.deadline=5s, nodes=3": admin (74)

        The smallest deadlines that keep the failure rate of their waits under 5 % at 95 % confidence, in the first cell of each case

         deadline                    now  runs   median       p99 (95 % CI)  runs over it  smallest
         start <b>&: admin.deadline  5 s   400  2.023 s  11.670 to 18.759 s            74  10.976 s

        The cost of a lower failure rate at 95 % confidence: a longer deadline finds a dead node later (for each case, the deadline that most runs exceed)

         deadline                    failure rate  shortest value             in the cell
         start <b>&: admin.deadline        < 20 %         2.840 s  twice as fast, nodes=3
         start <b>&: admin.deadline        < 10 %         4.050 s  twice as fast, nodes=3
         start <b>&: admin.deadline         < 5 %         5.538 s  twice as fast, nodes=3
         start <b>&: admin.deadline         < 2 %         9.372 s  twice as fast, nodes=3

        Which parameters matter

         parameter                     failure rate by value   effect  seeds worse, better        p
         start <b>&: admin.deadline  5s: 18.06 %, 20s: 0.5 %  17.56 %               144, 0  < 0.001
         start <b>&: nodes             3: 5.63 %, 5: 12.94 %   7.31 %               117, 0  < 0.001

        1600 runs, 4759 s of simulated time. Playing each cell separately with all its seeds takes 3200 runs (2.0 times as many); a grid of fixed size with the same precision and other seeds in each cell takes 14524 s (3.1 times)
    "#]].assert_eq(&tables::text(&findings()));
}

#[test]
fn ci_summary_is_markdown() {
    let markdown = tables::markdown(&findings());
    assert!(markdown.starts_with("### start <b>&\n\n| cell "), "{markdown}");
    assert!(markdown.contains("\n### Which parameters matter\n\n| parameter "), "{markdown}");
}

#[test]
fn junit_has_one_test_per_cell() {
    let xml = junit(&findings());
    let lines: Vec<&str> = xml.lines().map(str::trim).collect();
    let after = |cell: &str| {
        let name = format!("<testcase name=\"{cell}\" classname=\"start &lt;b&gt;&amp;\"");
        let place = lines.iter().position(|line| line.starts_with(&name)).unwrap();
        lines[place..place + 3].join("\n")
    };
    assert_eq!(lines[1], r#"<testsuites name="start" tests="8" skipped="1" failures="3" errors="0">"#);
    let above = after("as it was, admin.deadline=5s, nodes=3");
    assert!(
        above.contains("<failure message=\"74 of 400 runs failed: failure rate 18.50 % (14.81 to 22.66 %), above the target of 5 %\""),
        "{above}"
    );
    assert!(above.contains("explain as it was, admin.deadline=5s, nodes=3 --seed 3</failure>"), "{above}");
    let open = after("twice as fast, admin.deadline=5s, nodes=3");
    assert!(
        open.contains(
            "<skipped message=\"16 of 400 runs failed: failure rate 4.00 % (2.30 to 6.41 %), undecided"
        ),
        "{open}"
    );
    let below = after("as it was, admin.deadline=20s, nodes=3");
    assert!(below.lines().next().unwrap().ends_with("/>"), "{below}");
}

/// The page has all sections, every failed cell links to its command, and nothing is loaded from
/// elsewhere.
#[test]
fn page_needs_no_other_resources() {
    let findings = findings();
    let page = html(&findings);
    assert_eq!(page, html(&findings), "the same bytes for the same findings");
    for heading in [
        "Survival curves of waits",
        "The cost of a lower failure rate",
        "Which parameters matter",
        "Which parameters interact",
    ] {
        assert!(page.contains(heading), "{heading}");
    }
    for fetched in ["http:", "https:", "src=", "@import", "<script", "url("] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    assert!(page.contains("start &#60;b&#62;&#38;") && !page.contains("<b>"), "names are text");
    let failing: Vec<usize> =
        (0..findings.cells.len()).filter(|&place| findings.cells[place].failed > 0).collect();
    assert!(!failing.is_empty());
    for place in failing {
        assert!(page.contains(&format!("href=\"#cell-{place}\"")), "a link to {place}");
        assert_eq!(page.matches(&format!("id=\"cell-{place}\"")).count(), 1, "what it leads to");
    }
    // A curve for each deadline with its values drawn in; a square for each pair of values of two
    // pairs of parameters.
    assert_eq!(page.matches("class=\"deadline\"").count(), 2);
    assert!(page.matches("<rect").count() >= 4);
}

/// Variants of one case, without other parameters.
const VARIANTS: &str = "
scenario = 'start'
seeds = '0..400'
set = { nodes = 3 }
[[variant]]
name = 'as it was'
[[variant]]
name = 'twice as fast'
set = { speed = 2 }
[[variant]]
name = 'half as fast'
set = { speed = 0.5 }
[[variant]]
name = 'nearly as fast'
set = { speed = 0.999 }
[[variant]]
name = 'deadline 5 s → 20 s'
set = { 'admin.deadline' = '20s' }
[[variant]]
name = 'deadline 5 s → 4 s'
set = { 'admin.deadline' = '4s' }
";

#[test]
fn a_sentence_says_what_each_variant_is_worth_and_costs() {
    let findings = findings_of(VARIANTS);
    let text = tables::text(&findings);
    let start = text.find("What each variant is worth").unwrap();
    let lines = text[start..].lines().take_while(|line| !line.contains("simulated time"));
    expect![[r#"
        What each variant is worth, for which case, and what it costs

        - twice as fast: fewer failures in start (18.50 % → 4.00 %, 95 % CI 2.30 to 6.41 %; of the seeds 58 no longer fail, 0 fail now; p < 0.001; most by admin, 74 → 16). Gain in time: half of the runs wait at least 1.015 s less for admin.deadline (0.865 to 1.201 s). Cost in time: none that these runs show.
        - half as fast: more failures in start (18.50 % → 42.25 %, 95 % CI 37.36 to 47.26 %; of the seeds 0 no longer fail, 95 fail now; p < 0.001; most by admin, 74 → 169). Cost in time: half of the runs wait at least 2.029 s longer for admin.deadline (1.731 to 2.401 s).
        - nearly as fast: no significant change in start (18.50 % → 18.50 %, 95 % CI 14.81 to 22.66 %; of the seeds 0 no longer fail, 0 fail now; p = 1.000). Cost in time: half of the runs wait at least 0.002 s longer for admin.deadline (0.002 to 0.002 s).
        - deadline 5 s → 20 s: fewer failures in start (18.50 % → 0.00 %, 95 % CI 0.00 to 0.92 %; of the seeds 74 no longer fail, 0 fail now; p < 0.001; most by admin, 74 → 0). Cost in time: a wait that never ends is reported after 20 s instead of 5 s (admin.deadline).
        - deadline 5 s → 4 s: more failures in start (18.50 % → 24.75 %, 95 % CI 20.60 to 29.28 %; of the seeds 0 no longer fail, 25 fail now; p < 0.001; most by admin, 74 → 99). Gain in time: a wait that never ends is reported after 4 s instead of 5 s (admin.deadline).

    "#]].assert_eq(&lines.map(|line| format!("{line}\n")).collect::<String>());
    let markdown = tables::markdown(&findings);
    assert!(markdown.contains("\n### What each variant is worth, for which case,"), "{markdown}");
    assert!(markdown.contains("\n- **twice as fast**: fewer failures in start ("), "{markdown}");
    let page = html(&findings);
    for worth in &findings.worths {
        assert!(page.contains(&format!(
            "<strong>{}</strong>: {}",
            worth.variant,
            worth.sentence.replace('<', "&#60;")
        )));
    }
}

/// The effect of a variant depends on the other parameters, so one sentence would be wrong.
#[test]
fn variants_beside_varied_parameters_have_no_sentence() {
    assert!(findings().worths.is_empty());
}
