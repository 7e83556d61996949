//! Promotion that an error budget locks: what is refused, what is let through, and who may say that it does not count.

use crate::support::{Place, Proxy, Running, wait_for};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::indicators::Indicators;
use bartizan_core::objectives::ObjectivesStatus;
use bartizan_core::promotion::{LockCause, Override, PromotionStatus};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::stats::{EdgeStats, ProxyStats};
use serde_json::{Value, json};

fn slo(locks: &str) -> String {
    format!(
        "version: 1\nwhen_nothing: unknown\nobjectives:\n  - {{ indicator: M3, service: accounts, target: below 1 %, \
         owner: core, why: a test, expires: 2099-12-31{locks} }}\n"
    )
}

fn forbid(n: u32) -> String {
    format!(
        "@id(\"n{n}\")\nforbid (principal == Workload::\"payment\", action, resource == Service::\"accounts\") when {{ {n} >= 0 }};\n"
    )
}

/// A place with an objective that locks.
fn place(locks: &str) -> Place {
    let place = Place::new();
    place.write("slo.yaml", &slo(locks));
    place.write("policies/n.cedar", &forbid(1));
    place.edit_fleet("services:", "objectives: slo.yaml\nservices:");
    place
}

fn totals(calls: u64, denied: u64) -> ProxyStats {
    let edge = EdgeStats { calls, denied, ..EdgeStats::default() };
    ProxyStats {
        inbound: [("payment".to_owned(), edge)].into(),
        handshakes_failed: [(HandshakeFailure::Expired, 0)].into(),
        ..ProxyStats::default()
    }
}

/// A guard tells that a tenth of its calls was denied.
async fn burn(control: &Running, proxy: &mut Proxy) {
    proxy.send_stats(&totals(1000, 100)).await;
    wait_for("what was counted", async || {
        let all: Indicators = control.get("/v1/indicators").await;
        let it = all.indicators.into_iter().find(|it| it.id == "M3")?;
        it.places.into_iter().find(|it| it.place == "accounts" && it.windows[0].all == 1000)
    })
    .await;
}

async fn promotion(control: &Running) -> Option<PromotionStatus> {
    control.get::<ObjectivesStatus>("/v1/objectives").await.promotion
}

async fn policies(control: &Running) -> Epoch {
    control.status().await.epochs[&Kind::Policies]
}

