//! Fault plans: a TOML file represents a plan completely, a seed always gives the same faults, and
//! shrinking preserves the failure.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_plan::generate::GeneratedKind;
use stormglass_plan::{Fault, FaultKind, Generate, LinkFault, Loss, OneShot, Plan, shrink};

fn nodes(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("node-{number}")).collect()
}

/// A plan with every kind of fault and every field.
const ALL_KINDS: &str = r#"
fault = [
    { at = "1s", lasts = "0s", kind = "kill", node = "node-1" },
    { at = "1s", lasts = "2s", kind = "power-loss", node = "node-1", loss = "torn" },
    { at = "1s", lasts = "2s", kind = "terminate", node = "node-1", grace = "30s" },
    { at = "1s", lasts = "2s", kind = "pause", node = "node-[12]" },
    { at = "1s", kind = "cut", from = "node-1", to = "node-2", one-way = true },
    { at = "1s", lasts = "2s", kind = "partition", groups = [["node-1"], ["node-2", "node-3"]] },
    { at = "1s", lasts = "2s", kind = "flap", from = "node-1", to = "*", period = "1s", down = "250ms" },
    { at = "1s", lasts = "2s", kind = "lossy-link", from = "node-1", probability = 0.2 },
    { at = "1s", lasts = "2s", kind = "slow-link", by = { uniform = { min = "0s", max = "300ms" } } },
    { at = "1s", lasts = "2s", kind = "duplicating-link", probability = 1.0 },
    { at = "1s", lasts = "2s", kind = "corrupting-link", probability = 0.5 },
    { at = "1s", lasts = "2s", kind = "short-reads", from = "node-1", probability = 0.1 },
    { at = "1s", lasts = "2s", kind = "short-writes", to = "node-[23]" },
    { at = "1s", lasts = "2s", kind = "refuse", to = "node-3" },
    { at = "1s", kind = "reset", from = "node-1", to = "*" },
    { at = "1s", kind = "new-address", node = "node-1", old-address = "refuse" },
    { at = "1s", lasts = "2s", kind = "unresolved", name = "node-2" },
    { at = "1s", lasts = "2s", kind = "port-in-use", node = "node-1", port = 5122 },
    { at = "1s", lasts = "2s", kind = "slow-disk", node = "node-1", factor = inf },
    { at = "1s", lasts = "2s", kind = "disk-delay", node = "node-1", by = "50ms", operations = ["fsync"], path = "db/**" },
    { at = "1s", lasts = "2s", kind = "disk-error", node = "*", error = "no-space", operations = ["write", "create"] },
    { at = "1s", lasts = "2s", kind = "disk-short", node = "*", probability = 0.1 },
    { at = "1s", lasts = "2s", kind = "disk-short-directory", node = "*", path = "db/**", probability = 0.1 },
    { at = "1s", lasts = "2s", kind = "clock-skew", node = "node-1", offset = "-250ms" },
    { at = "1s", kind = "clock-drift", node = "node-*", ppm = -12.5 },
    { at = "1s", kind = "clock-jump", node = "node-1", offset = "1h" },
    { at = "1s", lasts = "2s", kind = "disk-corruption", node = "*", effect = "bit-flip", path = "**/*.sst" },
]
[generate]
count = 3
kinds = ["kill", "disk-corruption"]
lasts = "1s"
"#;

#[test]
fn to_toml_round_trips() {
    let plan = Plan::parse("all.toml", ALL_KINDS).unwrap();
    assert_eq!(plan.written.len(), 27);
    assert_eq!(Plan::parse("again.toml", &plan.to_toml()).unwrap(), plan);
}

