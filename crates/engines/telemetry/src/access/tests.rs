//! Each shape of a log says the same, and what is none stays as it is.

use super::*;
use crate::draft::Draft;
use crate::handed::Scene;
use crate::{ndjson, syslog};
use proptest::prelude::*;

fn scene() -> Scene {
    Scene { source: "ndjson".into(), from: "me".into(), now: Timestamp::from_secs(1_800_000_000) }
}

fn of_text(line: &str) -> Telemetry {
    let mut draft = Draft::new(Signal::Log, &scene(), None);
    draft.body(line);
    draft.finish().telemetry
}

fn is(it: &Telemetry, expected: &[(&str, &str)]) {
    assert_eq!(it.signal, Signal::Access, "{it:?}");
    for (key, value) in expected {
        assert_eq!(it.attribute(key), Some(*value), "{key} of {it:?}");
    }
}

const COMBINED: &str = r#"203.0.113.9 - ada [15/Jan/2027:08:59:58 +0100] "GET /accounts/17?token=hunter2 HTTP/1.1" 403 512 "https://bank.example/?t=hunter2" "curl/8.5 \"x\"""#;
const ENVOY: &str = r#"[2027-01-15T07:59:58.310Z] "POST /api/v1/login?x=1 HTTP/2" 401 - 154 23 226 100 "198.51.100.7, 10.0.35.28" "probe/1" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "login.bank:443" "10.0.2.1:80""#;
const ISTIO: &str = r#"[2027-01-15T07:59:58.310Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 4 4 "-" "curl/7.73" "84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "10.44.1.27:80" outbound|8000||httpbin.foo.svc.cluster.local 10.44.1.23:37652 10.0.45.184:8000 10.44.1.23:46520 - default"#;

#[test]
fn each_shape_of_text_says_the_same() {
    let it = of_text(COMBINED);
    is(
        &it,
        &[
            ("client.address", "203.0.113.9"),
            ("user.name", "ada"),
            ("url.path", "/accounts/17"),
            ("url.query", "token=hunter2"),
            ("http.response.status_code", "403"),
            ("http.response.body.size", "512"),
        ],
    );
    assert_eq!((it.said_at, &*it.body), (Some(Timestamp::from_secs(1_799_999_998)), "GET /accounts/17 403"));
    assert!(it.security && !it.body.contains("hunter2"));
    is(
        &of_text(ENVOY),
        &[
            ("client.address", "198.51.100.7"),
            ("http.request.method", "POST"),
            ("url.path", "/api/v1/login"),
            ("http.request.body.size", "154"),
            ("destination.service", "login"),
            ("user_agent.original", "probe/1"),
        ],
    );
    let it = of_text(ISTIO);
    is(
        &it,
        &[("client.address", "10.44.1.23"), ("destination.service", "httpbin"), ("http.response.body.size", "135")],
    );
}

#[test]
fn each_shape_of_json_says_the_same() {
    for line in [
        r#"{"start_time":"2027-01-15T07:59:58Z","method":"GET","path":"/a/1?b=c","response_code":200,"bytes_sent":7,"downstream_remote_address":"10.1.1.1:4711","upstream_cluster":"outbound|80||ledger.bank.svc.cluster.local","downstream_peer_uri_san":"spiffe://cluster.local/ns/bank/sa/web"}"#,
        r#"{"client.addr":"10.1.1.1:4711","client.id":"web.bank.serviceaccount.identity.linkerd.cluster.local","host":"ledger.bank:80","method":"GET","uri":"http://ledger.bank/a/1?b=c","status":200,"response_bytes":7}"#,
        r#"{"remote_addr":"10.1.1.1","request":"GET /a/1?b=c HTTP/1.1","status":"200","body_bytes_sent":"7","host":"ledger","source.service":"web"}"#,
        r#"{"client":{"address":"10.1.1.1"},"http":{"request":{"method":"GET"},"response":{"status_code":200,"body":{"size":7}}},"url":{"path":"/a/1","query":"b=c"},"server":{"address":"ledger"},"source":{"service":"web"}}"#,
    ] {
        let it = ndjson::read_line(line.as_bytes(), &scene()).unwrap().telemetry;
        is(
            &it,
            &[
                ("client.address", "10.1.1.1"),
                ("source.service", "web"),
                ("destination.service", "ledger"),
                ("url.path", "/a/1"),
                ("url.query", "b=c"),
                ("http.response.status_code", "200"),
                ("http.response.body.size", "7"),
            ],
        );
        assert!(!it.body.contains("b=c"), "{line}");
        let held: Vec<_> = it.attributes.iter().filter(|(_, value)| value.contains("b=c")).collect();
        assert_eq!(held.len(), 1, "the query stands in one place: {held:?}");
    }
}

