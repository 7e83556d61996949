//! How people log in at the gateway: what a fleet file may say of it, and what comes of it.

use bartizan_core::authorization::Grant;
use bartizan_core::fleet::parse;
use bartizan_core::name::ServiceName;

/// A fleet; `login` goes under the gateway, `route` into its route, `more` at the end.
fn fleet(login: &str, route: &str, more: &str) -> String {
    format!(
        "fleet: bank\ntrust_domain: bank.test\nservices:\n  a: {{ listen: \"127.0.0.1:7001\", protocol: http, owner: o }}\n\
         gateway:\n  listen: 127.0.0.1:8443\n  login: {login}\n  routes:\n    - {{ path: /**, to: a{route} }}\n{more}"
    )
}

const OWN: &str = "authorization: { listen: 127.0.0.1:8445, people: {} }\n";
const OTHER: &str =
    "users:\n  audience: api\n  issuers: [{ issuer: \"https://login.test\" }, { issuer: \"urn:x\", keys: k.jwks }]\n";

#[test]
fn refuses_what_could_not_be_done() {
    for (login, route, more, wanted) in [
        ("{}", ", auth: user", "", "gateway.login: it is not said who signs people in; name an issuer of `users`"),
        ("{}", ", auth: user", OTHER, "gateway.login: it is not said who signs people in; name an issuer of `users`"),
        (
            "{ issuer: \"https://login.tset\", client: c }",
            ", auth: user",
            OTHER,
            "gateway.login.issuer = `https://login.tset`: nobody's tokens of that name are believed here; did you mean `https://login.test`?",
        ),
        ("{ issuer: \"urn:x\", client: c }", ", auth: user", OTHER, "nobody can be sent there"),
        (
            "{ issuer: \"https://login.test\" }",
            ", auth: user",
            OTHER,
            "gateway.login.client: is missing; give the name under which the gateway is registered there",
        ),
        (
            "{ client: c }",
            ", auth: user",
            OWN,
            "gateway.login.client: the own authorization server wants neither name nor secret",
        ),
        (
            "{ secret: s }",
            ", auth: user",
            OWN,
            "gateway.login.secret: the own authorization server wants neither name nor secret",
        ),
        (
            "{}",
            ", auth: user",
            "authorization: { listen: 127.0.0.1:8445, clients: { w: {} } }\nworkloads: { w: { selectors: { path: /w } } }\n",
            "nobody can sign in at the authorization server; add `people: {}` under `authorization`",
        ),
        (
            "{}",
            ", auth: user",
            "authorization: { listen: 127.0.0.1:8445, people: {}, apps: { gateway: { redirect: [\"https://x.test/\"] } } }\n",
            "the gateway is called so, where people log in at it; give it another name",
        ),
        (
            "{ origin: \"http://127.0.0.1:8443\" }",
            ", auth: user",
            OWN,
            "browsers reach the gateway over TLS alone; write `https://`",
        ),
        ("{ origin: \"https://bank.test/\" }", ", auth: user", OWN, "not an origin: a browser sends neither a path"),
        ("{ origin: [] }", ", auth: user", OWN, "there have to be 1 to 16 origins"),
        ("{ life: 31d }", ", auth: user", OWN, "gateway.login.life = `31d`: not a time from 1s to 30d"),
        ("{ idle: 25h }", ", auth: user", OWN, "gateway.login.idle = `25h`: not a time from 1s to 1d"),
        ("{ life: 10m, idle: 20m }", ", auth: user", OWN, "longer than a session lasts at most"),
        ("{ after_logout: //evil.test }", ", auth: user", OWN, "not a path of the gateway"),
        ("{ after_logout: \"https://evil.test\" }", ", auth: user", OWN, "not a path of the gateway"),
        ("{ after_logout: '/\\evil.test' }", ", auth: user", OWN, "not a path of the gateway"),
        ("{ scopes: [\"a b\"] }", ", auth: user", OWN, "not a scope"),
        (
            "{ isuer: x }",
            ", auth: user",
            OWN,
            "gateway.login.isuer: unknown key; did you mean `issuer`? known here: issuer, client, secret, scopes, origin, life, idle, after_logout",
        ),
        ("{}", ", login: true", OWN, "the route asks for no user; write `auth: user`"),
        ("{}", ", auth: user, login: off", OWN, "neither true nor false"),
    ] {
        let text = fleet(login, route, more);
        let report = parse(&text, "f").map(|_| ()).expect_err(&text).to_string();
        assert!(report.contains(wanted), "{login} {route}:\n{report}\nwanted:\n{wanted}");
    }
    let without = fleet("{}", ", auth: user, login: true", OWN).replace("  login: {}\n", "");
    let report = parse(&without, "f").map(|_| ()).unwrap_err().to_string();
    assert!(report.contains("nobody can log in here; add `login: {}` under `gateway`"), "{report}");
    let everywhere = fleet("{}", ", auth: user", OWN).replace("listen: 127.0.0.1:8443", "listen: 0.0.0.0:8443");
    let report = parse(&everywhere, "f").map(|_| ()).unwrap_err().to_string();
    assert!(report.contains("add `origin`, such as `https://bank.example`"), "{report}");
    let own = fleet("{}", ", auth: user", OWN).replace("path: /**", "path: /.bartizan/x");
    let report = parse(&own, "f").map(|_| ()).unwrap_err().to_string();
    assert!(report.contains("the gateway answers there itself"), "{report}");
}

