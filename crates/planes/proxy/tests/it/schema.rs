//! Requests and responses held against the document of an API, through real guards: who is refused, what they are told, what the
//! service gets, and what goes out.

use crate::client::{header, plain, status, talk, tls};
use crate::programs;
use crate::world::{Guard, World};
use bartizan_core::Verdict;
use bartizan_core::api::{ApiCheck, GraphqlLimits, OnRequest, OnResponse, OnUnknown};
use bartizan_core::event::{Judged, What};
use bartizan_core::fleet::Protocol;
use bartizan_proxy::apis::Apis;
use bartizan_proxy::limits;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DOCUMENT: &str = r##"
openapi: 3.1.0
info: { title: Pay, version: "1" }
servers: [{ url: /api }]
paths:
  /pay:
    parameters: [{ name: dry, in: query, schema: { type: boolean } }]
    post:
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Payment" } } } }
      responses: { "200": { description: d, content: { application/json: { schema: { $ref: "#/components/schemas/Payment" } } } } }
    get:
      responses: { "200": { description: d, content: { application/json: { schema: { $ref: "#/components/schemas/Payment" } } } }, "204": { description: none } }
components:
  schemas:
    Payment:
      type: object
      required: [amount]
      properties:
        id: { type: string, readOnly: true }
        amount: { type: integer, minimum: 1 }
        to: { type: object, properties: { iban: { type: string } } }
"##;

/// What a program got, and what it answers.
#[derive(Clone, Default)]
struct Program {
    got: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Program {
    fn answers(&self, body: &str) {
        self.answers_as("200 OK", "application/json", body);
    }

    fn answers_as(&self, status: &str, content: &str, body: &str) {
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: {content}\r\netag: \"1\"\r\ncontent-length: {}", body.len());
        *self.answer.lock().unwrap() = format!("{head}\r\n\r\n{body}").into();
    }

    fn answers_packed(&self, coding: &str, body: &[u8]) {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"1\"\r\ncontent-encoding: {coding}\r\ncontent-length: {}",
            body.len()
        );
        *self.answer.lock().unwrap() = [head.as_bytes(), b"\r\n\r\n", body].concat();
    }

    fn got(&self) -> Vec<String> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }

    async fn start(&self) -> std::net::SocketAddr {
        let program = self.clone();
        programs::custom(move |mut stream| {
            let program = program.clone();
            async move {
                let (mut all, mut piece) = (Vec::new(), [0; 4096]);
                loop {
                    let Ok(read) = stream.read(&mut piece).await else { return };
                    if read == 0 {
                        return;
                    }
                    all.extend_from_slice(&piece[..read]);
                    let text = String::from_utf8_lossy(&all).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head
                        .to_lowercase()
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                    let is_whole = match length {
                        Some(length) => body.len() >= length,
                        None => !head.contains("chunked") || body.ends_with("0\r\n\r\n"),
                    };
                    if is_whole {
                        program.got.lock().unwrap().push(text.clone());
                        all.clear();
                        let answer = program.answer.lock().unwrap().clone();
                        let _ = stream.write_all(&answer).await;
                    }
                }
            }
        })
        .await
    }
}

fn check() -> ApiCheck {
    ApiCheck {
        document: "pay.yaml".into(),
        text: DOCUMENT.into(),
        base: None,
        requests: OnRequest::Refuse,
        responses: OnResponse::Off,
        unknown: OnUnknown::Refuse,
    }
}

struct Scene {
    program: Program,
    gateway: Guard,
    _api: Guard,
}

