//! The authorization server of a fleet file: what could never work is refused, and what is left out has one meaning.

use bartizan_core::ServiceName;
use bartizan_core::authorization::Grant;
use bartizan_core::fleet::{Fleet, parse};
use std::time::Duration;

/// `more` is what stands in the map of the server, `tail` what else the file says.
fn text(more: &str, tail: &str) -> String {
    format!(
        "fleet: shop\ntrust_domain: shop.test\nservices:\n  a: {{ run: [x], listen: \"127.0.0.1:1\", protocol: http, owner: o }}\n\
         workloads:\n  report: {{ selectors: {{ path: /bin/report }}, calls: [a] }}\n  batch: {{ selectors: {{ path: /bin/batch }} }}\n\
         authorization: {{ {more} }}\n{tail}"
    )
}

fn good(more: &str, tail: &str) -> Fleet {
    parse(&text(more, tail), "f").unwrap_or_else(|why| panic!("{more}: {why}"))
}

fn bad(more: &str, tail: &str, why: &str) {
    let refusal = parse(&text(more, tail), "f").map(drop).expect_err(more).to_string();
    assert!(refusal.contains(why), "{refusal}\n{why}");
}

#[test]
fn what_could_never_work_is_refused_with_the_way_out() {
    let one = "listen: \"127.0.0.1:2\", clients: { report: {} }";
    let users = "users: { audience: api, issuers: [{ issuer: \"https://login.test\", keys: k }] }\n";
    for (more, tail, why) in [
        ("", "", "authorization.listen: is missing; say where clients connect, such as `127.0.0.1:8445`"),
        ("listen: \"127.0.0.1:2\"", "", "authorization.clients: is missing; name who gets tokens"),
        ("listen: \"127.0.0.1:2\", clients: {}", "", "there have to be 1 to 1000 clients"),
        ("listen: \"127.0.0.1:1\", clients: { report: {} }", "", "authorization.listen = `127.0.0.1:1`"),
        (
            "listen: \"127.0.0.1:2\", clients: { reprot: {} }",
            "",
            "authorization.clients.reprot: no such workload; did you mean `report`?",
        ),
        // The certificate of a service is with its guard: no program could ever show it.
        ("listen: \"127.0.0.1:2\", clients: { a: {} }", "", "that of a service is its guard's"),
        (
            "listen: \"127.0.0.1:2\", clients: { report: { secret: x } }",
            "",
            "unknown key; known here: scopes, audiences, grants",
        ),
        ("listen: \"127.0.0.1:2\", clients: { report: { scopes: [] } }", "", "there have to be 1 to 64"),
        ("listen: \"127.0.0.1:2\", clients: { report: { scopes: [\"a b\"] } }", "", "not a scope"),
        ("listen: \"127.0.0.1:2\", clients: { report: { audiences: [\"\"] } }", "", "1 to 256 plain characters"),
        (
            "listen: \"127.0.0.1:2\", clients: { report: { grants: [password] } }",
            "",
            "authorization.clients.report.grants[0] = `password`: no such grant; known are `client_credentials` and `token_exchange`",
        ),
        (
            &format!("{one}, people: {{ password: x }}"),
            "",
            "unknown key; known here: sessions, idle, second_factor, second_factor_for, providers",
        ),
        (
            &format!("{one}, people: {{ sessions: \"12\" }}"),
            "",
            "authorization.people.sessions = `12`: not a time from 1s to 30d",
        ),
        (&format!("{one}, people: {{ sessions: 31d }}"), "", "not a time from 1s to 30d; write it as `45m` or `12h`"),
        (&format!("{one}, people: {{ idle: 0s }}"), "", "authorization.people.idle = `0s`: not a time"),
        (&format!("{one}, people: {{ sessions: 1h, idle: 2h }}"), "", "longer than a session lasts at most"),
        (
            &format!("{one}, people: {{ second_factor: require }}"),
            "",
            "authorization.people.second_factor = `require`: no such choice; did you mean `required`?",
        ),
        (&format!("{one}, people: {{ second_factor_for: [] }}"), "", "there have to be 1 to 64"),
        (&format!("{one}, people: {{ second_factor_for: [\" \"] }}"), "", "not a role"),
        (&format!("issuer: \"http://auth.test\", {one}"), "", "begin it with `https://`"),
        (&format!("issuer: \"https://auth.test/realms/x\", {one}"), "", "give host and port alone"),
        (&format!("issuer: \"https://auth.test/\", {one}"), "", "without a `/` behind"),
        (&format!("issuer: \"https://login.test\", {one}"), users, "an issuer of that name is under `users`"),
        (&format!("audience: other, {one}"), users, "the gateway believes tokens for `api` alone"),
    ] {
        let refusal = parse(&text(more, tail), "f").map(drop).expect_err(more).to_string();
        assert!(refusal.contains(why), "{refusal}\n{why}");
    }
}

