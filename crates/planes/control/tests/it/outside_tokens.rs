//! Tokens by which services show outside who they are: for the identity of the stream, for audiences that the fleet file names for it.

use crate::support::{Place, Proxy, Running, service, wait_for};
use bartizan_core::plan::EgressPlace;
use bartizan_core::snapshot::Bundles;
use bartizan_core::status::{Revoke, Revoked};
use bartizan_identity::jwt_svid::{JwtError, JwtKeys};
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::Code;
use bartizan_runtime::control_v1::{MintOutside, OutsideToken, down, up};
use std::time::Duration;

const PARTNER: &str = "https://api.partner.test";

async fn mint(proxy: &mut Proxy, audience: &str) -> OutsideToken {
    proxy.stream.send(up::Message::MintOutside(MintOutside { audience: audience.to_owned() })).await;
    match proxy.stream.next().await {
        Ok(Some(down::Message::OutsideToken(it))) => it,
        other => panic!("expected a token or a refusal, got {other:?}"),
    }
}

/// The fleet of the tests, in which `accounts` shows tokens to a partner.
fn place() -> Place {
    let place = Place::new();
    let [proxy, dns] = [9301, 9302].map(|port| std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    place.write_plan(|plan| {
        plan.egress.insert(service("accounts").into(), EgressPlace { proxy, dns });
    });
    place.edit_fleet(
        "    calls: [ledger]\n",
        &format!(
            "    calls: [ledger]\n    egress:\n      - {{ host: api.partner.test, https_originate: true, token: \"{PARTNER}\" }}\n      \
             - {{ host: b.partner.test, https_originate: true, token: {{ audience: \"{PARTNER}\", life: 2m }} }}\n"
        ),
    );
    place
}

async fn keys(control: &Running) -> JwtKeys {
    let bundle: serde_json::Value = control.get("/v1/federation/bundle").await;
    // As somebody outside reads them: a set of JSON Web Keys.
    let own = bundle["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "jwt-svid");
    let read = own.map(|key| {
        let point = ["x", "y"].map(|at| bartizan_crypto::base64::decode_url(key[at].as_str().unwrap()).unwrap());
        let prefix = bartizan_crypto::base64::decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE").unwrap();
        let spki = bartizan_crypto::base64::encode(&[prefix, point.concat()].concat());
        bartizan_core::snapshot::JwtKey { kid: key["kid"].as_str().unwrap().to_owned(), spki }
    });
    let domain = bartizan_core::TrustDomain::parse("bank.test").unwrap();
    let bundles = Bundles { jwt_keys: [(domain, read.collect())].into(), ..Bundles::default() };
    JwtKeys::read(&bundles).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_gets_tokens_of_its_own_for_the_audiences_of_its_rules_alone() {
    let place = place();
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    let mut payment = control.proxy_of("payment").await;

    // Refusals first: somebody else's audience, nobody's, ours, and something that is none.
    let long = "a".repeat(5_000);
    for (of_accounts, audience) in [
        (false, PARTNER),
        (true, "https://other.partner.test"),
        (true, "spiffe://bank.test/svc/ledger"),
        (true, "accounts"),
        (true, ""),
        (true, &long),
    ] {
        let refused = mint(if of_accounts { &mut accounts } else { &mut payment }, audience).await;
        assert!(refused.token.is_empty() && refused.until_ms == 0, "{audience}: {refused:?}");
        assert_eq!(refused.refused, "the fleet file names no such audience for this service", "{audience}");
    }
    wait_for("the events of the refusals", async || {
        let events = control.events("?class=identity&outcome=denied").await;
        (events.iter().filter(|it| it.to_string().contains("no such audience")).count() == 6).then_some(())
    })
    .await;

    let before = clock::now();
    let given = mint(&mut accounts, PARTNER).await;
    assert!(given.refused.is_empty() && given.audience == PARTNER, "{:?}", given.refused);
    let keys = keys(&control).await;
    let token = keys.validate(&given.token, PARTNER, clock::now()).unwrap();
    assert_eq!(token.id.as_str(), "spiffe://bank.test/svc/accounts", "of who asked on the stream");
    assert_eq!(token.claims["aud"], serde_json::json!([PARTNER]), "and for nobody else");
    let life = token.claims["exp"].as_u64().unwrap() - token.claims["iat"].as_u64().unwrap();
    assert_eq!(life, 120, "the shortest of those that name the audience");
    assert!(given.until_ms.abs_diff(before.as_millis() + 120_000) < 10_000, "{given:?}");
    let other = keys.validate(&given.token, "https://other.partner.test", clock::now());
    assert_eq!(other.unwrap_err(), JwtError::Audience);
    let later = clock::now().plus(Duration::from_secs(121));
    assert_eq!(keys.validate(&given.token, PARTNER, later).unwrap_err(), JwtError::Expired);

    // Gone from the file, gone for the service. What was refused meanwhile says nothing of it.
    place.edit_fleet("token: \"https://api.partner.test\"", "methods: [GET]");
    place.edit_fleet(&format!("token: {{ audience: \"{PARTNER}\", life: 2m }}"), "methods: [GET]");
    control.reload().await.unwrap();
    accounts.take_up(&control).await;
    assert!(mint(&mut accounts, PARTNER).await.token.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_again_and_again_is_refused_and_a_service_that_is_revoked_gets_none() {
    let place = place();
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    let most = 96;
    for n in 0..most {
        assert!(mint(&mut accounts, PARTNER).await.refused.is_empty(), "number {n}");
    }
    let refused = mint(&mut accounts, PARTNER).await;
    assert!(refused.token.is_empty() && refused.refused.contains("more than 96 tokens"), "{refused:?}");

    let mut again = control.proxy_of("accounts").await;
    assert!(!mint(&mut again, PARTNER).await.token.is_empty());
    let wanted = Revoke { subject: "id:spiffe://bank.test/svc/accounts".to_owned(), reason: "stolen".to_owned() };
    let _: Revoked = control.post("/v1/revoke", &wanted).await.unwrap();
    let ended = again.stream.refusal().await;
    assert_eq!(ended.code(), Code::PermissionDenied, "{ended:?}");
}