#[test]
fn to_toml_and_display_are_readable() {
    let cut = LinkFault::Cut { from: "node-1".into(), to: "node-2".into(), one_way: false };
    let faults = vec![
        Fault::new(Duration::from_millis(1_500), Duration::from_secs(2), cut),
        Fault {
            at: Duration::from_secs(4),
            lasts: None,
            kind: OneShot::PowerLoss { node: "node-3".into(), loss: Loss::Everything }.into(),
        },
    ];
    expect![[r#"
        [[fault]]
        at = "1s 500ms"
        lasts = "2s"
        kind = "cut"
        from = "node-1"
        to = "node-2"
        one-way = false

        [[fault]]
        at = "4s"
        kind = "power-loss"
        node = "node-3"
        loss = "everything"
    "#]]
    .assert_eq(&Plan::of(faults.clone()).to_toml());
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        ["1.5s: cut node-1 ↔ node-2, for 2s", "4s: power loss of node-3 (everything), to the end"]
    );
}

#[test]
fn faults_of_clocks_and_of_processes_are_read_with_defaults_and_checked() {
    let one = |fields: &str| Plan::parse("p.toml", &format!("[[fault]]\nat = '1s'\n{fields}"));
    let terminate = one("kind = 'terminate'\nnode = 'n'").unwrap().written.remove(0);
    assert_eq!(terminate.to_string(), "1s: terminate n (grace 10s), to the end");
    let address = one("kind = 'new-address'\nnode = 'n'").unwrap().written.remove(0);
    assert_eq!(address.to_string(), "1s: new address of n (the old one hangs), to the end");
    let skew = one("kind = 'clock-skew'\nnode = 'n'\noffset = '-1m'").unwrap().written.remove(0);
    assert_eq!(skew.to_string(), "1s: clock of n wrong by -1m, to the end");
    for (fields, problem) in [
        ("kind = 'clock-skew'\nnode = 'n'\noffset = '0s'", "offset`: is 0, which changes nothing"),
        ("kind = 'clock-jump'\nnode = 'n'\noffset = '-366days'", "offset`: the range is -365days to 365days"),
        ("kind = 'clock-drift'\nnode = 'n'\nppm = nan", "ppm`: the range is -100000 to 100000"),
        ("kind = 'clock-drift'\nnode = 'n'\nppm = 1e6", "ppm`: the range is -100000 to 100000"),
        (
            "kind = 'clock-jump'\nlasts = '1s'\nnode = 'n'\noffset = '1s'",
            "lasts`: a clock that jumps stays set",
        ),
        ("kind = 'terminate'\nnode = 'n'\ngrace = '366days'", "grace`: the range is 0s to 365days"),
    ] {
        let error = one(fields).unwrap_err().to_string();
        assert!(error.starts_with("p.toml: `fault[0].") && error.contains(problem), "{error}");
    }
}

/// The kinds that were added last are drawn last, so a seed's subset of the earlier ones stays.
#[test]
fn kinds_of_clocks_and_processes_are_drawn_only_when_named() {
    use GeneratedKind::{ClockDrift, ClockJump, ClockSkew, NewAddress, Terminate};
    let usual = Generate { count: 40, ..Generate::default() };
    let added = [Terminate, NewAddress, ClockSkew, ClockDrift, ClockJump];
    assert!(added.iter().all(|kind| !usual.kinds.contains(kind) && kind.is_survivable()));
    let named = Generate { kinds: added.to_vec(), swarm: false, ..usual };
    let faults = named.faults(Seed(1), &nodes(3));
    for kind in ["terminate", "new-address", "clock-skew", "clock-drift", "clock-jump"] {
        let text = Plan::of(faults.clone()).to_toml();
        assert!(text.contains(&format!("kind = \"{kind}\"")), "{kind} in {text}");
    }
    assert!(Plan::of(faults).check().is_ok());
}

#[track_caller]
fn assert_rejected(text: &str, expected: Expect) {
    expected.assert_eq(&Plan::parse("p.toml", text).unwrap_err().to_string());
}

#[test]
fn invalid_plans_are_rejected_with_field_and_remedy() {
    assert_rejected(
        "[[fault]]\nkind = 'kill'\nnode = 'node-1'",
        expect!["p.toml: `fault[0]`: missing field `at`"],
    );
    assert_rejected(
        "[[fault]]\nat = '3'\nkind = 'kill'\nnode = 'node-1'",
        expect![[
            r#"p.toml: `fault[0]`: `at`: invalid value: string "3", expected a duration with its unit, such as "150ms" or "5s""#
        ]],
    );
    assert_rejected(
        "[[fault]]\nat = '3s'\nkind = 'kill'\nnod = 'node-1'",
        expect!["p.toml: `fault[0]`: unknown field `nod`, expected `node`"],
    );
    assert_rejected(
        "[[fault]]\nat = '3s'\nkind = 'pause'\nnode = 'node-1'\n[[fault]]\nat = '3s'\nkind = 'pawse'\nnode = 'node-1'",
        expect![
            "p.toml: `fault[1]`: unknown variant `pawse`, expected one of `kill`, `power-loss`, `terminate`, `pause`, `reset`, `new-address`, `cut`, `partition`, `flap`, `lossy-link`, `slow-link`, `duplicating-link`, `corrupting-link`, `short-reads`, `short-writes`, `refuse`, `unresolved`, `port-in-use`, `slow-disk`, `disk-delay`, `disk-error`, `disk-short`, `disk-short-directory`, `disk-corruption`, `clock-skew`, `clock-drift`, `clock-jump`"
        ],
    );
    assert_rejected(
        "[[fault]]\nat = '3s'\nlasts = '0s'\nkind = 'pause'\nnode = 'node-1'",
        expect!["p.toml: `fault[0].lasts`: must be above 0s; leave it out for the rest of the run"],
    );
    assert_rejected(
        "[[fault]]\nat = '1000years'\nkind = 'pause'\nnode = 'node-1'",
        expect!["p.toml: `fault[0].at`: is 1000years, the range is 0s to 365days"],
    );
    for (fields, problem) in [
        ("kind = 'kill'\nnode = '*'\nlasts = '2years'", "fault[0].lasts`: is 2years"),
        ("kind = 'slow-disk'\nnode = '*'\nfactor = 1e300", "fault[0].factor`: is 1"),
        ("kind = 'slow-link'\nby = '2years'", "fault[0]`: a duration is 2years, the range is 0s to 365days"),
        (
            "kind = 'slow-link'\nby = { scaled = { of = '1s', factor = 1e7 } }",
            "fault[0]`: factor is 10000000, the range is 0 to 1000000",
        ),
        (
            "kind = 'disk-delay'\nnode = '*'\nby = { exponential = { mean = '1s', max = '2years' } }",
            "fault[0]`: a duration is 2years, the range is 0s to 365days",
        ),
        (
            "kind = 'flap'\nfrom = 'a'\nto = 'b'\nperiod = '0s'\ndown = '0s'",
            "fault[0].period`: is 0s, the range is 1ms to 365days",
        ),
        (
            "kind = 'flap'\nfrom = 'a'\nto = 'b'\nperiod = '1s'\ndown = '2s'",
            "fault[0].down`: is 2s, must be above 0s and no longer than `period`",
        ),
    ] {
        let error =
            Plan::parse("p.toml", &format!("[[fault]]\nat = '3s'\n{fields}")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("p.toml: `{problem}")), "{error}");
    }
    assert_rejected(
        "[generate]\ncount = 100001",
        expect!["p.toml: `generate.count`: is 100001, the range is 0 to 100000"],
    );
    assert_rejected(
        "[[fault]]\nat = '3s'\nkind = 'lossy-link'\nprobability = 1.5",
        expect!["p.toml: `fault[0].probability`: is 1.5, the range is 0 to 1"],
    );
    assert_rejected(
        "[[fault]]\nat = '3s'\nkind = 'pause'\nnode = 'node-[1'",
        expect![[
            r#"p.toml: `fault[0].node`: "node-[1" is no pattern: Pattern syntax error near position 5: invalid range pattern"#
        ]],
    );
    assert_rejected(
        "[[fault]]\nat = '3s'\nkind = 'slow-disk'\nnode = '*'\nfactor = 0.5",
        expect!["p.toml: `fault[0].factor`: is 0.5, the range is 1 to 1000000; inf stops the disk"],
    );
    assert_rejected(
        "[[fault]]\nat = '3s'\nkind = 'disk-error'\nnode = '*'\nerror = 'io'\noperations = ['sync']",
        expect![[
            r#"p.toml: `fault[0]`: "sync" is no operation of a disk; there are open, create, read, write, fsync, fdatasync, rename, unlink, mkdir, readdir, truncate, allocate, stat, link, symlink, readlink, setattr"#
        ]],
    );
    assert_rejected(
        "[generate]\ncount = 1\nkinds = []",
        expect!["p.toml: `generate.kinds`: is empty; leave it out for the usual ones"],
    );
    assert_rejected(
        "[generate]\nfrom = '2s'\nuntil = '1s'",
        expect!["p.toml: `generate.until`: is before `from`"],
    );
    assert_rejected("[generate]\ndown = 0", expect!["p.toml: `generate.down`: is 0, it must be at least 1"]);
    assert_rejected(
        "[[faults]]\nkind = 'kill'",
        expect!["p.toml: `faults`: unknown field `faults`, expected `fault` or `generate`"],
    );
}

