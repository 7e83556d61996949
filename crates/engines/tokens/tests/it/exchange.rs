//! Token exchange: who may act, and that no sequence of exchanges loses an actor.

use crate::*;
use bartizan_tokens::exchange::{Ceiling, Exchange, ExchangeError, Rules, exchange};
use bartizan_tokens::mint::{self, Access};
use bartizan_tokens::{Actors, Binding, Party, Scopes, SubjectToken, TokenError, verify_access, verify_subject};
use proptest::prelude::*;
use std::time::Duration;

fn party(name: &str) -> Party {
    Party { subject: format!("spiffe://bank.test/svc/{name}"), issuer: None }
}

fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

fn bound() -> Binding {
    Binding::to_certificate(b"the caller's")
}

/// A token for `audience` as text, with some claims more.
fn text(audience: &str, more: Value, ttl_s: u64) -> String {
    let mut access = Access::new("alice", "app", audience);
    access.scopes = scopes("pay read");
    access.ttl = Duration::from_secs(ttl_s);
    access.binding = Binding { certificate: None, key: Some([3; 32]) };
    access.family = Some("f1".into());
    access.more = more.as_object().unwrap().clone();
    mint::access(&KEY, ISSUER, &access, [1; 16], NOW).unwrap()
}

fn subject(more: Value) -> SubjectToken {
    verify_subject(&issuers(1), &text("accounts", more, 300), &["accounts"], NOW).unwrap()
}

fn ceilings() -> Vec<Ceiling> {
    ["ledger", "users"].map(|audience| Ceiling { audience: audience.into(), scopes: scopes("read admin") }).to_vec()
}

fn ask<'a>(subject: &'a SubjectToken, caller: &'a Party) -> Exchange<'a> {
    Exchange { subject, caller, binding: bound(), named_actor: None, audience: "ledger", scopes: None }
}

fn decide(asked: &Exchange<'_>, needs_may_act: bool) -> Result<Access, ExchangeError> {
    exchange(asked, &Rules { issuer: ISSUER, ceilings: &ceilings(), needs_may_act }, NOW)
}

#[test]
fn only_a_token_that_is_for_the_caller_can_be_exchanged() {
    let token = text("accounts", json!({}), 300);
    let wrong = verify_subject(&issuers(1), &token, &["ledger", ""], NOW).unwrap_err();
    assert!(matches!(wrong, TokenError::Audience { .. }));
    assert!(matches!(verify_subject(&issuers(1), &token, &[], NOW), Err(TokenError::Audience { .. })));
    // It is bound to somebody else's key, so it opens nothing by itself.
    assert!(matches!(verify_access(&issuers(1), &shown(&token), "accounts", NOW), Err(TokenError::Binding(_))));
    verify_subject(&issuers(1), &token, &["spiffe://bank.test/svc/accounts", "accounts"], NOW).unwrap();
    for (act, why) in [
        (json!("x"), "no object"),
        (json!({}), "an actor without a name"),
        (json!({"sub": "a", "act": {"sub": 1}}), "an earlier actor without a name"),
        (json!({"sub": "a", "act": null}), "an earlier actor that is nobody"),
        ((0..9).fold(json!({"sub": "x"}), |act, _| json!({"sub": "x", "act": act})), "too many actors"),
    ] {
        let token = text("accounts", json!({ "act": act }), 300);
        let refused = verify_subject(&issuers(1), &token, &["accounts"], NOW);
        assert!(matches!(refused, Err(TokenError::Claim { claim: "act", .. })), "believed, though {why}");
    }
}

#[test]
fn refuses_by_name() {
    let (plain, accounts) = (subject(json!({})), party("accounts"));
    let good = ask(&plain, &accounts);
    decide(&good, false).unwrap();
    let other = party("ledger");
    let possible = || ExchangeError::Scopes(scopes("read"));
    let (pay, more) = (scopes("pay"), scopes("read write"));
    for (asked, needed, wanted, code) in [
        (
            Exchange { named_actor: Some(&other), ..good },
            false,
            ExchangeError::OtherActor { named: other.subject.clone(), caller: accounts.subject.clone() },
            "invalid_request",
        ),
        (good, true, ExchangeError::MayNotAct(accounts.subject.clone()), "invalid_request"),
        (Exchange { binding: Binding::default(), ..good }, false, ExchangeError::Unbound, "invalid_request"),
        (
            Exchange { audience: "vault", ..good },
            false,
            ExchangeError::Audience { caller: accounts.subject.clone(), audience: "vault".into() },
            "invalid_target",
        ),
        // Allowed by the token alone, by policy alone, by nobody.
        (Exchange { scopes: Some(&pay), ..good }, false, possible(), "invalid_scope"),
        (Exchange { scopes: Some(&scopes("admin")), ..good }, false, possible(), "invalid_scope"),
        (Exchange { scopes: Some(&more), ..good }, false, possible(), "invalid_scope"),
    ] {
        let refused = decide(&asked, needed).unwrap_err();
        assert_eq!((refused.code(), refused), (code, wanted));
    }
    let rules = Rules { issuer: "https://other.test", ceilings: &ceilings(), needs_may_act: false };
    assert_eq!(exchange(&good, &rules, NOW), Err(ExchangeError::ForeignSubject(ISSUER.into())));
    let over = exchange(&good, &Rules { issuer: ISSUER, ..rules }, Timestamp::from_secs(NOW.as_secs() + 300));
    assert_eq!(over, Err(ExchangeError::Expired));
}

