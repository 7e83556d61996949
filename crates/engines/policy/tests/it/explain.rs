//! What `bartizan explain` prints.

use crate::support::{ask, bank, files};
use bartizan_core::snapshot::Epoch;
use bartizan_policy::{Engine, explain, from_fleet};

#[test]
fn a_decision_is_explained_by_text_and_place() {
    let snapshot = from_fleet(
        &bank(),
        files(
            "// nights\n\n  @id(\"night\")\n  @reason(\"closed at night\")\n  forbid (principal, action, resource)\n  when { context.path like \"/night*\" };\n",
        ),
    );
    let engine = Engine::compile(&snapshot, Epoch(3)).unwrap();
    let lines = |call: &str| ask(call, |ask| explain(&engine.decide(ask), &snapshot)).join("\n");
    insta::assert_snapshot!(lines("payment GET accounts /night"), @r#"
denied at policy epoch 3
reason: closed at night
forbid `night` at own.cedar:3:3
    @id("night")
    @reason("closed at night")
    forbid (principal, action, resource)
    when { context.path like "/night*" };
"#);
    insta::assert_snapshot!(lines("payment GET accounts /"), @r#"
allowed at policy epoch 3
permit `fleet:calls/payment->accounts` at fleet:calls:15:1
    @id("fleet:calls/payment->accounts")
    @declared("services.payment.calls")
    permit (principal == Workload::"payment", action in [Action::"read", Action::"write", Action::"other"], resource in Service::"accounts");
"#);
    insta::assert_snapshot!(lines("payment GET users /"), @r#"
denied at policy epoch 3
reason: no policy permits `payment` to `read` on `users`
"#);
    let old = from_fleet(&bank(), files(""));
    let decision = ask("payment GET accounts /night", |ask| engine.decide(ask));
    insta::assert_snapshot!(explain(&decision, &old).join("\n"), @r#"
denied at policy epoch 3
reason: closed at night
policy `night` is not among the policies at hand; they are of another epoch
"#);
    let by = |rule: &str| bartizan_core::Decision { policies: vec![rule.into()], ..decision.clone() };
    insta::assert_snapshot!(explain(&by("fleet:api"), &snapshot).join("\n"), @r#"
denied at policy epoch 3
reason: closed at night
`fleet:api` is no policy: the request or the answer was held against the document that `api` names, or against the limits of `graphql`
"#);
    for rule in ["events", "keys", "users", "login", "limits", "slow_down", "adaptive"] {
        let lines = explain(&by(&format!("fleet:{rule}")), &snapshot);
        assert!(lines[2].starts_with(&format!("`fleet:{rule}` is no policy: ")), "{lines:?}");
    }
    let lines = explain(&by("fleet:calls/gone->away"), &snapshot);
    assert!(lines[2].contains("of another epoch"), "{lines:?}");
}
