//! The server over its router, as apps, browsers and those who pretend to be some come to it. Refusals first.

mod authorizing; // what an app asks for, and who is asked
mod brokering; // people who come from another provider
mod codes; // codes and what comes of them
mod devices;
mod pages_of_apps; // scripts of other origins
mod refreshing;
mod registering;
mod resources; // several services, pushed requests, operators
mod signing_out;
mod telling; // apps that are told of it

use crate::app::App;
use crate::people;
use crate::start::Started;
use crate::stream::Peer;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bartizan_core::people::AddUser;
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{base64, hash, jose, random};
use bartizan_runtime::clock;
use bartizan_runtime::https::Shown;
use bartizan_tokens::form::Form;
use bartizan_tokens::request::with_parameters;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tower_service::Service;

const ISSUER: &str = "https://127.0.0.1:8445";
const PASSWORD: &str = "a horse of four words";
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BACK: &str = "https://shop.test/back";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const INITIAL: &str = "an initial access token";

/// `shop` asks people and needs proofs; `house` and `thief` are trusted and take bearers.
fn fleet() -> String {
    format!(
        "{}workloads:\n  report: {{ selectors: {{ path: /bin/report }} }}\n\
         authorization:\n  listen: 127.0.0.1:8445\n  clients: {{ report: {{}} }}\n  people: {{}}\n  apps:\n    \
         shop: {{ title: The Shop, redirect: [\"{BACK}\", \"http://127.0.0.1/cb\"], signed_out: [\"https://shop.test/bye\"], \
         scopes: [openid, profile, email, offline_access, read, write], audiences: [api, other], \
         grants: [authorization_code, refresh_token, device_code] }}\n    \
         house: {{ redirect: [\"https://house.test/back\"], scopes: [openid, read], consent: trusted, bearer: true }}\n    \
         thief: {{ redirect: [\"https://thief.test/back\"], scopes: [openid, read], consent: trusted, bearer: true, \
         grants: [authorization_code, refresh_token, device_code] }}\n    \
         batch: {{ redirect: [\"https://batch.test/back\"], consent: trusted, workload: report }}\n  \
         registration: {{ token_sha256: {}, scopes: [openid, read], most: 2 }}\n",
        crate::tests::FLEET,
        hash::hex(&hash::sha256(INITIAL.as_bytes())),
    )
}

/// A control whose fleet has people and apps.
struct Scene {
    dir: TempDir,
    started: Option<Started>,
    app: Arc<App>,
    router: Router,
}

impl Scene {
    async fn new() -> Self {
        Self::with(&fleet()).await
    }

    async fn with(fleet: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let started = Box::pin(crate::tests::started_with(dir.path(), fleet)).await;
        Self::over(dir, started)
    }

    fn over(dir: TempDir, started: Started) -> Self {
        let app = Arc::clone(&started.app);
        let router = super::router(Arc::clone(&app));
        tokio::spawn(super::end_sessions(Arc::clone(&app)));
        Self { dir, started: Some(started), app, router }
    }

    /// Ends it, and starts another one over the same files.
    async fn restart(self) -> Self {
        let Self { dir, started, app, router } = self;
        app.stop.cancel();
        app.store.close().await;
        app.people.close().await;
        app.authorization.granting.close().await;
        drop((started, app, router));
        let started = Box::pin(crate::tests::started_with(dir.path(), &fleet())).await;
        Self::over(dir, started)
    }

    fn data(&self) -> &Path {
        self.dir.path()
    }