#[test]
fn people_sign_in_where_the_file_says_so() {
    let one = "listen: \"127.0.0.1:2\", clients: { report: {} }";
    let of = |people: &str| good(&format!("{one}{people}"), "").authorization.unwrap().people;
    assert_eq!(of(""), None);
    let rules = of(", people: {}").unwrap();
    assert_eq!((rules.sessions, rules.idle), (Duration::from_secs(12 * 3600), Duration::from_secs(3600)));
    assert!(!rules.second_factor && rules.second_factor_for.is_empty());
    let rules = of(", people: { sessions: 30m, second_factor: required, second_factor_for: [admin] }").unwrap();
    assert_eq!((rules.sessions, rules.idle), (Duration::from_secs(1800), Duration::from_secs(1800)));
    assert_eq!((rules.second_factor, rules.second_factor_for.as_slice()), (true, &["admin".to_owned()][..]));
}

#[test]
fn what_is_left_out_has_one_meaning() {
    let report = ServiceName::parse("report").unwrap();
    let fleet = good("listen: \"127.0.0.1:2\", clients: { report: {} }", "");
    let said = fleet.authorization.unwrap();
    assert_eq!((said.issuer.as_str(), said.audience.as_str()), ("https://127.0.0.1:2", "shop"));
    let client = &said.clients[&report];
    assert_eq!(client.id.to_string(), "spiffe://shop.test/workload/report");
    assert!(client.scopes.is_empty());
    assert_eq!(
        (client.audiences.as_slice(), client.grants.as_slice()),
        (&["shop".to_owned()][..], &[Grant::ClientCredentials][..])
    );
    let users = fleet.users.unwrap();
    assert_eq!((users.audience.as_str(), users.issuers.len()), ("shop", 0), "its own tokens are users' tokens");

    let users = "users: { audience: api, issuers: [{ issuer: \"https://login.test\", keys: k }] }\n";
    let more = "listen: \"127.0.0.1:2\", issuer: \"https://auth.shop.test\", clients: { report: { scopes: [a, b], grants: [token_exchange] }, batch: { audiences: [x, y] } }";
    let fleet = good(more, users);
    let said = fleet.authorization.unwrap();
    assert_eq!((said.issuer.as_str(), said.audience.as_str()), ("https://auth.shop.test", "api"));
    assert_eq!(said.clients[&report].grants, [Grant::TokenExchange]);
    assert_eq!(said.clients[&ServiceName::parse("batch").unwrap()].audiences, ["x", "y"]);
    assert_eq!(fleet.users.unwrap().issuers.len(), 1);
}

