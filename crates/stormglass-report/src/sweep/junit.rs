//! Findings as JUnit XML: a suite for each case, a test for each cell.

use super::findings::Findings;
use super::tables::{causes, interval, share};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use stormglass_sweep::stats::stopping::Side;

/// The report. A cell fails if its flake rate is surely above the target, and is skipped if that is not known.
///
/// # Panics
///
/// Never: what is written is plain text.
pub fn junit(findings: &Findings) -> String {
    let mut report = Report::new(findings.sweep.clone());
    for (case, cells) in findings.cases() {
        let mut suite = TestSuite::new(case);
        for cell in cells {
            let rate = format!("{} of {} runs fail: {}", cell.failed, cell.runs, interval(&cell.rate));
            let target = share(findings.target.flake);
            let status = match cell.side {
                Some(Side::Below) => TestCaseStatus::success(),
                Some(Side::Above) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_type("flake").set_message(format!("{rate}, more than {target}"));
                    let lines: Vec<String> = [causes(cell)].into_iter().chain(cell.explain.clone()).collect();
                    status.set_description(lines.join("\n"));
                    status
                }
                side @ (Some(Side::Near) | None) => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(match side {
                        Some(_) => format!("{rate}, about {target}"),
                        None => format!("{rate}, which does not tell whether it is under {target}"),
                    });
                    status
                }
            };
            suite.add_test_case(TestCase::new(cell.cell.clone(), status).set_classname(case).clone());
        }
        report.add_test_suite(suite);
    }
    report.to_string().expect("plain text can be written")
}
