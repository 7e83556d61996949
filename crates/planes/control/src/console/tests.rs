//! Every endpoint through the console's door: as nobody, as each role, without the mark of a page, from elsewhere.

use super::door::ENDPOINTS as DOOR;
use super::gate::{BY_ITSELF, CSRF, console};
use super::headers::POLICY;
use super::sessions::{Asker, Newcomer};
use crate::api::{ENDPOINTS, Endpoint, Method, Who};
use crate::app::App;
use crate::limits::{ACCOUNT_TRIES, ADDRESS_TRIES, CONSOLE_REQUESTS_PER_S, CONSOLE_SEEN_EVERY};
use crate::people::tests::{PASSWORD, Scene, code, with_app};
use crate::people::{change_roles, set_disabled};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use bartizan_core::console::{ConsoleRole, Way};
use bartizan_core::event::Upshot;
use bartizan_core::people::ChangeRoles;
use bartizan_events::Filter;
use bartizan_runtime::clock;
use bartizan_runtime::https::Visitor;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service;

const AT: &str = "127.0.0.1:8444";
const ORIGIN: &str = "http://127.0.0.1:8444";

struct World {
    app: Arc<App>,
    router: Router,
    /// Whether the browser comes over TLS.
    encrypted: bool,
    _dir: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

/// Somebody with a session.
#[derive(Clone)]
struct Browser {
    cookie: String,
    csrf: String,
}

impl World {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fleet = format!("{}console: {{ listen: \"{AT}\" }}\n", crate::tests::FLEET);
        let started = crate::tests::started_with(dir.path(), &fleet).await;
        let router = console(&started.app);
        Self { app: started.app, router, encrypted: false, _dir: dir }
    }

    /// Whose fleet has people, of whom tellers are operators here.
    async fn with_people() -> (Self, Scene) {
        let said = format!("  people: {{}}\nconsole: {{ listen: \"{AT}\", roles: {{ teller: operator }} }}\n");
        let scene = Scene::new(&said).await;
        let (app, router) = (Arc::clone(&scene.app), console(&scene.app));
        (Self { app, router, encrypted: false, _dir: tempfile::tempdir().unwrap() }, scene)
    }

    /// What comes of a name and a password, and whether there is a cookie.
    async fn sign_in(&mut self, name: &str, password: &str, code: Option<&str>) -> (Answer, Option<String>) {
        let mut body = json!({ "name": name, "password": password });
        if let Some(code) = code {
            body["code"] = json!(code);
        }
        let answer = self.send("POST", "/sign-in/password", &[("origin", ORIGIN)], Some(body)).await;
        let set =
            answer.headers.get("set-cookie").map(|set| set.to_str().unwrap().split(';').next().unwrap().to_owned());
        (answer, set)
    }

    async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", AT);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        let mut request = request.body(body).unwrap();
        // Each from a port of its own, and far from what one address may ask.
        self.app.console.rates.forget();
        let visitor = Visitor {
            remote: "127.0.0.1:50000".parse().unwrap(),
            local: AT.parse().unwrap(),
            encrypted: self.encrypted,
        };
        request.extensions_mut().insert(visitor);
        let answer = self.router.call(request).await.unwrap();
        let (head, body) = answer.into_parts();
        if head.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            return Answer { status: head.status, headers: head.headers, body: Value::Null }; // it has no end
        }
        let bytes = to_bytes(body, 1 << 24).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: head.status, headers: head.headers, body }
    }

    async fn as_role(&mut self, role: ConsoleRole) -> Browser {
        let newcomer = Newcomer {
            name: role.as_str().to_owned(),
            subject: None,
            role,
            way: Way::Link,
            address: "127.0.0.1".to_owned(),
            agent: String::new(),
        };
        let secret = self.app.console.book.begin(newcomer, clock::now()).await.unwrap();
        self.browser(format!("console-bank={secret}")).await
    }

    async fn browser(&mut self, cookie: String) -> Browser {
        let me = self.send("GET", "/api/v1/me", &[("cookie", &cookie)], None).await;
        assert_eq!(me.status, StatusCode::OK, "{me:?}");
        Browser { cookie, csrf: me.body["csrf"].as_str().unwrap().to_owned() }
    }

    async fn call(&mut self, browser: &Browser, method: &str, path: &str, body: Option<Value>) -> Answer {
        let headers = [("cookie", browser.cookie.as_str()), (CSRF, browser.csrf.as_str()), ("origin", ORIGIN)];
        self.send(method, path, &headers, body).await
    }

    /// Reasons of what people did, the newest first.
    async fn told(&self) -> Vec<(String, Upshot)> {
        self.app.pipeline.drain(Duration::from_secs(5)).await;
        let page = self.app.events.find(&Filter { limit: Some(1000), ..Filter::default() }).await.unwrap();
        let deed = |event: &bartizan_events::StoredEvent| {
            let line: Value = serde_json::from_str(&crate::events::line(event)).unwrap();
            let own = &line["unmapped"]["bartizan"];
            let told = format!("{} {}", own["deed"].as_str()?, own["reason"].as_str().unwrap_or_default());
            Some((told, event.upshot))
        };
        page.events.iter().filter_map(deed).collect()
    }
}

