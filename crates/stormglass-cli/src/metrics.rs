//! The progress of a sweep as OpenMetrics text, in a file that is replaced at once.
//!
//! A file and no HTTP port: the tasks of a Slurm array and the pods of a Kubernetes job come and go, and several may
//! share a machine, so a scraper would have to learn their addresses. The textfile collector of the node exporter reads
//! every `*.prom` in its folder, which needs no such list, and `curl --data-binary @FILE` sends the same text to a
//! Pushgateway. What is here is valid as OpenMetrics 1.0 and as Prometheus' text format 0.0.4, which that collector
//! reads.

use crate::error::CliError;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time between two writes. Prometheus scrapes every 15 s to 60 s.
const BETWEEN_WRITES: Duration = Duration::from_secs(10);

/// The state of a sweep at some moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// The largest number of runs that this process plays.
    pub(crate) planned: u64,
    /// By case: the runs that are done, those that failed, and their simulated time in seconds.
    pub(crate) cases: BTreeMap<String, (u64, u64, f64)>,
    /// The number of cells below the target, above it, near it, and undecided.
    pub(crate) cells: [u64; 4],
    /// The real time since the start.
    pub(crate) elapsed: Duration,
    /// Whether the process has played all that it will play.
    pub(crate) is_complete: bool,
}

/// The file of metrics.
pub(crate) struct Metrics {
    file: PathBuf,
    /// The labels of every sample.
    labels: String,
    commit: String,
    next: Duration,
}

impl Metrics {
    /// Creates metrics with the labels `sweep` and `shard`.
    pub(crate) fn new(file: &Path, sweep: &str, shard: &str, commit: &str) -> Metrics {
        let labels = format!("sweep=\"{}\",shard=\"{}\"", escaped(sweep), escaped(shard));
        Metrics { file: file.into(), labels, commit: escaped(commit), next: Duration::ZERO }
    }

    /// Whether it is time to write.
    pub(crate) fn is_due(&self, elapsed: Duration) -> bool {
        elapsed >= self.next
    }

    /// Replaces the file: a reader sees the old text or the new one, never a part.
    ///
    /// # Errors
    ///
    /// If a file beside it cannot be written, or cannot be renamed.
    pub(crate) fn write(&mut self, progress: &Progress) -> Result<(), CliError> {
        self.next = progress.elapsed + BETWEEN_WRITES;
        let mut name = self.file.file_name().unwrap_or_default().to_os_string();
        // Not `.prom`, so that the collector does not read it.
        name.push(format!(".{}.tmp", std::process::id()));
        let beside = self.file.with_file_name(name);
        let fail = |source| CliError::Write { file: self.file.clone(), source };
        std::fs::write(&beside, self.text(progress)).map_err(fail)?;
        std::fs::rename(&beside, &self.file).map_err(fail)
    }

    fn text(&self, progress: &Progress) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(&str, String, String)>| {
            let _ = writeln!(text, "# TYPE {name} {kind}\n# HELP {name} {help}");
            for (suffix, labels, value) in samples {
                let _ = writeln!(text, "{name}{suffix}{{{}{labels}}} {value}", self.labels);
            }
        };
        let commit = format!(",commit=\"{}\"", self.commit);
        family(
            "stormglass_sweep_build",
            "gauge",
            "The commit that plays; the value is 1.",
            vec![("", commit, "1".into())],
        );
        family(
            "stormglass_sweep_runs_planned",
            "gauge",
            "The largest number of runs that this process plays.",
            vec![("", String::new(), progress.planned.to_string())],
        );
        type Value = fn(&(u64, u64, f64)) -> String;
        let counters: [(&str, &str, Value); 3] = [
            ("runs", "Runs that are done.", |of| of.0.to_string()),
            ("failed_runs", "Runs that are done and failed.", |of| of.1.to_string()),
            ("simulated_seconds", "Simulated time of the runs that are done.", |of| format!("{:.3}", of.2)),
        ];
        for (name, help, value) in counters {
            let samples = progress
                .cases
                .iter()
                .map(|(case, of)| ("_total", format!(",case=\"{}\"", escaped(case)), value(of)));
            family(&format!("stormglass_sweep_{name}"), "counter", help, samples.collect());
        }
        let sides = ["below", "above", "near", "undecided"].into_iter().zip(progress.cells);
        family(
            "stormglass_sweep_cells",
            "gauge",
            "Cells by the side of the target on which their failure rate is.",
            sides.map(|(side, count)| ("", format!(",side=\"{side}\""), count.to_string())).collect(),
        );
        family(
            "stormglass_sweep_elapsed_seconds",
            "gauge",
            "Real time since the process began to play.",
            vec![("", String::new(), format!("{:.3}", progress.elapsed.as_secs_f64()))],
        );
        family(
            "stormglass_sweep_complete",
            "gauge",
            "1 if the process has played all that it will play.",
            vec![("", String::new(), u8::from(progress.is_complete).to_string())],
        );
        text + "# EOF\n"
    }
}

