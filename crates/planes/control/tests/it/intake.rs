//! What is handed in: refused where nobody may or nothing can be made of it, counted in every case, stored without secrets.

use crate::support::{Place, Running, wait_for};
use bartizan_core::balance::{Arrow, Balance};
use bartizan_runtime::ports::{Claimed, claim_loopback_ports};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Where everything is handed in.
struct Doors {
    http: u16,
    syslog: u16,
    lines: u16,
    claimed: Claimed,
}

impl Doors {
    /// A place whose fleet file has these doors, and `more` under `intake`.
    fn open(place: &Place, more: &str) -> Self {
        let claimed = claim_loopback_ports(3).unwrap();
        let [http, syslog, lines] = claimed.ports[..] else { panic!("three ports") };
        let intake = format!(
            "intake:\n  otlp_http: 127.0.0.1:{http}\n  syslog: 127.0.0.1:{syslog}\n  ndjson: 127.0.0.1:{lines}\n{more}gateway:"
        );
        place.edit_fleet("gateway:", &intake);
        Self { http, syslog, lines, claimed }
    }

    async fn ready(&self, control: &Running) {
        assert_eq!(self.claimed.ports.len(), 3);
        wait_for("the doors", async || TcpStream::connect(("127.0.0.1", self.lines)).ok()).await;
        wait_for("the doors of HTTP", async || TcpStream::connect(("127.0.0.1", self.http)).ok()).await;
        assert!(control.balance().await.unequal().next().is_none());
    }

    /// The status and the body of an answer to POST.
    fn post(&self, path: &str, kind: &str, more: &[&str], body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let fields: String = more.iter().map(|field| format!("{field}\r\n")).collect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: intake\r\nconnection: close\r\ncontent-type: {kind}\r\n{fields}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let _ = stream.write_all(body); // it may be refused before it was sent whole
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }
}

impl Running {
    async fn balance(&self) -> Balance {
        self.get("/v1/balance").await
    }

    async fn arrow(&self, name: &str) -> Arrow {
        let balance = self.balance().await;
        balance.arrows.iter().find(|it| it.arrow == name).cloned().unwrap_or_else(|| panic!("no {name} in {balance:?}"))
    }
}

