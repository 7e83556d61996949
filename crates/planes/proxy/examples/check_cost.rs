//! What the gateway's check of a request costs beyond plain proxying: a token that it knows, its user, its scopes, and the decision.
//!
//! `cargo run --release -p bartizan-proxy --example check_cost [seconds per figure]`. One thread; 1,000 users with a token each, of
//! EdDSA, bound to a certificate; 100 policies, of which some look at the path and the user.
#![allow(clippy::unwrap_used, missing_docs)]

use bartizan_core::fleet;
use bartizan_core::snapshot::Epoch;
use bartizan_core::user::{TokenIssuer, User, Users};
use bartizan_core::{Action, ServiceName, Timestamp};
use bartizan_crypto::jose::JwkSet;
use bartizan_crypto::jws::TokenKey;
use bartizan_policy::{Ask, Engine, Memo, from_fleet};
use bartizan_proxy::users::EdgeUsers;
use bartizan_tokens::mint::{self, Access};
use bartizan_tokens::{Binding, Presented, TokenCache};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ISSUER: &str = "https://id.bank.example";
const AUDIENCE: &str = "https://api.bank.example";
/// Users that come, a count.
const USERS: u64 = 1_000;

fn main() {
    let each = Duration::from_secs(std::env::args().nth(1).map_or(3, |text| text.parse().unwrap()));
    let (key, now) = (TokenKey::generate_ed25519().unwrap(), Timestamp::from(std::time::SystemTime::now()));
    let (users, engine) = (users(&key), engine());
    let tokens: Vec<String> = (0..USERS).map(|n| token(&key, n, now)).collect();
    let (gateway, accounts) = (ServiceName::gateway(), ServiceName::parse("accounts").unwrap());
    let certificate = Binding::to_certificate(b"certificate").certificate;
    let (mut cache, mut memo) = (TokenCache::default(), Memo::default());
    let verify = |cache: &mut TokenCache, token: &str| -> Arc<User> {
        let shown = Presented { token, certificate: certificate.as_ref(), proof_key: None };
        let known = cache.verify(users.trust(), &shown, users.audience(), now).unwrap();
        assert!(known.scopes.has("accounts:read"));
        Arc::new(users.user(&known))
    };
    let decide = |memo: &mut Memo, user: &User, path: &str| {
        let ask = Ask {
            user: Some(user),
            principal: &gateway,
            id: None,
            action: Action::Read,
            resource: &accounts,
            route: None,
            method: "GET",
            path,
        };
        memo.decide(&engine, &ask).is_allow()
    };
    for token in &tokens {
        assert!(decide(&mut memo, &verify(&mut cache, token), "/accounts/mine"), "everybody may");
    }
    println!(
        "one thread, {} s per figure, {} policies, tokens of {} bytes",
        each.as_secs(),
        engine.len(),
        tokens[0].len()
    );
    let user = verify(&mut cache, &tokens[0]);
    report("known token, with its user", each, |_| verify(&mut cache, &tokens[0]).subject.is_empty());
    report("decision for it, known", each, |_| !decide(&mut memo, &user, "/accounts/mine"));
    report("both, one user", each, |_| !decide(&mut memo, &verify(&mut cache, &tokens[0]), "/accounts/mine"));
    report("both, 1,000 users in turn", each, |n| {
        let user = verify(&mut cache, &tokens[n % tokens.len()]);
        !decide(&mut memo, &user, "/accounts/mine")
    });
    let paths: Vec<String> = (0..100_000).map(|n| format!("/accounts/{n}")).collect();
    report("both, a new path each time", each, |n| {
        !decide(&mut memo, &verify(&mut cache, &tokens[0]), &paths[n % paths.len()])
    });
}

fn token(key: &TokenKey, n: u64, now: Timestamp) -> String {
    let mut access = Access::new(&format!("5f0c2a4e-1111-4c1e-9a36-{n:012}"), "mobile-app", AUDIENCE);
    access.binding = Binding::to_certificate(b"certificate");
    access.scopes = bartizan_tokens::Scopes::parse("accounts:read accounts:pay").unwrap();
    access.more.insert("roles".to_owned(), vec!["customers"].into());
    mint::access(key, ISSUER, &access, u128::from(n).to_be_bytes(), now).unwrap()
}

fn users(key: &TokenKey) -> EdgeUsers {
    let keys = JwkSet { keys: vec![key.public_jwk()], passed_over: vec![] };
    let issuer = TokenIssuer {
        issuer: ISSUER.to_owned(),
        algorithms: vec!["EdDSA".to_owned()],
        roles: "roles".to_owned(),
        tenant: "tenant".to_owned(),
        claims: BTreeMap::new(),
        keys: String::new(),
        roots: None,
        jwks: String::from_utf8(keys.to_json()).unwrap(),
        bound: true,
    };
    EdgeUsers::new(&Users { audience: AUDIENCE.to_owned(), issuers: vec![issuer], revoked: Vec::new() }, 1).unwrap()
}

fn engine() -> Arc<Engine> {
    let services: String = (0..48)
        .map(|n| {
            format!("  s{n}: {{ at: \"127.0.0.1:{}\", protocol: http, owner: me, calls: [accounts] }}\n", 9_000 + n)
        })
        .collect();
    let text = format!(
        "fleet: bank\ntrust_domain: bank.test\nservices:\n  accounts: {{ at: \"127.0.0.1:8000\", protocol: http, owner: me }}\n{services}\
         gateway:\n  listen: 127.0.0.1:8443\n  routes: [{{ path: /**, to: accounts, auth: user }}]\n\
         users: {{ audience: \"{AUDIENCE}\", issuers: [{{ issuer: \"{ISSUER}\", keys: keys.json, algorithms: [EdDSA] }}] }}\n"
    );
    let fleet = fleet::parse(&text, "fleet.yaml").unwrap();
    let mut own = String::from(
        "forbid (principal, action, resource == Service::\"accounts\")\nunless { context has user && context.user.roles.contains(\"customers\") };\n",
    );
    for n in 0..50 {
        own += &format!(
            "forbid (principal == Workload::\"s{}\", action, resource == Service::\"accounts\")\nwhen {{ context.path like \"/closed/{n}*\" }};\n",
            n % 48
        );
    }
    let policies = from_fleet(&fleet, BTreeMap::from([("own.cedar".to_owned(), own)]));
    Arc::new(Engine::compile(&policies, Epoch(1)).unwrap())
}

/// Repeats `step` for `each` and prints the time of one; a step that says that it went wrong ends the program.
fn report(what: &str, each: Duration, mut step: impl FnMut(usize) -> bool) {
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < each {
        for n in count..count + 100 {
            assert!(!black_box(step(n)), "{what}: it went wrong");
        }
        count += 100;
    }
    println!("{what:<32} {:>9.3} us", started.elapsed().as_secs_f64() * 1e6 / count as f64);
}
