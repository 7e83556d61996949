//! Judged without a fleet: whoever is called here is a socket of the test.

use super::{Ask, Look, Report, Standing};
use crate::data_dir::DataDir;
use bartizan_core::ServiceName;
use bartizan_core::fleet::parse;
use bartizan_core::status::Status;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const FLEET: &str = "
fleet: shop
trust_domain: shop.test
services:
  shop: { at: 127.0.0.1:1, protocol: http, calls: [stock] }
  web: { at: 127.0.0.1:2, protocol: http, calls: [stock] }
  stock: { at: [127.0.0.1:3, 127.0.0.1:4], protocol: http }
";

/// What was asked of the guards of callers.
type Asked = Arc<Mutex<Vec<String>>>;

/// The guard of a caller, which says `answer` or hangs up.
async fn guard(answer: &'static str, asked: &Asked) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let asked = Arc::clone(asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 4096];
            let read = stream.read(&mut bytes).await.unwrap_or_default();
            asked.lock().unwrap().push(String::from_utf8_lossy(&bytes[..read]).into_owned());
            let _ = stream.write_all(answer.as_bytes()).await;
            // To hang up on what was not read yet would take the answer back.
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut bytes).await;
        }
    });
    at
}

/// A place where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn proxy(service: &str, attached: bool, places: &Value) -> Value {
    json!({
        "service": service, "id": format!("spiffe://shop.test/svc/{service}"), "owner": null, "attached": attached, "instance": null,
        "pid": null, "version": null, "freshness": null, "last_heard": null, "svid_not_after": null, "held": {}, "refused": {},
        "calls_per_s": 0.0, "denied_per_s": 0.0, "calls": 0, "denied": 0, "failed": 0, "input_refused": 0, "added_p50_us": null,
        "added_p99_us": null, "handshakes": {"attempted": 0, "completed": 0, "failed": {}}, "connections_open": 0,
        "resident_bytes": 0, "cpu_us": 0, "events": {"offered": 0, "dropped": 0, "delivered": 0}, "places": places
    })
}

/// `stock`, called by the guards at these places. Its own guards are one of which nobody knows the place, and one that is away.
async fn look(callers: [SocketAddr; 2], ask: &str) -> Report {
    let way = |at: SocketAddr| json!({ "mesh": "127.0.0.1:1", "program": "127.0.0.1:1", "outbound": { "stock": at } });
    let status: Status = serde_json::from_value(json!({
        "fleet": "shop", "trust_domain": "shop.test", "mode": "full", "now": 1_000_000_000_u64,
        "control": {
            "started_at": 1_000_000_000_u64, "version": "0.1.0", "listen": "127.0.0.1:1", "svid_not_after": 1_000_000_000_u64,
            "issuing_not_after": 1_000_000_000_u64, "root_not_after": 1_000_000_000_u64,
            "handshakes": {"attempted": 0, "completed": 0, "failed": {}}
        },
        "epochs": {},
        "proxies": [
            proxy("shop", true, &way(callers[0])), proxy("web", true, &way(callers[1])), proxy("stock", true, &Value::Null)
        ],
        "store": {"offered": 0, "stored": 0, "known": 0, "lost": {}, "waiting": 0, "reason": null}
    }))
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path());
    let fleet = parse(FLEET, "fleet.yaml").unwrap_or_else(|errors| panic!("{errors}"));
    let asks: [Ask; 1] = [ask.parse().unwrap()];
    let look = Look { fleet: &fleet, status: &status, data: &data, asks: &asks };
    look.at(&[ServiceName::parse("stock").unwrap()]).await
}

fn found<'a>(report: &'a Report, check: &str) -> Vec<(Standing, &'a str)> {
    let checks = report.services[0].checks.iter().filter(|it| it.check == check);
    checks.map(|it| (it.standing, it.detail.as_str())).collect()
}

const POST: &str = "stock: POST /orders {}";

#[tokio::test]
async fn what_may_have_been_done_is_not_asked_for_again_and_what_was_not_is_with_the_same_key() {
    let asked = Asked::default();
    let report = look([guard("", &asked).await, guard("", &asked).await], POST).await;
    assert_eq!(asked.lock().unwrap().len(), 1, "it may have arrived");
    let called = found(&report, "called")[0];
    assert!(called.0 == Standing::Fail && called.1.contains("not asked again"), "{called:?}");

    let again = Asked::default();
    look([guard("", &again).await, guard("", &again).await], "stock: GET /orders {}").await;
    let field = |name: &str| {
        let fields = again.lock().unwrap();
        let of = |text: &String| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        fields.iter().map(of).collect::<Vec<String>>()
    };
    let (keys, traces) = (field("idempotency-key: "), field("traceparent: "));
    assert_eq!(keys.len(), 2, "to ask twice changes nothing");
    assert!(!keys[0].is_empty() && keys[0] == keys[1] && traces[0] != traces[1], "{keys:?} {traces:?}");

    let reached = Asked::default();
    look([nobody().await, guard("", &reached).await], POST).await;
    assert_eq!(reached.lock().unwrap().len(), 1, "nobody had it before");
}

#[tokio::test]
async fn a_program_that_is_down_a_guard_that_is_away_and_a_store_that_is_silent_do_not_pass() {
    let asked = Asked::default();
    let down = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
    let report = look([guard(down, &asked).await, guard(down, &asked).await], POST).await;
    assert_eq!(asked.lock().unwrap().len(), 1, "nobody denied it");
    let called = found(&report, "called")[0];
    assert!(called.0 == Standing::Fail && called.1.contains("502"), "{called:?}");
    let denied: Vec<_> = found(&report, "denied").iter().map(|(standing, _)| *standing).collect();
    assert_eq!(denied, [Standing::Unseen, Standing::Fail], "{report:?}");
    assert!(found(&report, "denied")[1].1.contains("`stock.2`: its guard is away"), "{report:?}");
    assert!(found(&report, "ledger").iter().all(|it| it.0 == Standing::Unseen), "{report:?}");
    assert_eq!(found(&report, "logs")[0].0, Standing::Unseen, "{report:?}");
    assert!(!report.passed);
}
