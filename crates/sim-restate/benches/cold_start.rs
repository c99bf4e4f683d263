//! Cold starts per second on one core, and what keeping the events costs, as a ratio.

use criterion::{Criterion, Throughput};
use sim_restate::ColdStart;
use std::path::PathBuf;
use stormglass_core::{Keep, Seed};
use stormglass_sim::{Run, Settings};

fn main() {
    let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    let mut criterion = Criterion::default().output_directory(&output).configure_from_args();
    let settings = Settings::resolve(&ColdStart, None, "ci-disk", &[("disk.sync.delay", "200ms")])
        .expect("shipped model and profile are valid");
    let mut group = criterion.benchmark_group("cold-start");
    group.throughput(Throughput::Elements(1)).sample_size(50);
    for (name, keep) in [("hashed", Keep::Nothing), ("kept", Keep::Events)] {
        let mut seed = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                seed += 1;
                Run::new(&ColdStart, settings.clone(), Seed(seed)).play(keep).outcome.events
            });
        });
    }
    group.finish();
    criterion.final_summary();
    let nanos = |name: &str| -> Option<f64> {
        let file = output.join("cold-start").join(name).join("new/estimates.json");
        let estimates: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    };
    if let (Some(hashed), Some(kept)) = (nanos("hashed"), nanos("kept")) {
        println!("cold starts per second and core      {:.0}", 1e9 / hashed);
        println!("kept events / hashed only            {:.2}", kept / hashed);
    }
}
