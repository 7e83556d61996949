//! What an app asks for when it sends a browser, what it is told, and what the person is asked.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_where_no_app_registered() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    for more in [
        [("client_id", "nobody")],
        [("client_id", "report")],
        [("client_id", "")],
        [("redirect_uri", "")],
        [("redirect_uri", "https://thief.test/back")],
        [("redirect_uri", "https://shop.test/back/../evil")],
        [("redirect_uri", "https://shop.test/back?x")],
        [("redirect_uri", "https://shop.test.evil.test/back")],
        [("redirect_uri", "http://127.0.0.1:1@evil.test/cb")],
        [("redirect_uri", "http://localhost/cb")],
        [("request_uri", "https://evil.test/request.jwt")],
        [("request_uri", "urn:ietf:params:oauth:request_uri:x")],
    ] {
        let said = browser.get(&authorize("shop", &more)).await;
        assert_eq!((said.status, said.to()), (StatusCode::BAD_REQUEST, ""), "{more:?}");
        assert!(said.text.contains("Reference"), "{said:?}");
    }
    let twice = format!("{}&redirect_uri=https://evil.test/", authorize("shop", &[]));
    assert_eq!(browser.get(&twice).await.status, StatusCode::BAD_REQUEST);
    let long = format!("{}&x={}", authorize("shop", &[]), "a".repeat(30_000));
    assert_eq!(browser.get(&long).await.status, StatusCode::BAD_REQUEST);
    for path in ["/authorize/on", "/authorize/on?go=x", "/device/on?go=x"] {
        assert_eq!(browser.get(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_hears_what_is_wrong_with_its_state_and_from_whom() {
    let scene = Scene::new().await;
    let mut browser = scene.browser();
    for (more, wanted) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", "id_token"), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("scope", "openid admin"), "invalid_scope"),
        (("scope", ""), "invalid_scope"),
        (("resource", "https://elsewhere.test"), "invalid_target"),
        (("request", "e30.e30."), "request_not_supported"),
        (("prompt", "none consent"), "invalid_request"),
        (("prompt", "none"), "login_required"),
        (("id_token_hint", "x.y.z"), "invalid_request"),
    ] {
        let said = browser.get(&authorize("shop", &[more])).await;
        assert!(said.to().starts_with("https://shop.test/back?error="), "{more:?} {said:?}");
        assert_eq!(said.parameter("error").as_deref(), Some(wanted), "{more:?}");
        assert_eq!((said.parameter("state").as_deref(), said.parameter("iss").as_deref()), (Some("st"), Some(ISSUER)));
        assert!(said.headers.get("referrer-policy").is_some_and(|it| it == "no-referrer"));
    }
    // A loopback address is taken with whatever port.
    let said =
        browser.get(&authorize("shop", &[("redirect_uri", "http://127.0.0.1:49152/cb"), ("prompt", "none")])).await;
    assert!(said.to().starts_with("http://127.0.0.1:49152/cb?error=login_required"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_and_are_asked_once_and_a_no_is_a_no() {
    let scene = Scene::new().await;
    scene.add("ana").await;
    let mut browser = scene.browser();
    let sent = browser.get(&authorize("shop", &[])).await;
    let page = browser.follow(sent).await;
    let signed_in = browser.sign_in(&page, "ana").await;
    let asked = browser.follow(signed_in).await;
    assert!(asked.text.contains("The Shop") && asked.text.contains("know that it is you"), "{asked:?}");
    let refused = browser.consent(&asked, "deny").await;
    assert_eq!(refused.parameter("error").as_deref(), Some("access_denied"), "{refused:?}");
    let silent = browser.get(&authorize("shop", &[("prompt", "none")])).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("consent_required"));

    assert!(browser.go("shop", &[]).await.parameter("code").is_some());
    let silent = browser.get(&authorize("shop", &[("prompt", "none")])).await;
    assert!(silent.parameter("code").is_some(), "allowed before: {silent:?}");
    let more = browser.get(&authorize("shop", &[("scope", "openid read write")])).await;
    assert!(browser.follow(more).await.text.contains("Allow access?"), "more than was allowed");
    let again = browser.get(&authorize("shop", &[("prompt", "consent")])).await;
    let asked = browser.follow(again).await;
    let allowed = browser.consent(&asked, "allow").await;
    assert!(allowed.parameter("code").is_some(), "asked again, once: {allowed:?}");
    assert!(browser.get(&authorize("house", &[])).await.parameter("code").is_some(), "of the house");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_counts_for_who_said_it() {
    let scene = Scene::new().await;
    let (_, mut ana) = scene.signed_in("ana").await;
    let (_, mut bob) = scene.signed_in("bob").await;
    let sent = ana.get(&authorize("shop", &[])).await;
    let asked = ana.follow(sent).await;
    let field = asked.field("asked");
    let said = ana.form("/consent", &asked, &[("asked", &field), ("answer", "allow")]).await;
    let on = said.to().to_owned();
    assert!(on.starts_with("/authorize/on?go="), "{said:?}");
    let other = bob.get(&on).await;
    assert!(other.text.contains("Allow access?"), "bob is asked himself: {other:?}");
    assert!(ana.get(&on).await.parameter("code").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_may_want_a_new_sign_in_and_somebody_in_particular() {
    let scene = Scene::new().await;
    let (_, mut ana) = scene.signed_in("ana").await;
    let before = clock::now();
    for more in [("prompt", "login"), ("max_age", "0")] {
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let none = ana.get(&authorize("house", &[more])).await;
        let page = ana.follow(none).await;
        assert!(page.text.contains("name=\"password\""), "{more:?} {page:?}");
        let signed_in = ana.sign_in(&page, "ana").await;
        let back = ana.follow(signed_in).await;
        assert!(back.parameter("code").is_some(), "{more:?} {back:?}");
    }
    let code = ana.code("house", &[("max_age", "3600")]).await;
    let said = scene.token(&redeem("house", &code), None).await;
    let id = said.text_of("id_token");
    assert!(claims(&id)["auth_time"].as_u64().unwrap() > before.as_secs(), "by the latest sign-in");

    // The app means ana, and bob is here.
    let (_, mut bob) = scene.signed_in("bob").await;
    let hint = ("id_token_hint", id.as_str());
    assert!(ana.get(&authorize("house", &[hint, ("prompt", "none")])).await.parameter("code").is_some());
    let silent = bob.get(&authorize("house", &[hint, ("prompt", "none")])).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
    let sent = bob.get(&authorize("house", &[hint])).await;
    let page = bob.follow(sent).await;
    let signed_in = bob.sign_in(&page, "bob").await;
    let back = bob.follow(signed_in).await;
    assert_eq!(back.parameter("error").as_deref(), Some("login_required"), "still bob: {back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_request_counts_once_for_the_app_that_pushed_it() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let asked = authorize("house", &[]);
    let form = Form::parse(asked.split_once('?').unwrap().1.as_bytes()).unwrap();
    let fields: Vec<_> = form.iter().collect();
    for (wrong, wanted) in [
        (with(&fields, "client_id", "nobody"), (401, "invalid_client")),
        (with(&fields, "redirect_uri", "https://evil.test/"), (400, "invalid_request")),
        (with(&fields, "request_uri", "urn:x"), (400, "invalid_request")),
        (with(&fields, "code_challenge_method", "plain"), (400, "invalid_request")),
        (with(&fields, "scope", "admin"), (400, "invalid_scope")),
        (with(&fields, "dpop_jkt", CHALLENGE), (400, "invalid_dpop_proof")),
    ] {
        let said = scene.with_proof("/par", &wrong, &ProofKey::new()).await;
        assert_eq!(said.refused(), (wanted.0, wanted.1.to_owned()), "{wrong:?}");
    }
    let key = ProofKey::new();
    let said = scene.with_proof("/par", &fields, &key).await;
    assert_eq!((said.status, said.json()["expires_in"].as_u64()), (StatusCode::CREATED, Some(60)), "{said:?}");
    let uri = said.text_of("request_uri");
    let by = |client: &str| with_parameters("/authorize", &[("client_id", client), ("request_uri", &uri)]);
    assert_eq!(browser.get(&by("thief")).await.status, StatusCode::BAD_REQUEST, "another app's");
    // What the browser brings beside it does not count.
    let beside = format!("{}&scope=openid&redirect_uri=https://evil.test/&state=other", by("house"));
    let back = browser.get(&beside).await;
    let code = back.parameter("code").unwrap_or_else(|| panic!("{back:?}"));
    assert_eq!(back.parameter("state").as_deref(), Some("st"));
    assert_eq!(browser.get(&by("house")).await.status, StatusCode::BAD_REQUEST, "used before");
    // The key that pushed it is the one that its tokens are bound to.
    assert_eq!(scene.token(&redeem("house", &code), None).await.error(), "invalid_grant");
    assert_eq!(scene.token(&redeem("house", &code), Some(&key)).await.text_of("token_type"), "DPoP");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_is_taken_as_a_link_would_be() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let asked = authorize("house", &[]);
    let parsed = Form::parse(asked.split_once('?').unwrap().1.as_bytes()).unwrap();
    let fields: Vec<_> = parsed.iter().collect();
    let said = scene.send(form("/authorize", &fields, &[("origin", "https://house.test")])).await;
    assert!(said.to().starts_with("/authorize/on?go="), "without a cookie too: {said:?}");
    assert!(browser.get(said.to()).await.parameter("code").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_say_what_there_is() {
    let scene = Scene::new().await;
    let mut browser = scene.browser();
    let said = browser.get("/.well-known/openid-configuration").await.json();
    assert_eq!(said, browser.get("/.well-known/oauth-authorization-server").await.json());
    assert_eq!(said["authorization_endpoint"], format!("{ISSUER}/authorize"));
    assert_eq!(said["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(said["response_types_supported"], json!(["code"]));
    assert_eq!(said["id_token_signing_alg_values_supported"], json!(["ES256"]));
    assert!(!said.to_string().contains("password") && !said.to_string().contains("implicit"), "{said}");
    for (name, path) in said.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint")) {
        let path = path.as_str().unwrap().strip_prefix(ISSUER).unwrap();
        assert_ne!(browser.get(path).await.status, StatusCode::NOT_FOUND, "{name}");
    }
    let keys = browser.get("/jwks").await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "{keys}");
    assert!(!keys.to_string().contains("\"d\""));
}
