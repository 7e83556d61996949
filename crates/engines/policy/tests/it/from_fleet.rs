//! What a fleet file becomes: text that people read, so kept as text.

use crate::support::{bank, files};
use bartizan_policy::from_fleet;

#[test]
fn a_fleet_becomes_schema_permits_and_facts() {
    let policies = from_fleet(&bank(), files("// mine"));
    insta::assert_snapshot!(policies.schema, @r#"
// What policies of the fleet `bank` are checked against.

// A service or another workload as caller, such as `Workload::"payment"`; the gateway is `Workload::"gateway"`.
entity Workload = {
  "owner": String,     // who answers for it; empty where nobody was named
  "data": Set<String>, // classes of data it handles
};

// A service as callee.
entity Service = { "owner": String, "data": Set<String> };

// A named part of a service, such as `Route::"accounts/balance"`; it has the attributes of its service.
entity Route in [Service] = { "owner": String, "data": Set<String> };

action "call";

// read: GET, HEAD, OPTIONS; write: POST, PUT, PATCH, DELETE; other: any other method;
// connect: a TCP connection, for which method and path are empty.
action "read", "write", "other", "connect" in ["call"] appliesTo {
  principal: [Workload],
  resource: [Service, Route],
  context: { "method": String, "path": String },
};
"#);
    insta::assert_snapshot!(policies.files["fleet:calls"], @r#"
// The declared calls of the fleet `bank`. Compiled from its file; change them there.

@id("fleet:calls/accounts->postgres")
@declared("services.accounts.calls")
permit (principal == Workload::"accounts", action == Action::"connect", resource in Service::"postgres");

@id("fleet:calls/gateway->accounts")
@declared("gateway.routes")
permit (principal == Workload::"gateway", action in [Action::"read", Action::"write", Action::"other"], resource in Service::"accounts");

@id("fleet:calls/gateway->users")
@declared("gateway.routes")
permit (principal == Workload::"gateway", action in [Action::"read", Action::"write", Action::"other"], resource in Service::"users");

@id("fleet:calls/payment->accounts")
@declared("services.payment.calls")
permit (principal == Workload::"payment", action in [Action::"read", Action::"write", Action::"other"], resource in Service::"accounts");

@id("fleet:calls/payment->legacy")
@declared("services.payment.calls")
permit (principal == Workload::"payment", action in Action::"call", resource in Service::"legacy");
"#);
    assert_eq!(policies.files["own.cedar"], "// mine");
    let facts = &policies.services[&crate::support::name("accounts")];
    assert_eq!((facts.owner.as_str(), facts.data.len(), facts.routes.len()), ("core", 2, 2));
    assert!(policies.services.contains_key(&crate::support::name("gateway")));
}

#[test]
fn the_same_fleet_becomes_the_same_text() {
    assert_eq!(from_fleet(&bank(), files("")), from_fleet(&bank(), files("")));
}
