//! Events on their way out: at least once, in their order, also past receivers that fail and over restarts.
//!
//! The receiver of bulk requests and webhooks is a stand-in, made here: it checks the form, and is no Elasticsearch.

use crate::support::{Place, Running, wait_for};
use bartizan_core::Secret;
use bartizan_core::balance::{Arrow, Balance};
use bartizan_core::event::{Event, EventId, Process, SeenBy, What};
use bartizan_core::status::Accepted;
use bartizan_runtime::clock;
use bartizan_runtime::ports::claim_loopback_ports;
use bartizan_tokens::signed::Form;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

impl Running {
    pub(crate) async fn output(&self, name: &str) -> Option<Arrow> {
        let balance: Balance = self.get("/v1/balance").await;
        assert!(balance.unequal().next().is_none(), "{balance:?}");
        balance.arrows.into_iter().find(|it| it.arrow == format!("output.{name}"))
    }

    async fn sent_all(&self, name: &str) -> Arrow {
        wait_for("everything to be sent", async || {
            self.output(name).await.filter(|it| it.waiting == 0 && it.stored > 0)
        })
        .await
    }

    pub(crate) async fn happen(&self, numbers: std::ops::Range<u64>) {
        let event = |n| Event {
            id: EventId(77, n),
            at: clock::now(),
            service: None,
            seen_by: SeenBy::Supervisor,
            request: None,
            what: What::Process(Process {
                kind: "program".into(),
                executable: format!("/bin/p{n}").into(),
                pid: 1,
                started: true,
                exit: None,
            }),
        };
        let events: Vec<Event> = numbers.map(event).collect();
        let accepted: Accepted = self.post("/v1/events", &events).await.unwrap();
        assert_eq!(accepted.accepted, events.len() as u64);
    }
}

