//! Small things that unit tests share.

use crate::options::Options;
use crate::start::{Started, start};
use bartizan_core::event::{Event, EventId, Request, SeenBy, What};
use bartizan_core::fleet::{self, Fleet};
use bartizan_core::{Action, ServiceName, Timestamp};
use bartizan_events::StoredEvent;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Two services, one edge, a gateway.
pub(crate) const FLEET: &str = "
fleet: bank
trust_domain: bank.test
services:
  accounts:
    listen: 127.0.0.1:7102
    run: [bank, accounts]
    protocol: http
    owner: core-banking
    data: [pii]
    calls: [ledger]
  ledger:
    at: 127.0.0.1:7103
    protocol: tcp
    owner: core-banking
gateway:
  listen: 127.0.0.1:8443
  routes:
    - { path: /api/accounts/**, to: accounts }
";

pub(crate) fn fleet() -> Fleet {
    fleet::parse(FLEET, "fleet.yaml").unwrap_or_else(|errors| panic!("{errors}"))
}

/// A request to `accounts`, with span `n` and no hop before it.
pub(crate) fn request_event(n: u64) -> Event {
    let accounts = ServiceName::parse("accounts").unwrap();
    let request = Request {
        peer: None,
        to: accounts.clone(),
        method: "GET".into(),
        path: "/accounts/7".into(),
        route: None,
        action: Action::Read,
        decision: None,
        status: 200,
        error: None,
        took_us: 900,
        added_us: 90,
        client: None,
        user: None,
        span: n,
        parent_span: 0,
    };
    let (id, at) = (EventId(1, n), Timestamp::from_millis(n));
    Event { id, at, service: Some(accounts), seen_by: SeenBy::Inbound, request: None, what: What::Request(request) }
}

pub(crate) fn stored_event(n: u64) -> StoredEvent {
    bartizan_events::record::write(request_event(n), &fleet(), None)
}

/// A control over [`FLEET`] in `dir`, with both doors open and nobody behind them.
pub(crate) async fn started(dir: &Path) -> Started {
    started_with(dir, FLEET).await
}

/// As [`started`], over another fleet of the same services.
pub(crate) async fn started_with(dir: &Path, fleet: &str) -> Started {
    let addr = |port: u16| format!("127.0.0.1:{port}");
    let plan = serde_json::json!({
        "mode": "full", "control": addr(0),
        "mesh": { "accounts": addr(9102), "ledger": addr(9103) },
        "outbound": { "accounts": { "ledger": addr(9203) } },
    });
    std::fs::write(dir.join("plan.json"), plan.to_string()).unwrap();
    std::fs::write(dir.join("fleet.yaml"), fleet).unwrap();
    let options = Options::new(dir.join("fleet.yaml"), dir.join("plan.json"), dir.to_owned());
    start(options, CancellationToken::new()).await.unwrap().unwrap()
}
