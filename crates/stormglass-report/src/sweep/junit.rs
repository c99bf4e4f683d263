//! The findings as JUnit XML: a test suite per case, a test per cell.

use super::findings::Findings;
use super::tables::{causes, rate as rate_text, share};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use stormglass_sweep::stats::stopping::Side;

/// Returns the JUnit report. A cell's test fails if its failure rate is above the target at the
/// target's confidence, and is skipped if its side of the target is unknown.
///
/// # Panics
///
/// Never: the texts are valid XML text.
pub fn junit(findings: &Findings) -> String {
    let mut report = Report::new(findings.sweep.clone());
    for (case, cells) in findings.cases() {
        let mut suite = TestSuite::new(case);
        for cell in cells {
            let rate =
                format!("{} of {} runs failed: failure rate {}", cell.failed, cell.runs, rate_text(cell));
            let target = share(findings.target.flake);
            let status = match cell.side {
                Some(Side::Below) => TestCaseStatus::success(),
                Some(Side::Above) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_type("flake").set_message(format!("{rate}, above the target of {target}"));
                    let lines: Vec<String> = [causes(cell)].into_iter().chain(cell.explain.clone()).collect();
                    status.set_description(lines.join("\n"));
                    status
                }
                side @ (Some(Side::Near) | None) => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(match side {
                        Some(_) => format!("{rate}, within the margin of the target of {target}"),
                        None => format!(
                            "{rate}, undecided: more seeds are needed to tell whether it is below {target}"
                        ),
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
