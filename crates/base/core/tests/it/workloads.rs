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
        ("report: { selectors: { container: {} } }", "workloads.report.selectors.container.image_digest", "no digest"),
        ("report: { selectors: { container: { image_digest: latest } } }", "container.image_digest", "a tag"),
        ("report: { selectors: { container: { image: x } } }", "selectors.container.image", "unknown"),
        ("report: { selectors: { kubernetes: {} } }", "selectors.kubernetes.namespace", "no namespace"),
        ("report: { selectors: { kubernetes: { namespace: a } } }", "kubernetes.service_account", "no account"),
        ("report: { selectors: { kubernetes: { service_account: a } } }", "kubernetes.namespace", "any namespace"),
        (
            "report: { selectors: { kubernetes: { namespace: a/b, service_account: c } } }",
            "kubernetes.namespace",
            "a path",
        ),
        (
            "report: { selectors: { kubernetes: { namespace: A, service_account: c } } }",
            "kubernetes.namespace",
            "capital",
        ),
        ("report: { selectors: { kubernetes: { namespace: a, service_account: 'c:d' } } }", "service_account", "two"),
        (
            "report: { selectors: { kubernetes: { namespace: a, service_account: c, labels: { -x: y } } } }",
            "kubernetes.labels.-x",
            "no label's name",
        ),
        (
            "report: { selectors: { kubernetes: { namespace: a, service_account: c, labels: { x: 'a b' } } } }",
            "kubernetes.labels.x",
            "no label's value",
        ),
        (
            "report: { selectors: { kubernetes: { namespace: a, service_account: c, labels: { x: 1 } } } }",
            "kubernetes.labels.x",
            "a number, which YAML may have rewritten",
        ),
        (
            "report: { selectors: { kubernetes: { namespace: a, service_account: c, pod: x } } }",
            "selectors.kubernetes.pod",
            "unknown",
        ),
        ("report: { selectors: { uid: 1 }, sole: 1 }", "workloads.report.sole", "no flag"),
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

#[test]
fn a_pod_is_a_namespace_an_account_and_labels() {
    let fleet = fleet(
        "  a: { selectors: { kubernetes: { namespace: pay, service_account: led.ger, labels: { example.org/app: Led_ger, x: '' } } } }\n  \
         b: { selectors: { uid: 1, kubernetes: { namespace: pay, service_account: default } } }\n",
    );
    let pod = |name: &str| fleet.workloads[&ServiceName::parse(name).unwrap()].selectors.kubernetes.clone().unwrap();
    assert_eq!((pod("a").namespace.as_str(), pod("a").service_account.as_str()), ("pay", "led.ger"));
    let labels: Vec<_> = pod("a").labels.into_iter().collect();
    assert_eq!(labels, [("example.org/app".to_owned(), "Led_ger".to_owned()), ("x".to_owned(), String::new())]);
    assert!(pod("b").labels.is_empty());
    let many: String = (0..17).map(|i| format!("l{i}: x, ")).collect();
    let many = format!(
        "  a: {{ selectors: {{ kubernetes: {{ namespace: n, service_account: s, labels: {{ {many} }} }} }} }}\n"
    );
    let errors = parse(&file(&many), "f").unwrap_err().to_string();
    assert!(errors.contains("selectors.kubernetes.labels: 17 labels, more than 16"), "{errors}");
}

#[test]
fn says_which_bindings_are_ambiguous() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let warnings = |text: &str| -> Vec<String> {
        fleet(text).warnings.iter().map(ToString::to_string).filter(|it| it.contains("workloads.")).collect()
    };
    for (text, told, why) in [
        (
            "  a: { selectors: { uid: 1 } }\n  b: { selectors: { uid: 1, path: /x } }\n",
            Some("workloads.b: every program that is this one is `a` as well"),
            "narrower",
        ),
        (
            "  a: { selectors: { uid: 1, gid: 2, path: /x } }\n  b: { selectors: { uid: 1, path: /x } }\n",
            Some("workloads.a"),
            "in the other order",
        ),
        ("  a: { selectors: { uid: 1 } }\n  b: { selectors: { uid: 1 } }\n", Some("workloads.b"), "the same"),
        (
            "  a: { selectors: { uid: 1 }, sole: true }\n  b: { selectors: { uid: 1, gid: 1 } }\n",
            Some("with `sole: true` such a program is refused"),
            "sole",
        ),
        ("  a: { selectors: { uid: 1 } }\n  b: { selectors: { uid: 2, path: /x } }\n", None, "another user"),
        (
            "  a: { selectors: { uid: 1 } }\n  b: { selectors: { path: /x } }\n",
            None,
            "may be one program, and may be two",
        ),
        (
            "  a: { id: /x, selectors: { uid: 1 } }\n  b: { id: /x, selectors: { uid: 1, gid: 1 } }\n",
            None,
            "one identity",
        ),
        (
            "  a: { selectors: { kubernetes: { namespace: n, service_account: s } } }\n  b: { selectors: { kubernetes: { namespace: n, service_account: s, labels: { x: y } } } }\n",
            Some("workloads.b: every program that is this one is `a` as well"),
            "a pod with one label more",
        ),
        (
            "  a: { selectors: { kubernetes: { namespace: n, service_account: s, labels: { x: y } } } }\n  b: { selectors: { uid: 1, kubernetes: { namespace: n, service_account: s, labels: { x: y, z: w } } } }\n",
            Some("workloads.b: every program that is this one is `a` as well"),
            "a narrower pod, and a user",
        ),
        (
            "  a: { selectors: { uid: 1 } }\n  b: { selectors: { uid: 1, kubernetes: { namespace: n, service_account: s } } }\n",
            Some("workloads.b: every program that is this one is `a` as well"),
            "a user in a pod",
        ),
        (
            "  a: { selectors: { kubernetes: { namespace: n, service_account: s, labels: { x: y } } } }\n  b: { selectors: { kubernetes: { namespace: n, service_account: s, labels: { x: z } } } }\n",
            None,
            "another value of the label",
        ),
        (
            "  a: { selectors: { kubernetes: { namespace: n, service_account: s } } }\n  b: { selectors: { kubernetes: { namespace: m, service_account: s } } }\n",
            None,
            "another namespace",
        ),
        ("  a: { selectors: { uid: 1 }, node: n }\n  b: { selectors: { uid: 1 }, node: m }\n", None, "other nodes"),
    ] {
        let found = warnings(text);
        match told {
            None => assert!(found.is_empty(), "{why}: {found:?}"),
            Some(told) => assert!(found.len() == 1 && found[0].contains(told), "{why}: {found:?}"),
        }
    }
    let both = format!("  a: {{ selectors: {{ uid: 1, container: {{ image_digest: \"{digest}\" }} }}, sole: true }}\n");
    let both = fleet(&both);
    let entry = both.workloads.values().next().unwrap();
    assert_eq!((entry.selectors.image_digest.as_deref(), entry.sole), (Some(&*digest), true));
}