#[test]
fn what_is_no_access_log_stays_as_it_is() {
    for line in [
        "",
        "GET /a 200",
        "an error \"at\" 12",
        "[INFO] \"x\" 200 - 1 2",
        r#"203.0.113.9 - - [never] "GET / HTTP/1.1" 200 1"#,
        r#"host - - [15/Jan/2027:08:59:58 +0100] "GET / HTTP/1.1" 200 1"#,
        r#"203.0.113.9 - - [15/Jan/2027:08:59:58 +0100] "GET / HTTP/1.1" abc 1"#,
        r#"203.0.113.9 - - [15/Jan/2027:08:59:58 +0100] "GET / HTTP/1.1"#,
    ] {
        let it = of_text(line);
        assert_eq!((it.signal, &*it.body), (Signal::Log, line), "{line}");
    }
    let it = ndjson::read_line(br#"{"method":"GET","path":"/a","msg":"begun"}"#, &scene()).unwrap().telemetry;
    assert_eq!(it.signal, Signal::Log, "nothing was answered yet");
}

#[test]
fn what_is_no_request_is_one_that_failed() {
    let it = of_text(r#"203.0.113.9 - - [15/Jan/2027:08:59:58 +0100] "\x16\x03\x01" 400 150 "-" "-""#);
    is(&it, &[("http.request.method", "-"), ("http.response.status_code", "400")]);
}

#[test]
fn who_was_not_let_in_is_told_of_by_sshd() {
    let line =
        "<38>Jan 15 07:59:58 host sshd[7]: Failed password for invalid user admin from 203.0.113.5 port 4242 ssh2";
    let it = syslog::read(line.as_bytes(), &scene()).unwrap().telemetry;
    assert_eq!((it.attribute("event.outcome"), it.attribute("user.name")), (Some("failure"), Some("admin")), "{it:?}");
    assert_eq!(it.attribute("client.address"), Some("203.0.113.5"));
    assert_eq!(of_text("Failed password for nobody").attribute("event.outcome"), None);
}

#[test]
fn what_a_program_says_beside_its_request_stays() {
    let read = |line: &str| ndjson::read_line(line.as_bytes(), &scene()).unwrap().telemetry;
    let it = read(
        r#"{"level":"error","msg":"payment 17: db reset","event.action":"pay","method":"POST","path":"/pay?t=1","status":200}"#,
    );
    assert_eq!((it.signal, &*it.body, &*it.name), (Signal::Access, "payment 17: db reset", "pay"));
    assert_eq!((it.severity, it.failed), (17, true));
    let it = read(r#"{"level":"warn","msg":"slow","method":"GET","path":"/a","status":200}"#);
    assert_eq!((it.severity, it.failed), (13, false));
    for text in ["GET /a?token=hunter2 HTTP/1.1", "done: /a?token=hunter2", "token=hunter2 was wrong", ""] {
        let it = read(&format!(r#"{{"msg":"{text}","method":"GET","path":"/a?token=hunter2","status":200}}"#));
        assert_eq!(&*it.body, "GET /a 200", "{text}");
    }
}

#[test]
fn a_query_stands_nowhere_else() {
    let line = r#"{"method":"GET","path":"/a?token=hunter2","status":200,"event":{"original":"x"},"x_envoy_original_path":"/b?token=hunter2",
        "before":"/c?secret=hunter2","raw":"token=hunter2","route":"/a"}"#;
    let mut it = ndjson::read_line(line.as_bytes(), &scene()).unwrap().telemetry;
    assert_eq!((it.attribute("before"), it.attribute("route")), (Some("/c"), Some("/a")));
    it.attributes.retain(|(key, _)| &**key != "url.query");
    assert!(!format!("{it:?}").contains("hunter2"), "{it:?}");
    for line in [
        r#"203.0.113.9 - - [15/Jan/2027:08:59:58 +0100] "get /a?token=hunter2 HTTP/1.1" 400 5 "-" "-""#,
        r#"[2027-01-15T07:59:58.310Z] "get /a?token=hunter2 HTTP/2" 400 - 154 23 226 100 "-" "x" "x" "login" "10.0.2.1:80""#,
    ] {
        let mut it = of_text(line);
        is(&it, &[("http.request.method", "-"), ("url.path", "get /a"), ("url.query", "token=hunter2 HTTP/1.1")][..2]);
        it.attributes.retain(|(key, _)| &**key != "url.query");
        assert!(!format!("{it:?}").contains("hunter2"), "{it:?}");
    }
}

#[test]
fn padding_hides_no_request() {
    let line = |pad: usize| {
        let agent = "x".repeat(pad);
        format!(r#"203.0.113.9 - - [15/Jan/2027:08:59:58 +0100] "GET /a?token=hunter2 HTTP/1.1" 403 5 "-" "{agent}""#)
    };
    for pad in [1, 9_000, 20_000, 60_000] {
        is(&of_text(&line(pad)), &[("url.path", "/a"), ("url.query", "token=hunter2")]);
    }
    let it = of_text(&line(70_000));
    assert!(it.signal == Signal::Log && !it.body.contains("hunter2"), "{it:?}");
}

#[test]
fn a_user_is_whatever_somebody_typed() {
    for user in ["a b", "[x", "[x] y", "[15/Jan/2020:08:59:58 +0100] \\\"GET", "", "a [b"] {
        let it = of_text(&format!(
            r#"203.0.113.9 - {user} [15/Jan/2027:08:59:58 +0100] "GET /a?token=hunter2 HTTP/1.1" 401 5 "-" "-""#
        ));
        is(&it, &[("url.path", "/a"), ("http.response.status_code", "401")]);
        assert_eq!(it.said_at, Some(Timestamp::from_secs(1_799_999_998)), "{user}");
        assert_eq!(it.attribute("user.name"), Some(user).filter(|it| !it.is_empty()), "{user}");
    }
    let it = of_text("Failed password for invalid user x from 10.0.0.5 port 1 ssh2 from 203.0.113.5 port 4242 ssh2");
    assert_eq!(it.attribute("client.address"), Some("203.0.113.5"));
    let it = of_text("Invalid user x from 203.0.113.5 port 4242");
    assert_eq!(it.attribute("event.outcome"), None, "that the password is wrong is said next");
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,300}") {
        let it = of_text(&text);
        prop_assert!(it.signal == Signal::Access || it.body.len() <= text.len());
    }

    /// However long, a record stays within what it may have.
    #[test]
    fn a_record_stays_bounded(path in "/[a-z]{0,5000}", agent in "[a-z ]{0,6000}", more in 0usize..80) {
        let fields: Vec<String> = (0..more).map(|n| format!("\"k{n}\":\"{}\"", "v ".repeat(90))).collect();
        let line = format!("{{\"method\":\"GET\",\"status\":200,\"path\":\"{path}?{path}\",\"user_agent\":\"{agent}\",\"x\":1{}{}}}", if more > 0 { "," } else { "" }, fields.join(","));
        let it = ndjson::read_line(line.as_bytes(), &scene()).unwrap().telemetry;
        let bytes: usize = it.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        prop_assert!(it.attributes.len() <= ATTRIBUTES_MAX && bytes <= ATTRIBUTE_BYTES_MAX && it.body.len() <= crate::limits::BODY_BYTES_MAX);
    }

    /// Whatever stands in a request, both parts of it come out as they went in.
    #[test]
    fn path_and_query_come_back(path in "/[a-z0-9/._-]{0,40}", query in proptest::option::of("[a-z0-9=&%]{1,40}"), status in 100u16..600) {
        let target = query.as_ref().map_or(path.clone(), |query| format!("{path}?{query}"));
        let it = of_text(&format!("203.0.113.9 - - [15/Jan/2027:08:59:58 +0100] \"GET {target} HTTP/1.1\" {status} 5 \"-\" \"-\""));
        prop_assert_eq!(it.attribute("url.path"), Some(path.as_str()));
        prop_assert_eq!(it.attribute("url.query"), query.as_deref());
    }
}