#[test]
fn apps_that_could_never_work_or_send_codes_to_strangers_are_refused() {
    let shop = |body: &str| format!("listen: \"127.0.0.1:2\", apps: {{ shop: {{ {body} }} }}");
    let redirect = "redirect: [\"https://shop.test/back\"]";
    let hash = "a".repeat(64);
    for (more, why) in [
        ("listen: \"127.0.0.1:2\", apps: {}".to_owned(), "there have to be 1 to 1000 apps"),
        (shop(""), "nobody can come back to it with a code; give it `redirect`"),
        (shop(redirect), "apps are for people, and nobody can sign in; add `people: {}` beside `apps`"),
        (shop("redirect: []"), "there have to be 1 to 16"),
        (shop("redirect: [\"http://shop.test/back\"]"), "`http` is for 127.0.0.1 and [::1] alone"),
        (shop("redirect: [\"https://*.shop.test/\"]"), "no fragment, wildcard"),
        (shop("redirect: [\"http://localhost/back\"]"), "`http` is for 127.0.0.1"),
        (shop("redirect: [\"https://a@shop.test/\"]"), "without a user in front"),
        (shop("redirect: [\"javascript:alert(1)\"]"), "use `https`, or a scheme that is the app's own"),
        (shop(&format!("{redirect}, signed_out: [\"http://x.test\"]")), "authorization.apps.shop.signed_out[0]"),
        (shop(&format!("{redirect}, grants: [implicit]")), "known are `authorization_code`, `refresh_token` and"),
        (shop(&format!("{redirect}, grants: [client_credentials]")), "no such grant"),
        (shop("grants: [refresh_token]"), "it has no way to its first token"),
        (shop(&format!("{redirect}, consent: never")), "expected `ask` or `trusted`"),
        (shop(&format!("{redirect}, bearer: perhaps")), "expected `true` or `false`"),
        (shop(&format!("{redirect}, workload: reprot")), "no such workload; did you mean `report`?"),
        (shop(&format!("{redirect}, backchannel_logout: \"http://shop.test/out\"")), "begin it with `https://`"),
        (shop(&format!("{redirect}, backchannel_logout: \"https://shop.test/out#x\"")), "no user, query or fragment"),
        (shop(&format!("{redirect}, backchannel_roots: ca.pem")), "told nowhere that somebody signed out; name the"),
        (shop(&format!("{redirect}, secret: x")), "unknown key; known here: title, redirect, signed_out"),
        (
            format!("listen: \"127.0.0.1:2\", clients: {{ report: {{}} }}, apps: {{ report: {{ {redirect} }} }}"),
            "there is a client of that name",
        ),
        ("listen: \"127.0.0.1:2\", registration: {}".to_owned(), "authorization.registration.token_sha256: is missing"),
        ("listen: \"127.0.0.1:2\", registration: { token_sha256: secret }".to_owned(), "not a SHA-256"),
        (format!("listen: \"127.0.0.1:2\", registration: {{ token_sha256: {hash}, most: 0 }}"), "expected 1 to 1000"),
    ] {
        let refusal = parse(&text(&more, ""), "f").map(drop).expect_err(&more).to_string();
        assert!(refusal.contains(why), "{refusal}\n{why}");
    }
}

#[test]
fn an_app_is_a_public_client_with_bound_tokens_where_nothing_else_is_said() {
    let shop = ServiceName::parse("shop").unwrap();
    let fleet =
        good("listen: \"127.0.0.1:2\", people: {}, apps: { shop: { redirect: [\"https://shop.test/back\"] } }", "");
    let said = fleet.authorization.unwrap();
    assert!(said.clients.is_empty() && said.has_apps() && !said.has_bearers());
    let app = &said.apps[&shop];
    assert_eq!((app.title.as_str(), app.scopes.as_slice()), ("shop", &["openid".to_owned()][..]));
    assert_eq!(app.grants, [Grant::AuthorizationCode, Grant::RefreshToken]);
    assert_eq!(app.audiences, ["shop"]);
    assert!(!app.trusted && !app.bearer && app.workload.is_none() && app.signed_out.is_empty());
    assert!(app.redirect[0].allows("https://shop.test/back") && !app.redirect[0].allows("https://shop.test/back/"));

    let hash = "a5".repeat(32);
    let more = format!(
        "listen: \"127.0.0.1:2\", people: {{}}, apps: {{ tv: {{ title: \"The TV\", grants: [device_code], workload: report, consent: trusted, bearer: true }} }}, \
         registration: {{ token_sha256: \"{hash}\", scopes: [openid, email], most: 5 }}"
    );
    let said = good(&more, "").authorization.unwrap();
    assert!(said.has_bearers());
    let app = &said.apps[&ServiceName::parse("tv").unwrap()];
    assert_eq!(app.workload.as_ref().unwrap().to_string(), "spiffe://shop.test/workload/report");
    assert!(app.trusted && app.redirect.is_empty() && app.title == "The TV");
    let registration = said.registration.unwrap();
    assert_eq!((registration.token_sha256, registration.most, registration.bearer), ([0xa5; 32], 5, false));
}

