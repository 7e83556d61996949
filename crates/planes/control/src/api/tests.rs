//! Every endpoint, as nobody, as the wrong user and as the right ones.

use super::table::{ENDPOINTS, Method, router};
use crate::start::Started;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bartizan_core::snapshot::Kind;
use bartizan_runtime::local::Caller;
use std::sync::Arc;
use tower_service::Service;

/// The user that control runs as, in this test.
const OWN: u32 = 4711;

async fn started(dir: &std::path::Path) -> Started {
    let mut started = crate::tests::started(dir).await;
    Arc::get_mut(&mut started.app).unwrap().uid = OWN;
    started
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_is_closed_to_all_but_its_operators() {
    let dir = tempfile::tempdir().unwrap();
    let started = started(dir.path()).await;
    let mut router = router(Arc::clone(&started.app));
    for endpoint in ENDPOINTS {
        let path = endpoint.path.replace("{request}", "4bf92f3577b34da6a3ce929d0e0e4736").replace("{name}", "kind");
        let method = match endpoint.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        for (uid, allowed) in [(None, false), (Some(OWN + 1), false), (Some(OWN), true), (Some(0), true)] {
            let mut request = Request::builder().method(method).uri(&path).body(Body::empty()).unwrap();
            if let Some(uid) = uid {
                request.extensions_mut().insert(Caller { pid: None, uid, gid: 0 });
            }
            let status = router.call(request).await.unwrap().status();
            assert_eq!(status != StatusCode::FORBIDDEN, allowed, "{method} {path} as {uid:?}: {status}");
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}: the table names the wrong method");
        }
    }
    assert_eq!(started.app.in_force().epochs.len(), Kind::ALL.len(), "the calls that were allowed did not harm it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_table_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let started = started(dir.path()).await;
    let mut router = router(Arc::clone(&started.app));
    for path in ["/", "/v1", "/v1/secrets", "/v1/status/", "/v1/explain/", "/metrics"] {
        let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Caller { pid: None, uid: OWN, gid: 0 });
        assert_eq!(router.call(request).await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn the_table_names_each_endpoint_once() {
    let mut seen = std::collections::BTreeSet::new();
    for endpoint in ENDPOINTS {
        assert!(seen.insert((endpoint.method == Method::Get, endpoint.path)), "{} stands there twice", endpoint.path);
        assert!(endpoint.path.starts_with("/v1/") && !endpoint.about.is_empty());
    }
}
