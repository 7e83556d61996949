//! Scripts of other origins: those of apps read what is for scripts, nobody else reads anything.

use super::*;

async fn ask(scene: &Scene, method: Method, path: &str, origin: &str) -> Said {
    let request = Request::builder().method(method).uri(path).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    scene.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_of_apps_read_tokens_and_no_script_reads_pages() {
    let scene = Scene::new().await;
    let allowed = |said: &Said| said.headers.get("access-control-allow-origin").cloned();
    for origin in
        ["https://evil.test", "null", "https://shop.test.evil.test", "http://127.0.0.1", "https://shop.test:444"]
    {
        for path in ["/token", "/userinfo", "/jwks"] {
            let said = ask(&scene, Method::OPTIONS, path, origin).await;
            assert_eq!(allowed(&said), None, "{origin} {path}");
        }
    }
    for path in ["/authorize", "/device", "/logout", "/sign-in", "/account", "/consent", "/register", "/introspect"] {
        for method in [Method::OPTIONS, Method::GET] {
            assert_eq!(allowed(&ask(&scene, method, path, "https://shop.test").await), None, "{path}");
        }
    }
    for path in ["/token", "/par", "/userinfo", "/revoke", "/jwks", "/.well-known/openid-configuration"] {
        let said = ask(&scene, Method::OPTIONS, path, "https://shop.test").await;
        assert_eq!(said.status, StatusCode::NO_CONTENT, "{path}");
        assert!(allowed(&said).is_some_and(|it| it == "https://shop.test"), "{path}");
        assert_eq!(said.headers.get("access-control-allow-credentials"), None);
    }
    let said = scene.post("/token", &[("client_id", "shop")], &[("origin", "https://shop.test")]).await;
    assert!(allowed(&said).is_some() && said.headers.contains_key("dpop-nonce"), "{said:?}");
}