fn path_of(endpoint: &Endpoint) -> String {
    format!("/api{}", endpoint.path.replace("{request}", "4bf92f3577b34da6a3ce929d0e0e4736"))
}

const fn word(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_is_closed_to_nobody_and_to_lesser_roles() {
    let mut world = World::start().await;
    for endpoint in ENDPOINTS {
        let (method, path) = (word(endpoint.method), path_of(endpoint));
        let nobody = world.send(method, &path, &[("origin", ORIGIN)], None).await;
        assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{method} {path}: {nobody:?}");
        let stranger = world.send(method, &path, &[("cookie", "console-bank=AAAA"), (CSRF, "AAAA")], None).await;
        assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{method} {path}: {stranger:?}");
        for role in ConsoleRole::ALL {
            let browser = world.as_role(role).await;
            let answer = world.call(&browser, method, &path, None).await;
            let least = match endpoint.who {
                Who::Nobody | Who::Viewer => Some(ConsoleRole::Viewer),
                Who::Operator => Some(ConsoleRole::Operator),
                Who::Administrator => Some(ConsoleRole::Administrator),
                Who::Local => None,
            };
            let allowed = least.is_some_and(|least| role >= least);
            assert_eq!(answer.status != StatusCode::FORBIDDEN, allowed, "{method} {path} as {role}: {answer:?}");
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} as {role}");
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            if answer.status.is_client_error() || answer.status.is_server_error() {
                assert!(
                    answer.body["error"].as_str().is_some_and(|why| !why.is_empty()),
                    "{method} {path}: {answer:?}"
                );
            }
        }
    }
    let told = world.told().await;
    for (reason, upshot) in
        [("forbidden POST /v1/events: as administrator", Upshot::Denied), ("acted POST /v1/reload", Upshot::Ok)]
    {
        assert!(told.iter().any(|it| *it == (reason.to_owned(), upshot)), "{reason} in {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_needs_the_mark_of_a_page_of_ours() {
    let mut world = World::start().await;
    let browser = world.as_role(ConsoleRole::Administrator).await;
    let other = world.as_role(ConsoleRole::Administrator).await;
    let cookie = ("cookie", browser.cookie.as_str());
    let good = (CSRF, browser.csrf.as_str());
    for path in ["/api/v1/reload", "/sign-in/out"] {
        for (headers, why) in [
            (vec![cookie], "no mark"),
            (vec![cookie, (CSRF, "")], "an empty one"),
            (vec![cookie, (CSRF, other.csrf.as_str())], "another session's"),
            (vec![cookie, good, good], "it is there twice"),
            (vec![cookie, good, ("origin", "http://127.0.0.1:8445")], "another port"),
            (vec![cookie, good, ("origin", "https://evil.test")], "another site"),
            (vec![cookie, good, ("origin", "null")], "a frame that nobody owns"),
            (vec![cookie, good, ("sec-fetch-site", "cross-site")], "another site, by the browser's word"),
            (vec![cookie, good, ("sec-fetch-site", "same-site")], "another port, by the browser's word"),
            (vec![cookie, good, ("sec-fetch-site", "none")], "nobody types a POST"),
            (vec![cookie, good, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "x")], "said twice"),
        ] {
            let answer = world.send("POST", path, &headers, Some(json!({}))).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}, {why}: {answer:?}");
        }
    }
    for (headers, status) in [
        (vec![cookie, ("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        (vec![cookie, ("sec-fetch-site", "same-site")], StatusCode::FORBIDDEN),
        (vec![cookie, ("sec-fetch-site", "none")], StatusCode::OK),
        (vec![cookie, ("sec-fetch-site", "same-origin")], StatusCode::OK),
        (vec![cookie, cookie], StatusCode::UNAUTHORIZED),
    ] {
        let answer = world.send("GET", "/api/v1/me", &headers, None).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
    }
    let out = [cookie, good, ("origin", ORIGIN), ("sec-fetch-site", "same-origin")];
    let answer = world.send("POST", "/sign-in/out", &out, None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let gone = world.send("GET", "/api/v1/me", &[cookie], None).await;
    assert_eq!(gone.status, StatusCode::UNAUTHORIZED, "the session is over: {gone:?}");
    assert!(
        world.told().await.iter().any(|(told, upshot)| told.starts_with("forbidden POST") && *upshot == Upshot::Denied)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_asks_by_itself_is_no_use_of_a_session() {
    let mut world = World::start().await;
    let began = clock::now().minus(2 * CONSOLE_SEEN_EVERY);
    let session = async |world: &mut World| {
        let newcomer = Newcomer {
            name: "ana".to_owned(),
            subject: None,
            role: ConsoleRole::Administrator,
            way: Way::Link,
            address: "127.0.0.1".to_owned(),
            agent: String::new(),
        };
        let secret = world.app.console.book.begin(newcomer, began).await.unwrap();
        (format!("console-bank={secret}"), super::sessions::csrf_of(&secret))
    };
    let seen = |world: &World, csrf: &str, cookie: &str| {
        let secret = cookie.split_once('=').unwrap().1;
        let row = world.app.console.book.find(secret, Asker::Page, clock::now());
        row.unwrap_or_else(|| panic!("{csrf} is over")).0.seen
    };
    let by_itself = (BY_ITSELF, "1");
    for (method, path, says, used) in [
        ("GET", "/api/v1/map", true, false),
        ("GET", "/api/v1/series?indicator=M1", true, false),
        ("GET", "/api/v1/me", true, false),
        ("GET", "/api/v1/nothing", true, false),
        ("GET", "/api/v1/stream", true, false),
        ("GET", "/api/v1/stream", false, false),
        ("GET", "/api/v1/map", false, true),
        ("GET", "/api/v1/me", false, true),
        ("POST", "/api/v1/reload", false, true),
        ("POST", "/api/v1/reload", true, true),
    ] {
        let (cookie, csrf) = session(&mut world).await;
        let mut headers = vec![("cookie", cookie.as_str()), (CSRF, csrf.as_str()), ("origin", ORIGIN)];
        headers.extend(says.then_some(by_itself));
        let answer = world.send(method, path, &headers, None).await;
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}: {answer:?}");
        assert_eq!(seen(&world, &csrf, &cookie) > began, used, "{method} {path}, says so: {says}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_ours_is_refused_before_anything_else() {
    let mut world = World::start().await;
    let browser = world.as_role(ConsoleRole::Viewer).await;
    for host in ["evil.test", "evil.test:8444", "127.0.0.1:80", "localhost", ""] {
        for path in ["/", "/assets/x.js", "/sign-in/state", "/api/v1/me"] {
            let headers = [("host", host), ("cookie", browser.cookie.as_str())];
            let answer = world.send("GET", path, &headers, None).await;
            assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host} {path}");
        }
    }
    let twice = world.send("GET", "/", &[("host", AT), ("host", "evil.test")], None).await;
    assert_eq!(twice.status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(world.send("GET", "/", &[("host", "localhost:8444")], None).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_once_and_only_as_a_request_of_a_page() {
    let mut world = World::start().await;
    let state = world.send("GET", "/sign-in/state", &[], None).await;
    assert_eq!(state.body, json!({ "first_run": true, "people": false, "fleet": "bank" }));
    let none = world.send("POST", "/sign-in/link", &[], Some(json!({ "token": "nonsense" }))).await;
    assert_eq!((none.status, none.headers.get("set-cookie")), (StatusCode::UNAUTHORIZED, None), "{none:?}");
    let minutes = Duration::from_secs(600);
    let (token, _) = world.app.console.book.link(ConsoleRole::Operator, "ana", minutes, clock::now()).await.unwrap();
    let body = Some(json!({ "token": token }));
    let cross = world.send("POST", "/sign-in/link", &[("origin", "https://evil.test")], body.clone()).await;
    assert_eq!(cross.status, StatusCode::FORBIDDEN, "somebody else would sign a browser in: {cross:?}");
    let get = world.send("GET", "/sign-in/link", &[], None).await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED, "looking at a link does not use it: {get:?}");
    let form = world.send("POST", "/sign-in/link", &[("content-type", "text/plain")], None).await;
    assert_eq!(form.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{form:?}");
    for path in ["/link", "/sign-in"] {
        assert_eq!(world.send("GET", path, &[], None).await.status, StatusCode::OK, "{path} is a page");
    }

    let answer = world.send("POST", "/sign-in/link", &[("origin", ORIGIN)], body.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let set = answer.headers["set-cookie"].to_str().unwrap();
    let (pair, rest) = set.split_once("; ").unwrap();
    assert_eq!(rest, "Path=/; HttpOnly; SameSite=Strict; Max-Age=28800", "{set}");
    assert!(pair.starts_with("console-bank=") && pair.len() == "console-bank=".len() + 43, "{set}");
    let browser = world.browser(pair.to_owned()).await;
    let me = world.call(&browser, "GET", "/api/v1/me", None).await;
    assert_eq!(
        (&me.body["name"], &me.body["role"], &me.body["way"]),
        (&json!("ana"), &json!("operator"), &json!("link"))
    );
    let again = world.send("POST", "/sign-in/link", &[("origin", ORIGIN)], body).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "twice: {again:?}");
    assert_eq!(world.send("GET", "/sign-in/state", &[], None).await.body["first_run"], false);
    let told = world.told().await;
    assert!(told.contains(&("signed_in console: operator".to_owned(), Upshot::Ok)), "{told:?}");
    assert_eq!(told.iter().filter(|(it, _)| it.starts_with("not_signed_in console")).count(), 2, "{told:?}");

    // Through what speaks TLS in front of us, the cookie is for TLS alone. Its name is not ours here, so it is refused.
    let foreign =
        world.send("POST", "/sign-in/link", &[("origin", "https://127.0.0.1:8444")], Some(json!({"token": ""}))).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_in_with_their_password_and_may_what_their_roles_say_at_that_moment() {
    let (mut world, scene) = World::with_people().await;
    assert_eq!(world.send("GET", "/sign-in/state", &[], None).await.body["people"], true);
    let (app, name) = (Arc::clone(&world.app), |name: &str| name.to_owned());
    for person in ["ana", "ben"] {
        scene.with_password(person).await;
    }
    let roles = |who: &str, add: &[&str], remove: &[&str]| ChangeRoles {
        name: name(who),
        add: add.iter().map(|it| name(it)).collect(),
        remove: remove.iter().map(|it| name(it)).collect(),
    };
    change_roles(&app, roles("ben", &[], &["teller"]), "uid 0").await.unwrap();
    let wrong = json!({ "error": "name or password is wrong", "wants_code": false });
    for (who, password) in [("ana", "another password"), ("nobody", PASSWORD), ("", PASSWORD), ("ana", "")] {
        let (said, cookie) = world.sign_in(who, password, None).await;
        assert_eq!((said.status, &said.body, cookie), (StatusCode::UNAUTHORIZED, &wrong, None), "{who}: {said:?}");
    }
    let (said, cookie) = world.sign_in("ben", PASSWORD, None).await;
    assert_eq!((said.status, cookie), (StatusCode::FORBIDDEN, None), "no role for the console: {said:?}");
    let body = json!({ "name": "ana", "password": PASSWORD });
    let cross = world.send("POST", "/sign-in/password", &[("origin", "https://evil.test")], Some(body)).await;
    assert_eq!((cross.status, cross.headers.get("set-cookie")), (StatusCode::FORBIDDEN, None), "{cross:?}");

    let (said, cookie) = world.sign_in("ana", PASSWORD, None).await;
    assert_eq!(said.body, json!({ "name": "ana", "role": "operator" }), "{said:?}");
    let ana = world.browser(cookie.unwrap()).await;
    let me = world.call(&ana, "GET", "/api/v1/me", None).await;
    assert_eq!((&me.body["role"], &me.body["way"]), (&json!("operator"), &json!("password")), "{me:?}");
    let reload = world.call(&ana, "POST", "/api/v1/reload", None).await;
    assert_ne!(reload.status, StatusCode::FORBIDDEN, "{reload:?}");
    change_roles(&app, roles("ana", &["bartizan:viewer"], &["teller"]), "uid 0").await.unwrap();
    let reload = world.call(&ana, "POST", "/api/v1/reload", None).await;
    assert_eq!(reload.status, StatusCode::FORBIDDEN, "the role was taken while the session went on: {reload:?}");
    assert_eq!(world.call(&ana, "GET", "/api/v1/me", None).await.body["role"], "viewer");
    set_disabled(&app, "ana", true, "uid 0", clock::now()).await.unwrap();
    assert_eq!(world.call(&ana, "GET", "/api/v1/me", None).await.status, StatusCode::UNAUTHORIZED);
    let (said, cookie) = world.sign_in("ana", PASSWORD, None).await;
    assert_eq!((said.status, &said.body, cookie), (StatusCode::UNAUTHORIZED, &wrong, None), "disabled: {said:?}");
    set_disabled(&app, "ana", false, "uid 0", clock::now()).await.unwrap();
    let again = world.call(&ana, "GET", "/api/v1/me", None).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "the session of before does not come back: {again:?}");
    let told = world.told().await;
    assert!(told.contains(&("signed_in console: operator".to_owned(), Upshot::Ok)), "{told:?}");
    assert!(told.iter().any(|(it, _)| it == "not_signed_in console: no role for it"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_at_the_console_too() {
    let (mut world, scene) = World::with_people().await;
    let (secret, codes, _) = with_app(&scene, "ana").await;
    // The step that proved the app was used up with it.
    for wrong in [None, Some(""), Some("000000"), Some(code(&secret, 0).as_str())] {
        let (said, cookie) = world.sign_in("ana", PASSWORD, wrong).await;
        assert_eq!((said.status, cookie), (StatusCode::UNAUTHORIZED, None), "{wrong:?}: {said:?}");
        assert_eq!(said.body["wants_code"], true, "{wrong:?}: {said:?}");
    }
    let next = code(&secret, 1);
    let (said, cookie) = world.sign_in("ana", "another password", Some(&next)).await;
    assert_eq!((said.status, cookie), (StatusCode::UNAUTHORIZED, None), "a code is no password: {said:?}");
    let (said, cookie) = world.sign_in("ana", PASSWORD, Some(&next)).await;
    assert!(said.status == StatusCode::OK && cookie.is_some(), "{said:?}");
    for (typed, status) in [
        (next.as_str(), StatusCode::UNAUTHORIZED),
        (codes[3].as_str(), StatusCode::OK),
        (codes[3].as_str(), StatusCode::UNAUTHORIZED),
    ] {
        let (said, cookie) = world.sign_in("ana", PASSWORD, Some(typed)).await;
        assert_eq!((said.status, cookie.is_some()), (status, status == StatusCode::OK), "{typed}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_a_password_are_slowed_down_at_the_console_as_at_the_pages() {
    let (mut world, scene) = World::with_people().await;
    scene.with_password("ana").await;
    for _ in 0..ACCOUNT_TRIES.free {
        let (said, _) = world.sign_in("ana", "another password", None).await;
        assert_eq!(said.status, StatusCode::UNAUTHORIZED, "{said:?}");
    }
    // With the right one too: a lock that let it through would tell.
    for password in ["another password", PASSWORD] {
        let (said, cookie) = world.sign_in("ana", password, None).await;
        assert_eq!((said.status, cookie), (StatusCode::TOO_MANY_REQUESTS, None), "{said:?}");
        assert!(said.headers.contains_key("retry-after"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_cookie_is_for_tls_alone() {
    let mut world = World::start().await;
    world.encrypted = true;
    let minutes = Duration::from_secs(600);
    let (token, _) = world.app.console.book.link(ConsoleRole::Viewer, "ana", minutes, clock::now()).await.unwrap();
    let body = Some(json!({ "token": token }));
    let plain = world.send("POST", "/sign-in/link", &[("origin", ORIGIN)], body.clone()).await;
    assert_eq!(plain.status, StatusCode::FORBIDDEN, "a page that came without TLS is another origin: {plain:?}");
    let answer = world.send("POST", "/sign-in/link", &[("origin", "https://127.0.0.1:8444")], body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let set = answer.headers["set-cookie"].to_str().unwrap();
    let (pair, rest) = set.split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-console-bank="), "{set}");
    assert_eq!(rest, "Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=28800", "{set}");
    world.browser(pair.to_owned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_and_asking_too_often_is_slowed_down() {
    let mut world = World::start().await;
    let mut refused = None;
    for _ in 0..=ADDRESS_TRIES.free {
        let answer = world.send("POST", "/sign-in/link", &[], Some(json!({ "token": "x" }))).await;
        refused = Some(answer);
    }
    let refused = refused.unwrap();
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"));
    let address = "127.0.0.9".parse().unwrap();
    let most = 3 * CONSOLE_REQUESTS_PER_S as usize;
    assert!((0..most).filter(|_| world.app.console.rates.take_console(address)).count() < most);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_browsers_what_they_may() {
    let mut world = World::start().await;
    let browser = world.as_role(ConsoleRole::Viewer).await;
    for (path, host) in [
        ("/", AT),
        ("/services/ledger", AT),
        ("/assets/none.js", AT),
        ("/api/v1/status", AT),
        ("/api/v1/nothing", AT),
        ("/sign-in/state", AT),
        ("/", "evil.test"),
    ] {
        let answer = world.send("GET", path, &[("host", host), ("cookie", &browser.cookie)], None).await;
        for (name, value) in [
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            let said = answer.headers.get(name).map(|it| it.to_str().unwrap());
            assert_eq!(said, Some(value), "{path}: {name}: {answer:?}");
        }
        assert!(answer.headers.contains_key("cache-control"), "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
    let unknown = world.call(&browser, "GET", "/api/v1/nothing", None).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{unknown:?}");
    let put = world.call(&browser, "PUT", "/", None).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED, "{put:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_see_sessions_and_end_them() {
    let mut world = World::start().await;
    let admin = world.as_role(ConsoleRole::Administrator).await;
    let viewer = world.as_role(ConsoleRole::Viewer).await;
    let list = world.call(&admin, "GET", "/api/v1/sessions", None).await;
    assert_eq!(list.body["sessions"].as_array().unwrap().len(), 2, "{list:?}");
    let text = list.body.to_string();
    let secret = viewer.cookie.split_once('=').unwrap().1;
    assert!(!text.contains(secret) && !text.contains(&viewer.csrf), "nothing that opens is shown: {text}");
    for (wanted, status) in [
        (json!({}), StatusCode::BAD_REQUEST),
        (json!({ "name": "viewer", "all": true }), StatusCode::BAD_REQUEST),
        (json!({ "user": "viewer" }), StatusCode::BAD_REQUEST),
        (json!({ "name": "viewer" }), StatusCode::OK),
    ] {
        let answer = world.call(&admin, "POST", "/api/v1/sessions/end", Some(wanted.clone())).await;
        assert_eq!(answer.status, status, "{wanted}: {answer:?}");
    }
    assert_eq!(world.call(&viewer, "GET", "/api/v1/me", None).await.status, StatusCode::UNAUTHORIZED);
    // Nobody serves this console, so that there is nowhere a link could lead.
    let link = json!({ "role": "viewer", "name": "ben" });
    let answer = world.call(&admin, "POST", "/api/v1/links", Some(link)).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    for (bad, why) in [
        (json!({ "role": "root", "name": "ben" }), "no such role"),
        (json!({ "role": "viewer", "name": "" }), "no name"),
        (json!({ "role": "viewer", "name": "a\nb" }), "two lines"),
        (json!({ "role": "viewer", "name": "ben", "minutes": 0 }), "no time"),
        (json!({ "role": "viewer", "name": "ben", "minutes": 100_000 }), "months"),
    ] {
        let answer = world.call(&admin, "POST", "/api/v1/links", Some(bad)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{why}: {answer:?}");
    }
}

#[test]
fn the_door_has_what_signs_in_and_nothing_else() {
    for endpoint in DOOR {
        assert!(endpoint.path.starts_with("/sign-in/") && !endpoint.about.is_empty());
    }
    assert!(ENDPOINTS.iter().all(|endpoint| endpoint.who != Who::Nobody), "the rest is for somebody");
}
