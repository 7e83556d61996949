//! The services in other languages, by themselves.

use crate::fleet::{Service, body};
use bank::client::Call;
use bank::words::Key;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::io::{Read, Write};

/// Sends `request` as it is and reads until the service closes.
fn raw(service: &Service, request: &str) -> String {
    let mut socket = std::net::TcpStream::connect(service.address()).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

async fn post(service: &Service, path: &str, key: u128, given: &Value) -> (u16, Value) {
    let reply = service.client().call(&Call::post(path, given).key(Key::of(key))).await.unwrap();
    (reply.status.as_u16(), body(reply))
}

#[tokio::test]
async fn a_user_is_made_once_and_survives() {
    let folder = tempfile::tempdir().unwrap();
    let mut users = Service::start("users", folder.path(), &[]);
    let ada = json!({ "name": "Ada", "email": "ada@bank.example" });
    let (status, made) = post(&users, "/users", 1, &ada).await;
    assert_eq!(status, 201);
    assert_eq!(post(&users, "/users", 1, &ada).await, (201, made.clone()), "the same again");
    assert_eq!(post(&users, "/users", 1, &json!({ "name": "Bob" })).await.0, 409);
    assert_ne!(post(&users, "/users", 2, &ada).await.1["id"], made["id"]);

    users.kill();
    users.restart();
    let path = format!("/users/{}", made["id"].as_str().unwrap());
    assert_eq!(body(users.client().call(&Call::get(&path)).await.unwrap()), made);
    assert_eq!(users.client().call(&Call::get("/users/nobody")).await.unwrap().status, StatusCode::NOT_FOUND);
    for bad in
        [json!({}), json!({ "name": "" }), json!({ "name": 1 }), json!([]), json!({ "name": "a", "admin": true })]
    {
        assert_eq!(post(&users, "/users", 3, &bad).await.0, 400, "{bad}");
    }
}

#[test]
fn users_reads_bodies_as_http_says() {
    let folder = tempfile::tempdir().unwrap();
    let users = Service::start("users", folder.path(), &[]);
    let post = "POST /users HTTP/1.1\r\nhost: bank\r\n";
    for (what, request, answer) in [
        (
            "chunks",
            "connection: close\r\ntransfer-encoding: chunked\r\n\r\n6\r\n{\"name\r\n7\r\n\":\"Ada\"\r\n1\r\n}\r\n0\r\n\r\n",
            "HTTP/1.1 201",
        ),
        ("two lengths", "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n", "HTTP/1.1 400"),
        ("a strange length", "content-length: +4\r\n\r\n{}{}", "HTTP/1.1 400"),
        ("a strange coding", "transfer-encoding: gzip\r\n\r\n", "HTTP/1.1 400"),
        ("too long", "content-length: 65537\r\n\r\n", "HTTP/1.1 413"),
        ("too long in chunks", "transfer-encoding: chunked\r\n\r\n10001\r\n", "HTTP/1.1 413"),
    ] {
        // The refused ones end, though nobody asked for `close`: the rest of the connection cannot be trusted.
        let got = raw(&users, &format!("{post}{request}"));
        assert!(got.starts_with(answer), "{what}: {got}");
    }
}

#[tokio::test]
async fn a_notification_is_taken_once_and_survives_a_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut notifications = Service::start("notifications", folder.path(), &[]);
    let paid = |cents: i64| json!({ "id": "p-1", "from": "acc-1", "to": "acc-2", "cents": cents });
    assert_eq!(post(&notifications, "/notifications", 1, &paid(5)).await.0, 201);
    assert_eq!(post(&notifications, "/notifications", 1, &paid(5)).await.0, 201, "the same again");
    assert_eq!(post(&notifications, "/notifications", 1, &paid(6)).await.0, 409);
    for bad in [json!(null), json!({}), paid(0), json!({ "id": "../p", "from": "a", "to": "b", "cents": 1 })] {
        assert_eq!(post(&notifications, "/notifications", 1, &bad).await.0, 400, "{bad}");
    }

    notifications.kill();
    let file = notifications.file("notifications.ndjson");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, [&whole[..], br#"{"id":"p-2","from":"acc-1","#].concat()).unwrap();
    notifications.restart();
    assert_eq!(std::fs::read(&file).unwrap(), whole, "the torn line is gone");
    assert_eq!(post(&notifications, "/notifications", 1, &paid(5)).await.0, 201);
    let client = notifications.client();
    let found = body(client.call(&Call::get("/notifications/acc-2")).await.unwrap());
    assert_eq!(found["newest"], json!([paid(5)]), "once, also after a restart");
    assert_eq!(std::fs::read(&file).unwrap(), whole);
}
