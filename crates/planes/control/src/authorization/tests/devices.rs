//! Devices: nobody guesses their codes, they wait in between, and what somebody said counts once.

use super::*;

async fn begin(scene: &Scene, client: &str, scope: &str) -> Said {
    scene.post("/device_authorization", &[("client_id", client), ("scope", scope)], &[]).await
}

fn ask<'a>(client: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", DEVICE_GRANT), ("client_id", client), ("device_code", code)]
}

/// Somebody types a code, and answers.
async fn answer(browser: &mut Browser<'_>, code: &str, answer: &str) -> Said {
    let page = browser.get("/device").await;
    let typed = code.to_lowercase().replace('-', " ");
    let asked = browser.form("/device", &page, &[("user_code", &typed)]).await;
    browser.consent(&asked, answer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_gets_nothing_that_nobody_allowed() {
    let scene = Scene::new().await;
    assert_eq!(begin(&scene, "house", "openid").await.refused(), (400, "unauthorized_client".to_owned()));
    assert_eq!(begin(&scene, "shop", "admin").await.refused(), (400, "invalid_scope".to_owned()));
    assert_eq!(begin(&scene, "nobody", "openid").await.refused(), (401, "invalid_client".to_owned()));
    let (key, begun) = (ProofKey::new(), begin(&scene, "shop", "openid read").await);
    let (code, user_code) = (begun.text_of("device_code"), begun.text_of("user_code"));
    assert_eq!(begun.json()["interval"], 5);
    assert_eq!(begun.text_of("verification_uri_complete"), format!("{ISSUER}/device?user_code={user_code}"));
    for (fields, proof, wanted) in [
        (ask("shop", "x"), Some(&key), "invalid_grant"),
        (ask("shop", &user_code), Some(&key), "invalid_grant"),
        (ask("thief", &code), None, "invalid_grant"),
        (ask("shop", &code), None, "invalid_dpop_proof"),
        (ask("shop", &code), Some(&key), "authorization_pending"),
        (ask("shop", &code), Some(&key), "slow_down"),
    ] {
        assert_eq!(scene.token(&fields, proof).await.refused(), (400, wanted.to_owned()), "{fields:?}");
    }
    let (_, mut browser) = scene.signed_in("ana").await;
    let page = answer(&mut browser, &user_code, "deny").await;
    assert!(page.text.contains("gets nothing"), "{page:?}");
    assert_eq!(scene.token(&ask("shop", &code), Some(&key)).await.error(), "access_denied");
    let page = browser.get("/device").await;
    let again = browser.form("/device", &page, &[("user_code", &user_code)]).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "it waits for nobody any more: {again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_not_guessed_and_not_answered_by_a_link() {
    let scene = Scene::new().await;
    let begun = begin(&scene, "shop", "openid").await;
    let user_code = begun.text_of("user_code");
    let mut stranger = scene.browser();
    assert!(stranger.get("/device?user_code=BCDF-GHJK").await.to().starts_with("/sign-in?way="));
    let (_, mut browser) = scene.signed_in("ana").await;
    let page = browser.get(&format!("/device?user_code={user_code}")).await;
    assert!(page.text.contains(&user_code) && page.text.contains("close this page"), "shown, and not taken yet");
    let said = browser.send(form("/device", &[("user_code", &user_code)], &[("origin", ISSUER)])).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN, "a form that has no mark of ours");
    for wrong in ["BCDF-GHJK", "x", "", "BCDFGHJL", "<script>"] {
        let said = browser.form("/device", &page, &[("user_code", wrong)]).await;
        assert!(said.status == StatusCode::OK && said.text.contains("No device shows that code"), "{said:?}");
    }
    let said = browser.form("/device", &page, &[("user_code", &user_code)]).await;
    assert_eq!(said.status, StatusCode::TOO_MANY_REQUESTS, "the right one too");
    // Others may still type it.
    let (_, mut bob) = scene.signed_in("bob").await;
    assert!(answer(&mut bob, &user_code, "allow").await.text.contains("is connected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_gets_its_tokens_once_and_keeps_them_when_the_browser_signs_out() {
    let scene = Scene::new().await;
    let (subject, mut browser) = scene.signed_in("ana").await;
    let (key, begun) = (ProofKey::new(), begin(&scene, "shop", "openid read").await);
    let (code, user_code) = (begun.text_of("device_code"), begun.text_of("user_code"));
    let asked = {
        let page = browser.get("/device").await;
        browser.form("/device", &page, &[("user_code", &user_code)]).await
    };
    assert!(asked.text.contains(&format!("on the device that shows {user_code}")), "{asked:?}");
    let done = browser.consent(&asked, "allow").await;
    assert!(done.text.contains("is connected"), "{done:?}");
    let said = scene.token(&ask("shop", &code), Some(&key)).await;
    let (access, refresh) = (said.text_of("access_token"), said.text_of("refresh_token"));
    let token = claims(&access);
    assert_eq!((token["sub"].as_str(), &token["cnf"]["jkt"]), (Some(subject.as_str()), &json!(key.thumbprint())));
    assert!(token.get("sid").is_none() && token["auth_time"].is_u64());

    let page = browser.get("/account").await;
    assert_eq!(browser.form("/sign-out", &page, &[]).await.status, StatusCode::SEE_OTHER);
    let fields = [("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", refresh.as_str())];
    let said = scene.token(&fields, Some(&key)).await;
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let refresh = said.text_of("refresh_token");

    assert_eq!(scene.token(&ask("shop", &code), Some(&key)).await.refused(), (400, "invalid_grant".to_owned()));
    let fields = [("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", refresh.as_str())];
    assert_eq!(scene.token(&fields, Some(&key)).await.error(), "invalid_grant", "shown twice, so all of it ends");
    assert_eq!(scene.userinfo(&access, Some(&key)).await.status, StatusCode::UNAUTHORIZED);
}
