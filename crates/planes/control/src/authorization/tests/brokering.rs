//! People who come from another identity provider: one over TLS that says what a test wants it to say, refusals first.

use super::*;
use crate::people::set_disabled;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bartizan_core::authorization::Authorization;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CLIENT: &str = "bartizan at one";

/// What a provider says next.
struct Says {
    claims: Value,
    /// Status and text of the token endpoint, in the place of an answer.
    token: Option<(u16, String)>,
    userinfo: Value,
    names_itself: bool,
    slow: Duration,
    key: TokenKey,
    /// What it was asked: `Authorization` and form.
    asked: Vec<(String, String)>,
}

/// A provider.
struct Provider {
    issuer: String,
    says: Arc<Mutex<Says>>,
    stop: CancellationToken,
}

impl Provider {
    /// Its certificate is of the CA of `home`.
    async fn start(home: &Scene) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("https://{}", listener.local_addr().unwrap());
        let says = Says {
            claims: json!({}),
            token: None,
            userinfo: json!({}),
            names_itself: true,
            slow: Duration::ZERO,
            key: TokenKey::generate().unwrap(),
            asked: Vec::new(),
        };
        let says = Arc::new(Mutex::new(says));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/me", get(userinfo))
            .with_state((issuer.clone(), Arc::clone(&says)));
        let in_force = home.app.in_force();
        let said = in_force.desired.fleet.authorization.clone().unwrap();
        let said = Authorization { issuer: issuer.clone(), ..said };
        let end = crate::authorization::end::End::issue(&home.app, &said).await.unwrap();
        let (stop, nobody) = (CancellationToken::new(), crate::stream::judge(&home.app));
        let failures = crate::stream::on_failure(&home.app);
        let shown = move || Some(end.server.clone());
        let serving = bartizan_runtime::https::serve_router(listener, shown, nobody, failures, router, stop.clone());
        tokio::spawn(serving);
        Self { issuer, says, stop }
    }

    fn says(&self) -> std::sync::MutexGuard<'_, Says> {
        self.says.lock().unwrap()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

type Behind = State<(String, Arc<Mutex<Says>>)>;

async fn document(State((issuer, says)): Behind) -> String {
    let names_itself = says.lock().unwrap().names_itself;
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/me"),
        "jwks_uri": format!("{issuer}/keys"),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": names_itself,
    })
    .to_string()
}

async fn keys(State((_, says)): Behind) -> String {
    let key = Value::Object(says.lock().unwrap().key.public_jwk().to_json());
    json!({ "keys": [key] }).to_string()
}

async fn token(State((_, says)): Behind, headers: HeaderMap, form: String) -> Response {
    let slow = says.lock().unwrap().slow;
    tokio::time::sleep(slow).await;
    let mut says = says.lock().unwrap();
    let shown = headers.get(AUTHORIZATION).map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
    says.asked.push((shown, form));
    if let Some((status, text)) = says.token.clone() {
        return (StatusCode::from_u16(status).unwrap(), text).into_response();
    }
    let kid = says.key.public_jwk().kid().unwrap_or_default().to_owned();
    let id_token = jose::sign(&says.key, "JWT", &kid, &says.claims).unwrap();
    json!({ "access_token": "an access token", "token_type": "Bearer", "id_token": id_token })
        .to_string()
        .into_response()
}

