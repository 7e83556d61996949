//! Users: their tokens at the gateway, and what becomes of them on the way from guard to guard.

use crate::client::{get, header, mtls, plain, status, talk, tls};
use crate::ledger::deny;
use crate::programs;
use crate::world::{Guard, World, free_addr, name, policies};
use bartizan_core::event::What;
use bartizan_core::fleet::{Auth, GatewayRoute, Protocol};
use bartizan_core::narrow::Narrow;
use bartizan_core::path::PathPattern;
use bartizan_core::snapshot::{GatewaySide, Inbound, JwtKey, Peer};
use bartizan_core::user::{TokenIssuer, Users};
use bartizan_core::{SpiffeId, Timestamp};
use bartizan_crypto::jose::compact::sign_with_jwk;
use bartizan_crypto::jose::{Jwk, json};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{base64, random};
use bartizan_proxy::users::{EdgeUsers, Minting, TXN_DELEGATION, TXN_TOKEN};
use bartizan_runtime::clock;
use bartizan_tokens::mint::{Access, access};
use bartizan_tokens::{Issuers, Scopes, authority_name, authority_of, txn};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The certificate that the gateway showed when it was delegated to.
const SERIAL: &str = "0badcafe";
const KEY: &str = "abababababababababababababababababababababababababababababababab";
const ISSUER: &str = "https://login.test";
const AUDIENCE: &str = "https://api.test";
pub const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// A rule that no service checks itself.
const OWN: &str = r#"
@reason("for readers of accounts")
forbid (principal, action, resource in Service::"api")
unless { context has user && context.user.scopes.contains("accounts:read") && context.user.roles.contains("customer") };
"#;

/// A trust domain with an authority for delegations, and a login outside of it.
pub struct Scene {
    pub world: World,
    login: TokenKey,
    authority_key: TokenKey,
    authority: Arc<Issuers>,
}

impl Scene {
    pub fn new() -> Self {
        let world = World::new();
        let (login, authority_key) = (TokenKey::generate().unwrap(), TokenKey::generate().unwrap());
        let key = JwtKey { kid: "k".to_owned(), spki: base64::encode(authority_key.public_spki()) };
        let authority = Arc::new(authority_of(&world.domain, &[key], 1).unwrap());
        Self { world, login, authority_key, authority }
    }

    fn users(&self) -> Users {
        let key = serde_json::Value::Object(self.login.public_jwk().to_json());
        let issuer = TokenIssuer {
            issuer: ISSUER.to_owned(),
            algorithms: vec!["ES256".to_owned()],
            roles: "realm_access.roles".to_owned(),
            tenant: "tenant".to_owned(),
            bound: false,
            claims: Default::default(),
            keys: "login.jwks".to_owned(),
            roots: None,
            jwks: serde_json::json!({ "keys": [key] }).to_string(),
        };
        Users { audience: AUDIENCE.to_owned(), issuers: vec![issuer], revoked: Vec::new() }
    }

    /// A token of the login, changed.
    pub fn token(&self, subject: &str, change: impl FnOnce(&mut Access)) -> String {
        let mut said = Access::new(subject, "app", AUDIENCE);
        said.scopes = Scopes::parse("accounts:read").unwrap();
        said.more.insert("realm_access".to_owned(), serde_json::json!({ "roles": ["customer"] }));
        change(&mut said);
        access(&self.login, ISSUER, &said, random::bytes(), clock::now()).unwrap()
    }

    fn delegation(&self, by: &TokenKey, to: &SpiffeId, jwk: &str, now: Timestamp) -> String {
        let jwk = Jwk::parse(&json::object(jwk.as_bytes()).unwrap()).unwrap();
        let name = authority_name(&self.world.domain);
        let shown = txn::Certificate { serial: SERIAL.to_owned(), key: KEY.to_owned() };
        txn::delegate((by, &name), &self.world.domain, (to, &jwk), Some(&shown), Duration::from_secs(600), now).unwrap()
    }

    fn minting(&self, by: &TokenKey, to: &SpiffeId) -> Minting {
        let (key, jwk) = Minting::key().unwrap();
        let now = clock::now();
        Minting::new(key, self.delegation(by, to, &jwk, now), now.plus(Duration::from_secs(600)))
    }

