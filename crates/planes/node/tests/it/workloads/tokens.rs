//! JWT-SVIDs over the Workload API.

use crate::workloads::world::{Client, World, uid, with_header};
use bartizan_core::snapshot::{Bundles, JwtKey};
use bartizan_core::{SpiffeId, TrustDomain};
use bartizan_crypto::base64;
use bartizan_crypto::jws::TokenKey;
use bartizan_identity::jwt_svid::{JwtKeys, kid, sign};
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{Code, Status};
use bartizan_runtime::workload_v1::{
    JwtBundlesRequest, Jwtsvid, JwtsvidRequest, ValidateJwtsvidRequest, ValidateJwtsvidResponse,
};
use serde_json::json;

async fn fetch(client: &mut Client, audience: &[&str], id: &str) -> Result<Vec<Jwtsvid>, Status> {
    let audience = audience.iter().map(|&one| one.to_owned()).collect();
    let request = with_header(JwtsvidRequest { audience, spiffe_id: id.to_owned() });
    client.fetch_jwtsvid(request).await.map(|response| response.into_inner().svids)
}

async fn validate(client: &mut Client, audience: &str, svid: &str) -> Result<ValidateJwtsvidResponse, Status> {
    let request = with_header(ValidateJwtsvidRequest { audience: audience.to_owned(), svid: svid.to_owned() });
    client.validate_jwtsvid(request).await.map(|response| response.into_inner())
}

fn workloads() -> String {
    let own = uid();
    format!(
        "  one: {{ selectors: {{ uid: {own} }}, jwt: true }}\n  two: {{ selectors: {{ uid: {own} }}, jwt: true }}\n  plain: {{ selectors: {{ uid: {own} }} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_for_its_audience_and_for_whoever_may_have_it() {
    let mut world = World::start(&workloads()).await;
    world.entries(3).await;
    let mut client = world.client().await;
    let one = "spiffe://bank.test/workload/one";
    for (audience, id, code, why) in [
        (&[][..], "", Code::InvalidArgument, "for nobody"),
        (&[""], "", Code::InvalidArgument, "an empty audience"),
        (&["a"; 17], "", Code::InvalidArgument, "too many"),
        (&[&*"x".repeat(513)], "", Code::InvalidArgument, "too long"),
        (&["a"], "spiffe://bank.test/workload/plain", Code::PermissionDenied, "it may have none"),
        (&["a"], "spiffe://bank.test/svc/accounts", Code::PermissionDenied, "somebody else"),
        (&["a"], "spiffe://other.test/workload/one", Code::PermissionDenied, "a foreign one"),
    ] {
        assert_eq!(fetch(&mut client, audience, id).await.unwrap_err().code(), code, "{why}");
    }
    let all = fetch(&mut client, &["ledger"], "").await.unwrap();
    let ids: Vec<_> = all.iter().map(|svid| svid.spiffe_id.as_str()).collect();
    assert_eq!(ids, [one, "spiffe://bank.test/workload/two"]);
    let token = fetch(&mut client, &["ledger", "users"], one).await.unwrap().remove(0).svid;
    let valid = validate(&mut client, "users", &token).await.unwrap();
    assert_eq!(valid.spiffe_id, one);
    assert!(valid.claims.unwrap().fields.contains_key("exp"));
    assert_eq!(validate(&mut client, "accounts", &token).await.unwrap_err().code(), Code::InvalidArgument);

    // What is held is enough to check, not to sign.
    world.stop_control().await;
    assert!(validate(&mut client, "ledger", &token).await.is_ok());
    assert_eq!(fetch(&mut client, &["ledger"], one).await.unwrap_err().code(), Code::Unavailable);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anybody_can_check_a_token_by_the_bundle() {
    let world = World::start(&workloads()).await;
    world.entries(3).await;
    let mut client = world.client().await;
    let mut bundles = client.fetch_jwt_bundles(with_header(JwtBundlesRequest {})).await.unwrap().into_inner();
    let bundles = bundles.message().await.unwrap().unwrap().bundles;
    let set: serde_json::Value = serde_json::from_slice(&bundles["spiffe://bank.test"]).unwrap();
    let token = fetch(&mut client, &["ledger"], "").await.unwrap().remove(0).svid;
    let header = base64::decode_url(token.split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["alg"], "ES256");
    assert_eq!(set["keys"][0]["kid"], header["kid"]);

    // By the two numbers of the set alone.
    let number = |name: &str| base64::decode_url(set["keys"][0][name].as_str().unwrap()).unwrap();
    let prefix = TokenKey::generate().unwrap().public_spki()[..27].to_vec();
    let spki = base64::encode(&[prefix, number("x"), number("y")].concat());
    let key = JwtKey { kid: set["keys"][0]["kid"].as_str().unwrap().to_owned(), spki };
    let jwt_keys = [(TrustDomain::parse("bank.test").unwrap(), vec![key])].into();
    let keys = JwtKeys::read(&Bundles { jwt_keys, ..Bundles::default() }).unwrap();
    keys.validate(&token, "ledger", clock::now()).unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_none_are_refused() {
    let world = World::start(&workloads()).await;
    world.entries(3).await;
    let mut client = world.client().await;
    let good = fetch(&mut client, &["ledger"], "").await.unwrap().remove(0).svid;
    let parts: Vec<&str> = good.split('.').collect();
    let part = |value: serde_json::Value| base64::encode_url(value.to_string().as_bytes());
    let theirs = TokenKey::generate().unwrap();
    let id = SpiffeId::parse("spiffe://bank.test/workload/one").unwrap();
    let foreign = SpiffeId::parse("spiffe://other.test/workload/one").unwrap();
    let signed = |id| sign(&theirs, id, &["ledger".to_owned()], clock::now()).unwrap();
    let kid = kid(theirs.public_spki());
    for (token, why) in [
        (String::new(), "empty"),
        (format!("{}.{}.", part(json!({"alg": "none"})), parts[1]), "unsigned"),
        (format!("{}.{}.{}", part(json!({"alg": "HS256", "kid": kid})), parts[1], parts[2]), "another algorithm"),
        (signed(&id), "an unknown key"),
        (signed(&foreign), "a foreign domain"),
        (format!("{}.{}.{}", parts[0], part(json!({"sub": id, "aud": "ledger"})), parts[2]), "no end, and altered"),
        (format!("{good}="), "padding"),
        ("a.".repeat(100_000), "far too long"),
    ] {
        let refused = validate(&mut client, "ledger", &token).await.expect_err(why);
        assert!(matches!(refused.code(), Code::InvalidArgument), "{why}: {refused:?}");
    }
    assert_eq!(validate(&mut client, "", &good).await.unwrap_err().code(), Code::InvalidArgument, "no audience");
    world.stop().await;
}
