//! Pages over their router, as browsers and those who pretend to be some come to them.

use super::way::{Way, to_sign_in};
use super::{
    Wanted, account, add, ask_consent, change_roles, cookies, has_consent, is_alive, list, remove, reset, set_disabled,
    show, sign_out_all, signed_in,
};
use crate::app::App;
use crate::limits::{ACCOUNT_TRIES, ADDRESS_TRIES, PASSWORD_COST};
use crate::start::Started;
use crate::stream::Peer;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use bartizan_core::Secret;
use bartizan_core::people::{AddUser, ChangeRoles};
use bartizan_runtime::clock;
use bartizan_runtime::https::Shown;
use bartizan_tokens::totp;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tower_service::Service;

pub(crate) const PASSWORD: &str = "a horse of four words";

/// A control whose fleet has people.
pub(crate) struct Scene {
    _dir: TempDir,
    _started: Started,
    pub(crate) app: Arc<App>,
    router: Router,
}

/// A browser: it keeps cookies, and sends what it read in a form.
pub(crate) struct Browser<'a> {
    scene: &'a Scene,
    pub(super) cookies: BTreeMap<String, String>,
    remote: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Said {
    pub(super) async fn of(answer: Response) -> Self {
        let (head, body) = answer.into_parts();
        let text = to_bytes(body, 1 << 20).await.unwrap();
        Self { status: head.status, headers: head.headers, text: String::from_utf8(text.to_vec()).unwrap() }
    }

    pub(super) fn to(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |to| to.to_str().unwrap())
    }

    /// The value of a field of a form.
    pub(super) fn field(&self, name: &str) -> String {
        let from = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&from).unwrap_or_else(|| panic!("no `{name}` in {}", self.text));
        rest.split('"').next().unwrap().replace("&amp;", "&")
    }
}

impl Scene {
    pub(crate) async fn new(people: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fleet = format!(
            "{}workloads:\n  report: {{ selectors: {{ path: /bin/report }} }}\n\
             authorization:\n  listen: 127.0.0.1:8445\n  clients: {{ report: {{}} }}\n{people}",
            crate::tests::FLEET
        );
        let started = crate::tests::started_with(dir.path(), &fleet).await;
        let app = Arc::clone(&started.app);
        let router = super::router(&app).with_state(Arc::clone(&app));
        Self { _dir: dir, _started: started, app, router }
    }

    pub(super) async fn with_people() -> Self {
        Self::new("  people: {}\n").await
    }

    pub(super) fn browser(&self) -> Browser<'_> {
        // Each at an address of its own, so that none is counted with another.
        let n = rand_octets();
        Browser { scene: self, cookies: BTreeMap::new(), remote: SocketAddr::from((n, 1234)) }
    }

    /// The link of somebody new.
    pub(super) async fn add(&self, name: &str) -> (String, String) {
        self.add_shown_as(name, Some("<b>Ana</b>")).await
    }

    async fn add_shown_as(&self, name: &str, shown: Option<&str>) -> (String, String) {
        let wanted = AddUser {
            name: name.to_owned(),
            display_name: shown.map(str::to_owned),
            email: None,
            email_verified: false,
            roles: vec!["teller".to_owned()],
            tenant: None,
        };
        let added = add(&self.app, wanted, "uid 0", clock::now()).await.unwrap();
        let path = added.link.strip_prefix("https://127.0.0.1:8445").unwrap().to_owned();
        (added.subject, path)
    }

    /// Somebody with a password; the subject.
    pub(crate) async fn with_password(&self, name: &str) -> String {
        let (subject, link) = self.add(name).await;
        self.set_password(&link).await;
        subject
    }

    async fn set_password(&self, link: &str) {
        let mut browser = self.browser();
        let page = browser.get(link).await;
        let link = page.field("link");
        let fields = [("link", link.as_str()), ("password", PASSWORD), ("again", PASSWORD)];
        let said = browser.post("/welcome", &page, &fields).await;
        assert_eq!((said.status, said.to()), (StatusCode::SEE_OTHER, "/sign-in"), "{said:?}");
    }
}

fn rand_octets() -> [u8; 4] {
    let [a, b, c, d] = bartizan_crypto::random::bytes::<4>();
    [a | 1, b, c, d]
}

