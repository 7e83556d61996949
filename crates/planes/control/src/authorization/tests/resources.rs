//! Grants for several services, requests that have to be pushed, and what operators do with clients.

use super::*;
use crate::authorization::{ClientError, add_client, list_clients, remove_client, rotate_client, show_client};
use bartizan_core::client::{AddClient, ClientKind};

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_for_several_gives_tokens_for_one_at_a_time() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let said = browser.get(&authorize("shop", &[("resource", "api"), ("resource", "https://elsewhere.test")])).await;
    assert_eq!(said.parameter("error").as_deref(), Some("invalid_target"), "one that it may not have refuses all");
    let said = browser.get(&authorize("shop", &[("resource", "api"), ("resource", "api")])).await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST, "{said:?}");

    let both = [("resource", "api"), ("resource", "other"), ("scope", "openid read offline_access")];
    let page = browser.get(&authorize("shop", &both)).await;
    let page = browser.follow(page).await;
    assert!(page.text.contains("<strong>api, other</strong>"), "people hear of both: {page:?}");
    let back = browser.consent(&page, "allow").await;
    let (key, code) = (ProofKey::new(), back.parameter("code").unwrap());
    let with = |fields: Vec<(&'static str, String)>, resources: &[&'static str]| {
        fields.into_iter().chain(resources.iter().map(|it| ("resource", (*it).to_owned()))).collect::<Vec<_>>()
    };
    let ask = async |fields: Vec<(&'static str, String)>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        scene.token(&fields, Some(&key)).await
    };
    let redeem = |code: &str| {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("client_id", "shop".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", BACK.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ]
    };
    let said = ask(with(redeem(&code), &["other"])).await;
    assert_eq!(claims(&said.text_of("access_token"))["aud"], json!("other"), "{said:?}");
    let refresh = |token: &str| {
        let fields = [("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", token)];
        fields.map(|(name, value)| (name, value.to_owned())).to_vec()
    };
    let token = said.text_of("refresh_token");
    for resources in [&["elsewhere"][..], &["api", "other"]] {
        let said = ask(with(refresh(&token), resources)).await;
        assert_eq!(said.refused(), (400, "invalid_target".to_owned()), "{resources:?}");
    }
    let said = ask(with(refresh(&token), &["other"])).await;
    assert_eq!(claims(&said.text_of("access_token"))["aud"], json!("other"));
    let said = ask(refresh(&said.text_of("refresh_token"))).await;
    assert_eq!(claims(&said.text_of("access_token"))["aud"], json!("api"), "the first where nothing is said");

    // Who allowed one is asked for the other, and who allowed both is not asked again.
    let said = browser.get(&authorize("shop", &both)).await;
    assert!(browser.follow(said).await.parameter("code").is_some());
    let (_, mut bob) = scene.signed_in("bob").await;
    bob.code("shop", &[("resource", "api")]).await;
    let page = bob.get(&authorize("shop", &[("resource", "api"), ("resource", "other")])).await;
    assert!(bob.follow(page).await.text.contains("Allow access?"));
    // A grant for one gives nothing for the other.
    let code = bob.code("shop", &[("resource", "api")]).await;
    let said = ask(with(redeem(&code), &["other"])).await;
    assert_eq!(said.refused(), (400, "invalid_target".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_has_to_push_its_requests_gets_nothing_otherwise() {
    let scene = Scene::with(&fleet().replace(
        "consent: trusted, bearer: true }\n    thief",
        "consent: trusted, bearer: true, require_pushed: true }\n    thief",
    ))
    .await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let said = browser.get(&authorize("house", &[])).await;
    assert_eq!(
        (said.parameter("error").as_deref(), said.parameter("state").as_deref()),
        (Some("invalid_request"), Some("st"))
    );
    let said = browser.get(&authorize("house", &[("redirect_uri", "https://evil.test/")])).await;
    assert_eq!((said.status, said.to()), (StatusCode::BAD_REQUEST, ""), "nobody is sent to a stranger to be told so");
    let address = authorize("house", &[]);
    let form = Form::parse(address.split_once('?').unwrap().1.as_bytes()).unwrap();
    let said = scene.post("/par", &form.iter().collect::<Vec<_>>(), &[]).await;
    let uri = said.text_of("request_uri");
    let said = browser.get(&with_parameters("/authorize", &[("client_id", "house"), ("request_uri", &uri)])).await;
    assert!(browser.follow(said).await.parameter("code").is_some());
    assert!(browser.go("thief", &[]).await.parameter("code").is_some(), "no other app is concerned");
    assert_eq!(
        browser.get("/.well-known/openid-configuration").await.json()["require_pushed_authorization_requests"],
        json!(false)
    );

    let all = Scene::with(&fleet().replace("  people: {}\n", "  people: {}\n  require_pushed: true\n")).await;
    let said = all.browser().get(&authorize("thief", &[])).await;
    assert_eq!(said.parameter("error").as_deref(), Some("invalid_request"));
    let said = all.browser().get("/.well-known/openid-configuration").await.json();
    assert_eq!(said["require_pushed_authorization_requests"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_add_and_remove_apps_within_what_the_fleet_file_says() {
    let scene = Scene::new().await;
    let (app, now) = (&scene.app, clock::now());
    let good = AddClient {
        title: Some("New".to_owned()),
        redirect: vec!["https://new.test/back".to_owned()],
        ..AddClient::default()
    };
    for (wrong, why) in [
        (AddClient { redirect: vec!["http://new.test/".to_owned()], ..good.clone() }, "no address to come back to"),
        (AddClient { redirect: Vec::new(), ..good.clone() }, "redirect_uris"),
        (AddClient { grants: vec!["password".to_owned()], ..good.clone() }, "no grant of apps"),
        (AddClient { grants: vec!["refresh_token".to_owned()], ..good.clone() }, "no way to a first token"),
        (AddClient { title: Some("a\u{202e}b".to_owned()), ..good.clone() }, "client_name"),
        (AddClient { scopes: vec!["a b\"".to_owned()], ..good.clone() }, "scope"),
    ] {
        let refused = add_client(app, wrong, now).await.unwrap_err();
        assert!(matches!(refused, ClientError::Invalid(_)), "{why}: {refused}");
    }
    for id in ["shop", "report"] {
        assert!(matches!(remove_client(app, id, now).await, Err(ClientError::InFile(_))), "{id}");
        assert!(matches!(rotate_client(app, id).await, Err(ClientError::InFile(_))), "{id}");
    }
    for id in ["reg-none", "", "../x"] {
        assert!(matches!(show_client(app, id).await, Err(ClientError::Unknown(_))), "{id}");
        assert!(matches!(remove_client(app, id, now).await, Err(ClientError::Unknown(_))), "{id}");
    }
    let wanted =
        AddClient { scopes: vec!["openid".to_owned(), "admin".to_owned()], require_pushed: true, ..good.clone() };
    let added = add_client(app, wanted, now).await.unwrap();
    assert_eq!(
        (added.client.kind, added.client.scopes.as_slice()),
        (ClientKind::Registered, &["openid".to_owned()][..])
    );
    assert!(added.client.require_pushed && added.client.client_id.starts_with("reg-"));
    let id = added.client.client_id.clone();
    let read = async |token: &str| {
        let request =
            Request::builder().uri(format!("/register/{id}")).header("authorization", format!("Bearer {token}"));
        scene.send(request.body(Body::empty()).unwrap()).await.status
    };
    assert_eq!(read(&added.registration_access_token).await, StatusCode::OK);
    let rotated = rotate_client(app, &id).await.unwrap();
    assert_eq!(read(&added.registration_access_token).await, StatusCode::UNAUTHORIZED, "the one before counts no more");
    assert_eq!(read(&rotated.registration_access_token).await, StatusCode::OK);
    assert_eq!(rotated.client, added.client);
    let all = list_clients(app).await.unwrap().clients;
    let kinds: Vec<_> = all.iter().map(|it| (it.client_id.as_str(), it.kind.as_str())).collect();
    assert!(
        kinds.contains(&("report", "workload"))
            && kinds.contains(&("shop", "app"))
            && kinds.contains(&(&id, "registered")),
        "{kinds:?}"
    );
    add_client(app, good.clone(), now).await.unwrap();
    assert!(matches!(add_client(app, good, now).await, Err(ClientError::Unable(_))), "as many as may");
    remove_client(app, &id, now).await.unwrap();
    assert!(matches!(show_client(app, &id).await, Err(ClientError::Unknown(_))));
    assert_eq!(read(&rotated.registration_access_token).await, StatusCode::UNAUTHORIZED);
}
