//! Workloads in the fleet file: what is refused, and what comes out.

use bartizan_core::ServiceName;
use bartizan_core::fleet::{Fleet, parse};

fn file(workloads: &str) -> String {
    format!(
        "fleet: bank\ntrust_domain: bank.test\nservices:\n  accounts: {{ at: 127.0.0.1:7102, protocol: http }}\nworkloads:\n{workloads}"
    )
}

fn fleet(workloads: &str) -> Fleet {
    parse(&file(workloads), "f").unwrap()
}

#[test]
fn refuses_workloads_that_make_no_sense_and_names_the_place() {
    for (line, place, why) in [
        ("report: {}", "f:6:3: workloads.report.selectors", "no selectors"),
        ("report: { selectors: {} }", "workloads.report.selectors", "everybody would match"),
        ("report: { selectors: { uid: root } }", "workloads.report.selectors.uid", "a name"),
        ("report: { selectors: { uid: -1 } }", "workloads.report.selectors.uid", "negative"),
        ("report: { selectors: { gid: 4294967295 } }", "workloads.report.selectors.gid", "nobody"),
        ("report: { selectors: { path: report } }", "workloads.report.selectors.path", "relative"),
        ("report: { selectors: { path: /usr/../bin/x } }", "workloads.report.selectors.path", "dot-dot"),
        ("report: { selectors: { sha256: ABCD } }", "workloads.report.selectors.sha256", "no hash"),
        ("report: { selectors: { unit: report } }", "workloads.report.selectors.unit", "no ending"),
        ("report: { selectors: { uuid: 1 } }", "workloads.report.selectors.uuid", "unknown"),
        ("report: { selectors: { uid: 1 }, id: report }", "workloads.report.id", "no path"),
        ("report: { selectors: { uid: 1 }, id: /svc/accounts }", "workloads.report.id", "a service's"),
        ("report: { selectors: { uid: 1 }, id: /bartizan/control }", "workloads.report.id", "control's"),
        ("report: { selectors: { uid: 1 }, id: / }", "workloads.report.id", "the trust domain"),
        ("report: { selectors: { uid: 1 }, id: //svc/x }", "workloads.report.id", "an empty segment"),
        ("report: { selectors: { uid: 1 }, id: '/a b' }", "workloads.report.id", "a space"),
        ("report: { selectors: { uid: 1 }, node: A }", "workloads.report.node", "no name"),
        ("report: { selectors: { uid: 1 }, ttl_s: 59 }", "workloads.report.ttl_s", "too short"),
        ("report: { selectors: { uid: 1 }, ttl_s: 3601 }", "workloads.report.ttl_s", "too long"),
        ("report: { selectors: { uid: 1 }, jwt: yes please }", "workloads.report.jwt", "no flag"),
        ("report: { selectors: { uid: 1 }, dns: ['*.x'] }", "workloads.report.dns[0]", "a wildcard"),
        ("report: { selectors: { uid: 1 }, federates: [x] }", "workloads.report.federates", "not known yet"),
        ("Report: { selectors: { uid: 1 } }", "workloads.Report", "no name"),
    ] {
        let errors = parse(&file(&format!("  {line}\n")), "f").expect_err(why).to_string();
        assert!(errors.contains(place), "{line}: {errors}");
    }
    let twice = "  a: { id: /x, selectors: { uid: 1 } }\n  b: { id: /x, selectors: { uid: 1 } }\n";
    let errors = parse(&file(twice), "f").unwrap_err().to_string();
    assert!(errors.contains("f:7:3: workloads.b: the same identity and the same selectors as `a`"), "{errors}");
}

#[test]
fn reads_everything_and_fills_in_the_rest() {
    let hash = "0".repeat(64);
    let all = format!(
        "  report:\n    id: /batch/report\n    node: local\n    selectors: {{ uid: 1000, gid: 100, path: /usr/bin/report, sha256: \"{hash}\", unit: report.service }}\n    \
         ttl_s: 60\n    jwt: true\n    dns: [report.bank.test]\n  plain: {{ selectors: {{ uid: 0 }} }}\n  same: {{ selectors: {{ uid: 0 }} }}\n"
    );
    let fleet = fleet(&all);
    let entry = |name: &str| &fleet.workloads[&ServiceName::parse(name).unwrap()];
    let report = entry("report");
    assert_eq!(report.id.as_str(), "spiffe://bank.test/batch/report");
    assert_eq!((report.ttl_s, report.jwt, report.dns.len()), (Some(60), true, 1));
    assert_eq!((report.selectors.uid, report.selectors.sha256.as_deref()), (Some(1000), Some(&*hash)));
    let node = |text: &str| ServiceName::parse(text).unwrap();
    assert!(report.is_for(&node("local")) && !report.is_for(&node("other")));
    let plain = entry("plain");
    assert_eq!(plain.id.as_str(), "spiffe://bank.test/workload/plain");
    assert_eq!((plain.ttl_s, plain.jwt, plain.is_for(&node("any"))), (None, false, true));
    assert_eq!(entry("same").selectors, plain.selectors, "one program may be several workloads");
}