/// Escapes the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn progress() -> Progress {
        Progress {
            planned: 600,
            cases: [("a \"b\"".to_string(), (12, 3, 61.5))].into(),
            cells: [1, 0, 0, 2],
            elapsed: Duration::from_millis(2_500),
            is_complete: false,
        }
    }

    #[test]
    fn the_text_is_open_metrics() {
        let metrics = Metrics::new(Path::new("sweep.prom"), "remedies", "0/1", "0123abcd");
        expect![[r#"
            # TYPE stormglass_sweep_build gauge
            # HELP stormglass_sweep_build The commit that plays; the value is 1.
            stormglass_sweep_build{sweep="remedies",shard="0/1",commit="0123abcd"} 1
            # TYPE stormglass_sweep_runs_planned gauge
            # HELP stormglass_sweep_runs_planned The largest number of runs that this process plays.
            stormglass_sweep_runs_planned{sweep="remedies",shard="0/1"} 600
            # TYPE stormglass_sweep_runs counter
            # HELP stormglass_sweep_runs Runs that are done.
            stormglass_sweep_runs_total{sweep="remedies",shard="0/1",case="a \"b\""} 12
            # TYPE stormglass_sweep_failed_runs counter
            # HELP stormglass_sweep_failed_runs Runs that are done and failed.
            stormglass_sweep_failed_runs_total{sweep="remedies",shard="0/1",case="a \"b\""} 3
            # TYPE stormglass_sweep_simulated_seconds counter
            # HELP stormglass_sweep_simulated_seconds Simulated time of the runs that are done.
            stormglass_sweep_simulated_seconds_total{sweep="remedies",shard="0/1",case="a \"b\""} 61.500
            # TYPE stormglass_sweep_cells gauge
            # HELP stormglass_sweep_cells Cells by the side of the target on which their failure rate is.
            stormglass_sweep_cells{sweep="remedies",shard="0/1",side="below"} 1
            stormglass_sweep_cells{sweep="remedies",shard="0/1",side="above"} 0
            stormglass_sweep_cells{sweep="remedies",shard="0/1",side="near"} 0
            stormglass_sweep_cells{sweep="remedies",shard="0/1",side="undecided"} 2
            # TYPE stormglass_sweep_elapsed_seconds gauge
            # HELP stormglass_sweep_elapsed_seconds Real time since the process began to play.
            stormglass_sweep_elapsed_seconds{sweep="remedies",shard="0/1"} 2.500
            # TYPE stormglass_sweep_complete gauge
            # HELP stormglass_sweep_complete 1 if the process has played all that it will play.
            stormglass_sweep_complete{sweep="remedies",shard="0/1"} 0
            # EOF
        "#]]
        .assert_eq(&metrics.text(&progress()));
    }

    #[test]
    fn the_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = std::env::temp_dir().join(format!("stormglass-metrics-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("sweep.prom");
        let mut metrics = Metrics::new(&file, "remedies", "0/1", "0123abcd");
        assert!(metrics.is_due(Duration::ZERO), "the first text is written at once");
        metrics.write(&progress()).unwrap();
        assert!(
            !metrics.is_due(Duration::from_millis(12_499)) && metrics.is_due(Duration::from_millis(12_500))
        );
        metrics.write(&Progress { is_complete: true, ..progress() }).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("stormglass_sweep_complete{sweep=\"remedies\",shard=\"0/1\"} 1\n"), "{text}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