    /// Gives a guard what bundles and directory would.
    pub fn tell(&self, guard: &Guard) {
        guard.proxy.change(|live| live.authority = Some(Arc::clone(&self.authority)));
    }

    pub async fn gateway(&self, to: &Guard, scopes: &[&str]) -> Guard {
        let service = to.proxy.name.clone();
        let mut directory = self.world.directory("gateway");
        let route = |path: &str, auth, scopes: &[&str]| GatewayRoute {
            auth,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            ..GatewayRoute::new(PathPattern::parse(path).unwrap(), service.clone())
        };
        let routes = vec![route("/private/**", Auth::User, scopes), route("/open/**", Auth::None, &[])];
        directory.own.gateway =
            Some(GatewaySide { users: Some(self.users()), ..GatewaySide::new(free_addr(), routes) });
        directory.peers.insert(service.clone(), to.as_peer(Protocol::Http));
        let guard = Guard::start(&self.world, directory, &policies("")).await;
        self.tell(&guard);
        let minting = self.minting(&self.authority_key, &guard.proxy.id);
        let users = EdgeUsers::new(&self.users(), 1).unwrap();
        guard.proxy.change(|live| {
            live.users = Some(Arc::new(users));
            live.minting = Some(Arc::new(minting));
        });
        guard
    }

    async fn api(&self) -> Guard {
        let api = self.world.sidecar_with("api", programs::http().await, Protocol::Http, OWN).await;
        self.tell(&api);
        api
    }

    /// `web`, whose program calls `api` in the trace that it is called in, where the path says so, and passes the answer on.
    async fn web(&self, api: &Guard) -> Guard {
        let out = free_addr();
        self.web_of(api, out, calls_on(out).await, None).await
    }

    /// `web` with that program, which finds `api` at `out`, and with what is left of tokens on that edge.
    async fn web_of(&self, api: &Guard, out: SocketAddr, program: SocketAddr, narrow: Option<Narrow>) -> Guard {
        let mesh = free_addr();
        let mut directory = self.world.directory("web");
        directory.own.inbound = Some(Inbound {
            mesh,
            program,
            protocol: Protocol::Http,
            routes: Vec::new(),
            callers: Default::default(),
            ext_authz: None,
            mtls: Default::default(),
            limits: Vec::new(),
            slow_down: None,
            api: None,
        });
        directory.own.outbound.insert(name("api"), out);
        directory.peers.insert(name("api"), Peer { narrow, ..api.as_peer(Protocol::Http) });
        let guard = Guard::start(&self.world, directory, &policies("")).await;
        self.tell(&guard);
        guard
    }
}