async fn userinfo(State((_, says)): Behind, headers: HeaderMap) -> Response {
    match headers.get(AUTHORIZATION).is_some_and(|it| it == "Bearer an access token") {
        true => says.lock().unwrap().userinfo.to_string().into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// A fleet with two providers, `one` and `two`, of which `more` says what else there is of `one`.
struct Brokered {
    scene: Scene,
    one: Provider,
    two: Provider,
    _home: Scene,
}

impl Brokered {
    async fn new(people: &str, more: &str) -> Self {
        let home = Box::pin(Scene::new()).await;
        let (one, two) = (Provider::start(&home).await, Provider::start(&home).await);
        let roots = home.data().join("roots.pem").display().to_string();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("one.secret"), "a secret: of ours\n").unwrap();
        let providers = format!(
            "people:\n    {people}\n    providers:\n      \
             one: {{ title: One & Only, issuer: \"{}\", client_id: {CLIENT}, secret: one.secret, roots: {roots}{more} }}\n      \
             two: {{ issuer: \"{}\", client_id: us, roots: {roots}, create: anybody }}\n",
            one.issuer, two.issuer,
        );
        let fleet = fleet().replace("people: {}\n", &providers);
        let started = Box::pin(crate::tests::started_with(dir.path(), &fleet)).await;
        let scene = Scene::over(dir, started);
        tokio::spawn(people::keep_upstreams(Arc::clone(&scene.app)));
        let it = Self { scene, one, two, _home: home };
        for _ in 0..200 {
            let page = it.scene.browser().get("/sign-in").await;
            if page.text.contains("Continue with One &amp; Only") && page.text.contains("Continue with two") {
                return it;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the providers were not reached")
    }

    /// What `one` says of somebody where nothing else is said.
    fn claims(&self, provider: &Provider, client: &str, sent: &Said) -> Value {
        let now = clock::now().as_secs();
        json!({
            "iss": provider.issuer, "sub": "248289761001", "aud": client, "nonce": sent.parameter("nonce").unwrap(),
            "iat": now, "exp": now + 300, "preferred_username": "ana", "name": "Ana of One",
            "email": "ana@bank.test", "email_verified": true,
        })
    }

    /// Sends a browser to `one`; where it goes.
    async fn send(&self, browser: &mut Browser<'_>, way: &str, name: &str) -> Said {
        let page = browser.get(way).await;
        let form = self.form(&page, "/sign-in/with", name);
        let (way, provider) = (form.field("way"), form.field("provider"));
        browser.form("/sign-in/with", &form, &[("way", &way), ("provider", &provider)]).await
    }

    /// The form of a page that is sent to `path` for the provider `name`.
    fn form(&self, page: &Said, path: &str, name: &str) -> Said {
        let mark = format!("name=\"provider\" value=\"{name}\"");
        let forms = page.text.split("<form").filter(|form| form.contains(&format!("action=\"{path}\"")));
        let form = forms.into_iter().find(|form| form.contains(&mark)).unwrap_or_else(|| panic!("{page:?}"));
        Said { status: page.status, headers: page.headers.clone(), text: form.to_owned() }
    }

    /// Goes to `one` and comes back with a code, where it says `change` of somebody.
    async fn come(&self, browser: &mut Browser<'_>, change: Value) -> Said {
        let sent = self.send(browser, "/sign-in", "one").await;
        self.answer(browser, &sent, change).await
    }

    async fn answer(&self, browser: &mut Browser<'_>, sent: &Said, change: Value) -> Said {
        let mut claims = self.claims(&self.one, CLIENT, sent);
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        {
            let mut says = self.one.says();
            says.userinfo = json!({ "sub": claims["sub"] });
            says.claims = claims;
        }
        browser.get(&self.back(sent, "code")).await
    }

    /// The address by which a browser comes back.
    fn back(&self, sent: &Said, code: &str) -> String {
        let state = sent.parameter("state").unwrap();
        with_parameters("/sign-in/with/one/back", &[("code", code), ("state", &state), ("iss", &self.one.issuer)])
    }

    async fn people(&self) -> Vec<bartizan_core::people::User> {
        people::list(&self.scene.app, "").await.unwrap().users
    }
}

fn is_signed_in(browser: &Browser<'_>) -> bool {
    browser.cookies.contains_key("__Host-session")
}

fn is_refused(said: &Said, browser: &Browser<'_>, why: &str) {
    assert!(matches!(said.status.as_u16(), 400 | 403), "{why}: {said:?}");
    assert!(!is_signed_in(browser) && !browser.cookies.contains_key("__Host-elsewhere"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_that_is_not_of_this_question_signs_nobody_in() {
    let it = Brokered::new("idle: 1h", ", create: anybody").await;
    let now = clock::now().as_secs();
    for (change, why) in [
        (json!({ "nonce": "another" }), "another question's nonce"),
        (json!({ "nonce": null }), "no nonce"),
        (json!({ "aud": "somebody else" }), "for another client"),
        (json!({ "aud": [CLIENT, "other"] }), "for several, and nobody says who asked"),
        (json!({ "azp": "other" }), "another asked for it"),
        (json!({ "iss": it.two.issuer }), "another issuer"),
        (json!({ "exp": now - 1 }), "it ran out"),
        (json!({ "iat": now + 3600, "exp": now + 3700 }), "from the future"),
        (json!({ "sub": "" }), "nobody"),
        (json!({ "sub": null }), "nobody is named"),
        (json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }), "another access token's hash"),
    ] {
        let mut browser = it.scene.browser();
        let said = it.come(&mut browser, change).await;
        is_refused(&said, &browser, why);
        assert!(
            said.text.contains("One &amp; Only did not sign you in.") && said.text.contains("name=\"password\""),
            "{said:?}"
        );
    }
    let mut browser = it.scene.browser();
    let sent = it.send(&mut browser, "/sign-in", "one").await;
    it.one.says().userinfo = json!({ "sub": "somebody else" });
    it.one.says().claims = it.claims(&it.one, CLIENT, &sent);
    let said = browser.get(&it.back(&sent, "c")).await;
    is_refused(&said, &browser, "its userinfo is about somebody else");

    let huge = "x".repeat(crate::limits::UPSTREAM_ANSWER_BYTES_MAX + 1);
    for (status, text) in [
        (400, r#"{"error":"invalid_grant"}"#),
        (500, "oops"),
        (302, ""),
        (200, ""),
        (200, "{}"),
        (200, "<html>"),
        (200, r#"{"id_token":"a.b.c"}"#),
        (200, r#"{"id_token":{"a":1}}"#),
        (200, r#"{"id_token":"eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0."}"#),
        (200, huge.as_str()),
    ] {
        it.one.says().token = Some((status, text.to_owned()));
        let mut browser = it.scene.browser();
        let said = it.come(&mut browser, json!({})).await;
        is_refused(&said, &browser, text.get(..text.len().min(40)).unwrap());
    }
    it.one.says().token = None;
    // Signed by another key than those that it shows.
    let stranger = TokenKey::generate().unwrap();
    let own = std::mem::replace(&mut it.one.says().key, stranger);
    let mut browser = it.scene.browser();
    let said = it.come(&mut browser, json!({})).await;
    is_refused(&said, &browser, "another key");
    it.one.says().key = own;
    assert!(it.people().await.is_empty(), "nobody has an account of it: {:?}", it.people().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_this_browser_did_not_begin_does_nothing() {
    let it = Brokered::new("idle: 1h", ", create: anybody").await;
    let mut browser = it.scene.browser();
    let sent = it.send(&mut browser, "/sign-in", "one").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    assert!(sent.to().starts_with(&format!("{}/auth?", it.one.issuer)), "{sent:?}");
    assert_eq!(sent.parameter("redirect_uri").unwrap(), format!("{ISSUER}/sign-in/with/one/back"));
    assert_eq!(sent.parameter("code_challenge_method").unwrap(), "S256");
    it.one.says().claims = it.claims(&it.one, CLIENT, &sent);
    it.one.says().userinfo = json!({ "sub": "248289761001" });
    let (state, one) = (sent.parameter("state").unwrap(), it.one.issuer.clone());
    let carried = browser.cookies.clone();
    let back = |path: &str, fields: &[(&str, &str)]| with_parameters(path, fields);
    let path = "/sign-in/with/one/back";
    for (address, why) in [
        (back(path, &[("code", "c"), ("iss", &one)]), "no state"),
        (back(path, &[("code", "c"), ("state", "x"), ("iss", &one)]), "another state"),
        (back(path, &[("code", "c"), ("state", &state), ("state", &state), ("iss", &one)]), "two states"),
        (back("/sign-in/with/two/back", &[("code", "c"), ("state", &state), ("iss", &it.two.issuer)]), "mix-up"),
        (back("/sign-in/with/two/back", &[("code", "c"), ("state", &state), ("iss", &one)]), "mix-up"),
        (back(path, &[("code", "c"), ("state", &state), ("iss", &it.two.issuer)]), "another provider's answer"),
        (back(path, &[("code", "c"), ("state", &state)]), "it says that it names itself, and does not"),
        (back(path, &[("state", &state), ("iss", &one)]), "no code"),
        (back(path, &[("error", "access_denied"), ("state", &state), ("iss", &one)]), "it said no"),
        (back("/sign-in/with/none/back", &[("code", "c"), ("state", &state)]), "no such provider"),
    ] {
        let mut browser = Browser { cookies: carried.clone(), ..it.scene.browser() };
        let said = browser.get(&address).await;
        is_refused(&said, &browser, why);
    }
    assert!(it.one.says().asked.is_empty(), "no code was shown to anybody");
    // A browser that began nothing, such as one that a link was sent to.
    let mut other = it.scene.browser();
    let said = other.get(&it.back(&sent, "c")).await;
    is_refused(&said, &other, "another browser");
    let said = browser.get(&it.back(&sent, "c")).await;
    assert_eq!((said.status, said.to()), (StatusCode::SEE_OTHER, "/account"), "{said:?}");
    assert!(is_signed_in(&browser));
    let mut again = Browser { cookies: carried, ..it.scene.browser() };
    let said = again.get(&it.back(&sent, "c")).await;
    is_refused(&said, &again, "the same answer twice, in a browser that kept its cookie");
    // Forms that lead elsewhere, or come from elsewhere.
    let page = it.scene.browser().get("/sign-in").await;
    let form = it.form(&page, "/sign-in/with", "one");
    for (way, provider) in
        [("https://evil.test", "one"), ("//evil.test", "one"), (&form.field("way"), "../x"), (&form.field("way"), "")]
    {
        let mut browser = it.scene.browser();
        let page = browser.get("/sign-in").await;
        let form = it.form(&page, "/sign-in/with", "one");
        let said = browser.form("/sign-in/with", &form, &[("way", way), ("provider", provider)]).await;
        assert_eq!((said.status, said.to()), (StatusCode::BAD_REQUEST, ""), "{way} {provider}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_an_account_by_a_name_or_an_address() {
    let rules =
        ", claims: { roles: realm.roles }, roles: { tellers: teller, boss: admin }, domains: [bank.test], create: yes";
    let it = Brokered::new("idle: 1h", rules).await;
    let ana = it.scene.add("ana").await;
    for (change, why) in [
        (json!({ "email_verified": false }), "not verified"),
        (json!({ "email_verified": "true" }), "a text is no word"),
        (json!({ "email_verified": null }), "nobody says so"),
        (json!({ "email": "ana@bank.test.evil.test" }), "another domain"),
        (json!({ "email": "ana@evil.test" }), "another domain"),
        (json!({ "email": null }), "no address"),
    ] {
        let mut browser = it.scene.browser();
        let said = it.come(&mut browser, change).await;
        is_refused(&said, &browser, why);
    }
    assert_eq!(it.people().await.len(), 1);
    let realm = json!({ "roles": ["tellers", "admin", "other"] });
    let mut browser = it.scene.browser();
    let said = it.come(&mut browser, json!({ "realm": realm, "amr": ["pwd", "x"] })).await;
    assert_eq!(said.to(), "/account", "{said:?}");
    let who = people::signed_in(&it.scene.app, &headers_of(&browser), clock::now()).await.unwrap();
    assert_eq!((who.account.username.as_str(), who.account.display_name.as_str()), ("one+ana", "Ana of One"));
    assert_eq!(who.account.roles, ["teller"], "`admin` there is nothing here");
    assert_eq!((who.amr.join(" ").as_str(), who.acr), ("fed pwd x", "aal1"));
    assert_ne!(who.account.subject, ana, "the same name and address make nobody the same person");
    // The same subject is the same person, with what is said of it now; another one is another person.
    let mut again = it.scene.browser();
    it.come(&mut again, json!({ "name": "Ana Two", "realm": { "roles": "boss tellers" } })).await;
    let now = people::signed_in(&it.scene.app, &headers_of(&again), clock::now()).await.unwrap();
    assert_eq!((now.account.subject, now.account.display_name.as_str()), (who.account.subject.clone(), "Ana Two"));
    assert_eq!(now.account.roles, ["admin", "teller"]);
    let mut other = it.scene.browser();
    it.come(&mut other, json!({ "sub": "another" })).await;
    let other = people::signed_in(&it.scene.app, &headers_of(&other), clock::now()).await.unwrap();
    assert!(
        other.account.subject != who.account.subject && other.account.username.starts_with("one+ana-"),
        "{other:?}"
    );
    // The same subject of another provider is nobody's either.
    let mut browser = it.scene.browser();
    let sent = it.send(&mut browser, "/sign-in", "two").await;
    it.two.says().claims = it.claims(&it.two, "us", &sent);
    it.two.says().userinfo = json!({ "sub": "248289761001" });
    let state = sent.parameter("state").unwrap();
    let fields = [("code", "c"), ("state", state.as_str()), ("iss", &it.two.issuer)];
    browser.get(&with_parameters("/sign-in/with/two/back", &fields)).await;
    let two = people::signed_in(&it.scene.app, &headers_of(&browser), clock::now()).await.unwrap();
    assert_eq!(two.account.username, "two+ana");
    assert!(it.two.says().asked[0].1.contains("client_id=us"), "a public client names itself");
    assert_eq!(
        it.one.says().asked[0].0,
        format!("Basic {}", base64::encode(b"bartizan%20at%20one:a%20secret%3A%20of%20ours"))
    );
    set_disabled(&it.scene.app, "one+ana", true, "a test", clock::now()).await.unwrap();
    let mut browser = it.scene.browser();
    let said = it.come(&mut browser, json!({})).await;
    is_refused(&said, &browser, "disabled");
}

fn headers_of(browser: &Browser<'_>) -> HeaderMap {
    let jar: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    HeaderMap::from_iter([(COOKIE, jar.join("; ").parse().unwrap())])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_connected_by_who_is_signed_in_and_by_nobody_else() {
    let it = Brokered::new("idle: 1h", "").await;
    let mut stranger = it.scene.browser();
    let said = it.come(&mut stranger, json!({})).await;
    is_refused(&said, &stranger, "nobody is connected, and nobody is made");
    assert!(said.text.contains("No account here is connected with yours at One &amp; Only."), "{said:?}");
    let (subject, mut ana) = it.scene.signed_in("ana").await;
    let connect = async |browser: &mut Browser<'_>| {
        let page = browser.get("/account").await;
        let form = it.form(&page, "/account/elsewhere", "one");
        browser.form("/account/elsewhere", &form, &[("provider", "one")]).await
    };
    // She has to sign in there now, and not be somebody who is signed in there.
    let (now, sent) = (clock::now().as_secs(), connect(&mut ana).await);
    assert_eq!((sent.parameter("prompt").as_deref(), sent.parameter("max_age").as_deref()), (Some("login"), Some("0")));
    let said = it.answer(&mut ana, &sent, json!({ "auth_time": now - 600 })).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN, "{said:?}");
    // Somebody else's browser cannot end what hers began, nor hers what another person began in it.
    let (sent, (_, mut bob)) = (connect(&mut ana).await, it.scene.signed_in("bob").await);
    bob.cookies.insert("__Host-elsewhere".to_owned(), ana.cookies["__Host-elsewhere"].clone());
    let said = it.answer(&mut bob, &sent, json!({ "auth_time": now })).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN, "{said:?}");
    let sent = connect(&mut ana).await;
    let said = it.answer(&mut ana, &sent, json!({ "auth_time": now })).await;
    assert_eq!(said.to(), "/account", "{said:?}");
    let mut phone = it.scene.browser();
    let said = it.come(&mut phone, json!({ "auth_time": now - 500, "email_verified": false })).await;
    assert_eq!(said.to(), "/account", "{said:?}");
    let who = people::signed_in(&it.scene.app, &headers_of(&phone), clock::now()).await.unwrap();
    assert_eq!((&who.account.subject, who.account.display_name.as_str()), (&subject, "Ana Horvat"));
    assert_eq!((who.auth_time.as_secs(), who.account.email_verified), (now - 500, true), "as operators say");
    // What is connected is nobody else's.
    let sent = connect(&mut bob).await;
    let said = it.answer(&mut bob, &sent, json!({ "auth_time": now })).await;
    assert!(said.status == StatusCode::FORBIDDEN && said.text.contains("is connected already"), "{said:?}");
    let page = ana.get("/account").await;
    let form = page.text.split("<form").find(|form| form.contains("/account/elsewhere/remove")).unwrap().to_owned();
    let form = Said { text: form, ..page };
    let (issuer, theirs) = (form.field("issuer"), form.field("subject"));
    let said = ana.form("/account/elsewhere/remove", &form, &[("issuer", &issuer), ("subject", &theirs)]).await;
    assert_eq!(said.to(), "/account", "{said:?}");
    assert!(people::signed_in(&it.scene.app, &headers_of(&phone), clock::now()).await.is_none(), "other sessions end");
    let mut browser = it.scene.browser();
    let said = it.come(&mut browser, json!({})).await;
    is_refused(&said, &browser, "taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_unless_the_fleet_file_trusts_theirs() {
    let it = Brokered::new("second_factor: required", ", create: anybody, two_factors: [mfa]").await;
    let mut browser = it.scene.browser();
    let said = it.come(&mut browser, json!({ "amr": ["pwd"], "acr": "gold" })).await;
    assert_eq!(said.to(), "/second-factor", "{said:?}");
    assert!(!is_signed_in(&browser));
    assert!(browser.get("/second-factor").await.text.contains("Set up codes"));
    let said = it.come(&mut browser, json!({ "amr": ["pwd", "mfa"] })).await;
    assert_eq!(said.to(), "/account", "{said:?}");
    let who = people::signed_in(&it.scene.app, &headers_of(&browser), clock::now()).await.unwrap();
    assert_eq!((who.amr.join(" ").as_str(), who.acr), ("fed pwd mfa", "aal2"));
    // An app that wants somebody to sign in now is not content with a session that the provider had already.
    let mut fresh = it.scene.browser();
    let asked = fresh.get(&authorize("house", &[("prompt", "login")])).await;
    let sent = it.send(&mut fresh, asked.to(), "one").await;
    assert_eq!(sent.parameter("prompt").as_deref(), Some("login"), "{sent:?}");
    let said = it.answer(&mut fresh, &sent, json!({ "amr": ["mfa"] })).await;
    assert!(said.status == StatusCode::FORBIDDEN && said.text.contains("does not say when"), "{said:?}");
    let sent = it.send(&mut fresh, asked.to(), "one").await;
    let said = it.answer(&mut fresh, &sent, json!({ "amr": ["mfa"], "auth_time": clock::now().as_secs() })).await;
    let said = fresh.follow(said).await;
    assert!(said.parameter("code").is_some(), "back at the app, once: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_provider_is_away_everything_else_goes_on() {
    let it = Brokered::new("idle: 1h", ", create: anybody").await;
    let mut before = it.scene.browser();
    it.come(&mut before, json!({})).await;
    assert!(is_signed_in(&before));
    it.scene.add("ana").await;
    // Slow: whoever waits for it waits for a bounded time, and nobody else does.
    let mut waiting = it.scene.browser();
    let sent = it.send(&mut waiting, "/sign-in", "one").await;
    it.one.says().slow = Duration::from_secs(120);
    let begun = std::time::Instant::now();
    let address = it.back(&sent, "c");
    let (said, page) = tokio::join!(waiting.get(&address), async {
        let mut ana = it.scene.browser();
        let page = ana.get("/sign-in").await;
        let said = ana.sign_in(&page, "ana").await;
        (said, begun.elapsed())
    });
    is_refused(&said, &waiting, "slow");
    assert!(said.text.contains("One &amp; Only cannot be asked now."), "{said:?}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(page.0.to() == "/account" && page.1 < begun.elapsed(), "{page:?}");
    // Away.
    it.one.stop.cancel();
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(it.one.issuer.trim_start_matches("https://")).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut browser = it.scene.browser();
    let sent = it.send(&mut browser, "/sign-in", "one").await;
    let said = browser.get(&it.back(&sent, "c")).await;
    is_refused(&said, &browser, "away");
    let page = Said { ..said };
    let said = browser.sign_in(&page, "ana").await;
    assert_eq!(said.to(), "/account", "by the very page that says so");
    let who = people::signed_in(&it.scene.app, &headers_of(&before), clock::now()).await;
    assert_eq!(who.unwrap().account.username, "one+ana", "who is signed in stays so");
}
