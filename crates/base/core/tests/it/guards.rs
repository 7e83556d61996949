//! Who has a guard: what is asked of one where none stands is refused, and so is a call that nobody could make.

use bartizan_core::fleet::{Isolate, parse};
use bartizan_core::plan::Plan;
use bartizan_core::snapshot::Mode;
use bartizan_core::{Member, ServiceName};

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

/// `web` calls `db`; `guards` is a whole line or nothing.
fn fleet(guards: &str, web: &str, db: &str, tail: &str) -> String {
    let service = |name: &str, port: u16, more: &str| {
        format!("  {name}: {{ run: [x], listen: \"127.0.0.1:{port}\", protocol: http, owner: o{more} }}\n")
    };
    format!(
        "fleet: shop\ntrust_domain: shop.test\n{guards}\nservices:\n{}{}{tail}",
        service("web", 1, &format!(", calls: [db]{web}")),
        service("db", 2, db)
    )
}

fn refused(text: &str) -> String {
    parse(text, "f").map(|_| ()).expect_err(text).to_string()
}

#[test]
fn who_is_meant_has_to_be_there() {
    for (guards, why) in [
        (
            "guards: gateway",
            "f:3:9: guards = `gateway`: there is no gateway, so nothing would be guarded; add `gateway:`",
        ),
        ("guards: gatway", "f:3:9: guards = `gatway`: neither `all` nor `gateway`; did you mean `gateway`?"),
        ("guards: true", "f:3:9: guards = `true`: expected a text"),
        ("guards: []", "f:3:9: guards: nobody is named; name some, write `gateway`"),
        ("guards: [weeb]", "f:3:10: guards[0] = `weeb`: no such service; did you mean `web`?"),
        ("guards: [web, web]", "f:3:15: guards[1] = `web`: named twice; delete one"),
        (
            "guards: [gateway]",
            "f:3:10: guards[0] = `gateway`: no such service; declare it under services, or remove it; the gateway has its guard anyway",
        ),
    ] {
        let refusal = refused(&fleet(guards, "", "", ""));
        assert!(refusal.contains(why), "{refusal}\n{why}");
    }
}

#[test]
fn nothing_is_asked_of_a_guard_where_none_stands() {
    let bare = "`db` has no guard (`guards`), so";
    for (db, what, why) in [
        (", mesh: \"127.0.0.1:9\"", "services.db.mesh", "nobody accepts mutual TLS for it"),
        (", mtls: permissive", "services.db.mtls", "nobody looks at its callers"),
        (", isolate: true", "services.db.isolate", "nobody leads in and out"),
        (", capture: true", "services.db.capture", "nobody takes what is redirected"),
        (", capture: tproxy", "services.db.capture", "nobody takes what is redirected"),
        (", egress: [a.example]", "services.db.egress", "nothing holds it to this list"),
        (", ext_authz: \"127.0.0.1:9\"", "services.db.ext_authz", "nobody answers there"),
    ] {
        let refusal = refused(&fleet("guards: [web]", "", db, ""));
        assert!(refusal.contains(what) && refusal.contains(&format!("{bare} {why}")), "{refusal}");
        assert!(refusal.contains("name the service under `guards`, or delete the line"), "{refusal}");
        assert!(parse(&fleet("guards: all", "", db, ""), "f").is_ok(), "with a guard: {db}");
    }
    let at = fleet("guards: [web]", "", "", "").replace(
        "db: { run: [x], listen: \"127.0.0.1:2\"",
        "db: { at: [{ at: \"127.0.0.1:2\", mesh: \"127.0.0.1:9\" }]",
    );
    assert!(refused(&at).contains("nobody accepts mutual TLS for it"), "{}", refused(&at));
    for key in ["isolate", "capture"] {
        let refusal = refused(&fleet(&format!("guards: [web]\n{key}: true"), "", "", ""));
        assert!(
            refusal.contains(&format!("f:4:{}: {key} = `true`: services without a guard", key.len() + 3)),
            "{refusal}"
        );
    }
}

