//! What a client sees: outcomes, refusals, keys.

use crate::fleet::{Fleet, Service, body, pay, transfer, wait_for};
use bank::client::Call;
use bank::server::{Answer, Request, Trace, serve};
use bank::words::Key;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_payment_moves_money_once_and_is_entered_and_notified() {
    let fleet = Fleet::start();
    let accounts = fleet.two_accounts().await;
    let [from, to] = &accounts;
    let payment = fleet.payment.client();

    let (status, first) = pay(&payment, 1, &transfer(from, to, 30)).await;
    assert_eq!((status, &first["outcome"]), (201, &json!("done")));
    assert_eq!(pay(&payment, 1, &transfer(from, to, 30)).await, (201, first), "the same again");
    assert_eq!(fleet.balances(&accounts).await, [70, 130]);
    assert_eq!(fleet.entries().await, 1);

    let (status, reused) = pay(&payment, 1, &transfer(from, to, 31)).await;
    assert_eq!((status, &reused["error"]), (409, &json!("key_reused")));
    assert_eq!(fleet.balances(&accounts).await, [70, 130]);

    let path = format!("/transactions/{to}");
    let ledger = body(fleet.transactions.client().call(&Call::get(&path)).await.unwrap());
    assert_eq!((&ledger["in_cents"], &ledger["out_cents"]), (&json!(30), &json!(0)));
    assert_eq!(ledger["newest"][0]["id"], json!(Key::of(1)));

    let (path, notifications) = (format!("/notifications/{from}"), fleet.notifications.client());
    wait_for("the notification", &notifications, &path, |found| found["newest"][0]["cents"] == 30).await;
}

#[tokio::test]
async fn what_cannot_be_paid_is_declined_and_stays_so() {
    let fleet = Fleet::start();
    let accounts = fleet.two_accounts().await;
    let [from, to] = &accounts;
    let (payment, nobody) = (fleet.payment.client(), "acc-nobody".to_owned().try_into().unwrap());
    for _again in 0..2 {
        for (key, asked, status, outcome) in [
            (1, transfer(from, to, 101), 409, "insufficient_funds"),
            (2, transfer(from, &nobody, 1), 404, "unknown_account"),
            (3, transfer(&nobody, to, 1), 404, "unknown_account"),
            (4, transfer(&bank::words::Id::house(), to, 1), 404, "unknown_account"),
        ] {
            let answer = pay(&payment, key, &asked).await;
            assert_eq!((answer.0, &answer.1["outcome"]), (status, &json!(outcome)), "{asked:?}");
        }
    }
    assert_eq!(fleet.balances(&accounts).await, [100, 100]);
    assert_eq!(fleet.entries().await, 0);
}

#[tokio::test]
async fn what_is_no_payment_is_refused() {
    let fleet = Fleet::start();
    let [from, to] = fleet.two_accounts().await;
    let good = format!(r#"{{"from":"{from}","to":"{to}","cents":1}}"#);
    let key = "idempotency-key: 1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    for (what, path, header, text, status) in [
        ("no JSON", "/payments", key, "from a to b", 400),
        ("no amount", "/payments", key, r#"{"from":"a","to":"b"}"#, 400),
        ("half a cent", "/payments", key, r#"{"from":"a","to":"b","cents":0.5}"#, 400),
        ("to oneself", "/payments", key, r#"{"from":"a","to":"a","cents":1}"#, 400),
        ("no key", "/payments", "x: y", &good, 400),
        ("a key that is none", "/payments", "idempotency-key: 7", &good, 400),
        ("too long", "/payments", key, &" ".repeat(70_000), 413),
        ("no such path", "/pay", key, &good, 404),
    ] {
        assert_eq!(post_raw(&fleet.payment, path, header, text), status, "{what}");
    }
    assert_eq!(post_raw(&fleet.accounts, "/accounts/transfers", "x: y", &good), 400, "a transfer without a key");
    let nobody = r#"{"owner":"usr-nobody","opening_cents":1}"#;
    assert_eq!(post_raw(&fleet.accounts, "/accounts", key, nobody), 404, "an account for nobody");
    assert_eq!(fleet.balances(&[from, to]).await, [100, 100]);
}

/// A request as no client of ours would send it; gives the status.
fn post_raw(service: &Service, path: &str, header: &str, text: &str) -> u16 {
    let mut socket = std::net::TcpStream::connect(service.address()).unwrap();
    let length = text.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n{header}\r\ncontent-length: {length}\r\n\r\n{text}"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn many_at_once_under_one_key_pay_once() {
    let fleet = Fleet::start();
    let accounts = fleet.two_accounts().await;
    let payment = Arc::new(fleet.payment.client());
    let asked = transfer(&accounts[0], &accounts[1], 7);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (payment, asked) = (Arc::clone(&payment), asked.clone());
        calls.spawn(async move { pay(&payment, 1, &asked).await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers[0].0, 201);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(fleet.balances(&accounts).await, [93, 107]);
    assert_eq!(fleet.entries().await, 1);
}

#[tokio::test]
async fn the_trace_of_a_request_goes_along() {
    let fleet = Fleet::start();
    let [from, to] = fleet.two_accounts().await;
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = Trace { traceparent: Some(traceparent.into()), request_id: Some("request-7".into()) };
    let asked = transfer(&from, &to, 1);
    let call = Call::post("/payments", &asked).key(Key::of(1)).trace(&trace);
    assert_eq!(fleet.payment.client().call(&call).await.unwrap().status, StatusCode::CREATED);
    let journal = std::fs::read_to_string(fleet.transactions.file("transactions.journal")).unwrap();
    assert!(journal.contains(traceparent) && journal.contains("request-7"), "{journal}");
}

/// Stands between payment and accounts, and lets nobody through.
struct Forbids(StatusCode);

impl bank::server::Service for Forbids {
    async fn answer(self: Arc<Self>, _: Request) -> Answer {
        Answer::error(self.0, "denied", "not by this policy")
    }
}

/// A 404 or 409 of somebody in between says nothing about the money: an earlier attempt may have got through.
#[tokio::test]
async fn a_refusal_from_in_between_leaves_the_payment_open() {
    let mut waits = tokio::task::JoinSet::new();
    for status in [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::CONFLICT] {
        waits.spawn(stays_open(status)); // side by side, since each waits until payment gives up waiting
    }
    waits.join_all().await;
}

async fn stays_open(status: StatusCode) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let between = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, Arc::new(Forbids(status)), CancellationToken::new()));

    let folder = tempfile::tempdir().unwrap();
    let service = Service::start("payment", folder.path(), &[("accounts", &between), ("transactions", &between)]);
    let client = service.client();
    let asked = json!({ "from": "a", "to": "b", "cents": 1 });
    let answer = client.call(&Call::post("/payments", &asked).key(Key::of(1))).await.unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "after {status}");
    assert_eq!(body(answer)["error"], "not_yet");
    let path = format!("/payments/{}", Key::of(1));
    let payment = body(client.call(&Call::get(&path)).await.unwrap());
    assert_eq!(payment["outcome"], Value::Null, "after {status}");
}