#[test]
fn whom_the_token_names_may_act_and_nobody_else() {
    let named = "spiffe://bank.test/svc/accounts";
    for (may_act, may) in [
        (json!({"sub": named}), true),
        (json!({"sub": "spiffe://bank.test/svc/ledger"}), false),
        (json!({"sub": named, "iss": ISSUER}), false),
        (json!({"sub": named, "client_id": "x"}), false),
        (json!({"iss": ISSUER}), false),
        (json!({}), false),
        (json!(named), false),
        (json!(null), false),
    ] {
        let (subject, accounts) = (subject(json!({ "may_act": may_act })), party("accounts"));
        for needed in [false, true] {
            let decided = decide(&ask(&subject, &accounts), needed);
            assert_eq!(decided.is_ok(), may, "{may_act}");
            assert!(decided.is_err() || decided.unwrap().more["may_act"] == may_act, "it goes on");
        }
    }
}

#[test]
fn parameters_do_not_change_who_acted() {
    let earlier = json!({"sub": "spiffe://bank.test/svc/gateway", "note": "kept"});
    let (subject, accounts) = (subject(json!({"act": earlier, "acr": "gold", "custom": 1})), party("accounts"));
    let read = scopes("read");
    let wanted = json!({"sub": accounts.subject, "act": earlier});
    for named_actor in [None, Some(&accounts)] {
        for scopes in [None, Some(&read)] {
            for audience in ["ledger", "users"] {
                let asked = Exchange { named_actor, scopes, audience, ..ask(&subject, &accounts) };
                let access = decide(&asked, false).unwrap();
                assert_eq!(access.more["act"], wanted);
                assert_eq!((access.subject.as_str(), access.scopes.to_string()), ("alice", "read".to_owned()));
                assert_eq!((&access.more["acr"], access.more.get("custom")), (&json!("gold"), None));
                assert_eq!((access.binding, access.family.as_deref()), (bound(), Some("f1")));
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Step {
    caller: usize,
    scopes: Option<String>,
    later_s: u64,
    names_itself: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let scopes = proptest::option::of("(read)?( pay)?".prop_map(|text| text.trim().to_owned()));
    let step = (0..4_usize, scopes, 0..20_u64, any::<bool>());
    let step = step.prop_map(|(caller, scopes, later_s, names_itself)| Step { caller, scopes, later_s, names_itself });
    proptest::collection::vec(step, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_sequence_of_exchanges_loses_an_actor_or_widens(steps in steps()) {
        let mut now = NOW;
        let mut held = subject(json!({}));
        let mut acted: Vec<String> = vec![];
        for step in steps {
            now = now.plus(Duration::from_secs(step.later_s));
            let caller = party(&format!("s{}", step.caller));
            let wanted = step.scopes.as_deref().map(scopes);
            let asked = Exchange {
                named_actor: step.names_itself.then_some(&caller),
                scopes: wanted.as_ref(),
                audience: "next",
                ..ask(&held, &caller)
            };
            let all = [Ceiling { audience: "next".into(), scopes: scopes("pay read admin") }];
            let rules = Rules { issuer: ISSUER, ceilings: &all, needs_may_act: false };
            let Ok(access) = exchange(&asked, &rules, now) else { continue };
            let token = mint::access(&KEY, ISSUER, &access, [2; 16], now).unwrap();
            let next = verify_subject(&issuers(1), &token, &["next"], now).unwrap();
            if acted.first() != Some(&caller.subject) {
                acted.insert(0, caller.subject.clone());
            }
            let (before, after): (&_, &_) = (held.token(), next.token());
            prop_assert_eq!(after.actors.names().collect::<Vec<_>>(), acted.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert!(after.actors.continues(&before.actors) && after.actors.len() <= 8);
            prop_assert!(after.scopes.are_within(&before.scopes) && after.expires <= before.expires);
            prop_assert_eq!((&after.subject, &after.family), (&before.subject, &before.family));
            held = next;
        }
        prop_assert!(held.token().actors != Actors::default() || acted.is_empty());
    }
}
