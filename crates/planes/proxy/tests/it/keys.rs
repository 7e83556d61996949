//! Keys of programs: who is let in by one, and as whom.

use crate::client::{get, header, status, talk, tls};
use crate::programs;
use crate::users::{Scene, TRACE};
use crate::world::{Guard, name};
use bartizan_core::api_key::ApiKey;
use bartizan_core::event::What;
use bartizan_core::fleet::{Auth, Protocol};
use bartizan_core::limit::{Limit, Measure, Per};
use bartizan_crypto::hash;
use bartizan_runtime::clock;
use bartizan_tokens::api_key;
use std::time::Duration;

fn kept(key: &str, called: &str, scopes: &[&str]) -> ApiKey {
    ApiKey {
        name: name(called),
        hash: hash::hex(&hash::sha256(key.as_bytes())),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        tenant: Some("acme".to_owned()),
        created: clock::now(),
        expires: None,
    }
}

/// A gateway whose route `/private/**` takes keys, or these and tokens, of those that have `accounts:read`.
async fn edge(auth: Auth, keys: Vec<ApiKey>) -> (Scene, Guard, Guard) {
    let scene = Scene::new();
    let api = scene.world.sidecar("api", programs::http().await, Protocol::Http).await;
    scene.tell(&api);
    let mut gateway = scene.gateway(&api, &["accounts:read"]).await;
    gateway.redirect(|directory| {
        let it = directory.own.gateway.as_mut().unwrap();
        it.routes[0].auth = auth;
        it.keys = keys;
    });
    (scene, api, gateway)
}

async fn ask(gateway: &Guard, lines: &[String]) -> String {
    let more: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let request = get("/private/a").replace("connection:", &format!("traceparent: {TRACE}\r\n{more}connection:"));
    talk(tls(gateway.edge(), None, &["http/1.1"]).await.unwrap(), request).await
}

fn bearer(key: &str) -> String {
    format!("authorization: Bearer {key}")
}

fn plain(key: &str) -> String {
    format!("X-Api-Key: {key}")
}

async fn why(gateway: &Guard, part: &str) {
    gateway
        .event(|e| match &e.what {
            What::Request(r) => {
                let said = r.decision.as_ref().and_then(|decision| decision.reason.clone());
                said.filter(|reason| reason.contains(part)).map(|_| ())
            }
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn who_shows_no_good_key_is_told_one_word_and_the_operator_why() {
    let [good, gone, weak, never] = [1_u8, 2, 3, 4].map(|n| api_key::make([n; 32]));
    let over = ApiKey { expires: Some(clock::now()), ..kept(&gone, "gone", &["accounts:read"]) };
    let keys = vec![kept(&good, "report", &["accounts:read"]), over, kept(&weak, "weak", &["accounts:list"])];
    let (scene, _api, gateway) = edge(Auth::Key, keys).await;
    let token = scene.token("alice", |_| {});
    for (lines, wanted, word, reason) in [
        (vec![], 401, "key_missing", ""),
        (vec![bearer(&token)], 401, "key_missing", ""),
        (vec![plain("")], 401, "key_refused", "form or checksum"),
        (vec![plain(&good[..75])], 401, "key_refused", "form or checksum"),
        (vec![plain(&never)], 401, "key_refused", "never made here"),
        (vec![bearer(&gone)], 401, "key_refused", "`gone` has expired"),
        (vec![bearer(&good), plain(&good)], 401, "key_refused", "two keys"),
        (vec![plain(&good), plain(&good)], 401, "key_refused", "two keys"),
        (vec![plain(&good), bearer(&token)], 401, "key_refused", "something else"),
        (vec![plain(&weak)], 403, "scope_missing", "`weak` has no scope `accounts:read`"),
    ] {
        let response = ask(&gateway, &lines).await;
        assert!(status(&response) == wanted && response.contains(word), "{lines:?}: {response}");
        assert!(header(&response, "www-authenticate").is_some_and(|it| it.starts_with("Bearer")), "{response}");
        assert!(!response.contains("bzk_"), "{response}");
        if !reason.is_empty() {
            why(&gateway, reason).await;
        }
    }
}

#[tokio::test]
async fn a_key_counts_as_its_owner_at_every_hop_and_stays_at_the_edge() {
    let key = api_key::make([7; 32]);
    let (scene, api, mut gateway) = edge(Auth::UserOrKey, vec![kept(&key, "report", &["accounts:read"])]).await;
    for lines in [vec![bearer(&key)], vec![plain(&key)], vec![format!("authorization: bearer  {key}")]] {
        let response = ask(&gateway, &lines).await;
        assert!(status(&response) == 200 && !response.contains("bzk_"), "{response}");
    }
    for guard in [&gateway, &api] {
        let owner = guard.event(|e| match &e.what {
            What::Request(r) if r.status == 200 => r.user.clone(),
            _ => None,
        });
        assert_eq!(&*owner.await, "key:report of bartizan:keys");
    }
    let token = scene.token("alice", |_| {});
    assert_eq!(status(&ask(&gateway, &[bearer(&token)]).await), 200, "users come in as well");
    assert_eq!(status(&ask(&gateway, &[]).await), 401);

    let measure = Measure::Rate { count: 1, period_s: 3600, burst: 1 };
    let limit =
        Limit { name: "key-rate".into(), per: vec![Per::Key], measure, cost: Default::default(), shared: false };
    let second = api_key::make([8; 32]);
    let keys = vec![kept(&key, "report", &["accounts:read"]), kept(&second, "other", &["accounts:read"])];
    gateway.redirect(|directory| {
        let it = directory.own.gateway.as_mut().unwrap();
        (it.routes[0].limits, it.keys) = (vec![limit], keys);
    });
    for (key, wanted) in [(&key, 200), (&key, 429), (&second, 200), (&second, 429)] {
        assert_eq!(status(&ask(&gateway, &[plain(key)]).await), wanted, "a count for each key");
    }
    gateway.redirect(|directory| {
        let it = directory.own.gateway.as_mut().unwrap();
        (it.routes[0].limits, it.keys) = (Vec::new(), Vec::new());
    });
    assert_eq!(status(&ask(&gateway, &[plain(&key)]).await), 401, "revoked");
    tokio::time::timeout(Duration::from_secs(5), why(&gateway, "was revoked")).await.unwrap();
}