/// A program that knows nothing of users: it hands `traceparent` on, as tracing libraries do.
async fn calls_on(to: SocketAddr) -> SocketAddr {
    programs::custom(move |mut stream| async move {
        let mut head = vec![0; 8192];
        let n = stream.read(&mut head).await.unwrap();
        let head = String::from_utf8_lossy(&head[..n]).into_owned();
        let trace = header(&head, "traceparent").unwrap_or_default().to_owned();
        let traced = if head.contains("/untraced") { String::new() } else { format!("traceparent: {trace}\r\n") };
        let ask = format!("GET /accounts/1 HTTP/1.1\r\nhost: api\r\n{traced}connection: close\r\n\r\n");
        let answer = talk(plain(to).await, ask).await;
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

fn with(path: &str, fields: &[(&str, &str)]) -> String {
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    get(path).replace("connection:", &format!("{lines}connection:"))
}

async fn ask(gateway: &Guard, path: &str, fields: &[(&str, &str)]) -> String {
    talk(tls(gateway.edge(), None, &["http/1.1"]).await.unwrap(), with(path, fields)).await
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn what_is_no_good_token_is_refused_with_one_word_and_the_operator_learns_why() {
    let scene = Scene::new();
    let web = scene.world.sidecar("web", programs::http().await, Protocol::Http).await;
    let gateway = scene.gateway(&web, &["accounts:read"]).await;
    let stranger = TokenKey::generate().unwrap();
    let said = Access::new("alice", "app", AUDIENCE);
    let forged = access(&stranger, ISSUER, &said, random::bytes(), clock::now()).unwrap();
    let elsewhere = access(&scene.login, "https://evil.test", &said, random::bytes(), clock::now()).unwrap();
    let long_ago = Timestamp::from_secs(clock::now().as_secs() - 4000);
    let old = access(&scene.login, ISSUER, &said, random::bytes(), long_ago).unwrap();
    let for_others = scene.token("alice", |said| said.audiences = vec!["https://other.test".to_owned()]);
    let weak = scene.token("alice", |said| said.scopes = Scopes::parse("accounts:list").unwrap());
    let none = base64::encode_url(br#"{"alg":"none","typ":"at+jwt"}"#);
    let unsigned = format!("{none}.{}.", scene.token("alice", |_| {}).split('.').nth(1).unwrap());
    for (token, expected, challenge, why) in [
        (forged.as_str(), 401, "invalid_token", "has no key"),
        (&elsewhere, 401, "invalid_token", "is none of those"),
        (&old, 401, "invalid_token", "ran out"),
        (&for_others, 401, "invalid_token", "not for `https://api.test`"),
        (&unsigned, 401, "invalid_token", "not a readable token"),
        ("x", 401, "invalid_token", "not a readable token"),
        (&weak, 403, "insufficient_scope", "no scope `accounts:read`"),
    ] {
        let response = ask(&gateway, "/private/a", &[("authorization", &bearer(token))]).await;
        assert_eq!(status(&response), expected, "{why}: {response}");
        let told = header(&response, "www-authenticate").unwrap();
        assert!(told.starts_with("Bearer ") && told.contains(challenge), "{told}");
        assert!(!response.contains(why), "the caller does not learn the check: {response}");
        let id = header(&response, "x-request-id").unwrap().to_owned();
        let reason = gateway.event(|event| match &event.what {
            What::Request(r) if event.request.is_some_and(|it| it.to_string() == id) => {
                r.decision.as_ref().and_then(|d| d.reason.clone())
            }
            _ => None,
        });
        let reason = reason.await;
        assert!(reason.contains(why), "{reason}");
    }
    let good = bearer(&scene.token("alice", |_| {}));
    for fields in [
        &[][..],
        &[("authorization", "Bearer ")],
        &[("authorization", "Basic YTpi")],
        &[("authorization", &good), ("authorization", &good)],
    ] {
        let response = ask(&gateway, "/private/a", fields).await;
        let told = header(&response, "www-authenticate").unwrap_or_default();
        assert_eq!(status(&response), 401, "{response}");
        assert_eq!(told, "Bearer, DPoP algs=\"ES256 ES384 EdDSA RS256 PS256\"");
    }
    let counted = bartizan_proxy::counters::sum(&gateway.proxy.counters(), &gateway.proxy.events);
    let outside = counted.inbound[""];
    assert_eq!((outside.calls, outside.unauthenticated), (11, 10), "each that was answered 401");
}

/// A proof that whoever has `key` makes for one request with `token`, changed.
fn proof(
    key: &TokenKey,
    token: &str,
    (method, uri): (&str, &str),
    change: impl FnOnce(&mut serde_json::Value),
) -> String {
    let ath = base64::encode_url(&bartizan_crypto::hash::sha256(token.as_bytes()));
    let jti = base64::encode_url(&random::bytes::<16>());
    let iat = clock::now().as_secs();
    let mut claims = serde_json::json!({ "jti": jti, "htm": method, "htu": uri, "iat": iat, "ath": ath });
    change(&mut claims);
    sign_with_jwk(key, "dpop+jwt", &claims).unwrap()
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_needs_a_new_proof_each_time() {
    let scene = Scene::new();
    let web = scene.world.sidecar("web", programs::http().await, Protocol::Http).await;
    scene.tell(&web);
    let gateway = scene.gateway(&web, &["accounts:read"]).await;
    let (key, other) = (TokenKey::generate().unwrap(), TokenKey::generate().unwrap());
    let bound = scene.token("alice", |said| said.binding.key = Some(key.public_jwk().thumbprint()));
    let unbound = scene.token("alice", |_| {});
    let uri = "https://api.test/private/a";
    let here = ("GET", uri);
    let shown = |token: &str| format!("DPoP {token}");
    let used = proof(&key, &bound, here, |_| {});
    let first = [("authorization", &*shown(&bound)), ("dpop", &*used)].map(|(n, v)| (n, v.to_owned()));
    let first = first.each_ref().map(|(name, value)| (*name, value.as_str()));
    let response = ask(&gateway, "/private/a?x=1", &first).await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(!response.contains("dpop:") && !response.contains("authorization:") && response.contains("txn-token"));

    for (token, proof, error, why) in [
        (shown(&bound), used.clone(), "invalid_dpop_proof", "was shown before"),
        (
            bearer(&bound),
            proof(&key, &bound, here, |_| {}),
            "invalid_token",
            "to a key, and the request holds no proof",
        ),
        (shown(&bound), proof(&other, &bound, here, |_| {}), "invalid_token", "another key"),
        (shown(&unbound), proof(&key, &unbound, here, |_| {}), "invalid_token", "to nothing, though a proof"),
        (shown(&bound), proof(&key, &unbound, here, |_| {}), "invalid_dpop_proof", "another access token"),
        (shown(&bound), proof(&key, &bound, ("POST", uri), |_| {}), "invalid_dpop_proof", "method"),
        (
            shown(&bound),
            proof(&key, &bound, ("GET", "https://evil.test/private/a"), |_| {}),
            "invalid_dpop_proof",
            "is for",
        ),
        (
            shown(&bound),
            proof(&key, &bound, ("GET", "https://api.test/private/b"), |_| {}),
            "invalid_dpop_proof",
            "is for",
        ),
        (shown(&bound), proof(&key, &bound, here, |it| it["iat"] = 1.into()), "invalid_dpop_proof", "s ago"),
        (shown(&bound), "x".to_owned(), "invalid_dpop_proof", "not a readable proof"),
    ] {
        let response = ask(&gateway, "/private/a", &[("authorization", &token), ("dpop", &proof)]).await;
        assert_eq!(status(&response), 401, "{why}: {response}");
        let told = header(&response, "www-authenticate").unwrap();
        assert!(told.contains(&format!("error=\"{error}\"")), "{why}: {told}");
        assert!(!told.contains(why) || error == "invalid_token", "{told}");
        let id = header(&response, "x-request-id").unwrap().to_owned();
        let reason = gateway.event(|event| match &event.what {
            What::Request(r) if event.request.is_some_and(|it| it.to_string() == id) => {
                r.decision.as_ref().and_then(|d| d.reason.clone())
            }
            _ => None,
        });
        let reason = reason.await;
        assert!(reason.contains(why), "{why}: {reason}");
    }
    let (one, two) = (proof(&key, &bound, here, |_| {}), proof(&key, &bound, here, |_| {}));
    for fields in [
        &[("authorization", &*shown(&bound))][..],
        &[("authorization", &shown(&bound)), ("dpop", &one), ("dpop", &two)],
    ] {
        let response = ask(&gateway, "/private/a", fields).await;
        assert!(status(&response) == 401 && response.contains("token_missing"), "{response}");
    }
}

#[tokio::test]
async fn a_good_token_stays_at_the_edge_and_the_program_gets_one_of_a_minute() {
    let scene = Scene::new();
    let web = scene.world.sidecar("web", programs::http().await, Protocol::Http).await;
    scene.tell(&web);
    let gateway = scene.gateway(&web, &["accounts:read"]).await;
    let token = scene.token("alice", |_| {});
    for _ in 0..2 {
        let fields = [("authorization", bearer(&token)), (TXN_TOKEN, "forged".to_owned())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let response = ask(&gateway, "/private/a", &fields).await;
        assert_eq!(status(&response), 200, "{response}");
        let shown = response.lines().find_map(|line| line.strip_prefix("txn-token: ")).unwrap();
        assert!(shown.split('.').count() == 3 && shown != "forged", "{shown}");
        assert!(!response.contains("authorization:") && !response.contains(&token), "{response}");
    }
    let user = web.event(|event| match &event.what {
        What::Request(r) => r.user.clone(),
        _ => None,
    });
    assert_eq!(&*user.await, "alice of https://login.test");

    // Where everybody may come in, nobody is somebody by a header of ours.
    let response = ask(&gateway, "/open/a", &[(TXN_TOKEN, "forged"), (TXN_DELEGATION, "forged")]).await;
    assert!(status(&response) == 200 && !response.contains("txn-"), "{response}");

    // Without a delegation nobody is let in under somebody's name.
    gateway.proxy.change(|live| live.minting = None);
    assert_eq!(status(&ask(&gateway, "/private/a", &[("authorization", &bearer(&token))]).await), 503);
}

#[tokio::test]
async fn the_user_travels_with_the_trace_through_a_program_that_knows_nothing_of_it() {
    let scene = Scene::new();
    let api = scene.api().await;
    let web = scene.web(&api).await;
    let gateway = scene.gateway(&web, &[]).await;
    let as_user = |change: fn(&mut Access)| bearer(&scene.token("alice", change));
    let inner = async |path: &str, token: &str| {
        let response = ask(&gateway, path, &[("authorization", token)]).await;
        assert_eq!(status(&response), 200, "{response}");
        status(response.split("\r\n\r\n").nth(1).unwrap())
    };
    assert_eq!(inner("/private/a", &as_user(|_| {})).await, 200);
    assert_eq!(inner("/private/untraced", &as_user(|_| {})).await, 403, "a call out of nowhere is for nobody");
    let weak = as_user(|said| said.scopes = Scopes::parse("accounts:list").unwrap());
    assert_eq!(inner("/private/a", &weak).await, 403, "the service may call, the user may not");
    let other_role = as_user(|said| drop(said.more.remove("realm_access")));
    assert_eq!(inner("/private/a", &other_role).await, 403);
    let open = ask(&gateway, "/open/a", &[]).await;
    assert_eq!(status(open.split("\r\n\r\n").nth(1).unwrap()), 403, "nobody showed a token: {open}");

    let seen = api.event(|event| match &event.what {
        What::Request(r) if r.status == 200 => Some((r.user.clone(), r.peer.clone())),
        _ => None,
    });
    let (user, peer) = seen.await;
    assert_eq!(user.as_deref(), Some("alice of https://login.test"), "on whose behalf, at the last hop");
    assert_eq!(peer.unwrap(), scene.world.id("web"));
}

#[tokio::test]
async fn two_users_in_one_trace_are_nobody() {
    let scene = Scene::new();
    let api = scene.api().await;
    let web = scene.web(&api).await;
    let gateway = scene.gateway(&web, &[]).await;
    let inner = async |user: &str| {
        let token = bearer(&scene.token(user, |_| {}));
        let response = ask(&gateway, "/private/a", &[("authorization", &token), ("traceparent", TRACE)]).await;
        status(response.split("\r\n\r\n").nth(1).unwrap())
    };
    assert_eq!(inner("alice").await, 200);
    assert_eq!(inner("mallory").await, 403, "who names another's trace is not taken for them, nor they for him");
}

#[tokio::test]
async fn a_transaction_token_counts_only_by_the_authority_and_over_mutual_tls() {
    let scene = Scene::new();
    let api = scene.api().await;
    let gateway_id = scene.world.id("gateway");
    let user = bartizan_core::user::User {
        issuer: ISSUER.to_owned(),
        subject: "alice".to_owned(),
        client: "app".to_owned(),
        scopes: vec!["accounts:read".to_owned()],
        roles: vec!["customer".to_owned()],
        ..Default::default()
    };
    let request = bartizan_core::RequestId::from_random([9; 16]);
    let send = async |minting: &Minting, mangle: fn(String) -> String| {
        let at = (&gateway_id, &scene.world.domain);
        let token = mangle(minting.mint(&user, request, at, clock::now()).unwrap());
        let fields = [(TXN_TOKEN, token.as_str()), (TXN_DELEGATION, minting.delegation())];
        status(&talk(mtls(&scene.world, api.mesh(), "web").await, with("/x", &fields)).await)
    };
    let good = scene.minting(&scene.authority_key, &gateway_id);
    assert_eq!(send(&good, |token| token).await, 200);
    assert_eq!(send(&good, |token| token).await, 200, "known by now");
    assert_eq!(send(&good, |token| token.replacen("ey", "eY", 1)).await, 401);
    assert_eq!(send(&good, |token| format!("{token}~x")).await, 401);
    let own_authority = scene.minting(&TokenKey::generate().unwrap(), &gateway_id);
    assert_eq!(send(&own_authority, |token| token).await, 401, "anybody can sign a delegation");
    let stolen = Minting::new(Minting::key().unwrap().0, good.delegation().to_owned(), good.until);
    assert_eq!(send(&stolen, |token| token).await, 401, "another key than the one it is for");

    for by in [format!("id:{gateway_id}"), format!("serial:{SERIAL}"), format!("key:{KEY}")] {
        deny(&api, std::slice::from_ref(&by));
        let denied = send(&good, |token| token).await;
        assert_eq!(denied, 401, "{by}: what a gateway minted that is not trusted any more, known or not");
    }
    deny(&api, &[format!("key:{}", "c".repeat(64)), "serial:0c".to_owned()]);
    assert_eq!(send(&good, |token| token).await, 200, "another certificate");
    api.proxy.change(|live| live.denied = None);
    assert_eq!(send(&good, |token| token).await, 200);

    let token = good.mint(&user, request, (&gateway_id, &scene.world.domain), clock::now()).unwrap();
    for fields in [
        &[(TXN_TOKEN, token.as_str())][..],
        &[(TXN_TOKEN, &token), (TXN_TOKEN, &token), (TXN_DELEGATION, good.delegation())],
        &[(TXN_TOKEN, &token), (TXN_DELEGATION, "x")],
    ] {
        let response = talk(mtls(&scene.world, api.mesh(), "web").await, with("/x", fields)).await;
        assert_eq!(status(&response), 401, "{response}");
    }
}

/// A program that sends `fields` with its call, besides the trace; with `{token}` it shows what it got under another trace.
async fn calls_with(to: SocketAddr, fields: &'static str) -> SocketAddr {
    programs::custom(move |mut stream| async move {
        let mut head = vec![0; 16 << 10];
        let n = stream.read(&mut head).await.unwrap();
        let head = String::from_utf8_lossy(&head[..n]).into_owned();
        let its = |name: &str| format!("{name}: {}\r\n", header(&head, name).unwrap_or_default());
        let fields = match fields {
            "{token}" => its(TXN_TOKEN) + &its(TXN_DELEGATION),
            fields if head.contains("/untraced") => fields.to_owned(),
            fields => its("traceparent") + fields,
        };
        let ask = format!("GET /accounts/1 HTTP/1.1\r\nhost: api\r\n{fields}connection: close\r\n\r\n");
        let answer = talk(plain(to).await, ask).await;
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

/// What `api` said to `web`.
fn inner(response: &str) -> &str {
    response.split_once("\r\n\r\n").unwrap().1
}

/// The answer of `api` to a call by a program that sends `fields`, over an edge that leaves `narrow`; and the guard of `web`.
async fn narrowed(
    scene: &Scene,
    api: &Guard,
    path: &str,
    fields: &'static str,
    narrow: Option<Narrow>,
) -> (String, Guard) {
    let out = free_addr();
    let web = scene.web_of(api, out, calls_with(out, fields).await, narrow).await;
    let gateway = scene.gateway(&web, &[]).await;
    let both = |said: &mut Access| said.scopes = Scopes::parse("accounts:read pay").unwrap();
    let token = bearer(&scene.token("alice", both));
    let response = ask(&gateway, path, &[("authorization", &token), ("traceparent", TRACE)]).await;
    assert_eq!(status(&response), 200, "{response}");
    (inner(&response).to_owned(), web)
}

fn left(scopes: &[&str]) -> Option<Narrow> {
    Some(Narrow { scopes: Some(scopes.iter().map(|it| (*it).to_owned()).collect()), life_s: None })
}

/// Lets in who may read, and nobody who could pay as well.
const NOT_PAY: &str = r#"
@reason("with less than that")
forbid (principal, action, resource in Service::"api")
unless { context has user && context.user.scopes.contains("accounts:read") && !context.user.scopes.contains("pay") };
"#;

#[tokio::test]
async fn an_edge_hands_on_no_more_than_it_leaves_of_a_token_whatever_the_program_does() {
    let scene = Scene::new();
    let api = scene.world.sidecar_with("api", programs::http().await, Protocol::Http, NOT_PAY).await;
    scene.tell(&api);
    for (fields, narrow, expected, why) in [
        ("", None, 403, "all of it is handed on"),
        ("", left(&["accounts:read", "never:given"]), 200, "less than that is"),
        ("", left(&[]), 403, "nothing is left"),
        ("", Some(Narrow { scopes: None, life_s: Some(5) }), 403, "a nearer end takes no scope away"),
        ("{token}", None, 403, "the program shows the token that it got, all of it"),
        ("{token}", left(&["accounts:read"]), 200, "which is held to the same as what is handed on"),
        ("{token}", left(&[]), 403, "which is held to the same as what is handed on"),
    ] {
        let (response, _web) = narrowed(&scene, &api, "/private/a", fields, narrow).await;
        assert_eq!(status(&response), expected, "{why}: {response}");
    }
}

#[tokio::test]
async fn a_program_asks_for_one_call_with_less_and_never_gets_more() {
    let scene = Scene::new();
    let api = scene.world.sidecar_with("api", programs::http().await, Protocol::Http, NOT_PAY).await;
    scene.tell(&api);
    for (fields, path, expected) in [
        ("x-bartizan-narrow: accounts:read\r\n", "/private/a", 200),
        ("x-bartizan-narrow:\r\n", "/private/a", 403),
        ("x-bartizan-narrow: accounts:read pay\r\n", "/private/a", 403),
    ] {
        let (response, _web) = narrowed(&scene, &api, path, fields, None).await;
        assert_eq!(status(&response), expected, "{fields}: {response}");
        assert!(!response.contains("narrowing_"), "the callee judged it: {response}");
        assert!(!response.contains("x-bartizan-narrow"), "it goes no further: {response}");
    }
    for (fields, path, narrow, expected, word, why) in [
        ("x-bartizan-narrow: admin\r\n", "/private/a", None, 403, "narrowing_refused", "asks for `admin`"),
        (
            "x-bartizan-narrow: accounts:read pay\r\n",
            "/private/a",
            left(&["accounts:read"]),
            403,
            "narrowing_refused",
            "asks for `pay`",
        ),
        ("x-bartizan-narrow: accounts:read\r\n", "/private/untraced", None, 403, "narrowing_refused", "for no user"),
        ("x-bartizan-narrow: a  b\r\n", "/private/a", None, 400, "narrowing_unreadable", "one blank"),
        ("x_bartizan_narrow: accounts:read\r\n", "/private/a", None, 400, "narrowing_unreadable", "spelt with"),
        ("x-bartizan_narrow:\r\n", "/private/untraced", None, 400, "narrowing_unreadable", "spelt with"),
        (
            "x-bartizan-narrow: a\r\nx-bartizan-narrow: b\r\n",
            "/private/a",
            None,
            400,
            "narrowing_unreadable",
            "more than once",
        ),
    ] {
        let (response, web) = narrowed(&scene, &api, path, fields, narrow).await;
        assert_eq!(status(&response), expected, "{fields}: {response}");
        assert!(response.contains(word) && !response.contains(why), "{response}");
        let id = header(&response, "x-request-id").unwrap().to_owned();
        let reason = web.event(|event| match &event.what {
            What::Request(r) if event.request.is_some_and(|it| it.to_string() == id) => {
                r.decision.as_ref().and_then(|d| d.reason.clone())
            }
            _ => None,
        });
        let reason = reason.await;
        assert!(reason.contains(why), "{why}: {reason}");
    }
}