async fn told(control: &Running, change: &str) -> Vec<String> {
    let events = control.events("?class=config&limit=1000").await;
    let of = events.iter().filter(|it| it["unmapped"]["bartizan"]["change"] == change);
    of.map(|it| it["comment"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_word_in_the_file_nothing_is_ever_locked() {
    let place = place("");
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    burn(&control, &mut proxy).await;
    place.write("policies/n.cedar", &forbid(2));
    control.reload().await.unwrap();
    assert_eq!((promotion(&control).await, policies(&control).await), (None, Epoch(2)));
    place.write("slo.yaml", &slo(", locks: everything"));
    let (_, why) = control.reload().await.unwrap_err();
    assert!(why.contains("slo.yaml:4:") && why.contains("write `locks: promotion`"), "{why}");
    let over = Override { why: "x".into(), for_s: 60 };
    let refused = control.post::<Value>("/v1/objectives/override", &over).await.unwrap_err().to_string();
    assert!(refused.contains("not locked"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burn_refuses_what_is_new_and_lets_through_the_way_back() {
    let place = place(", locks: promotion");
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    place.write("policies/n.cedar", &forbid(2));
    control.reload().await.unwrap();
    burn(&control, &mut proxy).await;
    let m9 = async || {
        let all: Indicators = control.get("/v1/indicators").await;
        let it = all.indicators.into_iter().find(|it| it.id == "M9").unwrap();
        it.places[0].windows[0].bad
    };
    let failed = m9().await;
    let locked = wait_for("the lock", async || promotion(&control).await.filter(|it| it.locked)).await;
    let causes: Vec<LockCause> = locked.locks.iter().map(|it| it.cause).collect();
    assert_eq!(causes, [LockCause::Exhausted, LockCause::Burning], "{locked:?}");
    assert_eq!((locked.versions.len(), locked.locks[0].version), (2, locked.versions.first().copied()), "{locked:?}");
    assert_eq!(control.status().await.promotion.map(|it| it.locked), Some(true));

    // Refused: a policy, a call, and taking the lock away.
    let fleet = std::fs::read_to_string(place.path("fleet.yaml")).unwrap();
    let refused = async |what: &str| {
        let (status, why) = control.reload().await.unwrap_err();
        assert_eq!(status, 409, "{what}: {why}");
        for word in ["promotion is locked", "of M3 at accounts burns 10.0 times", "used up", "put back", "slo override"]
        {
            assert!(why.contains(word), "{what}: no `{word}` in {why}");
        }
        assert_eq!(policies(&control).await, Epoch(2), "{what}");
    };
    place.write("policies/n.cedar", &forbid(3));
    refused("a policy").await;
    place.write("policies/n.cedar", &forbid(2));
    place.edit_fleet("/api/accounts/**", "/api/**");
    refused("a route").await;
    place.write("fleet.yaml", &fleet);
    place.write("slo.yaml", &slo(""));
    refused("no lock any more").await;
    place.write("slo.yaml", &slo(", locks: promotion"));
    assert_eq!(control.reload().await.unwrap().changed, [], "what is in force");
    // Alerts may be changed at any time.
    place.edit_fleet("services:", "alerts: { escalate_after: 1m }\nservices:");
    assert_eq!(control.reload().await.unwrap().changed, [], "alerts");
    assert_eq!(m9().await, failed, "what was held back did not fail");

    // Nobody who is dangerous waits for a budget.
    let denied: Value = control
        .post("/v1/revoke", &json!({ "subject": "id:spiffe://bank.test/svc/payment", "reason": "taken over" }))
        .await
        .unwrap();
    assert_eq!((&denied["epoch"], control.status().await.epochs[&Kind::DenyList]), (&2.into(), Epoch(2)), "{denied}");

    place.write("policies/n.cedar", &forbid(1));
    assert_eq!(control.reload().await.unwrap().epochs[&Kind::Policies], Epoch(3), "back");
    let after = promotion(&control).await.unwrap();
    let causes: Vec<LockCause> = after.locks.iter().map(|it| it.cause).collect();
    assert_eq!(
        (causes, after.versions.len()),
        (vec![LockCause::Exhausted], 1),
        "the burn is answered, the budget still gone"
    );
    place.write("policies/n.cedar", &forbid(2));
    let (status, why) = control.reload().await.unwrap_err();
    assert!(status == 409 && !why.contains("burns"), "what was gone back from is new: {why}");

    // All of it is on record, and in the ledger.
    let held =
        wait_for("four refusals", async || Some(told(&control, "held_back").await).filter(|it| it.len() == 4)).await;
    assert!(held.iter().all(|it| it.contains("M3 at accounts")), "{held:?}");
    assert_eq!(control.events("?outcome=denied&class=config").await.len(), 4);
    assert_eq!(told(&control, "locked").await.len(), 2);
    assert_eq!(told(&control, "unlocked").await.len(), 1);
    let published = told(&control, "published").await;
    assert_eq!(
        published.iter().filter(|it| it.starts_with("back to what was in force since")).count(),
        1,
        "{published:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_says_why_and_a_restart_forgets_nothing() {
    let place = place(", locks: promotion");
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    burn(&control, &mut proxy).await;
    wait_for("the lock", async || promotion(&control).await.filter(|it| it.locked)).await;
    for (why, for_s, word) in
        [("", 60, "say why"), (" ", 60, "say why"), ("w", 0, "expected 1 to 86400"), ("w", 86_401, "86400")]
    {
        let over = Override { why: why.into(), for_s };
        let refused = control.post::<Value>("/v1/objectives/override", &over).await.unwrap_err().to_string();
        assert!(refused.contains(word), "{why:?} {for_s}: {refused}");
    }
    assert!(control.post::<Value>("/v1/objectives/override/end", &json!({})).await.is_err(), "nobody said it");
    let over = Override { why: "mends what burns".into(), for_s: 600 };
    let said: ObjectivesStatus = control.post("/v1/objectives/override", &over).await.unwrap();
    let said = said.promotion.unwrap();
    assert!(!said.locked && !said.locks.is_empty(), "{said:?}");
    place.write("policies/n.cedar", &forbid(2));
    assert_eq!(control.reload().await.unwrap().epochs[&Kind::Policies], Epoch(2));
    let on_record = wait_for("the record", async || told(&control, "overridden").await.pop()).await;
    assert!(on_record.contains("uid ") && on_record.ends_with(": mends what burns"), "{on_record}");
    let mut entries = 0;
    bartizan_ledger::read(&place.data().join("ledger"), |_, piece| {
        if let bartizan_ledger::Piece::Entry(entry) = piece {
            let event = bartizan_events::record::read_bytes(entry).unwrap().event;
            entries += usize::from(format!("{event:?}").contains("mends what burns"));
        }
    })
    .unwrap();
    assert_eq!(entries, 1, "in the ledger");
    let _: ObjectivesStatus = control.post("/v1/objectives/override/end", &json!({})).await.unwrap();
    place.write("policies/n.cedar", &forbid(3));
    assert_eq!(control.reload().await.unwrap_err().0, 409, "locks count again");
    place.write("policies/n.cedar", &forbid(2));
    let before = promotion(&control).await.unwrap();
    control.stop().await;

    let control = Running::start(&place).await;
    let after = promotion(&control).await.unwrap();
    assert_eq!((after.locked, &after.versions), (true, &before.versions), "{after:?}");
    assert_eq!(after.locks[0].since, before.locks[0].since);
    place.write("policies/n.cedar", &forbid(1));
    assert_eq!(control.reload().await.unwrap().epochs[&Kind::Policies], Epoch(3), "the way back outlives a restart");
    control.stop().await;
    // A start is not held back: a fleet that does not start helps nobody. It is said.
    place.write("policies/n.cedar", &forbid(4));
    let control = Running::start(&place).await;
    let on_record = wait_for("the record", async || {
        told(&control, "overridden").await.into_iter().find(|it| it.starts_with("a start put something new in force"))
    })
    .await;
    assert!(on_record.contains("M3 at accounts"), "{on_record}");
    control.stop().await;
    std::fs::write(place.data().join("promotion.json"), "rubbish").unwrap();
    let control = Running::start(&place).await;
    wait_for("the lock, found anew", async || promotion(&control).await.filter(|it| it.locked)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_without_a_verdict_stays_a_canary_and_gets_less_while_all_else_is_locked() {
    let place = place(", locks: promotion");
    place.edit_fleet("    calls: [ledger]\n", "    calls: [ledger]\n    split: { accounts: 100, payment: 0 }\n");
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let weights = |from: (u16, u16), to: (u16, u16)| {
        let text = |(old, new)| format!("split: {{ accounts: {old}, payment: {new} }}");
        place.edit_fleet(&text(from), &text(to));
    };
    let over = Override { why: "nobody uses it".into(), for_s: 600 };
    let refused = control.post::<Value>("/v1/objectives/override", &over).await.unwrap_err().to_string();
    assert!(refused.contains("no version is held back"), "{refused}");
    weights((100, 0), (50, 50));
    let (status, why) = control.reload().await.unwrap_err();
    assert_eq!(status, 409, "{why}");
    for word in
        ["`payment` beside `accounts`", "there is no verdict yet", "10 % at most", "lower it", "slo override --why"]
    {
        assert!(why.contains(word), "no `{word}` in {why}");
    }
    let held = promotion(&control).await.unwrap();
    assert_eq!((held.locked, held.held.len(), held.held[0].version.as_str()), (false, 1, "payment"), "{held:?}");
    weights((50, 50), (90, 10));
    control.reload().await.unwrap();
    assert_eq!(promotion(&control).await.unwrap().held, [], "what was held back is not asked for any more");

    // Something else locks: less for a version is let through, and nothing beside it.
    burn(&control, &mut proxy).await;
    wait_for("the lock", async || promotion(&control).await.filter(|it| it.locked)).await;
    weights((90, 10), (95, 5));
    control.reload().await.unwrap();
    place.write("policies/n.cedar", &forbid(2));
    weights((95, 5), (99, 1));
    let (status, why) = control.reload().await.unwrap_err();
    assert!(status == 409 && why.contains("promotion is locked"), "with a policy: {why}");
    place.write("policies/n.cedar", &forbid(1));
    control.reload().await.unwrap();
    weights((99, 1), (98, 2));
    let (status, why) = control.reload().await.unwrap_err();
    assert!(status == 409 && why.contains("promotion is locked"), "more, though a canary's part: {why}");

    // Both at once, and somebody says why.
    weights((98, 2), (0, 1));
    let (status, why) = control.reload().await.unwrap_err();
    assert!(status == 409 && why.contains("there is no verdict yet"), "{why}");
    let _: ObjectivesStatus = control.post("/v1/objectives/override", &over).await.unwrap();
    control.reload().await.unwrap();
    let on_record = wait_for("the record", async || {
        let all = told(&control, "overridden").await;
        all.into_iter().find(|it| it.starts_with("a larger part in spite of `payment` beside `accounts`"))
    })
    .await;
    assert!(on_record.ends_with(": nobody uses it"), "{on_record}");
    let less = told(&control, "published").await;
    let less: Vec<_> = less.iter().filter(|it| it.starts_with("versions get a smaller part")).collect();
    assert_eq!(less.len(), 2, "{less:?}");
    let held = told(&control, "held_back").await;
    assert_eq!(held.iter().filter(|it| it.contains("`payment` beside `accounts`")).count(), 2, "{held:?}");
}