fn log(body: &str) -> String {
    format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"accounts"}}}}]}},
        "scopeLogs":[{{"logRecords":[{{"severityNumber":9,"body":{{"stringValue":"{body}"}},"traceId":"{TRACE}"}}]}}]}}]}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_refused_and_counted() {
    let place = Place::new();
    let doors = Doors::open(&place, "  records_per_s: 50\n");
    let control = Running::start(&place).await;
    doors.ready(&control).await;
    let json = "application/json";
    let long = vec![b' '; 5 << 20];
    let bomb = {
        // A gzip of 5 MiB of nothing, made by hand: stored blocks would not be a bomb, so it is made by the program for it.
        let mut gzip = std::process::Command::new("gzip");
        let gzip = gzip.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn();
        let mut gzip = gzip.unwrap();
        gzip.stdin.take().unwrap().write_all(&long).unwrap();
        gzip.wait_with_output().unwrap().stdout
    };
    assert!(bomb.len() < 64 << 10, "{} bytes", bomb.len());
    for (path, kind, more, body, expected, why) in [
        ("/v1/logs", json, &[][..], &b"{"[..], 400, "no JSON"),
        ("/v1/logs", "application/x-protobuf", &[], b"\x0a\xff", 400, "no protobuf"),
        ("/v1/logs", "text/plain", &[], b"{}", 415, "a media type that a page may send"),
        ("/v1/logs", json, &["origin: http://evil.test"], b"{}", 403, "a page in a browser"),
        ("/v1/logs", json, &["content-encoding: br"], b"{}", 415, "an unknown encoding"),
        ("/v1/logs", json, &["content-encoding: gzip"], b"{}", 400, "no gzip"),
        ("/v1/logs", json, &["content-encoding: gzip"], &bomb, 413, "a bomb"),
        ("/v1/logs", json, &[], &long, 413, "too long"),
        ("/v1/other", json, &[], b"{}", 404, "nothing there"),
        ("/ndjson", "application/x-ndjson", &[], b"nothing\nof the kind", 400, "no lines of JSON"),
        ("/kubernetes/audit", json, &[], b"{\"kind\":\"List\"}", 400, "no list of audit records"),
    ] {
        let (status, answer) = doors.post(path, kind, more, body);
        assert_eq!(status, expected, "{why}: {answer}");
    }
    let arrow = control.arrow("intake.otlp_http").await;
    assert_eq!((arrow.refused["malformed"], arrow.refused["too_long"], arrow.stored), (3, 2, 0), "{arrow:?}");
    assert_eq!(control.arrow("intake.ndjson_http").await.refused["malformed"], 2);
    assert_eq!(control.arrow("intake.kubernetes").await.refused["malformed"], 1);

    // A log bomb: what one client may bring is stored, the rest is refused; what is about security comes through.
    let lines = "{\"msg\":\"bomb\"}\n".repeat(5_000) + "{\"msg\":\"denied\",\"event.category\":\"authentication\"}\n";
    let (status, answer) = doors.post("/ndjson", "application/x-ndjson", &[], lines.as_bytes());
    assert_eq!(status, 200, "{answer}");
    let arrow = control.arrow("intake.ndjson_http").await;
    assert!(arrow.is_equal() && arrow.refused["rate"] >= 4_800 && arrow.received == 5_003, "{arrow:?}");
    control.wait_for_events("?class=telemetry&text=denied", 1).await;
    assert!(control.balance().await.unequal().next().is_none(), "{:?}", control.balance().await);
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_has_to_be_shown_where_there_are_some() {
    let place = Place::new();
    place.write("collector.token", &format!("{TOKEN}\n"));
    let doors = Doors::open(&place, "  tokens: { collector: collector.token }\n");
    let control = Running::start(&place).await;
    doors.ready(&control).await;
    let body = log("hello");
    let with = |token: &str| {
        let field = format!("authorization: Bearer {token}");
        doors.post("/v1/logs", "application/json", &[&field], body.as_bytes())
    };
    assert_eq!(doors.post("/v1/logs", "application/json", &[], body.as_bytes()).0, 401, "none");
    assert_eq!(with("0123456789abcdef0123456789abcdee").0, 401, "another");
    assert_eq!(with("").0, 401, "an empty one");
    assert_eq!(with(TOKEN), (200, "{}".to_owned()));
    let arrow = control.arrow("intake.otlp_http").await;
    assert_eq!((arrow.refused["stranger"], arrow.stored), (3, 1), "{arrow:?}");
    let found = control.events("?class=telemetry").await;
    let own = &found[0]["unmapped"]["bartizan"];
    assert_eq!((&own["from"], &own["service"]), (&"collector".into(), &"accounts".into()), "{own}");
    assert_eq!(found[0]["class_uid"], 0, "the base event");
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn syslog_and_lines_come_over_udp_and_tcp() {
    let place = Place::new();
    let doors = Doors::open(&place, "");
    let control = Running::start(&place).await;
    doors.ready(&control).await;
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    wait_for("a datagram that came through", async || {
        udp.send_to(b"<34>1 - host su - - - udp one", ("127.0.0.1", doors.syslog)).unwrap();
        let arrow = control.balance().await.arrows.into_iter().find(|it| it.arrow == "intake.syslog_udp");
        arrow.filter(|it| it.stored > 0)
    })
    .await;
    let mut tcp = TcpStream::connect(("127.0.0.1", doors.syslog)).unwrap();
    let long = "x".repeat(70_000);
    let id = format!("trace_id=\"{TRACE}\"");
    let counted = format!("<14>1 - host app - - [o {id}] counted\nmessage");
    // By lines, counted, too long both ways, and a last one whose length is a lie.
    tcp.write_all(format!("<13>Oct 11 22:14:15 host app: by line\n{} {counted}", counted.len()).as_bytes()).unwrap();
    tcp.write_all(format!("{long}\n{} {long}<13>behind it\n99 cut", long.len()).as_bytes()).unwrap();
    drop(tcp);
    let arrow = wait_for("all of them", async || {
        let arrow = control.balance().await.arrows.into_iter().find(|it| it.arrow == "intake.syslog_tcp")?;
        (arrow.received == 6 && arrow.waiting == 0).then_some(arrow)
    })
    .await;
    assert_eq!((arrow.stored, arrow.refused["too_long"], arrow.refused["malformed"]), (3, 2, 1), "{arrow:?}");
    let traced = control.events(&format!("?request={TRACE}")).await;
    assert_eq!(traced[0]["unmapped"]["bartizan"]["body"], "counted\nmessage", "{traced:?}");

    let mut lines = TcpStream::connect(("127.0.0.1", doors.lines)).unwrap();
    lines
        .write_all(b"{\"msg\":\"one\",\"service\":\"ledger\"}\nnot json\n\n{\"msg\":\"last, without an end\"}")
        .unwrap();
    drop(lines);
    let arrow = wait_for("all lines", async || {
        let arrow = control.balance().await.arrows.into_iter().find(|it| it.arrow == "intake.ndjson")?;
        (arrow.received == 3 && arrow.waiting == 0).then_some(arrow)
    })
    .await;
    assert_eq!((arrow.stored, arrow.refused["malformed"]), (2, 1), "{arrow:?}");
    assert_eq!(control.events("?class=telemetry&service=ledger").await.len(), 1);
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_full_says_so_to_whoever_hands_in() {
    let place = Place::new();
    let doors = Doors::open(&place, "");
    place.edit_fleet("gateway:", "events: { bytes: 16M }\ngateway:");
    let control = Running::start(&place).await;
    doors.ready(&control).await;
    // Random texts, so that nothing can be packed away.
    let mut state = 7_u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:x}.", state >> 40)
    };
    let refused = wait_for("the store to be full", async || {
        let lines: String =
            (0..400).map(|_| format!("{{\"msg\":\"{}\"}}\n", (0..800).map(|_| word()).collect::<String>())).collect();
        let (status, answer) = doors.post("/ndjson", "application/x-ndjson", &[], lines.as_bytes());
        assert!(status == 200 || status == 503, "{status}: {answer}");
        (status == 503).then_some(answer)
    })
    .await;
    assert!(refused.contains("the store does not take events now"), "{refused}");
    let balance = control.balance().await;
    assert!(balance.unequal().next().is_none(), "{balance:?}");
    let arrow = control.arrow("intake.ndjson_http").await;
    assert!(arrow.dropped["store"] >= 400, "{arrow:?}");
    let store = control.arrow("control.store").await;
    assert!(store.dropped["disk_full"] >= arrow.dropped["store"], "{store:?} {arrow:?}");
    control.stop().await;
}

/// Canaries in every field; none of them is on the disk.
#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_are_nowhere_on_disk() {
    const CANARY: &str = "Canary7f3a9c51e2";
    let secrets = [
        format!("Bearer {CANARY}AAAAAAAA"),
        format!("password={CANARY}"),
        format!("ghp_{CANARY}abcdefgh"),
        format!("postgres://bank:{CANARY}@db/bank"),
        format!("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ{CANARY}."),
        format!("-----BEGIN PRIVATE KEY----- {CANARY} -----END PRIVATE KEY-----"),
        // Its digits are the canary.
        "card 4111 1111 1111 1111".to_owned(),
        "5555555555554444".to_owned(),
    ];
    let place = Place::new();
    let doors = Doors::open(&place, "");
    let control = Running::start(&place).await;
    doors.ready(&control).await;
    let json = "application/json";
    let mut sent = 0;
    for secret in &secrets {
        let text = serde_json::Value::from(secret.as_str()).to_string();
        let value = format!("{{\"stringValue\":{text}}}");
        let plain = format!("{{\"stringValue\":\"{CANARY}\"}}");
        let attributes = format!(
            "[{{\"key\":\"note\",\"value\":{value}}},{{\"key\":\"http.request.header.authorization\",\"value\":{plain}}},\
            {{\"key\":\"db.password\",\"value\":{plain}}},{{\"key\":{text},\"value\":{{\"intValue\":\"1\"}}}},\
            {{\"key\":\"list\",\"value\":{{\"arrayValue\":{{\"values\":[{value}]}}}}}},\
            {{\"key\":\"map\",\"value\":{{\"kvlistValue\":{{\"values\":[{{\"key\":\"session_token\",\"value\":{plain}}}]}}}}}}]"
        );
        let resource = format!(
            "{{\"attributes\":[{{\"key\":\"service.name\",\"value\":{value}}},{{\"key\":\"host.secret\",\"value\":{plain}}}]}}"
        );
        let exception = format!(
            "[{{\"name\":\"exception\",\"attributes\":[{{\"key\":\"exception.stacktrace\",\"value\":{value}}},{{\"key\":\"exception.message\",\"value\":{value}}}]}}]"
        );
        let spans = format!(
            "{{\"resourceSpans\":[{{\"resource\":{resource},\"scopeSpans\":[{{\"spans\":[{{\"traceId\":\"{TRACE}\",\"spanId\":\"00f067aa0ba902b7\",\
            \"name\":{text},\"attributes\":{attributes},\"events\":{exception},\"status\":{{\"code\":2,\"message\":{text}}}}}]}}]}}]}}"
        );
        let body = format!(
            "{{\"kvlistValue\":{{\"values\":[{{\"key\":\"password\",\"value\":{plain}}},{{\"key\":\"x\",\"value\":{value}}}]}}}}"
        );
        let logs = format!(
            "{{\"resourceLogs\":[{{\"resource\":{resource},\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{value},\"attributes\":{attributes},\
            \"eventName\":{text},\"severityText\":{text}}},{{\"body\":{body}}}]}}]}}]}}"
        );
        let points = format!(
            "{{\"resourceMetrics\":[{{\"resource\":{resource},\"scopeMetrics\":[{{\"metrics\":[{{\"name\":{text},\"unit\":{text},\
            \"gauge\":{{\"dataPoints\":[{{\"asInt\":\"1\",\"attributes\":{attributes}}}]}}}}]}}]}}]}}"
        );
        for (path, message) in [("/v1/traces", spans), ("/v1/logs", logs), ("/v1/metrics", points)] {
            assert_eq!(doors.post(path, json, &[], message.as_bytes()), (200, "{}".to_owned()), "{path} {message}");
        }
        let line = format!(
            "{{\"msg\":{text},\"service\":{text},\"token\":\"{CANARY}\",\"deep\":{{\"api_key\":\"{CANARY}\"}},\"n\":{text}}}"
        );
        assert_eq!(doors.post("/ndjson", "application/x-ndjson", &[], line.as_bytes()).0, 200);
        let audit = format!(
            "{{\"kind\":\"EventList\",\"items\":[{{\"verb\":\"get\",\"requestURI\":\"/x?token={CANARY}\",\"user\":{{\"username\":{text}}},\
            \"userAgent\":{text},\"responseStatus\":{{\"message\":{text}}},\"requestObject\":{{\"data\":\"{CANARY}\"}}}}]}}"
        );
        assert_eq!(doors.post("/kubernetes/audit", json, &[], audit.as_bytes()).0, 200);
        let mut tcp = TcpStream::connect(("127.0.0.1", doors.syslog)).unwrap();
        let quoted = secret.replace('"', "");
        tcp.write_all(format!("<14>1 - host app - - [a pwd=\"{CANARY}\" n=\"{quoted}\"] {secret}\n").as_bytes())
            .unwrap();
        drop(tcp);
        sent += 7; // a span, two logs, a point, a line, an audit record, a message of syslog
    }
    let stored = async || {
        let arrows = control.balance().await.arrows;
        arrows.iter().filter(|it| it.arrow.starts_with("intake.")).map(|it| it.stored).sum::<u64>()
    };
    wait_for("everything to be stored", async || (stored().await == sent).then_some(())).await;
    let shown = control.text("/v1/events?class=telemetry&limit=1000").await;
    assert_eq!(shown.lines().count() as u64, sent);
    assert!(shown.contains("[redacted]"), "something was taken out");
    control.stop().await;
    let mut folders = vec![place.data()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            files += 1;
            for planted in [CANARY, "1111 1111 1111", "555555555555", "NhbmFyeTdmM2E5YzUxZTI"] {
                let found = bytes.windows(planted.len()).position(|it| it == planted.as_bytes());
                let near = found.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(80)..at + 20]).into_owned());
                assert_eq!(near, None, "{} holds a planted secret", path.display());
            }
        }
    }
    assert!(files > 5, "{files} files were looked at");
    for planted in [CANARY, "1111 1111 1111", "555555555555"] {
        assert!(!shown.contains(planted), "{planted} is shown");
    }
}
