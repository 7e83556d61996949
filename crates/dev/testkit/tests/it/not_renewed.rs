//! Identities that cannot be renewed: a ticket while there is time, a page when there is little left, and the end of both once they are.

use bartizan_testkit::{Bank, Deadline, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Of the hour that an identity lives: past its half, when it is to be renewed, with more than a third left.
const DUE: Duration = Duration::from_secs(36 * 60);
/// Less than a third is left.
const LATE: Duration = Duration::from_secs(42 * 60);
/// Less than a tenth is left.
const LAST: Duration = Duration::from_secs(56 * 60);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What was told: the kind of the notice, the rule, and the service.
type Told = Arc<Mutex<Vec<(String, String, String)>>>;

/// A webhook; whoever is paged or gets tickets is behind it.
fn hook() -> (u16, Told) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, told) = (listener.local_addr().unwrap().port(), Told::default());
    let seen = Arc::clone(&told);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut length = 0;
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 2 {
                if let Some(text) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = text.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let answer = "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            let notice: Value = serde_json::from_slice(&body).unwrap();
            let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
            let alerts = notice["data"]["alerts"].as_array().unwrap().iter();
            let alerts = alerts.map(|it| (text(&notice["type"]), text(&it["rule"]), text(&it["service"])));
            seen.lock().unwrap().extend(alerts);
        }
    });
    (port, told)
}

#[test]
fn an_identity_that_is_not_renewed_is_a_ticket_and_then_a_page_until_it_is() {
    let (port, told) = hook();
    let (bank, clock) = Bank::start_by_clock_with(|folder| {
        let file = folder.join("fleet.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let routes =
            format!("alerts: {{ routes: {{ all: {{ webhook: 'http://127.0.0.1:{port}/', secret: hook }} }} }}\n");
        std::fs::write(&file, text + &routes).unwrap();
        std::fs::write(folder.join("hook"), SECRET).unwrap();
    });
    bank.wait_attached("accounts");
    let of = |kind: &str, rule: &str| (kind.to_owned(), rule.to_owned(), "accounts".to_owned());
    let was_told = |kind: &str, rule: &str| told.lock().unwrap().contains(&of(kind, rule));
    let refused = || bank.up.status()?["issued"]["refused"].as_u64();
    let runs_out_at = || bank.up.proxy("accounts")?["svid_not_after"].as_u64();
    let (before, end) = (refused().unwrap(), runs_out_at().unwrap());

    // What cannot be recorded is not issued: nobody in the fleet is given another identity.
    let (journal, aside) = (bank.up.data.join("issued"), bank.up.data.join("aside"));
    std::fs::rename(&journal, &aside).unwrap();
    std::fs::write(&journal, "in the way").unwrap();
    clock.set_ahead(DUE);
    wait_for("renewals that are refused", Deadline::default(), || refused().filter(|it| *it > before + 2));
    thread::sleep(Duration::from_secs(2)); // control looks four times a second
    assert!(!was_told("alert.ticket", "CertificateNotRenewed"), "more than a third is left: {:?}", told.lock());

    clock.set_ahead(LATE);
    wait_for("the ticket", Deadline::default(), || was_told("alert.ticket", "CertificateNotRenewed").then_some(()));
    thread::sleep(Duration::from_secs(2));
    assert!(!was_told("alert.page", "CertificateRunsOut"), "more than a tenth is left: {:?}", told.lock());

    clock.set_ahead(LAST);
    wait_for("the page", Deadline::default(), || was_told("alert.page", "CertificateRunsOut").then_some(()));
    assert_eq!(runs_out_at(), Some(end), "it has no other identity");
    assert!(!told.lock().unwrap().iter().any(|it| it.0 == "alert.resolved" && it.1.starts_with("Certificate")));

    std::fs::remove_file(&journal).unwrap();
    std::fs::rename(&aside, &journal).unwrap();
    wait_for("a renewal", Deadline(Duration::from_secs(180)), || runs_out_at().filter(|it| *it > end));
    for rule in ["CertificateNotRenewed", "CertificateRunsOut"] {
        wait_for("its end", Deadline::default(), || was_told("alert.resolved", rule).then_some(()));
    }
}
