//! Scripts of other sites: what browsers are told, and what they ask beforehand. And the headers that the gateway changes.

use crate::client::{get, header, status, talk, tls};
use crate::programs;
use crate::routes::{edge, edge_of, route};
use crate::world::Guard;
use bartizan_core::event::What;
use bartizan_core::fleet::{Auth, GatewayRoute};
use bartizan_core::gateway::{Cors, Edits, HeaderRules, Origin, Overrule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const APP: &str = "https://app.test";

fn cors(credentials: bool) -> Cors {
    Cors {
        origins: vec![Origin::parse(APP).unwrap()],
        methods: vec!["PUT".into()],
        headers: vec!["authorization".into()],
        expose: vec!["x-total".into()],
        credentials,
        max_age_s: 60,
    }
}

async fn ask(gateway: &Guard, method: &str, path: &str, lines: &[&str]) -> String {
    let more: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let request = get(path).replacen("GET", method, 1).replace("connection:", &format!("{more}connection:"));
    talk(tls(gateway.edge(), None, &["http/1.1"]).await.unwrap(), request).await
}

async fn preflight(gateway: &Guard, path: &str, origin: &str, method: &str, headers: &str) -> String {
    let (origin, method) = (format!("origin: {origin}"), format!("access-control-request-method: {method}"));
    let headers = format!("access-control-request-headers: {headers}");
    ask(gateway, "OPTIONS", path, &[&origin, &method, &headers]).await
}

fn all<'a>(response: &'a str, name: &str) -> Vec<&'a str> {
    let lines = response.split("\r\n\r\n").next().unwrap().lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn a_preflight_is_answered_before_anybody_is_asked_who_he_is() {
    let these = Some(Overrule::These(cors(true)));
    let private = GatewayRoute { cors: these.clone(), auth: Auth::User, ..route("", "/private/**", "api") };
    let put = GatewayRoute { cors: these, methods: vec!["PUT".into()], ..route("", "/put", "api") };
    let (_world, api, gateway) = edge(vec![private, put, route("", "/open/**", "api")]).await;
    for (origin, method, headers, word) in [
        ("https://evil.test", "PUT", "", "origin_refused"),
        ("https://app.test.evil.test", "PUT", "", "origin_refused"),
        ("https://APP.test", "PUT", "", "origin_refused"),
        ("null", "PUT", "", "origin_refused"),
        (APP, "DELETE", "", "method_refused"),
        (APP, "PUT", "authorization, x-other", "header_refused"),
    ] {
        let response = preflight(&gateway, "/private/x", origin, method, headers).await;
        assert!(status(&response) == 403 && response.contains(word), "{origin} {method} {headers}: {response}");
        assert!(all(&response, "access-control-allow-methods").is_empty(), "{response}");
        if word == "origin_refused" {
            assert!(all(&response, "access-control-allow-origin").is_empty(), "{response}");
        }
    }
    let response = preflight(&gateway, "/private/x", APP, "PUT", "Authorization").await;
    assert_eq!(status(&response), 204, "{response}");
    for (name, value) in [
        ("access-control-allow-origin", APP),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "authorization"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(all(&response, name), [value], "{name}: {response}");
    }
    assert!(all(&response, "vary").concat().contains("Origin") && header(&response, "content-length").is_none());
    let seen = gateway.event(|e| match &e.what {
        What::Request(r) if r.status == 204 => Some((r.error.clone(), r.to.to_string())),
        _ => None,
    });
    assert_eq!(seen.await, (None, "api".to_owned()));

    assert_eq!(status(&preflight(&gateway, "/put", APP, "PUT", "").await), 204, "by the method that is asked about");
    assert_eq!(status(&preflight(&gateway, "/put", APP, "GET", "").await), 404);
    let passed = preflight(&gateway, "/open/x", APP, "PUT", "").await;
    assert!(status(&passed) == 200 && passed.contains("OPTIONS /open/x"), "where nothing is said, the service answers");
    assert_eq!(
        status(&ask(&gateway, "OPTIONS", "/private/x", &[]).await),
        503,
        "no preflight: nobody's tokens are known"
    );
    let reached = api.proxy.events.take().into_iter().filter(|e| matches!(e.what, What::Request(_))).count();
    assert_eq!(reached, 1, "one request reached the service");
}

