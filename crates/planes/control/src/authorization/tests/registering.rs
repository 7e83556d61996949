//! Apps that register themselves: with a token alone, within what the fleet file says, and as nobody else.

use super::*;

async fn send(scene: &Scene, method: Method, path: &str, token: Option<&str>, body: &str) -> Said {
    let mut request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    scene.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

const GOOD: &str = r#"{"redirect_uris":["https://new.test/back"],"client_name":"New <b>","grant_types":["authorization_code","refresh_token"],"scope":"openid read admin"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_without_a_token_nor_what_no_app_may_be() {
    let scene = Scene::new().await;
    for token in [None, Some("x"), Some(""), Some("An initial access token")] {
        let said = send(&scene, Method::POST, "/register", token, GOOD).await;
        assert_eq!(said.refused(), (401, "invalid_token".to_owned()), "{token:?}");
    }
    let large = format!("{{\"client_name\":\"{}\"}}", "a".repeat(20_000));
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let wide = format!("{{\"contacts\":[{}1]}}", "1,".repeat(5_000));
    for (body, wanted) in [
        (large.as_str(), (413, "invalid_request")),
        (deep.as_str(), (400, "invalid_client_metadata")),
        (wide.as_str(), (400, "invalid_client_metadata")),
        ("", (400, "invalid_client_metadata")),
        (r#"{"redirect_uris":["http://evil.test/"]}"#, (400, "invalid_redirect_uri")),
        (
            r#"{"redirect_uris":["https://a.test/"],"grant_types":["client_credentials"]}"#,
            (400, "invalid_client_metadata"),
        ),
    ] {
        let said = send(&scene, Method::POST, "/register", Some(INITIAL), body).await;
        assert_eq!(said.refused(), (wanted.0, wanted.1.to_owned()), "{body:.60}");
    }
    let form =
        scene.post("/register", &[("redirect_uris", "x")], &[("authorization", &format!("Bearer {INITIAL}"))]).await;
    assert_eq!(form.refused(), (400, "invalid_client_metadata".to_owned()));
    for path in ["/register/shop", "/register/reg-x", "/register/.."] {
        let said = send(&scene, Method::GET, path, Some(INITIAL), "").await;
        assert_eq!(said.refused(), (401, "invalid_token".to_owned()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_registers_works_changes_and_goes_with_what_it_was_given() {
    let scene = Scene::new().await;
    let said = send(&scene, Method::POST, "/register", Some(INITIAL), GOOD).await;
    assert_eq!(said.status, StatusCode::CREATED, "{said:?}");
    let (id, token) = (said.text_of("client_id"), said.text_of("registration_access_token"));
    assert_eq!(
        (said.text_of("scope").as_str(), said.text_of("token_endpoint_auth_method").as_str()),
        ("openid read", "none")
    );
    assert_eq!(
        (said.json()["dpop_bound_access_tokens"].as_bool(), said.json().get("client_secret")),
        (Some(true), None)
    );
    let path = said.text_of("registration_client_uri").strip_prefix(ISSUER).unwrap().to_owned();

    let scene = scene.restart().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let more = [("client_id", id.as_str()), ("redirect_uri", "https://new.test/back")];
    let sent = browser.get(&authorize("shop", &more)).await;
    let asked = browser.follow(sent).await;
    assert!(asked.text.contains("New &lt;b&gt;"), "a stranger is always asked about: {asked:?}");
    let code = browser.consent(&asked, "allow").await.parameter("code").unwrap();
    let fields = with(&redeem("shop", &code), "client_id", &id);
    let fields = with(&fields, "redirect_uri", "https://new.test/back");
    assert_eq!(scene.token(&fields, None).await.error(), "invalid_dpop_proof");
    let key = ProofKey::new();
    let given = scene.token(&fields, Some(&key)).await;
    let refresh = given.text_of("refresh_token");

    for wrong in [Some(INITIAL), None, Some("x")] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let said = send(&scene, method, &path, wrong, GOOD).await;
            assert_eq!(said.refused(), (401, "invalid_token".to_owned()));
        }
    }
    assert_eq!(send(&scene, Method::GET, &path, Some(&token), "").await.text_of("client_name"), "New <b>");
    let changed =
        r#"{"redirect_uris":["https://new.test/other"],"grant_types":["authorization_code","refresh_token"]}"#;
    let said = send(&scene, Method::PUT, &path, Some(&token), changed).await;
    let second = said.text_of("registration_access_token");
    assert_eq!(said.json()["redirect_uris"], json!(["https://new.test/other"]));
    assert_eq!(
        send(&scene, Method::GET, &path, Some(&token), "").await.status,
        StatusCode::UNAUTHORIZED,
        "the old token"
    );
    assert_eq!(browser.get(&authorize("shop", &more)).await.status, StatusCode::BAD_REQUEST, "the old address");

    // There may be two.
    assert_eq!(send(&scene, Method::POST, "/register", Some(INITIAL), GOOD).await.status, StatusCode::CREATED);
    let full = send(&scene, Method::POST, "/register", Some(INITIAL), GOOD).await;
    assert_eq!(full.refused(), (503, "temporarily_unavailable".to_owned()));

    assert_eq!(send(&scene, Method::DELETE, &path, Some(&second), "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(send(&scene, Method::GET, &path, Some(&second), "").await.status, StatusCode::UNAUTHORIZED);
    let fields = [("grant_type", "refresh_token"), ("client_id", id.as_str()), ("refresh_token", refresh.as_str())];
    assert_eq!(scene.token(&fields, Some(&key)).await.refused(), (401, "invalid_client".to_owned()));
    let access = given.text_of("access_token");
    assert_eq!(scene.userinfo(&access, Some(&key)).await.status, StatusCode::UNAUTHORIZED);
}
