//! Apps are told that sessions are over (OpenID Connect Back-Channel Logout 1.0): who is not, refusals first.

use super::*;
use axum::extract::State;
use axum::routing::post;
use bartizan_core::authorization::Authorization;
use bartizan_core::event::{Deed, What};
use bartizan_events::Filter;
use bartizan_tokens::logout_token::verify_logout;
use std::collections::VecDeque;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// An app's server: what it is told, and what it answers next; 200 where nothing is said.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(Vec<String>, VecDeque<u16>)>>);

impl Heard {
    fn tokens(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }

    fn answers(&self, statuses: &[u16]) {
        self.0.lock().unwrap().1.extend(statuses);
    }
}

async fn hear(State(heard): State<Heard>, headers: HeaderMap, form: String) -> (StatusCode, HeaderMap) {
    assert_eq!(headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    let mut said = heard.0.lock().unwrap();
    let form = Form::parse(form.as_bytes()).unwrap();
    said.0.push(form.get("logout_token").unwrap_or_else(|| panic!("{form:?}")).to_owned());
    let status = StatusCode::from_u16(said.1.pop_front().unwrap_or(200)).unwrap();
    (status, HeaderMap::from_iter([(LOCATION, "/out".parse().unwrap())]))
}

struct Told {
    scene: Scene,
    heard: Heard,
    stop: CancellationToken,
    _home: Scene,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Told {
    /// `house` and `thief` want to be told, `house` at a server whose certificate is of another CA.
    async fn new() -> Self {
        let home = Box::pin(Scene::new()).await;
        let (heard, stop) = (Heard::default(), CancellationToken::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("https://{}/out", listener.local_addr().unwrap());
        let router = Router::new().route("/out", post(hear)).with_state(heard.clone());
        let said = home.app.in_force().desired.fleet.authorization.clone().unwrap();
        let said = Authorization { issuer: to.trim_end_matches("/out").to_owned(), ..said };
        let end = crate::authorization::end::End::issue(&home.app, &said).await.unwrap();
        let (judge, failures) = (crate::stream::judge(&home.app), crate::stream::on_failure(&home.app));
        let shown = move || Some(end.server.clone());
        tokio::spawn(bartizan_runtime::https::serve_router(listener, shown, judge, failures, router, stop.clone()));
        let roots = home.data().join("roots.pem");
        let told = format!("backchannel_logout: \"{to}\", backchannel_roots: {}", roots.display());
        let fleet = fleet()
            .replace("house: {", &format!("house: {{ {told},"))
            .replace("thief: {", &format!("thief: {{ {told},"));
        let scene = Box::pin(Scene::with(&fleet)).await;
        tokio::spawn(crate::authorization::tell_apps(Arc::clone(&scene.app)));
        Self { scene, heard, stop, _home: home }
    }

    /// Claims of the tokens that were heard, each of them checked as our own gateway does at a provider.
    fn claims(&self) -> Vec<Value> {
        let app = &self.scene.app;
        let in_force = app.in_force();
        let said = in_force.desired.fleet.authorization.as_ref().unwrap();
        let issuers = app.authorization.id_issuers(said, clock::now()).unwrap();
        let check = |token: &String| {
            let claims = claims(token);
            let client = claims["aud"].as_str().unwrap();
            verify_logout(&issuers, token, (ISSUER, client), clock::now()).unwrap();
            let header = base64::decode_url(token.split('.').next().unwrap()).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&header).unwrap()["typ"], "logout+jwt");
            claims
        };
        self.heard.tokens().iter().map(check).collect()
    }

    async fn not_told(&self) -> Vec<String> {
        let stored = self.scene.app.events.find(&Filter::default()).await.unwrap().events;
        let events = stored.iter().filter_map(crate::events::read);
        let reasons = events.filter_map(|record| match record.event.what {
            What::Person(person) if person.deed == Deed::NotTold => person.reason.map(|it| it.to_string()),
            _ => None,
        });
        reasons.collect()
    }
}

async fn log_in(scene: &Scene, browser: &mut Browser<'_>, client: &str) -> Value {
    let code = browser.code(client, &[("scope", "openid")]).await;
    let said = scene.token(&redeem(client, &code), None).await;
    claims(&said.text_of("id_token"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_refuses_or_sends_elsewhere_is_given_up_and_one_that_is_away_is_told_later() {
    let told = Told::new().await;
    let (subject, mut browser) = told.scene.signed_in("ana").await;
    told.heard.answers(&[302]);
    log_in(&told.scene, &mut browser, "house").await;
    people::sign_out_all(&told.scene.app, "ana", "a test", clock::now()).await.unwrap();
    wait_until(async || !told.not_told().await.is_empty()).await;
    assert_eq!(
        told.not_told().await,
        ["app `house` was not told, after 1 tries: it answered 302, and nobody is sent on"]
    );
    assert_eq!(told.heard.tokens().len(), 1, "nobody went where it was sent");

    let (_, mut bob) = told.scene.signed_in("bob").await;
    told.heard.answers(&[400]);
    log_in(&told.scene, &mut bob, "house").await;
    people::sign_out_all(&told.scene.app, "bob", "a test", clock::now()).await.unwrap();
    wait_until(async || told.not_told().await.len() == 2).await;

    let (_, mut eve) = told.scene.signed_in("eve").await;
    told.heard.answers(&[503, 429]);
    let id = log_in(&told.scene, &mut eve, "house").await;
    people::sign_out_all(&told.scene.app, "eve", "a test", clock::now()).await.unwrap();
    for _ in 0..10 {
        if told.heard.tokens().len() == 5 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let heard = told.claims();
    assert_eq!(heard.len(), 5, "three tries: {heard:?}");
    let names: std::collections::BTreeSet<_> = heard.iter().map(|it| it["jti"].to_string()).collect();
    assert_eq!(names.len(), 5, "each try has a token of its own");
    assert!(heard[2..].iter().all(|it| it["sid"] == id["sid"] && it["sub"] == id["sub"]), "{heard:?}");
    assert_eq!(told.not_told().await.len(), 2, "it was told in the end");
    assert_eq!(heard[0]["sub"], subject.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_of_a_session_are_told_when_it_ends_and_no_others() {
    let told = Told::new().await;
    let (_, mut browser) = told.scene.signed_in("ana").await;
    let (_, mut bob) = told.scene.signed_in("bob").await;
    let house = log_in(&told.scene, &mut browser, "house").await;
    log_in(&told.scene, &mut browser, "thief").await;
    log_in(&told.scene, &mut bob, "house").await;
    // A second window of ana's.
    let mut other = told.scene.browser();
    let page = other.get("/sign-in").await;
    other.sign_in(&page, "ana").await;
    let second = log_in(&told.scene, &mut other, "house").await;
    assert_ne!(second["sid"], house["sid"]);

    let page = browser.get("/account").await;
    browser.form("/sign-out", &page, &[]).await;
    wait_until(async || told.heard.tokens().len() == 2).await;
    let heard = told.claims();
    assert!(heard.iter().all(|it| it["sid"] == house["sid"] && it["sub"] == house["sub"]), "{heard:?}");
    let mut clients: Vec<_> = heard.iter().map(|it| it["aud"].as_str().unwrap()).collect();
    clients.sort_unstable();
    assert_eq!(clients, ["house", "thief"]);
    for claim in ["nonce", "acr", "email"] {
        assert!(heard.iter().all(|it| it.get(claim).is_none()), "{claim}: {heard:?}");
    }

    people::set_disabled(&told.scene.app, "ana", true, "a test", clock::now()).await.unwrap();
    wait_until(async || told.heard.tokens().len() == 3).await;
    assert_eq!(told.claims()[2]["sid"], second["sid"], "bob's goes on");
}
