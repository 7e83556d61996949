//! A fleet that is only watched.

use bartizan_core::fleet::{Fleet, FleetErrors, parse};
use bartizan_core::profile::Profile;

fn fleet(more: &str) -> Result<Fleet, FleetErrors> {
    let services = "services:\n  web: { at: \"127.0.0.1:1\", protocol: http, owner: o, calls: [db] }\n  db: { at: \"127.0.0.1:2\", protocol: http, owner: o }\n";
    parse(&format!("fleet: shop\ntrust_domain: shop.test\nprofile: observe\n{more}{services}"), "f")
}

#[test]
fn nobody_has_a_guard_and_calls_are_still_declared() {
    let it = fleet("intake: { ndjson: \"127.0.0.1:3\" }\n").unwrap();
    assert_eq!((it.profile, it.unguarded().count(), it.edges().count()), (Profile::Observe, 2, 1));
    assert!(it.warnings.is_empty(), "{:?}", it.warnings);
    let it = fleet("").unwrap();
    assert!(it.warnings.iter().any(|it| it.to_string().contains("nobody can hand anything in")), "{:?}", it.warnings);
    let text = "fleet: shop\ntrust_domain: shop.test\nservices:\n  web: { at: \"127.0.0.1:1\", protocol: http }\n";
    assert_eq!(parse(text, "f").unwrap().profile, Profile::Guard, "where nobody says");
}

#[test]
fn what_only_a_guard_could_hold_to_is_refused() {
    for more in [
        "gateway: { listen: \"127.0.0.1:9\", routes: [{ path: /**, to: web }] }\n",
        "guards: all\n",
        "policies: p/\n",
        "trust: { grace_seconds: 1 }\n",
        "tls: { groups: [X25519] }\n",
        "workloads: {}\n",
        "isolate: true\n",
        "capture: true\n",
        "synthetic: { web: checks }\n",
    ] {
        let errors = fleet(more).map(|_| ()).unwrap_err().to_string();
        assert!(errors.contains("nothing is guarded in profile `observe`"), "{more}: {errors}");
    }
    for (word, expected) in [("observ", "did you mean `observe`?"), ("none", "neither `guard` nor `observe`")] {
        let text = format!(
            "fleet: shop\ntrust_domain: shop.test\nprofile: {word}\nservices:\n  web: {{ at: \"127.0.0.1:1\" }}\n"
        );
        let errors = parse(&text, "f").unwrap_err().to_string();
        assert!(errors.contains(expected), "{errors}");
    }
}
