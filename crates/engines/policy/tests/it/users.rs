//! Policies about users, and about what in a path is theirs.

use crate::support::{ask, bank, compile, decide};
use bartizan_core::fleet::{Auth, Fleet};
use bartizan_core::path::PathPattern;
use bartizan_core::snapshot::Epoch;
use bartizan_core::user::{TokenIssuer, User, Users};
use bartizan_policy::{Ask, Engine, check, from_fleet};

const OWN: &str = r#"
    @reason("these are somebody else's accounts")
    forbid (principal, action == Action::"read", resource in Service::"accounts")
    unless {
      context has user && context.params has account
      && context.user.claims.accounts.contains(context.params.account)
    };
"#;

/// The bank, whose gateway asks for users.
pub(crate) fn with_users() -> Fleet {
    let mut fleet = bank();
    fleet.services.remove(&crate::support::name("legacy"));
    fleet.services.values_mut().for_each(|service| service.calls.retain(|call| call.to.as_str() != "legacy"));
    let issuer = TokenIssuer {
        issuer: "https://login.test".to_owned(),
        algorithms: vec!["ES256".to_owned()],
        roles: "roles".to_owned(),
        tenant: "tenant".to_owned(),
        claims: [("accounts".to_owned(), "bank.accounts".to_owned())].into(),
        keys: "login.jwks".to_owned(),
        roots: None,
        jwks: String::new(),
        bound: false,
    };
    fleet.users = Some(Users { audience: "api".to_owned(), issuers: vec![issuer], revoked: Vec::new() });
    fleet.gateway.iter_mut().flat_map(|gateway| &mut gateway.routes).for_each(|route| route.auth = Auth::User);
    let routes = &mut fleet.services.get_mut(&crate::support::name("accounts")).unwrap().routes;
    routes[0].path = PathPattern::parse("/accounts/{account}/balance").unwrap();
    fleet
}

fn ada() -> User {
    let claims = [("accounts".to_owned(), vec!["acc-1".to_owned(), "acc 2".to_owned()])].into();
    User { issuer: "https://login.test".to_owned(), subject: "ada".to_owned(), claims, ..User::default() }
}

fn allows(engine: &Engine, text: &str, user: Option<&User>) -> bool {
    ask(text, |ask| decide(engine, &Ask { user, ..*ask }).is_allow())
}

#[test]
fn a_user_reads_what_is_theirs_and_nothing_else() {
    let engine = compile(&with_users(), OWN).unwrap();
    let (ada, nobody) = (ada(), User { claims: [("accounts".to_owned(), Vec::new())].into(), ..ada() });
    for (text, user, expected) in [
        ("gateway GET accounts/balance /accounts/acc-2/balance", Some(&ada), false),
        ("gateway GET accounts/balance /accounts/acc-1/balance", Some(&nobody), false),
        ("gateway GET accounts/balance /accounts/acc-1/balance", None, false),
        ("gateway GET accounts/close /accounts/acc-1/balance", Some(&ada), false), // a route without that segment
        ("gateway GET accounts /accounts/acc-1/balance", Some(&ada), false),       // no route at all
        ("gateway GET accounts/none /accounts/acc-1/balance", Some(&ada), false),
        ("gateway GET accounts/balance /accounts", Some(&ada), false),
        // An identity that never learned of the claim: an error denies.
        ("gateway GET accounts/balance /accounts/acc-1/balance", Some(&User::default()), false),
        ("gateway GET accounts/balance /accounts/acc-1/balance", Some(&ada), true),
        ("gateway GET accounts/balance /accounts/acc%202/balance", Some(&ada), true),
        ("payment GET accounts/balance /accounts/acc-1/balance", Some(&ada), true),
        ("payment POST accounts/close /accounts/acc-9/close", None, true), // the policy is about reading
    ] {
        assert_eq!(allows(&engine, text, user), expected, "{text} {user:?}");
    }
}

#[test]
fn what_no_route_and_no_issuer_has_cannot_be_asked_for() {
    let fleet = with_users();
    assert!(check(&fleet, &crate::support::files(OWN)).is_ok(), "{:?}", check(&fleet, &crate::support::files(OWN)));
    for bad in [
        OWN.replace("context.params.account", "context.params.acount"),
        OWN.replace("claims.accounts", "claims.amounts"),
        OWN.replace("context.params has account\n      && ", ""),
    ] {
        assert!(check(&fleet, &crate::support::files(&bad)).is_err(), "{bad}");
    }
    let mut without = with_users();
    without.users.iter_mut().flat_map(|users| &mut users.issuers).for_each(|issuer| issuer.claims.clear());
    assert!(check(&without, &crate::support::files(OWN)).is_err());
    let schema = from_fleet(&fleet, Default::default()).schema;
    assert!(schema.contains("\"accounts\": Set<String>") && schema.contains("\"account\"?: String"), "{schema}");
    assert!(Engine::compile(&from_fleet(&bank(), Default::default()), Epoch(1)).is_ok());
}
