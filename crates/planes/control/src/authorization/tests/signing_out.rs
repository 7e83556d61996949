//! Signing out: by an app, with a word of ours, or with the person's; what was given on account of the session ends with it.

use super::*;

const BYE: (&str, &str) = ("post_logout_redirect_uri", "https://shop.test/bye");

async fn tokens(scene: &Scene, browser: &mut Browser<'_>, key: &ProofKey, scope: &str) -> Said {
    let code = browser.code("shop", &[("scope", scope)]).await;
    scene.token(&redeem("shop", &code), Some(key)).await
}

async fn refresh(scene: &Scene, token: &str, key: &ProofKey) -> Said {
    let fields = [("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", token)];
    scene.token(&fields, Some(key)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_out_without_a_word_nor_sent_elsewhere_afterwards() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let key = ProofKey::new();
    let id = tokens(&scene, &mut browser, &key, "openid").await.text_of("id_token");
    let (_, mut bob) = scene.signed_in("bob").await;
    let of_bob = tokens(&scene, &mut bob, &key, "openid").await.text_of("id_token");
    let hint = ("id_token_hint", id.as_str());
    for wrong in [
        vec![hint, ("post_logout_redirect_uri", "https://evil.test/")],
        vec![hint, ("post_logout_redirect_uri", "https://shop.test/bye/")],
        vec![hint, ("post_logout_redirect_uri", BACK)],
        vec![hint, BYE, ("client_id", "thief")],
        vec![BYE],
        vec![BYE, ("client_id", "nobody")],
        vec![("id_token_hint", "x.y.z"), BYE],
    ] {
        let said = browser.get(&with_parameters("/logout", &wrong)).await;
        assert_eq!((said.status, said.to()), (StatusCode::BAD_REQUEST, ""), "{wrong:?}");
    }
    // Without a word of ours, and with somebody else's, the person is asked.
    for asked in [vec![], vec![BYE, ("client_id", "shop")], vec![("id_token_hint", of_bob.as_str()), BYE]] {
        let said = browser.get(&with_parameters("/logout", &asked)).await;
        assert!(said.text.contains("Sign out?") && said.to().is_empty(), "{asked:?} {said:?}");
        assert_eq!(browser.get("/account").await.status, StatusCode::OK, "still signed in");
    }
    let said = browser.send(form("/logout/on", &[], &[("origin", ISSUER)])).await;
    assert_eq!(said.status, StatusCode::FORBIDDEN, "a form that has no mark of ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_for_a_session_ends_with_it_and_what_is_to_go_on_does() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let key = ProofKey::new();
    let of_session = tokens(&scene, &mut browser, &key, "openid").await;
    let on = tokens(&scene, &mut browser, &key, "openid offline_access").await;
    let waiting = browser.code("shop", &[]).await;
    let id = of_session.text_of("id_token");
    let said = browser.get(&with_parameters("/logout", &[("id_token_hint", &id), BYE, ("state", "s 1")])).await;
    assert_eq!(said.to(), "https://shop.test/bye?state=s%201");
    assert!(browser.get("/account").await.to().starts_with("/sign-in"), "signed out");

    let access = of_session.text_of("access_token");
    wait_until(async || scene.userinfo(&access, Some(&key)).await.status == StatusCode::UNAUTHORIZED).await;
    let ended = refresh(&scene, &of_session.text_of("refresh_token"), &key).await;
    assert_eq!(ended.refused(), (400, "invalid_grant".to_owned()));
    let late = scene.token(&redeem("shop", &waiting), Some(&key)).await;
    assert_eq!(late.refused(), (400, "invalid_grant".to_owned()), "a code of before");
    assert_eq!(refresh(&scene, &on.text_of("refresh_token"), &key).await.status, StatusCode::OK);
    assert_eq!(scene.userinfo(&on.text_of("access_token"), Some(&key)).await.status, StatusCode::OK);
    // Signed out already, so there is nothing to ask.
    let again = browser.get(&with_parameters("/logout", &[("client_id", "shop"), BYE])).await;
    assert_eq!(again.to(), "https://shop.test/bye");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_yes_is_signed_out_and_sent_on() {
    let scene = Scene::new().await;
    let (_, mut browser) = scene.signed_in("ana").await;
    let posted = browser.send(form("/logout", &[("client_id", "shop"), BYE], &[("origin", "https://shop.test")])).await;
    let page = browser.follow(posted).await;
    let to = page.field("to");
    let said = browser.form("/logout/on", &page, &[("to", &to)]).await;
    assert_eq!(said.to(), BYE.1, "{said:?}");
    assert!(browser.get("/account").await.to().starts_with("/sign-in"));
    let page = browser.get("/logout").await;
    assert!(page.text.contains("You are signed out"), "{page:?}");
}