/// Says of itself what the gateway has to say.
async fn careless() -> std::net::SocketAddr {
    programs::custom(|mut stream| async move {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nserver: Apache/2.2\r\nx-powered-by: PHP\r\nvary: accept\r\n\
            access-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\nvia: inner\r\n\r\nok";
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await
}

#[tokio::test]
async fn a_script_reads_what_the_route_lets_it_whatever_the_service_says() {
    let with = |cors| GatewayRoute { cors: Some(Overrule::These(cors)), ..route("", "/api/**", "api") };
    let for_all = Cors { origins: Vec::new(), ..cors(false) };
    let all_routes = vec![
        with(cors(true)),
        GatewayRoute { path: "/all/**".to_owned().try_into().unwrap(), ..with(for_all) },
        route("", "/own/**", "api"),
    ];
    let (_world, _api, gateway) = edge_of(careless().await, all_routes).await;
    for (path, origin, allowed) in [
        ("/api/x", Some(APP), Some(APP)),
        ("/api/x", Some("https://evil.test"), None),
        ("/api/x", Some("null"), None),
        ("/api/x", None, None),
        ("/all/x", Some("https://evil.test"), Some("*")),
    ] {
        let line = origin.map(|origin| format!("origin: {origin}")).unwrap_or_default();
        let lines: Vec<&str> = origin.iter().map(|_| line.as_str()).collect();
        let response = ask(&gateway, "GET", path, &lines).await;
        assert_eq!(status(&response), 200, "{response}");
        assert_eq!(
            all(&response, "access-control-allow-origin"),
            allowed.into_iter().collect::<Vec<_>>(),
            "{response}"
        );
        let with_cookies = all(&response, "access-control-allow-credentials");
        assert_eq!(with_cookies.len(), usize::from(allowed == Some(APP)), "never with every origin: {response}");
        assert_eq!(all(&response, "vary"), ["accept", "Origin"], "{response}");
    }
    let untouched = ask(&gateway, "GET", "/own/x", &[]).await;
    assert_eq!(all(&untouched, "access-control-allow-origin"), ["*"]);
    // What the gateway says itself is readable too: a page has to see its 404 and 401.
    let two = format!("origin: {APP}\r\norigin: {APP}");
    assert!(all(&ask(&gateway, "GET", "/api/x", &[&two]).await, "access-control-allow-origin").is_empty());
}

#[tokio::test]
async fn headers_are_made_secure_and_changed_as_the_route_says() {
    let rules = HeaderRules {
        secure: true,
        request: Edits { remove: vec!["x-debug".into()], set: vec![("x-tenant".into(), "bank".into())] },
        response: Edits { remove: vec!["via".into()], set: vec![("x-served-by".into(), "edge".into())] },
    };
    let off = GatewayRoute { headers: Some(Overrule::Off), ..route("", "/off/**", "api") };
    let (_world, _api, mut gateway) = edge_of(careless().await, vec![route("", "/api/**", "api"), off]).await;
    gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().headers = Some(rules.clone()));
    for path in ["/api/x", "/nowhere"] {
        let response = ask(&gateway, "GET", path, &[]).await;
        for (name, value) in [
            ("strict-transport-security", &["max-age=31536000"][..]),
            ("x-content-type-options", &["nosniff"]),
            ("content-security-policy", &["frame-ancestors 'self'; base-uri 'self'; object-src 'none'"]),
            ("referrer-policy", &["same-origin"]),
            ("x-served-by", &["edge"]),
            ("server", &[]),
            ("x-powered-by", &[]),
            ("via", &[]),
        ] {
            assert_eq!(all(&response, name), value, "{path} {name}: {response}");
        }
    }
    let off = ask(&gateway, "GET", "/off/x", &[]).await;
    assert_eq!((all(&off, "server"), all(&off, "strict-transport-security")), (vec!["Apache/2.2"], vec![]));

    let (_world, _api, mut gateway) = edge(vec![route("", "/api/**", "api")]).await;
    gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().headers = Some(rules));
    let seen = ask(&gateway, "GET", "/api/x", &["x-debug: 1", "x-tenant: other"]).await;
    assert!(seen.contains("x-tenant: bank\n") && !seen.contains("other") && !seen.contains("x-debug"), "{seen}");
}