#[test]
fn a_call_that_nobody_can_make_is_refused() {
    let refusal = refused(&fleet("guards: [db]", "", "", ""));
    assert!(
        refusal.contains("services.web.calls[0] = `db`: its guard takes mutual TLS alone, and `web` has no guard to speak it (`guards`); name `web` under `guards` too; or say `mtls: permissive` at `db`, where anybody may call it then"),
        "{refusal}"
    );
    let via = fleet("guards: [db]", "", ", mtls: permissive", "");
    let via = via.replace("calls: [db]", "calls: [{ to: db, via: \"127.0.0.1:7\" }]");
    assert!(refused(&via).contains("so nobody listens there; delete `via`"), "{}", refused(&via));
    let workload = "workloads:\n  report: { selectors: { uid: 1000 }, calls: [db] }\n";
    let refusal = refused(&fleet("guards: [web]", "", "", workload));
    assert!(refusal.contains("`db`: it has no guard (`guards`), so nobody speaks mutual TLS there; name `db` under `guards`, or let `report` in by the gateway"), "{refusal}");
    let gateway = "gateway: { listen: \"127.0.0.1:8443\", routes: [{ path: /**, to: db, from: [report] }] }\n";
    let by_gateway = parse(&fleet("guards: [web]", "", "", &format!("{workload}{gateway}")), "f");
    let by_gateway = by_gateway.unwrap_or_else(|refusal| panic!("{refusal}"));
    assert!(by_gateway.is_asked(&name("report"), &name("db")), "by the gateway, which knows who it is");
    let other = "workloads:\n  cache: { selectors: { uid: 1000 }, mesh: \"127.0.0.1:77\", protocol: http }\n";
    let calls = fleet("guards: [db]", "", ", mtls: permissive", other).replace("calls: [db]", "calls: [cache]");
    assert!(
        refused(&calls).contains("it takes mutual TLS alone, which only a guard speaks for `web`"),
        "{}",
        refused(&calls)
    );
}

#[test]
fn what_is_left_is_said_and_planned() {
    let gateway = "gateway: { listen: \"127.0.0.1:8443\", routes: [{ path: /**, to: web }] }\n";
    let all = parse(&fleet("", "", "", gateway), "f").unwrap();
    assert_eq!(all.unguarded().count(), 0);
    assert!(parse(&fleet("guards: [web, db]", "", "", gateway), "f").unwrap() == all, "the same, name by name");

    let edge = parse(&fleet("guards: gateway", "", "", gateway), "f").unwrap();
    assert_eq!((edge.unguarded().count(), edge.guarded_instances().count()), (2, 0));
    let warning = edge.warnings.iter().find(|it| it.key == "guards").unwrap().to_string();
    assert!(
        warning.contains("2 of 2 services have no guard (`web`, `db`): who reaches them is not asked"),
        "{warning}"
    );
    assert!(edge.services.values().all(|service| service.isolate == Isolate::Never));
    assert!(edge.is_asked(&ServiceName::gateway(), &name("web")) && !edge.is_asked(&name("web"), &name("db")));

    // The callee may be without, the caller only where somebody takes it in plain.
    let some = parse(&fleet("guards: [web]", "", ", instances: 2", gateway), "f").unwrap();
    assert!(some.has_guard(&name("web")) && !some.has_guard(&name("db")));
    let permissive = parse(&fleet("guards: [db]", "", ", mtls: permissive", gateway), "f").unwrap();
    assert!(!permissive.is_asked(&name("web"), &name("db")), "nobody knows that it is `web`");

    let mut port = 100;
    let mut free = || {
        port += 1;
        Some(([127, 0, 0, 1], port).into())
    };
    let control = free().unwrap();
    let mut plan: Plan = serde_json::from_value(
        serde_json::json!({ "mode": Mode::Full, "control": control, "mesh": {}, "outbound": {} }),
    )
    .unwrap();
    plan.complete(&some, free).unwrap();
    assert_eq!(plan.mesh.keys().collect::<Vec<_>>(), [&Member::from(name("web"))], "nothing stands before `db`");
    assert_eq!(plan.outbound.len(), 1);
    assert!(plan.program(&some, &Member::new(name("db"), 2)).is_some(), "its second instance has a place all the same");
}