/// Of two faults that cover each other's time, of which one node allows one, there are a kill and an
/// isolation, which a single node cannot have. In a quarter of the seeds both are isolations; in
/// all others there is a kill: of 400 seeds 100 have none, with a standard deviation of 9.
#[test]
fn isolation_of_an_only_node_takes_nothing_down() {
    let generate = Generate {
        count: 2,
        kinds: vec![GeneratedKind::Isolate, GeneratedKind::Kill],
        swarm: false,
        lasts: Latency::from_millis(60_000),
        until: Duration::from_secs(9),
        ..Generate::default()
    };
    let none = (0..400).filter(|&seed| generate.faults(Seed(seed), &nodes(1)).is_empty()).count();
    assert!((70..=130).contains(&none), "{none} of 400 seeds have no kill");
}

/// Returns how many of these faults take a node down at this time.
fn down_at(faults: &[Fault], at: Duration) -> usize {
    let takes_down = |fault: &&Fault| {
        matches!(
            fault.kind,
            FaultKind::OneShot(OneShot::Kill { .. } | OneShot::PowerLoss { .. } | OneShot::Pause { .. })
                | FaultKind::Link(LinkFault::Partition { .. })
        ) && fault.at <= at
            && fault.end().is_none_or(|end| at < end)
    };
    faults.iter().filter(takes_down).count()
}