    fn browser(&self) -> Browser<'_> {
        let [a, b, c, d] = random::bytes::<4>();
        // Each at an address of its own, so that none is counted with another.
        Browser { scene: self, cookies: BTreeMap::new(), remote: SocketAddr::from(([a | 1, b, c, d], 1234)) }
    }

    /// Somebody with a password; the subject.
    async fn add(&self, name: &str) -> String {
        let wanted = AddUser {
            name: name.to_owned(),
            display_name: Some("Ana Horvat".to_owned()),
            email: Some("ana@shop.test".to_owned()),
            email_verified: true,
            roles: vec!["teller".to_owned()],
            tenant: Some("north".to_owned()),
        };
        let added = people::add(&self.app, wanted, "a test", clock::now()).await.unwrap();
        let mut browser = self.browser();
        let page = browser.get(added.link.strip_prefix(ISSUER).unwrap()).await;
        let link = page.field("link");
        let fields = [("link", link.as_str()), ("password", PASSWORD), ("again", PASSWORD)];
        assert_eq!(browser.form("/welcome", &page, &fields).await.status, StatusCode::SEE_OTHER);
        added.subject
    }

    /// A browser in which somebody new is signed in.
    async fn signed_in(&self, name: &str) -> (String, Browser<'_>) {
        let subject = self.add(name).await;
        let mut browser = self.browser();
        let page = browser.get("/sign-in").await;
        browser.sign_in(&page, name).await;
        (subject, browser)
    }

    /// What is answered to a request that an app sends itself.
    async fn send(&self, request: Request<Body>) -> Said {
        self.browser().send(request).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Said {
        self.send(form(path, fields, headers)).await
    }

    /// The answer to `fields` with a proof of `key`, with whatever nonce is wanted.
    async fn with_proof(&self, path: &str, fields: &[(&str, &str)], key: &ProofKey) -> Said {
        for _ in 0..2 {
            let proof = key.proof("POST", &format!("{ISSUER}{path}"), None);
            let said = self.post(path, fields, &[("dpop", &proof)]).await;
            key.take_nonce(&said);
            if said.error() != "use_dpop_nonce" {
                return said;
            }
        }
        panic!("the nonce that was given is not taken")
    }

    async fn token(&self, fields: &[(&str, &str)], key: Option<&ProofKey>) -> Said {
        match key {
            Some(key) => self.with_proof("/token", fields, key).await,
            None => self.post("/token", fields, &[]).await,
        }
    }

    /// Who somebody is, by an access token.
    async fn userinfo(&self, token: &str, key: Option<&ProofKey>) -> Said {
        let get = |headers: &[(&str, String)]| {
            let mut request = Request::builder().uri("/userinfo");
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            request.body(Body::empty()).unwrap()
        };
        let Some(key) = key else { return self.send(get(&[("authorization", format!("Bearer {token}"))])).await };
        let mut said = None;
        for _ in 0..2 {
            let proof = key.proof("GET", &format!("{ISSUER}/userinfo"), Some(token));
            let headers = [("authorization", format!("DPoP {token}")), ("dpop", proof)];
            let answer = self.send(get(&headers)).await;
            key.take_nonce(&answer);
            said = Some(answer);
        }
        said.unwrap()
    }
}

/// A key with which an app proves who it is.
struct ProofKey {
    key: TokenKey,
    nonce: Mutex<Option<String>>,
}

impl ProofKey {
    fn new() -> Self {
        Self { key: TokenKey::generate().unwrap(), nonce: Mutex::default() }
    }

    fn claims(&self, method: &str, uri: &str, token: Option<&str>) -> Value {
        let mut claims = json!({
            "jti": base64::encode_url(&random::bytes::<16>()),
            "htm": method, "htu": uri, "iat": clock::now().as_secs(),
        });
        if let Some(nonce) = &*self.nonce.lock().unwrap() {
            claims["nonce"] = json!(nonce);
        }
        if let Some(token) = token {
            claims["ath"] = json!(base64::encode_url(&hash::sha256(token.as_bytes())));
        }
        claims
    }

    fn proof(&self, method: &str, uri: &str, token: Option<&str>) -> String {
        self.sign(&self.claims(method, uri, token))
    }

    fn sign(&self, claims: &Value) -> String {
        jose::compact::sign_with_jwk(&self.key, "dpop+jwt", claims).unwrap()
    }

    fn take_nonce(&self, said: &Said) {
        if let Some(nonce) = said.headers.get("dpop-nonce") {
            *self.nonce.lock().unwrap() = Some(nonce.to_str().unwrap().to_owned());
        }
    }

    fn thumbprint(&self) -> String {
        base64::encode_url(&self.key.public_jwk().thumbprint())
    }
}

/// What came back.
#[derive(Debug)]
struct Said {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    fn refused(&self) -> (u16, String) {
        (self.status.as_u16(), self.error())
    }

    fn text_of(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {self:?}")).to_owned()
    }

    fn to(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |to| to.to_str().unwrap())
    }

    /// A parameter of the address that the browser is sent to.
    fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.to().split_once('?')?;
        Form::parse(query.as_bytes()).unwrap().get(name).map(str::to_owned)
    }

    /// The value of a field of a form.
    fn field(&self, name: &str) -> String {
        let from = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&from).unwrap_or_else(|| panic!("no `{name}` in {self:?}"));
        rest.split('"').next().unwrap().replace("&amp;", "&")
    }
}