fn ids_of(records: impl Iterator<Item = Value>) -> Vec<u64> {
    let id = |it: Value| it["metadata"]["uid"].as_str().unwrap().to_owned();
    let ours = records.map(id).filter(|id| id.starts_with("000000000000004d"));
    ours.map(|id| u64::from_str_radix(&id[16..], 16).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_on_where_they_were_over_a_restart() {
    let place = Place::new();
    place
        .edit_fleet("gateway:", "outputs:\n  archive: { ndjson: archive/events.ndjson, classes: [process] }\ngateway:");
    let control = Running::start(&place).await;
    wait_for("the output", async || control.output("archive").await).await;
    control.happen(0..300).await;
    control.sent_all("archive").await;
    let arrow = wait_for("all of them", async || control.output("archive").await.filter(|it| it.stored >= 300)).await;
    assert!(arrow.refused.get("filtered").is_none_or(|count| *count < 100), "{arrow:?}");
    control.stop().await;
    let control = Running::start(&place).await;
    control.happen(300..400).await;
    let lines = || std::fs::read_to_string(place.path("archive/events.ndjson")).unwrap_or_default();
    let read = || ids_of(lines().lines().map(|line| serde_json::from_str(line).unwrap()));
    wait_for("what happened since", async || (read().len() >= 400).then_some(())).await;
    assert_eq!(read(), (0..400).collect::<Vec<_>>(), "each once, in order");
    assert!(lines().lines().all(|line| line.contains("\"class_uid\":1007")), "only what was asked for");
    control.stop().await;
}

/// What a request was: its head in lower case, and its body.
type Request = (String, Vec<u8>);

/// A stand-in for receivers over HTTP: answers the first `failures` requests with 503, and others as `answer` says.
fn stand_in(failures: usize, answer: impl Fn(&Request) -> String + Send + 'static) -> (u16, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&seen);
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|bytes| bytes > 2) {}
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let request = (head, body);
            let (status, text) = if count < failures { (503, String::new()) } else { (200, answer(&request)) };
            let _ = write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{text}", text.len());
            if status == 200 {
                heard.lock().unwrap().push(request);
            }
        }
    });
    (port, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_requests_and_webhooks_come_again_until_they_are_taken() {
    let (search, documents) = stand_in(2, |(_, body)| {
        let count = body.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count() / 2;
        json!({ "errors": false, "items": vec![json!({ "create": { "status": 201 } }); count] }).to_string()
    });
    let (hook, calls) = stand_in(1, |_| String::new());
    let place = Place::new();
    place.write("search.header", "ApiKey abc\n");
    place.write("hook.secret", SECRET);
    place.edit_fleet(
        "gateway:",
        &format!(
            "outputs:\n  search: {{ elasticsearch: \"http://127.0.0.1:{search}\", index: events-1, authorization: search.header, classes: [process] }}\n  \
            hook: {{ webhook: \"http://127.0.0.1:{hook}/in\", secret: hook.secret, classes: [process] }}\ngateway:"
        ),
    );
    let control = Running::start(&place).await;
    wait_for("the outputs", async || control.output("hook").await.and(control.output("search").await)).await;
    control.happen(0..300).await;
    let taken = |seen: &Mutex<Vec<Request>>, uid: fn(&Value) -> Option<&str>| -> BTreeSet<String> {
        let seen = seen.lock().unwrap();
        let values = seen.iter().flat_map(|(_, body)| {
            serde_json::Deserializer::from_slice(body).into_iter::<Value>().flatten().collect::<Vec<_>>()
        });
        let values = values.flat_map(|value| match value {
            Value::Array(items) => items,
            other => vec![other],
        });
        values
            .filter_map(|value| uid(&value).filter(|id| id.starts_with("000000000000004d")).map(str::to_owned))
            .collect()
    };
    let in_bulk: fn(&Value) -> Option<&str> = |value| value.pointer("/create/_id")?.as_str();
    let in_list: fn(&Value) -> Option<&str> = |value| value.pointer("/metadata/uid")?.as_str();
    wait_for("all of them to be taken", async || {
        (taken(&documents, in_bulk).len() == 300 && taken(&calls, in_list).len() == 300).then_some(())
    })
    .await;
    for (head, body) in documents.lock().unwrap().iter() {
        assert!(head.starts_with("post /_bulk http/1.1") && head.contains("authorization: apikey abc"), "{head}");
        assert!(head.contains("content-type: application/x-ndjson") && body.ends_with(b"\n"), "{head}");
        let first: Value = serde_json::from_slice(body.split(|b| *b == b'\n').nth(1).unwrap()).unwrap();
        assert!(first["@timestamp"].is_string() && first["event"]["dataset"] == "bartizan.process", "{first}");
    }
    for (head, body) in calls.lock().unwrap().iter() {
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_else(|| panic!("no {name} in {head}")).to_owned()
        };
        // The head was made lower case for looking at it, so the signature is compared in that form.
        let at = field("webhook-timestamp").parse().unwrap();
        let signed = Form::Standard.sign(&Secret::new(SECRET.to_owned()), (&field("webhook-id"), at), body).unwrap();
        let expected = &signed.iter().find(|(name, _)| *name == "webhook-signature").unwrap().1;
        assert_eq!(field("webhook-signature"), expected.to_lowercase());
    }
    control.sent_all("search").await;
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_and_syslog_are_taken_by_our_own_doors() {
    let claimed = claim_loopback_ports(2).unwrap();
    let [http, syslog] = claimed.ports[..] else { panic!("two ports") };
    let place = Place::new();
    place.edit_fleet(
        "gateway:",
        &format!(
            "intake: {{ otlp_http: \"127.0.0.1:{http}\", syslog: \"127.0.0.1:{syslog}\" }}\noutputs:\n  \
            otel: {{ otlp: \"http://127.0.0.1:{http}/v1/logs\", classes: [process] }}\n  siem: {{ syslog: \"tcp://127.0.0.1:{syslog}\", classes: [process] }}\ngateway:"
        ),
    );
    let control = Running::start(&place).await;
    wait_for("the outputs", async || control.output("siem").await.and(control.output("otel").await)).await;
    control.happen(0..50).await;
    wait_for("both ways to be gone", async || {
        let found = control.events("?class=telemetry&text=program%20p&limit=1000").await;
        let of = |source: &str| found.iter().filter(|it| it["unmapped"]["bartizan"]["source"] == source).count();
        (of("otlp") >= 50 && of("syslog") >= 50).then_some(())
    })
    .await;
    control.sent_all("otel").await;
    control.stop().await;
}

/// Such a receiver confirms nothing, so what it was sent just before its end may lie in a buffer that nobody reads: it comes again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_of_syslog_took_down_with_it_comes_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&seen);
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            if count < 2 {
                // The first goes away without having read anything, the second in the middle of it.
                let _ = stream.read(&mut [0; 100][..count * 100]);
                std::thread::sleep(std::time::Duration::from_millis(300));
                continue;
            }
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut bytes) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        }
    });
    let place = Place::new();
    place.edit_fleet(
        "gateway:",
        &format!("outputs:\n  siem: {{ syslog: \"tcp://127.0.0.1:{port}\", classes: [process] }}\ngateway:"),
    );
    let control = Running::start(&place).await;
    wait_for("the output", async || control.output("siem").await).await;
    let seen = |n: u64| seen.lock().unwrap().contains(&format!("id=\"000000000000004d{n:016x}\""));
    let mut sent = 0;
    wait_for("a third connection", async || {
        control.happen(sent..sent + 1).await;
        sent += 1;
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        seen(sent - 1).then_some(())
    })
    .await;
    let missing: Vec<u64> = (0..sent).filter(|n| !seen(*n)).collect();
    assert!(missing.is_empty(), "of {sent} events these came nowhere: {missing:?}");
    control.stop().await;
}