proptest! {
    #[test]
    fn generated_faults_are_valid_and_respect_the_down_limit(seed in 0u64.., count in 1u32..60, down in 1u32..3) {
        let (from, until) = (Duration::from_secs(2), Duration::from_secs(9));
        let generate = Generate { count, down, from, until, kinds: GeneratedKind::ALL.to_vec(), ..Generate::default() };
        let faults = generate.faults(Seed(seed), &nodes(5));
        prop_assert!(faults.len() <= count as usize);
        prop_assert!(Plan::of(faults.clone()).check().is_ok());
        prop_assert!(faults.is_sorted_by_key(|fault| fault.at));
        for fault in &faults {
            prop_assert!((from..=until).contains(&fault.at));
            prop_assert!(down_at(&faults, fault.at) <= down as usize);
        }
    }

    /// Faults that take no node down are never left out, so the first ones can be compared.
    #[test]
    fn larger_count_keeps_the_first_faults(seed in 0u64.., few in 1u32..10, more in 1u32..10) {
        let kinds = vec![GeneratedKind::Cut, GeneratedKind::SlowDisk, GeneratedKind::LossyLink];
        let generate = Generate { count: few, kinds, ..Generate::default() };
        let some = generate.faults(Seed(seed), &nodes(3));
        let all = Generate { count: few + more, ..generate }.faults(Seed(seed), &nodes(3));
        prop_assert_eq!(some.len(), few as usize);
        prop_assert!(some.iter().all(|fault| all.contains(fault)));
    }

    #[test]
    fn generated_plan_round_trips_through_toml(seed in 0u64..) {
        let generate = Generate { count: 20, kinds: GeneratedKind::ALL.to_vec(), down: 5, ..Generate::default() };
        let plan = Plan::of(generate.faults(Seed(seed), &nodes(5)));
        prop_assert_eq!(Plan::parse("p.toml", &plan.to_toml()).unwrap(), plan);
    }

    /// For any set of faults that a failure needs, shrinking leaves these faults.
    #[test]
    fn shrink_keeps_only_the_needed_faults(seed in 0u64.., needed in prop::collection::btree_set(0usize..12, 0..4)) {
        let generate = Generate { count: 12, kinds: vec![GeneratedKind::SlowLink], ..Generate::default() };
        let all = generate.faults(Seed(seed), &nodes(3));
        let least = Duration::from_millis(40);
        let has = |faults: &[Fault], index: usize| {
            faults.iter().any(|fault| fault.kind == all[index].kind && fault.lasts >= Some(least))
        };
        let shrunk = shrink(&all, |faults| needed.iter().all(|&index| has(faults, index)));
        // Two faults of the same kind are interchangeable.
        prop_assert!(shrunk.faults.len() <= needed.len());
        prop_assert!(needed.iter().all(|&index| has(&shrunk.faults, index)));
        prop_assert!(shrunk.faults.iter().all(|fault| fault.lasts < Some(least * 2)));
        prop_assert!(shrunk.tried < 250, "{} plans", shrunk.tried);
    }
}