#[test]
fn people_may_come_from_providers_that_the_file_names() {
    let with = |provider: &str| {
        let one = "listen: \"127.0.0.1:2\", clients: { report: {} }";
        format!(
            "{one}, people: {{ providers: {{ google: {{ issuer: \"https://accounts.google.com\", client_id: us{provider} }} }} }}"
        )
    };
    for (provider, why) in [
        (
            ", create: yes",
            "whoever the provider knows would get an account; name `domains` or `tenants`, or write `create: anybody`",
        ),
        (", create: maybe", "authorization.people.providers.google.create = `maybe`: no such choice"),
        (", scopes: [profile]", "`openid` is not among them"),
        (", domains: [\"@bank.example\"]", "not a domain; write what stands behind the `@`"),
        (", domains: [bank]", "not a domain"),
        (", tenants: [north]", "no claim says which tenant it is"),
        (", roles: { a: b }", "no claim says which roles there are"),
        (", claims: { roles: groups }, roles: { a: \" \" }", "not a role"),
        (", claims: { email: upn }", "unknown key; known here: name, display_name, roles, tenant"),
        (", algorithms: [none]", "not an algorithm"),
        (", secret: \"\"", "is empty"),
        (", password: x", "unknown key; known here: title, issuer, client_id, secret"),
    ] {
        bad(&with(provider), "", why);
    }
    let plain = "listen: \"127.0.0.1:2\", clients: { report: {} }, people: { providers: ";
    bad(
        &format!("{plain}{{ a: {{ issuer: \"http://a.test\", client_id: us }} }} }}"),
        "",
        "not an issuer: begin it with `https://`",
    );
    bad(&format!("{plain}{{ a: {{ client_id: us }} }} }}"), "", "authorization.people.providers.a.issuer");
    bad(&format!("{plain}{{ \"a/b\": {{ issuer: \"https://a.test\", client_id: us }} }} }}"), "", "not a name");
    let twice =
        "{ a: { issuer: \"https://a.test\", client_id: us }, b: { issuer: \"https://a.test\", client_id: us } } }";
    bad(&format!("{plain}{twice}"), "", "another provider has this issuer");

    let google = |more: &str| {
        let people = good(&with(more), "").authorization.unwrap().people.unwrap();
        people.providers.into_values().next().unwrap()
    };
    let usual = google("");
    assert!(!usual.create && usual.domains.is_empty() && usual.two_factors.is_empty() && usual.title == "google");
    assert_eq!(
        (usual.scopes.join(" ").as_str(), usual.algorithms.join(" ").as_str()),
        ("openid profile email", "ES256 RS256")
    );
    let more = ", create: yes, domains: [Bank.example], claims: { roles: groups, tenant: tid }, roles: { a: teller, b: teller }";
    let it = google(more);
    assert!(
        it.create
            && it.has_domain("ana@bank.EXAMPLE")
            && !it.has_domain("ana@sub.bank.example")
            && !it.has_domain("bank.example")
    );
    assert_eq!(it.roles_of(["b", "a", "c"]), ["teller"]);
    assert!(google(", create: anybody").create && !google(", create: no").create);
}