impl Scene {
    async fn new(check: Option<ApiCheck>, graphql: Option<GraphqlLimits>) -> Self {
        let (world, program) = (World::new(), Program::default());
        program.answers(r#"{"amount":1}"#);
        let api = world.sidecar("api", program.start().await, Protocol::Http).await;
        let mut gateway = world.gateway(&api, "").await;
        let mut directory = gateway.directory.clone();
        let route = &mut directory.own.gateway.as_mut().unwrap().routes[0];
        (route.api, route.graphql) = (check, graphql);
        let apis = Arc::new(Apis::of(&directory, &Apis::default()).unwrap());
        gateway.proxy.change(|live| live.apis = apis);
        gateway.redirect(|held| *held = directory);
        Self { program, gateway, _api: api }
    }

    async fn ask(&self, request: impl AsRef<[u8]>) -> String {
        talk(tls(self.gateway.edge(), None, &["http/1.1"]).await.unwrap(), request).await
    }

    async fn post(&self, target: &str, body: &str) -> String {
        self.ask(&post(target, "application/json", "", body)).await
    }

    /// What the event of a request with this status says.
    async fn said(&self, status: u16) -> Judged {
        self.gateway
            .event(|event| match &event.what {
                What::Request(request) if request.status == status => request.decision.clone(),
                _ => None,
            })
            .await
    }
}

fn post(target: &str, content: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {content}\r\n{more}content-length: {length}\r\n\r\n{body}"
    )
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn what_the_document_does_not_describe_never_reaches_the_service() {
    let scene = Scene::new(Some(check()), None).await;
    for (request, expected, why) in [
        (post("/api/pay", "application/json", "", r#"{"amount":0}"#), 400, "body `/amount`: is too small"),
        (post("/api/pay", "application/json", "", r#"{"amount":1,"amount":2}"#), 400, "same name"),
        (
            post("/api/pay", "application/json", "", r#"{"amount":1,"admin":true}"#),
            400,
            "body `/admin`: is not a member",
        ),
        (
            post("/api/pay", "application/json", "", r#"{"amount":1,"id":"x"}"#),
            400,
            "body `/id`: is not for this direction",
        ),
        (post("/api/pay", "application/json", "", "{"), 400, "ends too early"),
        (post("/api/pay", "text/plain", "", "{}"), 415, "content type: text/plain is none"),
        (post("/api/pay", "application/json", "content-encoding: br\r\n", "{}"), 415, "body: is compressed in a way"),
        (post("/api/pay", "application/json", "content-encoding: gzip, gzip\r\n", "{}"), 415, "is compressed in a way"),
        (
            post("/api/pay?dry=maybe", "application/json", "", r#"{"amount":1}"#),
            400,
            "query parameter dry: has to be boolean",
        ),
        (
            post("/api/pay?debug=1", "application/json", "", r#"{"amount":1}"#),
            400,
            "query parameter debug: is not a parameter",
        ),
        (post("/api/refund", "application/json", "", "{}"), 404, "path: is none of this API"),
        ("DELETE /api/pay HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(), 405, "method: is none"),
        ("POST /api/pay HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(), 400, "body: is missing"),
    ] {
        let response = scene.ask(&request).await;
        assert_eq!(status(&response), expected, "{request}: {response}");
        assert_eq!(header(&response, "content-type"), Some("application/problem+json"), "{response}");
        assert!(body(&response).contains(why), "{request}: {response}");
    }
    let response = scene.ask("PUT /api/pay HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(header(&response, "allow"), Some("GET, POST, HEAD"), "{response}");
    assert!(scene.program.got().is_empty());
    let said = scene.said(415).await;
    assert_eq!((said.verdict, &*said.policies[0]), (Verdict::Deny, "fleet:api"));

    let response = scene.post("/api/pay?dry=true", r#"{"amount": 5, "to": {"iban": "x"}}"#).await;
    assert_eq!(status(&response), 200, "{response}");
    let got = scene.program.got();
    assert!(got[0].ends_with(r#"{"amount": 5, "to": {"iban": "x"}}"#), "as it came: {got:?}");
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

/// Letters of which nobody can make much less.
fn noise(length: usize) -> String {
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 24) as u8 % 26)
    };
    (0..length).map(|_| letter()).collect()
}

fn post_packed(target: &str, coding: &str, body: &[u8]) -> Vec<u8> {
    let more = format!("content-encoding: {coding}\r\ncontent-digest: sha-256=:AA==:\r\n");
    let head = post(target, "application/json", &more, "")
        .replace("content-length: 0", &format!("content-length: {}", body.len()));
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn packed_content_is_judged_unpacked_and_goes_on_as_it_was_judged() {
    let scene = Scene::new(Some(check()), None).await;
    let good = gzip(br#"{"amount":1}"#);
    let mut patched = good.clone();
    let at = patched.len() - 8;
    patched[at] ^= 1;
    let large = format!(r#"{{"amount":1,"to":{{"iban":"{}"}}}}"#, noise(limits::API_REQUEST_BYTES_MAX));
    let long = format!(r#"{{"amount":1,"to":{{"iban":"{}"}}}}"#, "x".repeat(200 << 10));
    for (packed, expected, why) in [
        (gzip(br#"{"amount":0}"#), 400, "body `/amount`: is too small"),
        (gzip(br#"{"amount":1,"amount":2}"#), 400, "same name"),
        (good[..good.len() - 1].to_vec(), 400, "body: cannot be unpacked"),
        (good[..12].to_vec(), 400, "body: cannot be unpacked"),
        ([&good[..], b"{}"].concat(), 400, "body: cannot be unpacked"),
        ([good.clone(), gzip(br#"{"amount":2}"#)].concat(), 400, "body: cannot be unpacked"),
        (patched, 400, "body: cannot be unpacked"),
        (br#"{"amount":1}"#.to_vec(), 400, "body: cannot be unpacked"),
        (gzip(large.as_bytes()), 413, "body: unpacks to more than the 1048576 bytes"),
        (gzip(long.as_bytes()), 413, "body: unpacks to more than 128 times its bytes"),
    ] {
        let response = scene.ask(post_packed("/api/pay", "gzip", &packed)).await;
        assert_eq!(status(&response), expected, "{why}: {response}");
        assert!(body(&response).contains(why), "{why}: {response}");
    }
    let response = scene.ask(post_packed("/api/pay", "zstd", &good)).await;
    assert_eq!((status(&response), header(&response, "accept-encoding")), (415, Some("gzip, deflate")), "{response}");
    assert!(scene.program.got().is_empty());
    assert!(scene.said(413).await.reason.is_some_and(|why| why.contains("unpacks to more than")));

    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(br#"{"amount":1}"#).unwrap();
    for (coding, packed) in [("gzip", good.clone()), ("deflate", zlib.finish().unwrap())] {
        let response = scene.ask(post_packed("/api/pay", coding, &packed)).await;
        assert_eq!(status(&response), 200, "{coding}: {response}");
        let got = scene.program.got();
        assert!(got[0].ends_with("\r\n\r\n{\"amount\":1}"), "{coding}: {got:?}");
        assert!(got[0].contains("content-length: 12\r\n"), "{coding}: {got:?}");
        assert!(!got[0].contains("content-encoding") && !got[0].contains("content-digest"), "{coding}: {got:?}");
    }

    let strip = Scene::new(Some(ApiCheck { unknown: OnUnknown::Strip, ..check() }), None).await;
    strip.ask(post_packed("/api/pay", "gzip", &gzip(br#"{"amount":1,"admin":true}"#))).await;
    assert!(strip.program.got()[0].ends_with("\r\n\r\n{\"amount\":1}"));

    let report = Scene::new(Some(ApiCheck { requests: OnRequest::Report, ..check() }), None).await;
    let response = report.ask(post_packed("/api/pay", "gzip", b"no gzip")).await;
    assert_eq!(status(&response), 200, "{response}");
    let got = report.program.got();
    assert!(got[0].ends_with("no gzip") && got[0].contains("content-encoding: gzip"), "as it came: {got:?}");
    assert!(
        report.said(200).await.reason.is_some_and(|why| why.starts_with("would be refused: body: cannot be unpacked"))
    );
}

#[tokio::test]
async fn packed_queries_of_graphql_are_measured_also_where_documents_only_report() {
    let limits = GraphqlLimits { depth: 3, ..GraphqlLimits::default() };
    let scene = Scene::new(None, Some(limits)).await;
    let ask = |query: &str| post_packed("/api/graphql", "gzip", &gzip(format!(r#"{{"query":"{query}"}}"#).as_bytes()));
    for (request, expected, why) in [
        (ask("{a{b{c{d}}}}"), 400, "4 fields deep"),
        (post_packed("/api/graphql", "gzip", b"{\"query\":\"{a}\"}"), 400, "cannot be unpacked"),
        (post_packed("/api/graphql", "gzip", &gzip(&vec![b' '; 100 << 10])), 413, "128 times"),
    ] {
        let response = scene.ask(request).await;
        assert_eq!(status(&response), expected, "{why}: {response}");
        assert!(body(&response).contains(why), "{why}: {response}");
    }
    assert!(scene.program.got().is_empty());
    assert_eq!(status(&scene.ask(ask("{a{b}}")).await), 200);
    assert!(scene.program.got()[0].ends_with(r#"{"query":"{a{b}}"}"#));
}

#[tokio::test]
async fn packed_responses_are_looked_into() {
    let get = "GET /api/pay HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let planted = gzip(br#"{"amount":1,"margin":7}"#);
    let scene = async |responses| Scene::new(Some(ApiCheck { responses, ..check() }), None).await;

    let long = format!(r#"{{"amount":1,"to":{{"iban":"{}"}}}}"#, noise(limits::API_RESPONSE_BYTES_MAX));
    for (coding, packed, why) in [
        ("gzip", planted.clone(), "response body `/margin`: is not a member"),
        ("gzip", gzip(long.as_bytes()), "response content: unpacks to more than"),
        ("gzip", planted[..20].to_vec(), "response content: cannot be unpacked"),
        ("br", b"x".to_vec(), "response content: is compressed in a way"),
    ] {
        let stop = scene(OnResponse::Stop).await;
        stop.program.answers_packed(coding, &packed);
        let response = stop.ask(get).await;
        assert_eq!(status(&response), 502, "{why}: {response}");
        let said = stop.said(502).await.reason.unwrap();
        assert!(said.starts_with(why), "{why}: {said}");
    }
    let stop = scene(OnResponse::Stop).await;
    stop.program.answers_packed("gzip", &gzip(br#"{"amount":1}"#));
    let response = stop.ask(get).await;
    assert_eq!((status(&response), body(&response)), (200, r#"{"amount":1}"#), "{response}");
    assert_eq!((header(&response, "content-encoding"), header(&response, "content-length")), (None, Some("12")));

    let mask = scene(OnResponse::Mask).await;
    mask.program.answers_packed("gzip", &planted);
    let response = mask.ask(get).await;
    assert_eq!((status(&response), body(&response)), (200, r#"{"amount":1}"#), "{response}");

    let report = scene(OnResponse::Report).await;
    report.program.answers_packed("br", b"packed");
    let response = report.ask(get).await;
    assert_eq!((body(&response), header(&response, "content-encoding")), ("packed", Some("br")), "{response}");
}

#[tokio::test]
async fn the_operator_learns_where_the_document_says_so() {
    let scene = Scene::new(Some(check()), None).await;
    scene.post("/api/pay", r#"{"amount":0}"#).await;
    let why = scene.said(400).await.reason.unwrap();
    assert_eq!(&*why, "body `/amount`: is too small (pay.yaml:20)");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_and_without_a_length() {
    let scene = Scene::new(Some(check()), None).await;
    let large = format!(r#"{{"amount":1,"to":{{"iban":"{}"}}}}"#, "x".repeat(limits::API_REQUEST_BYTES_MAX));
    let response = scene.post("/api/pay", &large).await;
    assert_eq!(status(&response), 413, "{response}");
    let head = "POST /api/pay HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let response = scene.ask(&format!("{head}{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).await;
    assert_eq!(status(&response), 413, "{response}");
    assert!(scene.program.got().is_empty());
    let small = r#"{"amount":1}"#;
    let response = scene.ask(&format!("{head}{:x}\r\n{small}\r\n0\r\n\r\n", small.len())).await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(scene.program.got()[0].contains("content-length: 12"), "read whole, so its length is known");
}

#[tokio::test]
async fn what_is_stripped_does_not_arrive_and_what_is_reported_does() {
    let strip = Scene::new(Some(ApiCheck { unknown: OnUnknown::Strip, ..check() }), None).await;
    let response = strip.post("/api/pay?debug=1&dry=true", r#"{"amount":1,"admin":true,"id":"7"}"#).await;
    assert_eq!(status(&response), 200, "{response}");
    let got = strip.program.got();
    assert!(got[0].starts_with("POST /api/pay?dry=true HTTP/1.1") && got[0].ends_with(r#"{"amount":1}"#), "{got:?}");
    let said = strip.said(200).await;
    assert_eq!((said.verdict, said.policies.last().map(|it| &**it)), (Verdict::Allow, Some("fleet:api")));
    assert_eq!(said.reason.as_deref(), Some("taken out of the request: /admin, /id"));

    let report = Scene::new(Some(ApiCheck { requests: OnRequest::Report, ..check() }), None).await;
    let response = report.post("/api/pay", r#"{"amount":0}"#).await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(report.program.got()[0].ends_with(r#"{"amount":0}"#));
    let said = report.said(200).await;
    assert_eq!(said.reason.as_deref(), Some("would be refused: body `/amount`: is too small (pay.yaml:20)"));
}

#[tokio::test]
async fn a_planted_field_of_a_response_is_stopped_masked_or_reported() {
    let planted = r#"{"amount":1,"margin":7,"to":{"iban":"a","note":"b"}}"#;
    let get =
        "GET /api/pay HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept-encoding: gzip\r\nrange: bytes=0-3\r\n\r\n";
    let scene = async |responses| Scene::new(Some(ApiCheck { responses, ..check() }), None).await;

    let stop = scene(OnResponse::Stop).await;
    stop.program.answers(planted);
    let response = stop.ask(get).await;
    assert_eq!(status(&response), 502, "{response}");
    assert!(!response.contains("margin"), "{response}");
    let got = stop.program.got();
    assert!(!got[0].contains("accept-encoding") && !got[0].contains("range"), "{got:?}");
    assert!(stop.said(502).await.reason.unwrap().starts_with("response body `/margin`: is not a member"));
    for (line, content, text) in [
        ("500 Oops", "text/html", "at line 7 of secret.py"),
        ("200 OK", "text/html", "x"),
        ("200 OK", "application/json", r#"{"amount":"1"}"#),
        ("200 OK", "application/json", "{"),
    ] {
        stop.program.answers_as(line, content, text);
        let response = stop.ask(get).await;
        assert_eq!(status(&response), 502, "{line} {content} {text}: {response}");
        assert!(!response.contains("secret.py"), "{response}");
    }
    stop.program.answers(r#"{"amount":1}"#);
    assert_eq!(body(&stop.ask(get).await), r#"{"amount":1}"#);
    let head = stop.ask(&get.replace("GET", "HEAD")).await;
    assert_eq!(status(&head), 200, "{head}");

    let mask = scene(OnResponse::Mask).await;
    mask.program.answers(planted);
    let response = mask.ask(get).await;
    assert_eq!((status(&response), body(&response)), (200, r#"{"amount":1,"to":{"iban":"a"}}"#), "{response}");
    assert_eq!(header(&response, "etag"), None, "it is other content now");
    assert_eq!(mask.said(200).await.reason.as_deref(), Some("taken out of the response: /margin, /to/note"));

    let both =
        Scene::new(Some(ApiCheck { responses: OnResponse::Mask, unknown: OnUnknown::Strip, ..check() }), None).await;
    both.program.answers(r#"{"amount":1,"margin":7}"#);
    let response = both.post("/api/pay", r#"{"amount":1,"admin":true}"#).await;
    assert_eq!(body(&response), r#"{"amount":1}"#, "{response}");
    let said = both.said(200).await.reason.unwrap();
    assert_eq!(&*said, "taken out of the request: /admin; taken out of the response: /margin");

    let report = scene(OnResponse::Report).await;
    report.program.answers(planted);
    let response = report.ask(get).await;
    assert_eq!(body(&response), planted);
    assert!(report.said(200).await.reason.unwrap().starts_with("the response would be stopped: body `/margin`"));
    let large = format!(r#"{{"amount":1,"to":{{"iban":"{}"}}}}"#, "x".repeat(limits::API_RESPONSE_BYTES_MAX));
    report.program.answers(&large);
    let response = report.ask(get).await;
    assert_eq!(body(&response).len(), large.len(), "all of it goes on");
    mask.program.answers(&large);
    assert_eq!(status(&mask.ask(get).await), 502, "what cannot be looked into cannot be masked");
}

#[tokio::test]
async fn queries_of_graphql_are_measured() {
    let limits = GraphqlLimits { depth: 3, cost: 20, ..GraphqlLimits::default() };
    let scene = Scene::new(None, Some(limits)).await;
    let json = |query: &str| post("/api/graphql", "application/json", "", &format!(r#"{{"query":"{query}"}}"#));
    for (request, expected, why) in [
        (json("{a{b{c{d}}}}"), 400, "4 fields deep"),
        (json("{a(first:30){b}}"), 400, "costs 31"),
        (json("{__schema{types{name}}}"), 400, "introspection is switched off"),
        (json("{a"), 400, "not well-formed"),
        (post("/api/graphql", "application/graphql", "", "{a{b{c{d}}}}"), 400, "4 fields deep"),
        (post("/api/graphql", "text/plain", "", "{a}"), 415, "neither application/json nor application/graphql"),
        (
            post("/api/graphql?query={a}", "application/json", "", r#"{"query":"{b}"}"#),
            400,
            "parameters in the URL besides",
        ),
        (post("/api/graphql", "application/json", "content-encoding: br\r\n", "x"), 415, "is compressed in a way"),
        (
            "GET /api/graphql?query={a{b{c{d}}}} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(),
            400,
            "4 fields deep",
        ),
        ("GET /api/graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(), 400, "no `query`"),
        ("DELETE /api/graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(), 405, "GET or POST"),
    ] {
        let response = scene.ask(&request).await;
        assert_eq!(status(&response), expected, "{request}: {response}");
        assert!(body(&response).contains(why), "{request}: {response}");
    }
    assert!(scene.program.got().is_empty());
    assert!(scene.said(405).await.reason.unwrap().starts_with("GraphQL: "));
    assert_eq!(status(&scene.ask(&json("{a{b{c}}}")).await), 200);
    let get = "GET /api/graphql?query=%7Ba%7D HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&scene.ask(get).await), 200);
    assert!(scene.program.got()[0].ends_with(r#"{"query":"{a{b{c}}}"}"#));
}

/// The service's own guard, with the document, and one of its callers.
async fn inside(check: ApiCheck) -> (Program, Guard, Guard) {
    let (world, program) = (World::new(), Program::default());
    program.answers(r#"{"amount":1}"#);
    let mut api = world.sidecar("api", program.start().await, Protocol::Http).await;
    let mut directory = api.directory.clone();
    directory.own.inbound.as_mut().unwrap().api = Some(check);
    let apis = Arc::new(Apis::of(&directory, &Apis::default()).unwrap());
    api.proxy.change(|live| live.apis = apis);
    api.redirect(|it| *it = directory);
    let web = world.caller("web", &[(&api, Protocol::Http)]).await;
    (program, api, web)
}

async fn call(web: &Guard, method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: api\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    talk(plain(web.outbound("api")).await, request).await
}

#[tokio::test]
async fn calls_from_inside_are_held_against_the_document_of_a_service_by_its_guard() {
    let (program, api, web) = inside(ApiCheck { responses: OnResponse::Mask, ..check() }).await;
    for (method, path, body, refused, detail) in [
        ("POST", "/api/pay", r#"{"amount":0}"#, 400, "body `/amount`: is too small"),
        ("POST", "/api/pay", r#"{"amount":1,"extra":1}"#, 400, "extra"),
        ("POST", "/api/pay?dry=perhaps", r#"{"amount":1}"#, 400, "dry"),
        ("POST", "/api/other", r#"{"amount":1}"#, 404, "path"),
        ("DELETE", "/api/pay", "", 405, "method"),
    ] {
        let response = call(&web, method, path, body).await;
        assert_eq!(status(&response), refused, "{method} {path}: {response}");
        assert!(response.contains(detail) && header(&response, "x-request-id").is_some(), "{response}");
    }
    assert_eq!(program.got(), Vec::<String>::new(), "the program saw nothing of them");
    let said = api
        .event(|event| match &event.what {
            What::Request(request) if request.status == 400 => request.decision.clone(),
            _ => None,
        })
        .await;
    assert_eq!((said.verdict, &*said.policies[0]), (Verdict::Deny, "fleet:api"));
    assert!(said.reason.unwrap().contains("(pay.yaml:"));

    program.answers(r#"{"amount":2,"secret":"x"}"#);
    let response = call(&web, "POST", "/api/pay?dry=true", r#"{"amount":1,"to":{"iban":"AT1"}}"#).await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(response.ends_with(r#"{"amount":2}"#), "what is not described does not come out: {response}");
    assert!(program.got()[0].ends_with(r#"{"amount":1,"to":{"iban":"AT1"}}"#));
}

#[tokio::test]
async fn without_its_document_nothing_reaches_a_service() {
    let (program, mut api, web) = inside(check()).await;
    api.proxy.change(|live| live.apis = Arc::default());
    api.redirect(|_| {});
    let response = call(&web, "POST", "/api/pay", r#"{"amount":1}"#).await;
    assert_eq!(status(&response), 503, "{response}");
    assert!(response.contains("not_ready") && program.got().is_empty(), "{response}");
}