/// Each seed takes a subset of the kinds; without `swarm` a seed takes all of them.
#[test]
fn swarm_takes_a_subset_of_the_kinds() {
    let generate = Generate { count: 40, down: 5, ..Generate::default() };
    let kinds_of = |generate: &Generate, seed| {
        let faults = generate.faults(Seed(seed), &nodes(5));
        let words =
            faults.iter().map(|fault| toml::Table::try_from(&fault.kind).unwrap()["kind"].to_string());
        words.collect::<BTreeSet<String>>().len()
    };
    let counts: Vec<usize> = (0..100).map(|seed| kinds_of(&generate, seed)).collect();
    let mean = counts.iter().sum::<usize>() as f64 / 100.0;
    assert!((3.0..6.0).contains(&mean), "{mean} of 9 kinds");
    assert_eq!(kinds_of(&Generate { swarm: false, ..generate }, 1), 9);
}

/// A seed must keep its faults even if the generator's code changes.
#[test]
fn generated_faults_of_a_seed_do_not_change() {
    let generate =
        Generate { count: 8, kinds: GeneratedKind::ALL[..13].to_vec(), swarm: false, ..Generate::default() };
    let lines: Vec<String> = generate.faults(Seed(1), &nodes(3)).iter().map(ToString::to_string).collect();
    expect![[r#"
        8.454s: pause node-1, for 4.935s
        11.172s: lose 43 % of node-2 ↔ *, for 149ms
        19.023s: kill node-1, for 4.309s
        22.835s: torn writes on node-2:**, for 1.229s
        24.099s: disk of node-1 31 times slower, for 1.577s
        25.404s: EIO on node-2:**, for 4.116s
        34.611s: reset connections node-2 ↔ *
        57.651s: lost names on node-3:**, for 2.188s"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn default_plan_has_no_faults() {
    assert!(Plan::default().is_empty());
    assert!(Plan::default().faults(Seed(1), &[]).is_empty());
}
