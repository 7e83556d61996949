//! Policies that are tried out, from the file to the guard and back to whoever asks what they would have done.

use crate::guards::{ask, control_of, guards, plain, program};
use crate::support::{Running, service, wait_for};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::status::{Explanation, PoliciesStatus, PolicyStatus};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SHADOW: &str = "@id(\"no-admin\") @mode(\"shadow\") @reason(\"not there\")\n\
    forbid (principal == Workload::\"web\", action, resource in Service::\"api\") when { context.path like \"/admin*\" };\n";

async fn policy(control: &Running) -> PolicyStatus {
    let status: PoliciesStatus = control.get("/v1/policies").await;
    status.policies.into_iter().find(|it| it.id == "no-admin").unwrap()
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in {answer:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_in_shadow_would_deny_goes_through_is_counted_and_denied_once_it_is_enforced() {
    let stop = CancellationToken::new();
    let (at, count) = program("api", Duration::ZERO, &stop).await;
    let (place, control, _claims) = control_of(&format!(
        "fleet: two\ntrust_domain: bank.test\npolicies: policies\nservices:\n  \
         web: {{ at: \"127.0.0.1:1\", protocol: http, owner: x, calls: [api] }}\n  \
         api: {{ at: \"{at}\", protocol: http, owner: x }}\n"
    ))
    .await;
    // Refusals first: nothing that could not be enforced, and no mode that nobody knows.
    for (text, why) in [
        (SHADOW.replace("shadow", "dry-run"), "`@mode(\"dry-run\")` is unknown; known are `enforce` and `shadow`"),
        (
            SHADOW.replace("@mode(\"shadow\")", "@shadow"),
            "`@shadow` means nothing here, and the policy would be enforced",
        ),
        (SHADOW.replace("Workload::\"web\"", "Workload::\"api\""), "the policy can never match"),
    ] {
        place.write("policies/own.cedar", &text);
        let (_, said) = control.reload().await.unwrap_err();
        assert!(said.contains(why), "{said}");
    }
    place.write("policies/own.cedar", SHADOW);
    control.reload().await.unwrap();

    let node = control.node().await;
    let guards = guards(&control, &node, &["web".to_owned(), "api".to_owned()]).await;
    let addr = guards[0].directory().own.outbound[&service("api")];
    let get = async |path: &str| ask(plain(addr).await, &format!("GET {path} HTTP/1.1\r\nhost: api\r\n\r\n")).await;
    let mut first = String::new();
    for path in ["/admin", "/", "/admin/users", "/admin"] {
        let answer = get(path).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        if first.is_empty() {
            first = header(&answer, "x-request-id").to_owned();
        }
    }
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 4, "every call went through");

    let told = wait_for("the count of the guard", async || {
        let it = policy(&control).await;
        it.predicted.first().is_some_and(|row| row.calls == 3).then_some(it)
    })
    .await;
    let row = &told.predicted[0];
    assert!(told.shadow && told.predicted.len() == 1, "{told:?}");
    assert_eq!((row.from.as_str(), row.to.as_str(), row.verdict.as_str()), ("web", "api", "deny"));
    let metrics = control.text("/v1/metrics").await;
    let series = "bartizan_policy_predicted_total{service=\"api\",policy=\"no-admin\",from=\"web\",to=\"api\",decision=\"deny\"} 3";
    assert!(metrics.contains(series), "{metrics}");
    assert!(!metrics.contains("bartizan_denied_total{from=\"web\",to=\"api\"} 3"));

    // Told by an event: once at first, whatever comes in the same minute later and together.
    let events = wait_for("the event", async || {
        let events = control.events("?class=predicted").await;
        (!events.is_empty()).then_some(events)
    })
    .await;
    let own = &events[0]["unmapped"]["bartizan"];
    assert!(own["policy"] == "no-admin" && own["predicted"] == "deny" && own["denial"] == false, "{events:?}");
    assert!(events.len() == 1 && own["from"] == "web" && own["to"] == "api", "{events:?}");
    let explained: Explanation = control.get(&format!("/v1/explain/{first}")).await;
    let lines: Vec<String> =
        explained.hops.iter().filter_map(|hop| hop.decision.as_ref()).flat_map(|it| it.lines.clone()).collect();
    assert!(lines.iter().any(|line| line.contains("policy no-admin in shadow would have denied")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("(in shadow, not enforced) at own.cedar:1:1")), "{lines:?}");

    // The same policy, enforced.
    place.write("policies/own.cedar", &SHADOW.replace("shadow", "enforce"));
    let epoch: Epoch = control.reload().await.unwrap().epochs[&Kind::Policies];
    wait_for("the guard to enforce it", async || {
        (guards[1].proxy.live().epochs.get(&Kind::Policies) >= Some(&epoch)).then_some(())
    })
    .await;
    let (denied, allowed) = (get("/admin").await, get("/").await);
    assert!(denied.starts_with("HTTP/1.1 403") && denied.contains("not there"), "{denied}");
    assert!(allowed.starts_with("HTTP/1.1 200"), "{allowed}");
    let told = policy(&control).await;
    assert!(!told.shadow && told.predicted.is_empty(), "{told:?}");
    stop.cancel();
}
