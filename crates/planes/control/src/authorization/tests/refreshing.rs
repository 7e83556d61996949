//! Refresh tokens: each once, but for a lost answer; whoever shows an old one ends the family.

use super::codes::futures;
use super::*;

fn fields<'a>(client: &'a str, token: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)]
}

async fn first(scene: &Scene, browser: &mut Browser<'_>, key: &ProofKey, scope: &str) -> Said {
    let code = browser.code("shop", &[("scope", scope)]).await;
    let said = scene.token(&redeem("shop", &code), Some(key)).await;
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_of_this_app_is_refused() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let key = ProofKey::new();
    let said = first(&scene, &mut browser, &key, "openid read").await;
    let token = said.text_of("refresh_token");
    let longer = format!("{token}A");
    for (wrong, proof, wanted) in [
        (fields("shop", ""), Some(&key), "invalid_request"),
        (fields("shop", "bzr.x.0.y"), Some(&key), "invalid_grant"),
        (fields("shop", &longer), Some(&key), "invalid_grant"),
        (fields("shop", &token), None, "invalid_dpop_proof"),
        (fields("shop", &token), Some(&ProofKey::new()), "invalid_grant"),
        (with(&fields("shop", &token), "scope", "openid read write"), Some(&key), "invalid_scope"),
        (with(&fields("shop", &token), "scope", "a  b"), Some(&key), "invalid_scope"),
    ] {
        assert_eq!(scene.token(&wrong, proof).await.refused(), (400, wanted.to_owned()), "{wrong:?}");
    }
    let fewer = with(&fields("shop", &token), "scope", "read");
    let said = scene.token(&fewer, Some(&key)).await;
    assert_eq!((said.text_of("scope").as_str(), said.json().get("id_token")), ("read", None));
    // Shown by another app it was stolen, and ends.
    let next = said.text_of("refresh_token");
    assert_eq!(scene.token(&fields("thief", &next), None).await.error(), "invalid_grant");
    assert_eq!(scene.token(&fields("shop", &next), Some(&key)).await.error(), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_get_one_answer_and_an_old_token_ends_the_family() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let key = ProofKey::new();
    let said = first(&scene, &mut browser, &key, "openid read").await;
    let zero = said.text_of("refresh_token");
    let with_zero = fields("shop", &zero);
    let all = futures((0..12).map(|_| scene.token(&with_zero, Some(&key)))).await;
    let next: std::collections::BTreeSet<_> = all.iter().map(|said| said.text_of("refresh_token")).collect();
    let names: std::collections::BTreeSet<_> =
        all.iter().map(|said| claims(&said.text_of("access_token"))["jti"].to_string()).collect();
    assert_eq!((next.len(), names.len()), (1, 1), "each got the same");
    let one = next.into_iter().next().unwrap();
    assert_ne!(one, zero);
    let said = scene.token(&fields("shop", &one), Some(&key)).await;
    let (two, access) = (said.text_of("refresh_token"), said.text_of("access_token"));
    let id = claims(&said.text_of("id_token"));
    assert!(id.get("nonce").is_none() && id["auth_time"].is_u64(), "{id}");
    assert_eq!(scene.userinfo(&access, Some(&key)).await.status, StatusCode::OK);

    assert_eq!(scene.token(&with_zero, Some(&key)).await.refused(), (400, "invalid_grant".to_owned()));
    assert_eq!(scene.token(&fields("shop", &two), Some(&key)).await.error(), "invalid_grant", "the family is over");
    assert_eq!(scene.userinfo(&access, Some(&key)).await.refused(), (401, "invalid_token".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_goes_on_over_a_restart_and_a_lost_key_is_not_replaced() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let key = ProofKey::new();
    let token = first(&scene, &mut browser, &key, "openid read offline_access").await.text_of("refresh_token");
    let scene = scene.restart().await;
    let said = scene.token(&fields("shop", &token), Some(&key)).await;
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let token = said.text_of("refresh_token");

    let file = scene.data().join("refresh.key");
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let scene = scene.restart().await;
    let said = scene.token(&fields("shop", &token), Some(&key)).await;
    assert_eq!(said.refused(), (503, "temporarily_unavailable".to_owned()));
    assert!(!file.exists());
    std::fs::write(&file, kept).unwrap();
    let scene = scene.restart().await;
    assert_eq!(scene.token(&fields("shop", &token), Some(&key)).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_takes_back_what_it_was_given_and_nobody_else_does() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let key = ProofKey::new();
    let said = first(&scene, &mut browser, &key, "openid").await;
    let (access, refresh) = (said.text_of("access_token"), said.text_of("refresh_token"));
    let revoke =
        async |client: &str, token: &str| scene.post("/revoke", &[("client_id", client), ("token", token)], &[]).await;
    for token in [&access, &refresh] {
        assert_eq!(revoke("thief", token).await.refused(), (400, "unauthorized_client".to_owned()));
    }
    assert_eq!(revoke("shop", "rubbish").await.status, StatusCode::OK, "it is revoked as it is");
    assert_eq!(revoke("shop", &access).await.status, StatusCode::OK);
    assert_eq!(scene.userinfo(&access, Some(&key)).await.status, StatusCode::UNAUTHORIZED);
    let said = scene.token(&fields("shop", &refresh), Some(&key)).await;
    let (access, refresh) = (said.text_of("access_token"), said.text_of("refresh_token"));
    assert_eq!(revoke("shop", &refresh).await.status, StatusCode::OK);
    assert_eq!(scene.token(&fields("shop", &refresh), Some(&key)).await.error(), "invalid_grant");
    assert_eq!(scene.userinfo(&access, Some(&key)).await.status, StatusCode::UNAUTHORIZED, "with all of the family");
    let introspected = scene.post("/introspect", &[("client_id", "shop"), ("token", &access)], &[]).await;
    assert_eq!(introspected.refused(), (401, "invalid_client".to_owned()), "who proves nothing is told nothing");
}