impl Browser<'_> {
    async fn send(&mut self, mut request: Request<Body>) -> Said {
        request.extensions_mut().insert(Shown::<Peer> { peer: None, remote: self.remote });
        let jar: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !jar.is_empty() && !request.headers().contains_key(COOKIE) {
            request.headers_mut().insert(COOKIE, HeaderValue::from_str(&jar.join("; ")).unwrap());
        }
        let said = Said::of(self.scene.router.clone().call(request).await.unwrap()).await;
        for field in said.headers.get_all(SET_COOKIE) {
            let (pair, rest) = field.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(name.starts_with("__Host-") && rest.contains("Secure; HttpOnly; SameSite=Lax"), "{field:?}");
            match value {
                "" => drop(self.cookies.remove(name)),
                value => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        said
    }

    pub(super) async fn get(&mut self, path: &str) -> Said {
        self.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await
    }

    /// Sends the form of a page.
    pub(super) async fn post(&mut self, path: &str, page: &Said, fields: &[(&str, &str)]) -> Said {
        let mark = page.field("mark");
        let all = [&[("mark", mark.as_str())], fields].concat();
        self.post_with(path, &all, &[("origin", "https://127.0.0.1:8445"), ("sec-fetch-site", "same-origin")]).await
    }

    pub(super) async fn post_with(&mut self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Said {
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let mut request = Request::builder().method(Method::POST).uri(path);
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.join("&"))).unwrap()).await
    }

    pub(super) async fn sign_in(&mut self, way: &str, name: &str, password: &str) -> Said {
        let page = self.get(way).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let fields = [("way", page.field("way")), ("name", name.to_owned()), ("password", password.to_owned())];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.post("/sign-in", &page, &fields).await
    }

    pub(super) fn headers(&self) -> HeaderMap {
        let jar: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&jar.join("; ")).unwrap())])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_people_there_is_no_page_and_nobody_to_add() {
    let scene = Scene::new("").await;
    for path in ["/sign-in", "/account", "/welcome", "/static/people.css"] {
        assert_eq!(scene.browser().get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let wanted = AddUser {
        name: "ana".to_owned(),
        display_name: None,
        email: None,
        email_verified: false,
        roles: Vec::new(),
        tenant: None,
    };
    let why = add(&scene.app, wanted, "uid 0", clock::now()).await.unwrap_err().to_string();
    assert!(why.contains("write `people: {}`"), "{why}");
    assert!(!scene._dir.path().join("people.db").exists() && !scene._dir.path().join("people.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_one_name_is_called_by_it_once() {
    let scene = Scene::with_people().await;
    for (name, shown, said) in [
        ("ana", None, "as <strong>ana</strong>.</p>"),
        ("ben", Some("ben"), "as <strong>ben</strong>.</p>"),
        ("eve", Some("Eve"), "as <strong>Eve</strong> (eve).</p>"),
    ] {
        let (_, link) = scene.add_shown_as(name, shown).await;
        scene.set_password(&link).await;
        let mut browser = scene.browser();
        assert_eq!(browser.sign_in("/sign-in", name, PASSWORD).await.to(), "/account");
        let page = browser.get("/account").await;
        assert!(page.text.contains(said), "{said} in {}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_and_people_who_are_not_there_get_the_same_answer() {
    let scene = Scene::with_people().await;
    scene.with_password("ana").await;
    scene.add("new").await;
    let mut answers = Vec::new();
    for (name, password) in
        [("ana", "another password"), ("nobody", PASSWORD), ("new", PASSWORD), ("no name <x>", PASSWORD)]
    {
        let mut browser = scene.browser();
        let said = browser.sign_in("/sign-in", name, password).await;
        assert_eq!(said.status, StatusCode::FORBIDDEN);
        assert!(!said.text.contains("<x>") && !browser.cookies.contains_key(cookies::SESSION));
        assert!(signed_in(&scene.app, &browser.headers(), clock::now()).await.is_none());
        let (way, mark) = (said.field("way"), said.field("mark"));
        // What a script fills holds another challenge each time.
        let text = said.text.split("<form id=").next().unwrap();
        let name = name.replace('<', "&lt;").replace('>', "&gt;");
        answers.push(text.replace(&way, "").replace(&mark, "").replace(&format!("\"{name}\""), ""));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.contains("Name or password is wrong.")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_another_site_sends_does_nothing() {
    let scene = Scene::with_people().await;
    scene.with_password("ana").await;
    let (mut browser, mut other) = (scene.browser(), scene.browser());
    let (page, foreign) = (browser.get("/sign-in").await, other.get("/sign-in").await);
    let (way, mark, foreign) = (page.field("way"), page.field("mark"), foreign.field("mark"));
    let with = |mark: &str| {
        let fields = [("way", way.as_str()), ("name", "ana"), ("password", PASSWORD), ("mark", mark)];
        fields.map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let own = ("origin", "https://127.0.0.1:8445");
    for (mark, headers, wanted) in [
        ("", &[own][..], 403),
        (foreign.as_str(), &[own], 403),
        (mark.as_str(), &[("origin", "https://evil.test")], 403),
        (&mark, &[("origin", "null")], 403),
        (&mark, &[own, ("sec-fetch-site", "cross-site")], 403),
        (&mark, &[own, ("sec-fetch-site", "same-site")], 403),
        // A login that somebody else began: the victim's browser has not the cookie that the mark fits.
        (&mark, &[own, ("cookie", "x=y")], 400),
        (&mark, &[own, ("cookie", "__Host-form=a; __Host-form=b")], 400),
        (&mark, &[own, ("content-type", "text/plain")], 400),
    ] {
        let fields = with(mark);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut browser = Browser { scene: &scene, cookies: browser.cookies.clone(), remote: scene.browser().remote };
        let said = browser.post_with("/sign-in", &fields, headers).await;
        assert_eq!(said.status.as_u16(), wanted, "{mark} {headers:?} {said:?}");
        assert!(!browser.cookies.contains_key(cookies::SESSION), "{headers:?}");
    }
    let said = browser.post("/sign-in", &page, &[("way", &way), ("name", "ana"), ("password", PASSWORD)]).await;
    assert_eq!((said.status, said.to()), (StatusCode::SEE_OTHER, "/account"), "the form itself was good: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_somebody_else_put_there_is_worth_nothing() {
    let scene = Scene::with_people().await;
    scene.with_password("ana").await;
    scene.with_password("eve").await;
    // Fixation with a value that nobody has, and with the session of the attacker.
    let mut eve = scene.browser();
    eve.sign_in("/sign-in", "eve", PASSWORD).await;
    let session_of_eve = eve.cookies[cookies::SESSION].clone();
    for planted in ["chosen-by-eve", session_of_eve.as_str()] {
        let mut ana = scene.browser();
        ana.cookies.insert(cookies::SESSION.to_owned(), planted.to_owned());
        let page = ana.get(&to(&scene, &Way { fresh: true, ..Way::to("/account") }).await).await;
        let fields = [("way", page.field("way")), ("name", "ana".to_owned()), ("password", PASSWORD.to_owned())];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(ana.post("/sign-in", &page, &fields).await.status, StatusCode::SEE_OTHER);
        assert_ne!(ana.cookies[cookies::SESSION], planted);
        let headers = |cookie: &str| {
            HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&format!("__Host-session={cookie}")).unwrap())])
        };
        let planted = signed_in(&scene.app, &headers(planted), clock::now()).await;
        assert!(planted.is_none(), "{planted:?}");
        let own = signed_in(&scene.app, &ana.headers(), clock::now()).await.unwrap();
        assert_eq!(own.account.username, "ana");
    }
}

async fn to(scene: &Scene, way: &Way) -> String {
    Said::of(to_sign_in(&scene.app, way).await).await.to().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_leads_back_and_nowhere_else() {
    let scene = Scene::with_people().await;
    let subject = scene.with_password("ana").await;
    for elsewhere in ["https://evil.test/", "//evil.test", "/\\evil.test"] {
        let answer = to_sign_in(&scene.app, &Way::to(elsewhere)).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{elsewhere}");
        let escaped = elsewhere.replace('/', "%2F").replace(':', "%3A").replace('\\', "%5C");
        let said = scene.browser().get(&format!("/sign-in?way={escaped}")).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST, "{elsewhere}");
    }
    let mut browser = scene.browser();
    let back = "/authorize?client_id=app&redirect_uri=https%3A%2F%2Fapp.test%2Fcb";
    let said = browser.sign_in(&to(&scene, &Way::to(back)).await, "ANA", PASSWORD).await;
    assert_eq!((said.status, said.to()), (StatusCode::SEE_OTHER, back), "{said:?}");

    let who = signed_in(&scene.app, &browser.headers(), clock::now()).await.unwrap();
    assert_eq!((who.account.subject.as_str(), who.account.username.as_str()), (subject.as_str(), "ana"));
    assert_eq!((who.amr.join(" ").as_str(), who.acr, who.account.roles), ("pwd", "aal1", vec!["teller".to_owned()]));
    assert!(is_alive(&scene.app, &who.session, clock::now()).await.unwrap());
    // Who is there already need not sign in again, unless that is asked for; then the session goes on.
    assert_eq!(browser.get(&to(&scene, &Way::to(back)).await).await.to(), back);
    let fresh = Way { fresh: true, ..Way::to(back) };
    let before = browser.cookies[cookies::SESSION].clone();
    assert_eq!(browser.sign_in(&to(&scene, &fresh).await, "ana", PASSWORD).await.to(), back);
    assert_ne!(browser.cookies[cookies::SESSION], before);
    let again = signed_in(&scene.app, &browser.headers(), clock::now()).await.unwrap();
    assert!(again.session == who.session && again.auth_time > who.auth_time);

    // Sessions end by themselves, and by their person.
    let rules = super::desk::rules(&scene.app).unwrap();
    let later = clock::now().plus(rules.idle);
    assert!(signed_in(&scene.app, &browser.headers(), later).await.is_none());
    let page = browser.get("/account").await;
    assert!(page.text.contains("&lt;b&gt;Ana&lt;/b&gt;") && !page.text.contains("<b>"), "{}", page.text);
    let headers = browser.headers();
    assert_eq!(browser.post("/sign-out", &page, &[]).await.to(), "/sign-in");
    assert!(!browser.cookies.contains_key(cookies::SESSION));
    assert!(signed_in(&scene.app, &headers, clock::now()).await.is_none(), "the cookie itself is worth nothing");
    assert!(!is_alive(&scene.app, &who.session, clock::now()).await.unwrap());
    assert!(account(&scene.app, &subject).await.unwrap().is_some());
    assert!(account(&scene.app, "somebody").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_used_once_and_in_its_time() {
    let scene = Scene::with_people().await;
    let (subject, link) = scene.add("ana").await;
    for wrong in ["/welcome", "/welcome?link=x", &format!("/welcome?link={subject}."), &format!("{link}x")] {
        assert_eq!(scene.browser().get(wrong).await.status, StatusCode::NOT_FOUND, "{wrong}");
    }
    let (mut first, mut second) = (scene.browser(), scene.browser());
    let (one, two) = (first.get(&link).await, second.get(&link).await);
    let text = one.field("link");
    let set = |password: &'static str, again: &'static str| {
        [("link", text.clone()), ("password", password.to_owned()), ("again", again.to_owned())]
    };
    for (password, again) in
        [("short", "short"), ("one long password", "another password"), ("xx ana yy zz ww", "xx ana yy zz ww")]
    {
        let fields = set(password, again);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let said = first.post("/welcome", &one, &fields).await;
        assert_eq!(said.status, StatusCode::UNPROCESSABLE_ENTITY, "{password}");
    }
    let fields = set(PASSWORD, PASSWORD);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(first.post("/welcome", &one, &fields).await.status, StatusCode::SEE_OTHER);
    assert_eq!(second.post("/welcome", &two, &fields).await.status, StatusCode::NOT_FOUND, "used already");
    assert_eq!(scene.browser().get(&link).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_for_one_person_one_client_and_what_was_shown() {
    let scene = Scene::with_people().await;
    let subject = scene.with_password("ana").await;
    scene.with_password("eve").await;
    let (mut ana, mut eve) = (scene.browser(), scene.browser());
    ana.sign_in("/sign-in", "ana", PASSWORD).await;
    eve.sign_in("/sign-in", "eve", PASSWORD).await;
    let wanted = Wanted {
        client: "app".to_owned(),
        client_name: "<i>App</i>".to_owned(),
        audiences: vec!["https://api.test".to_owned()],
        scopes: vec![("read".to_owned(), Some("read your accounts".to_owned())), ("list".to_owned(), None)],
        allowed: "/authorize?x=1".to_owned(),
        denied: "/authorize?x=1&denied=1".to_owned(),
    };
    let page_of = async |browser: &Browser<'_>, wanted: Wanted| {
        let who = signed_in(&scene.app, &browser.headers(), clock::now()).await.unwrap();
        let headers = browser.headers();
        Said::of(ask_consent(&scene.app, &headers, browser.remote, &who, wanted, clock::now()).await).await
    };
    let asks = async |scopes: &[&str], client: &str| {
        let scopes: Vec<_> = scopes.iter().map(|it| (*it).to_owned()).collect();
        has_consent(&scene.app, &subject, client, "https://api.test", &scopes).await.unwrap()
    };
    let out = Wanted { allowed: "https://evil.test/".to_owned(), ..wanted.clone() };
    assert_eq!(page_of(&ana, out).await.status, StatusCode::BAD_REQUEST);
    let page = page_of(&ana, wanted.clone()).await;
    assert!(page.text.contains("&lt;i&gt;App") && page.text.contains("read your accounts"), "{}", page.text);
    let asked = page.field("asked");
    // Another's page, in this browser: the mark fits, the question does not.
    let of_eve = page_of(&eve, wanted.clone()).await;
    let said = eve.post("/consent", &of_eve, &[("asked", &asked), ("answer", "allow")]).await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        ana.post("/consent", &page, &[("asked", "x"), ("answer", "allow")]).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        ana.post("/consent", &of_eve, &[("asked", &asked), ("answer", "allow")]).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(ana.post("/consent", &page, &[("asked", &asked)]).await.to(), "/authorize?x=1&denied=1");
    assert!(!asks(&["read"], "app").await);

    assert_eq!(ana.post("/consent", &page, &[("asked", &asked), ("answer", "allow")]).await.to(), "/authorize?x=1");
    assert!(asks(&["read", "list"], "app").await && asks(&["list"], "app").await);
    assert!(!asks(&["read", "write"], "app").await && !asks(&["read"], "other").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_runs_nothing_stands_in_no_frame_and_is_kept_by_nobody() {
    let scene = Scene::with_people().await;
    let (_, link) = scene.add("ana").await;
    for path in ["/sign-in", link.as_str(), "/welcome?link=x", "/sign-in?way=x"] {
        let said = scene.browser().get(path).await;
        let of = |name: &str| said.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let policy = of(CONTENT_SECURITY_POLICY.as_str());
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(of("cache-control"), "no-store");
        assert_eq!((of("x-frame-options").as_str(), of("x-content-type-options").as_str()), ("DENY", "nosniff"));
        assert_eq!(of("referrer-policy"), "same-origin");
        for inline in ["<script>", " style=", "javascript:", " onclick"] {
            assert!(!said.text.contains(inline), "{path}: {inline}");
        }
    }
    let style = scene.browser().get("/static/people.css").await;
    assert!(style.status == StatusCode::OK && style.text.contains("prefers-color-scheme: dark"));
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_slowed_down_whoever_is_named_and_lock_nobody_out_of_a_known_browser() {
    let scene = Scene::with_people().await;
    scene.with_password("ana").await;
    let mut known = scene.browser();
    known.sign_in("/sign-in", "ana", PASSWORD).await;
    known.cookies.remove(cookies::SESSION);
    for name in ["ana", "nobody"] {
        for _ in 0..ACCOUNT_TRIES.free {
            let said = scene.browser().sign_in("/sign-in", name, "another password").await;
            assert_eq!(said.status, StatusCode::FORBIDDEN, "{name}");
        }
        // From another address each time, and with the right password too: a lock that let it through would tell.
        for password in ["another password", PASSWORD] {
            let mut browser = scene.browser();
            let said = browser.sign_in("/sign-in", name, password).await;
            assert_eq!(said.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
            assert!(said.headers.contains_key("retry-after") && !browser.cookies.contains_key(cookies::SESSION));
        }
    }
    assert_eq!(known.sign_in("/sign-in", "ana", PASSWORD).await.to(), "/account");
    let mut other = scene.browser();
    other.cookies.insert(cookies::KNOWN.to_owned(), known.cookies[cookies::KNOWN].clone());
    scene.with_password("bob").await;
    for _ in 0..ACCOUNT_TRIES.free {
        scene.browser().sign_in("/sign-in", "bob", "another password").await;
    }
    let said = other.sign_in("/sign-in", "bob", PASSWORD).await;
    assert_eq!(said.status, StatusCode::TOO_MANY_REQUESTS, "the browser is not known for bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_that_guesses_at_many_is_slowed_down_and_no_other() {
    let scene = Scene::with_people().await;
    scene.with_password("ana").await;
    let mut browser = scene.browser();
    let mut refused = 0;
    for n in 0..ADDRESS_TRIES.free + 2 {
        // The pages themselves are limited too, by the second.
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        let said = browser.sign_in("/sign-in", &format!("user{n}"), "another password").await;
        refused += u32::from(said.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!((1..=2).contains(&refused), "{refused}");
    assert_eq!(scene.browser().sign_in("/sign-in", "ana", PASSWORD).await.to(), "/account");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_earlier_times_is_made_anew_and_deeds_are_told() {
    let scene = Scene::with_people().await;
    let subject = scene.with_password("ana").await;
    let desk = scene.app.people.desk(&scene.app).await.unwrap().unwrap();
    let held = async || desk.person(&subject).await.unwrap().unwrap().record.password.unwrap();
    let before = held().await;
    scene.browser().sign_in("/sign-in", "ana", PASSWORD).await;
    assert_eq!(held().await, before, "nothing to do");
    let cheap = bartizan_crypto::password::Cost { memory_kib: 64, passes: 1 };
    let weak = bartizan_crypto::password::hash(&Secret::new(PASSWORD.to_owned()), &[1; 16], cheap).unwrap();
    desk.change(&subject, |record| {
        record.password = Some(weak.clone());
        Some(())
    })
    .await
    .unwrap();
    scene.browser().sign_in("/sign-in", "ana", "another password").await;
    assert_eq!(held().await, weak, "not by a wrong one");
    assert_eq!(scene.browser().sign_in("/sign-in", "ana", PASSWORD).await.to(), "/account");
    assert_eq!(bartizan_crypto::password::cost(&held().await), Some(PASSWORD_COST));

    scene.browser().sign_in("/sign-in", "hunter2 in the wrong field", PASSWORD).await;
    scene.app.pipeline.drain(std::time::Duration::from_secs(5)).await;
    let events = scene.app.events.find(&bartizan_events::Filter::default()).await.unwrap().events;
    let told: String = events.iter().map(crate::events::line).collect();
    for wanted in
        ["\"deed\":\"added\"", "\"deed\":\"password_set\"", "\"deed\":\"signed_in\"", "\"deed\":\"not_signed_in\""]
    {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
    assert!(!told.contains("hunter2") && !told.contains(PASSWORD), "{told}");
}

/// The secret that a page of enrolment shows, as an app reads it.
fn secret_of(page: &Said) -> Vec<u8> {
    let (_, rest) = page.text.split_once("Secret: <code>").unwrap();
    let text: String = rest.split('<').next().unwrap().chars().filter(|letter| *letter != ' ').collect();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = text.chars().map(|letter| format!("{:05b}", alphabet.find(letter).unwrap())).collect();
    (0..bits.len() / 8).map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap()).collect()
}

/// The code of the app, `later` steps from now.
pub(crate) fn code(secret: &[u8], later: u64) -> String {
    totp::text(secret, clock::now().as_secs() / 30 + later)
}

fn codes_of(page: &Said) -> Vec<String> {
    page.text.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

/// Somebody with an app; its secret, the recovery codes, and the browser that is signed in.
pub(crate) async fn with_app<'a>(scene: &'a Scene, name: &str) -> (Vec<u8>, Vec<String>, Browser<'a>) {
    scene.with_password(name).await;
    let mut browser = scene.browser();
    assert_eq!(browser.sign_in("/sign-in", name, PASSWORD).await.to(), "/account");
    let page = browser.get("/account/code").await;
    let secret = secret_of(&page);
    assert!(page.text.contains("<svg class=\"code\""));
    for wrong in ["", "000000", "12345", &code(b"another secret", 0)] {
        let said = browser.post("/account/code", &page, &[("secret", &page.field("secret")), ("code", wrong)]).await;
        assert_eq!(said.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        assert_eq!(secret_of(&said), secret, "the picture stays the same");
    }
    let fields = [("secret", page.field("secret")), ("code", code(&secret, 0))];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let said = browser.post("/account/code", &page, &fields).await;
    let codes = codes_of(&said);
    assert_eq!((said.status, codes.len()), (StatusCode::OK, 10), "{said:?}");
    (secret, codes, browser)
}

/// The page after the right password.
async fn after_password<'a>(scene: &'a Scene, name: &str) -> (Browser<'a>, Said) {
    let mut browser = scene.browser();
    let said = browser.sign_in("/sign-in", name, PASSWORD).await;
    assert_eq!(said.to(), "/second-factor", "{said:?}");
    assert!(signed_in(&scene.app, &browser.headers(), clock::now()).await.is_none());
    let page = browser.get("/second-factor").await;
    (browser, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_taken_once_and_nobody_comes_in_without() {
    let scene = Scene::with_people().await;
    let (secret, codes, _) = with_app(&scene, "ana").await;
    // Nobody comes here without the password.
    assert_eq!(scene.browser().get("/second-factor").await.to(), "/sign-in");
    let (mut browser, page) = after_password(&scene, "ana").await;
    // The step that proved the app was used up with it.
    for wrong in ["000000", "", &code(&secret, 0), &codes[0][..8], "a b"] {
        let said = browser.post("/second-factor", &page, &[("code", wrong)]).await;
        assert_eq!(said.status, StatusCode::FORBIDDEN, "{wrong}");
    }
    let said = browser.post("/second-factor", &page, &[("code", &code(&secret, 1))]).await;
    assert_eq!(said.status, StatusCode::TOO_MANY_REQUESTS, "{said:?}");
    let desk = scene.app.people.desk(&scene.app).await.unwrap().unwrap();
    let subject = list(&scene.app, "").await.unwrap().users[0].subject.clone();
    desk.tries.forgive(super::tries::Who::new("second", &subject));

    let next = code(&secret, 1);
    let (mut other, other_page) = after_password(&scene, "ana").await;
    assert_eq!(browser.post("/second-factor", &page, &[("code", &next)]).await.to(), "/account");
    let who = signed_in(&scene.app, &browser.headers(), clock::now()).await.unwrap();
    assert_eq!((who.amr.join(" ").as_str(), who.acr), ("pwd otp mfa", "aal2"));
    let said = other.post("/second-factor", &other_page, &[("code", &next)]).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN, "the same code again");
    // A recovery code, typed by hand; once.
    let typed = codes[3].to_lowercase().replace('-', " ");
    assert_eq!(other.post("/second-factor", &other_page, &[("code", &typed)]).await.to(), "/account");
    let who = signed_in(&scene.app, &other.headers(), clock::now()).await.unwrap();
    assert_eq!((who.amr.join(" ").as_str(), who.acr), ("pwd recovery mfa", "aal2"));
    let (mut third, page) = after_password(&scene, "ana").await;
    assert_eq!(third.post("/second-factor", &page, &[("code", &codes[3])]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(show(&scene.app, "ana").await.unwrap().user.recovery_codes, 9);
    // What was begun with another password counts no more.
    reset(&scene.app, "ana", false, "uid 0", clock::now()).await.unwrap();
    assert_eq!(third.get("/second-factor").await.to(), "/sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_show_the_same_code_at_once_are_one() {
    let scene = Scene::with_people().await;
    let (secret, _, _) = with_app(&scene, "ana").await;
    let (mut one, one_page) = after_password(&scene, "ana").await;
    let (mut two, two_page) = after_password(&scene, "ana").await;
    let next = code(&secret, 1);
    let (one_fields, two_fields) = ([("code", next.as_str())], [("code", next.as_str())]);
    let (first, second) = tokio::join!(
        one.post("/second-factor", &one_page, &one_fields),
        two.post("/second-factor", &two_page, &two_fields)
    );
    let good = [&first, &second].iter().filter(|said| said.status == StatusCode::SEE_OTHER).count();
    assert_eq!(good, 1, "{first:?} {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_a_second_factor_sets_one_up_before_anything_else() {
    for people in ["  people: { second_factor: required }\n", "  people: { second_factor_for: [teller] }\n"] {
        let scene = Scene::new(people).await;
        scene.with_password("ana").await;
        let mut browser = scene.browser();
        assert_eq!(
            browser.sign_in(&to(&scene, &Way::to("/authorize?x=1")).await, "ana", PASSWORD).await.to(),
            "/second-factor"
        );
        assert!(browser.get("/account").await.to().starts_with("/sign-in"));
        let page = browser.get("/second-factor").await;
        let secret = secret_of(&page);
        let sealed = page.field("secret");
        // The secret of somebody else's page.
        scene.with_password("eve").await;
        let mut eve = scene.browser();
        eve.sign_in("/sign-in", "eve", PASSWORD).await;
        let of_eve = eve.get("/second-factor").await;
        let fields = [("secret", of_eve.field("secret")), ("code", code(&secret_of(&of_eve), 0))];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(browser.post("/second-factor", &page, &fields).await.status, StatusCode::BAD_REQUEST);
        let said = browser.post("/second-factor", &page, &[("secret", &sealed), ("code", &code(&secret, 0))]).await;
        assert!(codes_of(&said).len() == 10 && said.text.contains("href=\"/authorize?x=1\""), "{said:?}");
        let who = signed_in(&scene.app, &browser.headers(), clock::now()).await.unwrap();
        assert_eq!(who.acr, "aal2");
    }
    // A client that wants it gets it from somebody who has signed in with a password alone.
    let scene = Scene::with_people().await;
    scene.with_password("ana").await;
    let mut browser = scene.browser();
    assert_eq!(browser.sign_in("/sign-in", "ana", PASSWORD).await.to(), "/account");
    let way = to(&scene, &Way { second_factor: true, ..Way::to("/authorize?x=1") }).await;
    assert_eq!(browser.sign_in(&way, "ana", PASSWORD).await.to(), "/second-factor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_alone_changes_no_factor_and_no_password() {
    let scene = Scene::with_people().await;
    scene.with_password("ana").await;
    let (mut one, mut two) = (scene.browser(), scene.browser());
    for browser in [&mut one, &mut two] {
        browser.sign_in("/sign-in", "ana", PASSWORD).await;
    }
    let page = one.get("/account/password").await;
    let other = "another horse of words";
    for (current, password, again) in
        [("wrong password!", other, other), (PASSWORD, "short", "short"), (PASSWORD, other, PASSWORD)]
    {
        let fields = [("current", current), ("password", password), ("again", again)];
        let said = one.post("/account/password", &page, &fields).await;
        assert_eq!(said.status, StatusCode::UNPROCESSABLE_ENTITY, "{current} {password}");
    }
    let headers = two.headers();
    assert!(signed_in(&scene.app, &headers, clock::now()).await.is_some());
    let said =
        one.post("/account/password", &page, &[("current", PASSWORD), ("password", other), ("again", other)]).await;
    assert_eq!(said.to(), "/account", "{said:?}");
    assert!(signed_in(&scene.app, &headers, clock::now()).await.is_none(), "the other session has ended");
    assert!(signed_in(&scene.app, &one.headers(), clock::now()).await.is_some(), "this one goes on");
    assert_eq!(scene.browser().sign_in("/sign-in", "ana", PASSWORD).await.status, StatusCode::FORBIDDEN);

    // A session that is not of a moment ago does not do for factors: the person has to sign in again.
    let desk = scene.app.people.desk(&scene.app).await.unwrap().unwrap();
    let row = desk.store.sessions_of(&list(&scene.app, "").await.unwrap().users[0].subject).await.unwrap().remove(0);
    let mut record: super::session::Record = serde_json::from_str(&row.record).unwrap();
    record.shown = record.shown.minus(crate::limits::RECENT);
    let row = bartizan_store::Session { record: serde_json::to_string(&record).unwrap(), ..row };
    assert!(desk.store.renew_session(&row).await.unwrap());
    assert!(one.get("/account/code").await.to().starts_with("/sign-in?way="));
    let page = one.get("/account/password").await;
    let mark = desk.keys.form("/account/code/remove", &one.cookies[cookies::SESSION]);
    let said = one.post_with("/account/code/remove", &[("mark", &mark)], &[]).await;
    assert!(said.to().starts_with("/sign-in?way="), "{said:?}");
    let said = one.post("/account/code/remove", &page, &[]).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN, "the mark of another form");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_ends_no_session_and_no_consent_of_another() {
    let scene = Scene::with_people().await;
    scene.with_password("ana").await;
    scene.with_password("eve").await;
    let (mut ana, mut ana_too, mut eve) = (scene.browser(), scene.browser(), scene.browser());
    ana.sign_in("/sign-in", "ana", PASSWORD).await;
    ana_too.sign_in("/sign-in", "ana", PASSWORD).await;
    eve.sign_in("/sign-in", "eve", PASSWORD).await;
    let second = signed_in(&scene.app, &ana_too.headers(), clock::now()).await.unwrap();
    let desk = scene.app.people.desk(&scene.app).await.unwrap().unwrap();
    let end = async |browser: &mut Browser<'_>, path: &str, field: (&str, &str)| {
        let mark = desk.keys.form(path, &browser.cookies[cookies::SESSION]);
        browser.post_with(path, &[("mark", &mark), field], &[]).await
    };
    assert_eq!(end(&mut eve, "/account/sessions/end", ("session", &second.session)).await.to(), "/account");
    assert!(is_alive(&scene.app, &second.session, clock::now()).await.unwrap(), "not hers");
    assert_eq!(end(&mut ana, "/account/sessions/end", ("session", &second.session)).await.to(), "/account");
    assert!(!is_alive(&scene.app, &second.session, clock::now()).await.unwrap());

    let subject = second.account.subject.clone();
    let consent = bartizan_store::Consent {
        person: subject.clone(),
        client: "app".to_owned(),
        audience: "api".to_owned(),
        scopes: "read".to_owned(),
        at: clock::now(),
    };
    assert!(desk.store.give_consent(&consent).await.unwrap());
    assert!(ana.get("/account").await.text.contains("What you allowed"));
    end(&mut eve, "/account/consents/end", ("client", "app")).await;
    assert!(has_consent(&scene.app, &subject, "app", "api", &["read".to_owned()]).await.unwrap());
    end(&mut ana, "/account/consents/end", ("client", "app")).await;
    assert!(!has_consent(&scene.app, &subject, "app", "api", &["read".to_owned()]).await.unwrap());

    assert_eq!(end(&mut ana, "/account/sign-out-everywhere", ("x", "y")).await.to(), "/sign-in");
    assert!(desk.store.sessions_of(&subject).await.unwrap().is_empty());
    assert!(signed_in(&scene.app, &eve.headers(), clock::now()).await.is_some());
    let revoked = scene.app.authorization.revoked.list(clock::now());
    assert!(revoked.iter().any(|it| it.what.to_string().contains(&subject)), "{revoked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_do_holds_at_once() {
    let scene = Scene::with_people().await;
    let (app, now) = (&scene.app, clock::now());
    for unknown in ["nobody", "no name"] {
        let why = set_disabled(app, unknown, true, "uid 0", now).await.unwrap_err().to_string();
        assert!(why.contains("nobody is called"), "{why}");
    }
    let subject = scene.with_password("ana").await;
    let mut browser = scene.browser();
    browser.sign_in("/sign-in", "ana", PASSWORD).await;
    set_disabled(app, "ANA", true, "uid 0", now).await.unwrap();
    assert!(signed_in(app, &browser.headers(), now).await.is_none() && account(app, &subject).await.unwrap().is_none());
    assert_eq!(scene.browser().sign_in("/sign-in", "ana", PASSWORD).await.status, StatusCode::FORBIDDEN);
    set_disabled(app, "ana", false, "uid 0", now).await.unwrap();
    assert_eq!(browser.sign_in("/sign-in", "ana", PASSWORD).await.to(), "/account");
    sign_out_all(app, "ana", "uid 0", now).await.unwrap();
    assert!(signed_in(app, &browser.headers(), now).await.is_none());

    let roles = |add: &[&str], remove: &[&str]| {
        let all = |roles: &[&str]| roles.iter().map(|it| (*it).to_owned()).collect();
        ChangeRoles { name: "ana".to_owned(), add: all(add), remove: all(remove) }
    };
    assert!(change_roles(app, roles(&["a\nb"], &[]), "uid 0").await.is_err());
    let user = change_roles(app, roles(&["auditor", "auditor"], &["teller", "nothing"]), "uid 0").await.unwrap();
    assert_eq!(user.roles, ["auditor"]);
    assert_eq!(show(app, "ana").await.unwrap().user.roles, ["auditor"]);

    let link = reset(app, "ana", true, "uid 0", now).await.unwrap();
    assert_eq!(scene.browser().sign_in("/sign-in", "ana", PASSWORD).await.status, StatusCode::FORBIDDEN);
    assert_eq!(link.subject, subject);
    remove(app, "ana", "uid 0", now).await.unwrap();
    assert!(list(app, "").await.unwrap().users.is_empty());
    let (again, _) = scene.add("ana").await;
    assert_ne!(again, subject, "somebody else now");
    let path = link.link.strip_prefix("https://127.0.0.1:8445").unwrap();
    assert_eq!(scene.browser().get(path).await.status, StatusCode::NOT_FOUND);
}
