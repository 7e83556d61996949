//! Codes: for whom they were made, once, with the key and the secret of whoever began.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_refused_to_whom_it_was_not_made_for_and_stays_good_for_its_owner() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let (key, other) = (ProofKey::new(), ProofKey::new());
    let code = browser.code("shop", &[("dpop_jkt", &key.thumbprint())]).await;
    let fields = redeem("shop", &code);
    let long = "a".repeat(129);
    for (wrong, proof, wanted) in [
        (redeem("thief", &code), None, (400, "invalid_grant")),
        (with(&fields, "client_id", "nobody"), Some(&key), (401, "invalid_client")),
        (with(&fields, "redirect_uri", "https://shop.test/back/"), Some(&key), (400, "invalid_grant")),
        (with(&fields, "redirect_uri", "http://127.0.0.1/cb"), Some(&key), (400, "invalid_grant")),
        (with(&fields, "redirect_uri", ""), Some(&key), (400, "invalid_request")),
        (with(&fields, "code_verifier", ""), Some(&key), (400, "invalid_request")),
        (with(&fields, "code_verifier", CHALLENGE), Some(&key), (400, "invalid_grant")),
        (with(&fields, "code_verifier", &long), Some(&key), (400, "invalid_grant")),
        (with(&fields, "code", "x"), Some(&key), (400, "invalid_grant")),
        (with(&fields, "client_secret", "x"), Some(&key), (400, "invalid_request")),
        (with(&fields, "grant_type", "password"), Some(&key), (400, "unsupported_grant_type")),
        (with(&fields, "grant_type", "client_credentials"), Some(&key), (400, "unauthorized_client")),
        (fields.clone(), Some(&other), (400, "invalid_grant")),
        (fields.clone(), None, (400, "invalid_dpop_proof")),
    ] {
        let said = scene.token(&wrong, proof).await;
        assert_eq!(said.refused(), (wanted.0, wanted.1.to_owned()), "{wrong:?}");
        assert!(said.json().get("access_token").is_none());
    }
    let said = scene.token(&fields, Some(&key)).await;
    assert_eq!(said.status, StatusCode::OK, "nobody spoilt it: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_shown_twice_ends_all_that_came_of_it() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let key = ProofKey::new();
    let code = browser.code("shop", &[]).await;
    let first = scene.token(&redeem("shop", &code), Some(&key)).await;
    let (access, refresh) = (first.text_of("access_token"), first.text_of("refresh_token"));
    assert_eq!(scene.userinfo(&access, Some(&key)).await.status, StatusCode::OK);

    // By another app it is no proof that the first one was robbed.
    assert_eq!(scene.token(&redeem("thief", &code), None).await.refused(), (400, "invalid_grant".to_owned()));
    assert_eq!(scene.userinfo(&access, Some(&key)).await.status, StatusCode::OK);

    let again = scene.token(&redeem("shop", &code), Some(&key)).await;
    assert_eq!(again.refused(), (400, "invalid_grant".to_owned()));
    assert_eq!(scene.userinfo(&access, Some(&key)).await.refused(), (401, "invalid_token".to_owned()));
    let fields = [("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", refresh.as_str())];
    assert_eq!(scene.token(&fields, Some(&key)).await.refused(), (400, "invalid_grant".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_redeem_a_code_at_once_leave_nothing() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let code = browser.code("house", &[]).await;
    let fields = redeem("house", &code);
    let all = (0..8).map(|_| scene.token(&fields, None));
    let mut given = Vec::new();
    for said in futures(all).await {
        match said.status {
            StatusCode::OK => given.push(said),
            _ => assert_eq!(said.refused(), (400, "invalid_grant".to_owned())),
        }
    }
    assert!(given.len() <= 1, "{given:?}");
    for said in given {
        let refresh = said.text_of("refresh_token");
        let fields = [("grant_type", "refresh_token"), ("client_id", "house"), ("refresh_token", refresh.as_str())];
        assert_eq!(scene.token(&fields, None).await.refused(), (400, "invalid_grant".to_owned()));
        assert_eq!(scene.userinfo(&said.text_of("access_token"), None).await.status, StatusCode::UNAUTHORIZED);
    }
}

/// One that is under way, and what came of it.
type Waiting<F> = (std::pin::Pin<Box<F>>, Option<<F as Future>::Output>);

/// All of them at once.
pub(super) async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    use std::task::Poll;
    let mut waiting: Vec<Waiting<F>> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, done) in waiting.iter_mut().filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(output) = one.as_mut().poll(context) {
                *done = Some(output);
            }
        }
        if waiting.iter().all(|(_, done)| done.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_counts_once_with_a_nonce_of_ours_for_this_request() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let key = ProofKey::new();
    let code = browser.code("shop", &[]).await;
    let fields = redeem("shop", &code);
    let uri = format!("{ISSUER}/token");

    let without = scene.post("/token", &fields, &[("dpop", &key.proof("POST", &uri, None))]).await;
    assert_eq!(without.refused(), (400, "use_dpop_nonce".to_owned()));
    let nonce = without.headers.get("dpop-nonce").unwrap().to_str().unwrap().to_owned();
    let mut guessed = key.claims("POST", &uri, None);
    guessed["nonce"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    let said = scene.post("/token", &fields, &[("dpop", &key.sign(&guessed))]).await;
    assert_eq!(said.refused(), (400, "use_dpop_nonce".to_owned()), "a nonce that nobody gave");

    key.take_nonce(&without);
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = key.claims("POST", &uri, None);
        change(&mut claims);
        key.sign(&claims)
    };
    let old = clock::now().as_secs() - 3_600;
    for wrong in [
        claims(&|it| it["htu"] = json!(format!("{ISSUER}/par"))),
        claims(&|it| it["htu"] = json!("https://evil.test/token")),
        claims(&|it| it["htm"] = json!("GET")),
        claims(&|it| it["iat"] = json!(old)),
        claims(&|it| drop(it.as_object_mut().unwrap().remove("jti"))),
        "x.y.z".to_owned(),
    ] {
        let said = scene.post("/token", &fields, &[("dpop", &wrong)]).await;
        assert_eq!(said.refused(), (400, "invalid_dpop_proof".to_owned()), "{wrong}");
    }
    let (one, two) = (key.proof("POST", &uri, None), key.proof("POST", &uri, None));
    let said = scene.post("/token", &fields, &[("dpop", &one), ("dpop", &two)]).await;
    assert_eq!(said.refused(), (400, "invalid_dpop_proof".to_owned()), "two at once");

    let good = key.proof("POST", &uri, None);
    let wrong = with(&fields, "code_verifier", CHALLENGE);
    assert_eq!(scene.post("/token", &wrong, &[("dpop", &good)]).await.error(), "invalid_grant");
    let replayed = scene.post("/token", &fields, &[("dpop", &good)]).await;
    assert_eq!(replayed.refused(), (400, "invalid_dpop_proof".to_owned()), "shown before");
    assert_eq!(scene.token(&fields, Some(&key)).await.status, StatusCode::OK);

    // Another process takes no nonce of this one, and so no proof either.
    let scene = scene.restart().await;
    let proof =
        key.sign(&json!({"jti": "j", "htm": "POST", "htu": uri, "iat": clock::now().as_secs(), "nonce": nonce}));
    assert_eq!(scene.post("/token", &fields, &[("dpop", &proof)]).await.error(), "use_dpop_nonce");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_tokens_that_say_who_signed_in_and_how() {
    let scene = Scene::new().await;
    let (subject, mut browser) = scene.signed_in("ana").await;
    let key = ProofKey::new();
    let went = browser.go("shop", &[("scope", "openid profile email read"), ("resource", "other")]).await;
    assert_eq!((went.parameter("state").as_deref(), went.parameter("iss").as_deref()), (Some("st"), Some(ISSUER)));
    let code = went.parameter("code").unwrap();
    let said = scene.token(&redeem("shop", &code), Some(&key)).await;
    assert_eq!((said.text_of("token_type").as_str(), said.json()["expires_in"].as_u64()), ("DPoP", Some(300)));
    assert!(said.headers.get("cache-control").is_some_and(|it| it == "no-store"));
    let access = said.text_of("access_token");
    let (token, id) = (claims(&access), claims(&said.text_of("id_token")));
    assert_eq!((token["aud"].as_str(), token["client_id"].as_str()), (Some("other"), Some("shop")));
    assert_eq!((token["sub"].as_str(), token["tenant"].as_str()), (Some(subject.as_str()), Some("north")));
    assert_eq!((&token["roles"], &token["cnf"]["jkt"]), (&json!(["teller"]), &json!(key.thumbprint())));
    assert_eq!((id["sub"].as_str(), id["aud"].as_str()), (Some(subject.as_str()), Some("shop")));
    assert_eq!((id["nonce"].as_str(), id["acr"].as_str()), (Some("no"), Some("aal1")));
    assert_eq!((&id["amr"], &id["sid"]), (&json!(["pwd"]), &token["sid"]));
    assert!(id["auth_time"].as_u64().is_some_and(|at| at <= clock::now().as_secs()) && id.get("roles").is_none());
    assert_eq!(id["at_hash"], base64::encode_url(&hash::sha256(access.as_bytes())[..16]));

    let who = scene.userinfo(&access, Some(&key)).await.json();
    assert_eq!((who["sub"].as_str(), who["name"].as_str()), (Some(subject.as_str()), Some("Ana Horvat")));
    assert_eq!((who["preferred_username"].as_str(), who["email"].as_str()), (Some("ana"), Some("ana@shop.test")));
    for refused in [
        scene.userinfo(&access, None).await,
        scene.userinfo(&access, Some(&ProofKey::new())).await,
        scene.userinfo(&said.text_of("id_token"), None).await,
    ] {
        assert_eq!(refused.refused(), (401, "invalid_token".to_owned()));
    }

    // Without `openid` there is no ID token, and nobody is told who it is.
    let code = browser.code("house", &[("scope", "read")]).await;
    let said = scene.token(&redeem("house", &code), None).await;
    assert!(said.json().get("id_token").is_none() && said.text_of("token_type") == "Bearer", "{said:?}");
    let refused = scene.userinfo(&said.text_of("access_token"), None).await;
    assert_eq!(refused.refused(), (403, "insufficient_scope".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_with_a_workload_has_to_show_its_certificate() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let code = browser.code("batch", &[("scope", "openid")]).await;
    let fields = with(&redeem("thief", &code), "client_id", "batch");
    let fields = with(&fields, "redirect_uri", "https://batch.test/back");
    assert_eq!(scene.token(&fields, None).await.refused(), (401, "invalid_client".to_owned()));
    assert_eq!(scene.token(&fields, Some(&ProofKey::new())).await.refused(), (401, "invalid_client".to_owned()));
}
