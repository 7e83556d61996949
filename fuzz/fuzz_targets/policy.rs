//! Any text as a policy file: read or refused, and what is read decides by index as it does plainly.
#![no_main]

use bartizan_core::snapshot::{Epoch, Policies};
use bartizan_core::user::User;
use bartizan_core::{Action, ServiceName, fleet};
use bartizan_policy::{Ask, Engine, Memo, explain, from_fleet};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

const FLEET: &str = r#"
fleet: bank
trust_domain: bank.test
services:
  accounts:
    listen: 127.0.0.1:7102
    run: [bank]
    protocol: http
    owner: core
    data: [pii]
    calls: [postgres]
    routes: { balance: GET /accounts/*/balance }
  payment: { listen: "127.0.0.1:7103", run: [bank], calls: [accounts] }
  postgres: { at: "127.0.0.1:5432", protocol: tcp }
"#;

static PLAIN: LazyLock<Policies> =
    LazyLock::new(|| from_fleet(&fleet::parse(FLEET, "fleet.yaml").expect("the text above is good"), BTreeMap::new()));

fuzz_target!(|text: &str| {
    let mut policies = PLAIN.clone();
    policies.files.insert("fuzz.cedar".to_owned(), text.to_owned());
    let engine = match Engine::compile(&policies, Epoch(1)) {
        Ok(engine) => Arc::new(engine),
        Err(errors) => return assert!(!errors.to_string().is_empty()),
    };
    let mut memo = Memo::default();
    let user = User { subject: "alice".to_owned(), scopes: vec!["accounts:read".to_owned()], ..User::default() };
    for caller in ["accounts", "payment", "stranger"].map(|name| ServiceName::parse(name).expect("a label")) {
        for callee in ["accounts", "postgres"].map(|name| ServiceName::parse(name).expect("a label")) {
            for (action, method, path) in
                [(Action::Read, "GET", "/accounts/1"), (Action::Write, "POST", "/"), (Action::Connect, "", "")]
            {
                for (route, user) in [(None, None), (Some("balance"), None), (None, Some(&user))] {
                    let ask =
                        Ask { principal: &caller, id: None, action, resource: &callee, route, method, path, user };
                    let plain = engine.decide_plainly(&ask);
                    assert_eq!(engine.decide(&ask), plain, "{ask:?}");
                    assert_eq!(*memo.decide(&engine, &ask), plain, "{ask:?}");
                    assert!(explain(&plain, &policies).iter().all(|line| !line.contains("another epoch")));
                }
            }
        }
    }
});