fn form(path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Request<Body> {
    let body = with_parameters("", fields);
    let mut request = Request::builder().method(Method::POST).uri(path);
    request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.trim_start_matches('?').to_owned())).unwrap()
}

/// Keeps cookies, and sends what it read in a form.
struct Browser<'a> {
    scene: &'a Scene,
    cookies: BTreeMap<String, String>,
    remote: SocketAddr,
}

impl Browser<'_> {
    async fn send(&mut self, mut request: Request<Body>) -> Said {
        request.extensions_mut().insert(Shown::<Peer> { peer: None, remote: self.remote });
        let jar: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !jar.is_empty() {
            request.headers_mut().insert(COOKIE, jar.join("; ").parse().unwrap());
        }
        let (head, body) = self.scene.router.clone().call(request).await.unwrap().into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        for field in head.headers.get_all(SET_COOKIE) {
            let (name, value) = field.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => drop(self.cookies.remove(name)),
                value => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        Said { status: head.status, headers: head.headers, text }
    }

    async fn get(&mut self, path: &str) -> Said {
        self.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await
    }

    /// Sends the form of a page.
    async fn form(&mut self, path: &str, page: &Said, fields: &[(&str, &str)]) -> Said {
        let mark = page.field("mark");
        let all = [&[("mark", mark.as_str())], fields].concat();
        self.send(form(path, &all, &[("origin", ISSUER), ("sec-fetch-site", "same-origin")])).await
    }

    async fn sign_in(&mut self, page: &Said, name: &str) -> Said {
        let way = page.field("way");
        let said = self.form("/sign-in", page, &[("way", &way), ("name", name), ("password", PASSWORD)]).await;
        assert_eq!(said.status, StatusCode::SEE_OTHER, "{said:?}");
        said
    }

    /// Follows where it is sent, as long as it stays here.
    async fn follow(&mut self, mut said: Said) -> Said {
        for _ in 0..8 {
            if !said.to().starts_with('/') {
                return said;
            }
            said = self.get(said.to()).await;
        }
        panic!("it goes round: {said:?}")
    }

    /// Answers the question what an app may have.
    async fn consent(&mut self, page: &Said, answer: &str) -> Said {
        assert!(page.text.contains("Allow access?"), "{page:?}");
        let asked = page.field("asked");
        let said = self.form("/consent", page, &[("asked", &asked), ("answer", answer)]).await;
        self.follow(said).await
    }

    /// Goes to an app and back, with everything allowed on the way.
    async fn go(&mut self, client: &str, more: &[(&str, &str)]) -> Said {
        let said = self.get(&authorize(client, more)).await;
        let said = self.follow(said).await;
        if said.text.contains("Allow access?") { self.consent(&said, "allow").await } else { said }
    }

    async fn code(&mut self, client: &str, more: &[(&str, &str)]) -> String {
        let said = self.go(client, more).await;
        said.parameter("code").unwrap_or_else(|| panic!("no code: {said:?}"))
    }
}

/// The address that an app sends a browser to; `more` takes the place of what is usual.
fn authorize(client: &str, more: &[(&str, &str)]) -> String {
    let back = if client == "shop" { BACK.to_owned() } else { format!("https://{client}.test/back") };
    let usual = [
        ("client_id", client),
        ("redirect_uri", back.as_str()),
        ("response_type", "code"),
        ("scope", "openid read"),
        ("state", "st"),
        ("nonce", "no"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let usual = usual.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    let all: Vec<_> = usual.chain(more).filter(|(_, value)| !value.is_empty()).copied().collect();
    with_parameters("/authorize", &all)
}

/// What an app sends with a code.
fn redeem<'a>(client: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    let back = match client {
        "shop" => BACK,
        "house" => "https://house.test/back",
        _ => "https://thief.test/back",
    };
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", back),
        ("code_verifier", VERIFIER),
    ]
}

/// `fields` with another value of one of them.
fn with<'a>(fields: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut all: Vec<_> = fields.iter().filter(|(known, _)| *known != name).copied().collect();
    all.push((name, value));
    all
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&base64::decode_url(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Waits for what comes a moment later.
async fn wait_until(mut what: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if what().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("it does not come");
}
