//! Why a request was decided as it was: by the policies of then, hop by hop.

use crate::support::{Place, Running, service};
use bartizan_core::event::{Event, EventId, Judged, Request, SeenBy, What};
use bartizan_core::snapshot::Epoch;
use bartizan_core::status::{Explanation, Trace};
use bartizan_core::{Action, RequestId, Timestamp, Verdict};
use bartizan_runtime::local::LocalError;

const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const NIGHT: &str = "@id(\"no-night\")
@reason(\"payments are closed\")
forbid (principal == Workload::\"payment\", action, resource == Service::\"accounts\");
";

/// One hop: who saw it, span, parent, its end in milliseconds.
fn hop(at: &str, seen_by: SeenBy, span: u64, parent_span: u64, end_ms: u64) -> Event {
    let request = Request {
        peer: None,
        to: service("accounts"),
        method: "POST".into(),
        path: "/accounts/7/debit".into(),
        route: None,
        action: Action::Write,
        decision: None,
        status: 403,
        error: None,
        took_us: 2000,
        added_us: 100,
        client: None,
        user: None,
        span,
        parent_span,
    };
    Event {
        id: EventId(span, end_ms),
        at: Timestamp::from_millis(end_ms),
        service: Some(service(at)),
        seen_by,
        request: RequestId::parse(ID),
        what: What::Request(request),
    }
}

fn denied(policies: &[&str], epoch: u64, end_ms: u64) -> Event {
    let mut event = hop("accounts", SeenBy::Inbound, 3, 2, end_ms);
    let What::Request(request) = &mut event.what else { unreachable!() };
    request.peer = Some("spiffe://bank.test/svc/payment".parse().unwrap());
    let policies = policies.iter().map(|id| (*id).into()).collect();
    request.decision = Some(Judged {
        verdict: Verdict::Deny,
        policies,
        reason: Some("payments are closed".into()),
        epoch: Epoch(epoch),
    });
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_is_explained_by_the_policy_that_denied_it_also_later() {
    let place = Place::new();
    place.write("policies/night.cedar", NIGHT);
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    let mut payment = control.proxy_of("payment").await;
    // The callee's record is written, and here also delivered, before the caller's.
    accounts.deliver(1, &[denied(&["no-night"], 1, 1000)]).await;
    payment.deliver(1, &[hop("payment", SeenBy::Outbound, 2, 1, 1001)]).await;

    for later in [false, true] {
        if later {
            std::fs::remove_file(place.path("policies/night.cedar")).unwrap();
            control.reload().await.unwrap();
        }
        let explanation: Explanation = control.get(&format!("/v1/explain/{ID}")).await;
        let at: Vec<_> = explanation.hops.iter().map(|hop| hop.service.clone().unwrap().to_string()).collect();
        assert_eq!(at, ["payment", "accounts"], "the caller stands before the callee");
        assert_eq!(explanation.hops[0].decision, None);
        let hop = &explanation.hops[1];
        assert_eq!((hop.method.as_str(), hop.path.as_str(), hop.status), ("POST", "/accounts/7/debit", Some(403)));
        let decision = hop.decision.as_ref().unwrap();
        assert_eq!((decision.verdict, decision.epoch, decision.epoch_is_current), (Verdict::Deny, Epoch(1), !later));
        assert_eq!(decision.policies, ["no-night"]);
        let text = decision.lines.join("\n");
        for part in ["denied", "payments are closed", "night.cedar:1", "forbid (principal == Workload::\"payment\""] {
            assert!(text.contains(part), "later: {later}, no {part} in {text}");
        }
        assert_eq!(decision.principal.as_ref().unwrap().owner, "payments");
        assert_eq!(decision.resource.as_ref().unwrap().data, ["pii"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suggested_can_be_put_in_force_and_lets_the_call_through() {
    let place = Place::new();
    place.write("policies/night.cedar", &format!("@owner(\"nights\")\n{NIGHT}"));
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    accounts.deliver(1, &[denied(&["no-night"], 1, 1000)]).await;
    let what_to_do = async || {
        let explanation: Explanation = control.get(&format!("/v1/explain/{ID}")).await;
        explanation.hops[0].denied.clone().unwrap()
    };
    let found = what_to_do().await;
    assert_eq!((&found.by[..], found.inputs["path"].as_str()), (&["no-night".to_owned()][..], "/accounts/7/debit"));
    let asked: Vec<_> = found.owners.iter().map(|it| (it.of.as_str(), it.owner.as_deref().unwrap_or("-"))).collect();
    let policy = "policy `no-night` at night.cedar:1";
    assert_eq!(asked, [("service accounts", "core-banking"), ("service payment", "payments"), (policy, "nights")]);
    let [change] = &found.changes[..] else { panic!("{found:?}") };
    assert_eq!((change.file.as_deref(), change.line), (Some("night.cedar"), Some(1)));
    assert!(change.text.contains("context.path == \"/accounts/7/debit\""), "{}", change.text);

    place.write("policies/night.cedar", &change.text);
    control.reload().await.unwrap();
    let found = what_to_do().await;
    assert!(found.changes.is_empty() && found.advice.as_ref().unwrap().contains("try it again"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_the_deny_list_and_what_no_policy_decides_get_a_word_and_no_change() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    let refused = |n: u64, word: &str| {
        let mut event = hop("accounts", SeenBy::Inbound, 3, 2, 1000 + n);
        let What::Request(request) = &mut event.what else { unreachable!() };
        request.peer = Some("spiffe://bank.test/svc/payment".parse().unwrap());
        request.error = Some(word.into());
        Event { id: EventId(9, n), request: RequestId::parse(&format!("{:032x}", n + 1)), ..event }
    };
    let mut limited = denied(&["fleet:limits"], 1, 1000);
    limited.request = RequestId::parse(&format!("{:032x}", 100));
    let words = ["revoked", "peer_expired", "mtls_required", "token_refused", "cross_site", "bare_lf"];
    let events = words.iter().zip(0..).map(|(word, n)| refused(n, word)).chain([limited]).collect::<Vec<_>>();
    accounts.deliver(1, &events).await;
    let found = async |n: u64| {
        let explanation: Explanation = control.get(&format!("/v1/explain/{n:032x}")).await;
        explanation.hops[0].denied.clone().unwrap()
    };
    for (word, n) in words.iter().zip(1..) {
        let found = found(n).await;
        assert_eq!((&found.by[..], found.changes.len()), (&[(*word).to_owned()][..], 0));
        assert!(found.advice.as_ref().unwrap().starts_with("nothing is suggested: "), "{found:?}");
    }
    assert!(found(100).await.advice.unwrap().contains("retry-after"));

    let wanted = serde_json::json!({ "subject": "id:spiffe://bank.test/svc/payment", "reason": "taken over" });
    control.post::<serde_json::Value>("/v1/revoke", &wanted).await.unwrap();
    let revoked = found(100).await;
    assert_eq!((&revoked.by[..], revoked.changes.len()), (&["deny list".to_owned()][..], 0));
    assert!(revoked.advice.unwrap().contains("bartizan revoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_own_guard_refused_is_looked_for_on_the_deny_list_too() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    let mut outbound = hop("accounts", SeenBy::Outbound, 2, 1, 1000);
    let What::Request(request) = &mut outbound.what else { unreachable!() };
    (request.to, request.error) = (service("payment"), Some("undeclared".into()));
    accounts.deliver(1, &[outbound]).await;
    let found = async || {
        let explanation: Explanation = control.get(&format!("/v1/explain/{ID}")).await;
        explanation.hops[0].denied.clone().unwrap()
    };
    let revoke = async |subject: &str| {
        let wanted = serde_json::json!({ "subject": subject, "reason": "taken over" });
        control.post::<serde_json::Value>("/v1/revoke", &wanted).await.unwrap();
    };
    let free = found().await;
    assert!(!free.changes.is_empty() && free.advice.is_none(), "{free:?}");
    // It may be the caller's or not: a word to look first.
    revoke(&format!("key:{}", "ab".repeat(32))).await;
    let perhaps = found().await;
    assert!(!perhaps.changes.is_empty() && perhaps.advice.unwrap().contains("bartizan revoked"));
    let subject = "id:spiffe://bank.test/svc/accounts";
    revoke(subject).await;
    let denied = found().await;
    assert!(denied.changes.is_empty() && denied.by.contains(&"deny list".to_owned()), "{denied:?}");
    assert!(denied.advice.unwrap().contains(&format!("`bartizan restore {subject}`")));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_denial_says_whom_to_ask_and_the_first_two_what_would_let_them_through() {
    let place = Place::new();
    place.write("policies/night.cedar", NIGHT);
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    let mut events = [1000, 1001, 1002].map(|end_ms| denied(&["no-night"], 1, end_ms));
    for (event, span) in events.iter_mut().zip(10..) {
        let What::Request(request) = &mut event.what else { unreachable!() };
        request.span = span;
    }
    accounts.deliver(1, &events).await;
    let explanation: Explanation = control.get(&format!("/v1/explain/{ID}")).await;
    let found: Vec<_> = explanation.hops.iter().map(|hop| hop.denied.as_ref().unwrap()).collect();
    assert_eq!(found.iter().map(|it| it.changes.len()).collect::<Vec<_>>(), [1, 1, 0]);
    assert!(found.iter().all(|it| it.by == ["no-night"] && it.owners == found[0].owners && it.owners.len() == 3));
    assert!(found[2].advice.as_ref().unwrap().contains("first denials"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lets_the_gateway_through_is_said_to_let_everybody_through() {
    let place = Place::new();
    place.write("policies/night.cedar", &NIGHT.replace("payment", "gateway"));
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    let mut event = denied(&["no-night"], 1, 1000);
    let What::Request(request) = &mut event.what else { unreachable!() };
    request.peer = Some("spiffe://bank.test/svc/gateway".parse().unwrap());
    accounts.deliver(1, &[event]).await;
    let explanation: Explanation = control.get(&format!("/v1/explain/{ID}")).await;
    let found = explanation.hops[0].denied.as_ref().unwrap();
    assert!(found.changes.len() == 1 && found.advice.as_ref().unwrap().contains("every client"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_without_a_policy_says_what_is_missing() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    accounts.deliver(1, &[denied(&[], 1, 1000)]).await;
    let explanation: Explanation = control.get(&format!("/v1/explain/{ID}")).await;
    let lines = explanation.hops[0].decision.as_ref().unwrap().lines.join("\n");
    assert!(lines.contains("no policy permits this call"), "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_is_not_kept_leaves_the_decision_without_its_text() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    accounts.deliver(1, &[denied(&["no-night"], 77, 1000)]).await;
    let explanation: Explanation = control.get(&format!("/v1/explain/{ID}")).await;
    let decision = explanation.hops[0].decision.as_ref().unwrap();
    assert_eq!((decision.policies.as_slice(), decision.principal.as_ref()), (&["no-night".to_owned()][..], None));
    assert!(decision.lines[0].contains("epoch 77"), "{:?}", decision.lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_holds_everything_in_the_order_of_the_call() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut gateway = control.proxy_of("gateway").await;
    let mut accounts = control.proxy_of("accounts").await;
    accounts
        .deliver(1, &[hop("accounts", SeenBy::Inbound, 2, 1, 900), hop("accounts", SeenBy::Outbound, 3, 2, 890)])
        .await;
    gateway.deliver(1, &[hop("gateway", SeenBy::Gateway, 1, 99, 1000)]).await;
    let trace: Trace = control.get(&format!("/v1/trace/{ID}")).await;
    let steps: Vec<_> = trace.steps.iter().map(|step| (step.depth, step.seen_by, step.took_us)).collect();
    let took = Some(2000);
    assert_eq!(steps, [(0, SeenBy::Gateway, took), (1, SeenBy::Inbound, took), (2, SeenBy::Outbound, took)]);
    assert!(trace.steps.iter().all(|step| step.event["class_uid"] == 4002));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_says_where_it_may_be() {
    let place = Place::new();
    let control = Running::start(&place).await;
    for what in ["explain", "trace"] {
        let error = control.try_get::<serde_json::Value>(&format!("/v1/{what}/{ID}")).await.unwrap_err();
        let LocalError::Refused { status, body } = error else { panic!("{error:?}") };
        assert_eq!(status, 404);
        assert!(body.contains(ID) && body.contains("bartizan status"), "{body}");
        let error = control.try_get::<serde_json::Value>(&format!("/v1/{what}/nonsense")).await.unwrap_err();
        assert!(matches!(error, LocalError::Refused { status: 400, .. }), "{error:?}");
    }
}
