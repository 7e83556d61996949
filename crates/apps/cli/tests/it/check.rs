//! `bartizan check`: what is wrong is said with its place, and nothing is started.

use crate::bartizan::run;
use std::path::Path;

const GOOD: &str = "\
fleet: shop
trust_domain: shop.test
services:
  web:
    at: 127.0.0.1:7001
    protocol: http
    owner: front
    calls: [stock]
  stock:
    at: 127.0.0.1:7002
    protocol: http
    owner: back
gateway:
  listen: 127.0.0.1:8443
  routes:
    - { path: /**, to: web }
policies: policies/
";

fn fleet(dir: &Path, text: &str, policies: &[(&str, &str)]) {
    std::fs::write(dir.join("fleet.yaml"), text).unwrap();
    std::fs::create_dir_all(dir.join("policies")).unwrap();
    for (name, text) in policies {
        std::fs::write(dir.join("policies").join(name), text).unwrap();
    }
}

#[test]
fn a_good_fleet_passes_and_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    fleet(
        temp.path(),
        GOOD,
        &[(
            "a.cedar",
            "@id(\"no-deletes\")\nforbid(principal, action, resource) when { context.method == \"DELETE\" };\n",
        )],
    );
    let done = run(temp.path(), &["check", "fleet.yaml"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    assert!(done.out.contains("ok: fleet `shop`: 2 services, 1 declared call, 1 route"), "{}", done.out);
    assert!(!temp.path().join(".bartizan").exists());

    let json = run(temp.path(), &["policy", "check", "fleet.yaml", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &value["ok"], &value["policies"]["forbids"]), (0, &true.into(), &1.into()));
}

#[test]
fn everything_wrong_is_said_at_once_with_its_place() {
    let temp = tempfile::tempdir().unwrap();
    let bad = GOOD.replace("calls: [stock]", "calls: [stok, web]").replace("to: web", "to: wob");
    fleet(temp.path(), &bad, &[]);
    let refused = run(temp.path(), &["check", "fleet.yaml"]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    for part in [
        "fleet.yaml:8:13: services.web.calls[0] = `stok`",
        "did you mean `stock`",
        "fleet.yaml:8:19: services.web.calls[1]",
        "fleet.yaml:16:",
        "`wob`",
    ] {
        assert!(refused.err.contains(part), "{part} is missing in:\n{}", refused.err);
    }
    let json = run(temp.path(), &["check", "fleet.yaml", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &value["ok"]), (1, &false.into()));
    assert_eq!((&value["errors"][0]["line"], &value["errors"][0]["key"]), (&8.into(), &"services.web.calls[0]".into()));
}

#[test]
fn a_wrong_policy_is_shown_where_it_stands() {
    let temp = tempfile::tempdir().unwrap();
    fleet(
        temp.path(),
        GOOD,
        &[(
            "bad.cedar",
            "permit(principal, action, resource);\n\nforbid(principal == Workload::\"nobody\", action, resource);\n",
        )],
    );
    let refused = run(temp.path(), &["policy", "check", "fleet.yaml"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("policies/bad.cedar:3:"), "{}", refused.err);
}

#[test]
fn files_that_are_not_there_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let refused = run(temp.path(), &["check", "absent.yaml"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("`absent.yaml`"), "{}", refused.err);
    std::fs::write(temp.path().join("fleet.yaml"), GOOD).unwrap();
    let refused = run(temp.path(), &["check", "fleet.yaml"]);
    assert!(refused.code == 1 && refused.err.contains("policies"), "{}", refused.err);
}

#[test]
fn up_refuses_what_check_refuses_and_starts_nothing() {
    let temp = tempfile::tempdir().unwrap();
    fleet(temp.path(), &GOOD.replace("to: web", "to: wob"), &[]);
    let refused = run(temp.path(), &["up", "fleet.yaml"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("`wob`") && refused.err.contains("nothing was started"), "{}", refused.err);
    assert!(!temp.path().join(".bartizan").exists());
}

#[test]
fn documents_of_apis_are_judged_with_the_fleet() {
    let temp = tempfile::tempdir().unwrap();
    fleet(temp.path(), &GOOD.replace("to: web }", "to: web, api: web.yaml }"), &[]);
    let missing = run(temp.path(), &["check", "fleet.yaml"]);
    assert!(missing.code == 1 && missing.err.contains("web.yaml"), "{}", missing.err);

    std::fs::write(temp.path().join("web.yaml"), "openapi: 3.1.0\npaths:\n  /a/{id}:\n    get: {}\n").unwrap();
    let wrong = run(temp.path(), &["check", "fleet.yaml"]);
    assert_eq!(wrong.code, 1);
    for part in [
        "web.yaml:4:10: /paths/~1a~1{id}/get/parameters: `{id}` of the path is declared nowhere",
        "web.yaml:4:10: /paths/~1a~1{id}/get/responses: is missing",
    ] {
        assert!(wrong.err.contains(part), "{part} is missing in:\n{}", wrong.err);
    }
    // The same where the service names it, for every call.
    fleet(temp.path(), &GOOD.replacen("    protocol: http\n", "    protocol: http\n    api: web.yaml\n", 1), &[]);
    let wrong = run(temp.path(), &["check", "fleet.yaml"]);
    assert!(wrong.code == 1 && wrong.err.contains("web.yaml:4:10: /paths/~1a~1{id}/get"), "{}", wrong.err);
    let good = "openapi: 3.1.0\npaths:\n  /a:\n    get: { responses: { '200': { description: d } } }\n";
    std::fs::write(temp.path().join("web.yaml"), good).unwrap();
    let done = run(temp.path(), &["check", "fleet.yaml"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
}
