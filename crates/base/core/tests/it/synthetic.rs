//! Who calls without needing the answer: only who has an identity can be named.

use bartizan_core::ServiceName;
use bartizan_core::fleet::parse;
use bartizan_core::synthetic::Synthetic;

fn fleet(synthetic: &str) -> String {
    format!(
        "fleet: shop\ntrust_domain: shop.test\nsynthetic: {synthetic}\nguards: [web, db]\nservices:\n  \
         web: {{ run: [x], listen: \"127.0.0.1:1\", protocol: http, owner: o, calls: [db] }}\n  \
         db: {{ run: [x], listen: \"127.0.0.1:2\", protocol: http, owner: o }}\n  \
         bare: {{ run: [x], listen: \"127.0.0.1:3\", protocol: http, owner: o }}\n\
         workloads:\n  red-team: {{ selectors: {{ uid: 7 }}, calls: [db] }}\n  report: {{ selectors: {{ uid: 8 }} }}\n"
    )
}

#[test]
fn who_has_no_identity_that_calls_cannot_be_named() {
    for (synthetic, why) in [
        ("{ wep: checks }", "f:3:14: synthetic.wep: nobody calls with an identity of that name; did you mean `web`?"),
        ("{ gateway: checks }", "nobody calls with an identity of that name"),
        ("{ unauthenticated: drill }", "nobody calls with an identity of that name"),
        ("{ bare: drill }", "nobody calls with an identity of that name"),
        ("{ report: drill }", "nobody calls with an identity of that name"),
        ("{ 10.0.0.1: checks }", "nobody calls with an identity of that name"),
        ("{ web: check }", "f:3:19: synthetic.web = `check`: neither `checks` nor `drill`; did you mean `checks`?"),
        ("[web]", "synthetic: expected"),
    ] {
        let refused = parse(&fleet(synthetic), "f").map(|_| ()).expect_err(synthetic).to_string();
        assert!(refused.contains(why), "{synthetic}: {refused}");
    }
}

#[test]
fn services_and_workloads_can() {
    let fleet = parse(&fleet("{ web: checks, red-team: drill }"), "f").unwrap();
    let of = |name: &str| fleet.synthetic.get(&ServiceName::parse(name).unwrap()).copied();
    assert_eq!((of("web"), of("red-team"), of("db")), (Some(Synthetic::Checks), Some(Synthetic::Drill), None));
    for it in Synthetic::ALL {
        assert_eq!(Synthetic::parse(it.as_str()), Some(it));
    }
}