#[test]
fn the_gateway_becomes_a_client_of_the_own_server_by_its_identity() {
    let said = parse(&fleet("{ scopes: [profile] }", ", auth: user", OWN), "f").unwrap();
    let gateway = said.gateway.as_ref().unwrap();
    let login = gateway.login.as_ref().unwrap();
    assert!(login.own && gateway.routes[0].login);
    assert_eq!((login.issuer.as_str(), login.client.as_str()), ("https://127.0.0.1:8445", "gateway"));
    assert_eq!(
        (login.scopes.join(" ").as_str(), login.origins.join(" ").as_str()),
        ("openid profile", "https://127.0.0.1:8443")
    );
    assert_eq!((login.life_s, login.idle_s, login.after_logout.as_str()), (12 * 3600, 3600, "/.bartizan/logged-out"));
    let app = &said.authorization.as_ref().unwrap().apps[&ServiceName::gateway()];
    assert_eq!(app.workload.as_ref().unwrap().as_str(), "spiffe://bank.test/svc/gateway");
    assert!(app.trusted && !app.bearer && app.grants == [Grant::AuthorizationCode, Grant::RefreshToken]);
    assert!(app.redirect.iter().any(|it| it.allows("https://127.0.0.1:8443/.bartizan/callback")));
    assert!(!app.redirect.iter().any(|it| it.allows("https://127.0.0.1:8443/")));
}

#[test]
fn at_another_provider_it_is_who_the_file_says() {
    let text = "{ issuer: \"https://login.test\", client: bank, secret: s, origin: [\"https://a.test\", \"https://b.test:8443\"], life: 10m }";
    let said = parse(&fleet(text, ", auth: [user, key]", OTHER), "f").unwrap();
    let login = said.gateway.as_ref().unwrap().login.as_ref().unwrap();
    assert!(!login.own);
    assert_eq!((login.client.as_str(), login.secret.as_deref()), ("bank", Some("s")));
    assert_eq!((login.life_s, login.idle_s, login.origins.len()), (600, 600, 2));
    let off = parse(&fleet(text, ", auth: user, login: false", OTHER), "f").unwrap();
    assert!(!off.gateway.unwrap().routes[0].login);
    let keys = parse(&fleet(text, ", auth: key", OTHER), "f").unwrap();
    assert!(!keys.gateway.unwrap().routes[0].login, "programs with keys have no browser");
}
