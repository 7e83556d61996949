//! An event as one line for people, from its OCSF record.

use super::utc;
use bartizan_core::Timestamp;
use serde_json::Value;

/// The line. A record that is none (a later version's, perhaps) is shown as it came.
pub(crate) fn line(record: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(record) else { return record.to_owned() };
    let Some(time) = value["time"].as_u64() else {
        // What control says of its own, such as that this reader was too slow, has no time.
        return message(&value).map_or_else(|| record.to_owned(), |message| format!("… {message}"));
    };
    let own = &value["unmapped"]["bartizan"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();

    let mut line = utc(Timestamp::from_millis(time));
    let outcome = match (own["denial"].as_bool(), value["status"].as_str()) {
        (Some(true), _) => "DENY",
        (_, Some("Failure")) => "FAIL",
        _ => "ok",
    };
    line.push_str(&format!(
        "  {outcome:<4}  {:<14} {:<10} {}",
        text(&own["service"]),
        text(&own["seen_by"]),
        text(&value["message"])
    ));

    // What led to it, most telling first, each thing once.
    let mut why: Vec<String> = Vec::new();
    for part in [&value["status_code"], &own["reason"], &own["error"], &value["status_detail"]] {
        let part = text(part);
        if !part.is_empty() && part != "denied" && !why.contains(&part) && !line.contains(&part) {
            why.push(part);
        }
    }
    let policies: Vec<_> = own["policies"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !policies.is_empty() && outcome == "DENY" {
        why.push(format!("by {}", policies.join(", ")));
    }
    if !why.is_empty() {
        line.push_str(&format!(" ({})", why.join("; ")));
    }
    if let Some(request) = own["request"].as_str() {
        line.push_str(&format!("  {request}"));
    }
    printable(&line)
}

/// What a record says happened; `None` where it is none.
pub(crate) fn message(record: &Value) -> Option<String> {
    record["message"].as_str().map(printable)
}

/// What is in an event came from outside and must not steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::event::{
        Context, Event, EventId, Handshake, HandshakeFailure, Judged, Process, Request, SeenBy, What, to_ocsf,
    };
    use bartizan_core::snapshot::Epoch;
    use bartizan_core::{Action, RequestId, ServiceName, SpiffeId, TrustDomain, Verdict};

    fn shown(service: &str, seen_by: SeenBy, request: Option<RequestId>, what: What) -> String {
        let domain = TrustDomain::parse("bank.test").unwrap();
        let context = Context {
            trust_domain: &domain,
            fleet: "bank",
            host: None,
            product_version: "0.1.0",
            owner: None,
            data: &[],
            version: None,
            image: None,
            unguarded: false,
        };
        let service = ServiceName::parse(service).ok();
        let event =
            Event { id: EventId(1, 2), at: Timestamp::from_millis(951_782_400_123), service, seen_by, request, what };
        line(&to_ocsf(&event, &context).to_string())
    }

    #[test]
    fn says_who_what_and_why_in_a_line() {
        let id = RequestId::parse("4bf92f3577b34da6a3ce929d0e0e4736");
        let denied = Request {
            peer: SpiffeId::parse("spiffe://bank.test/svc/notifications").ok(),
            to: ServiceName::parse("accounts").unwrap(),
            method: "POST".into(),
            path: "/accounts/1".into(),
            route: None,
            action: Action::Write,
            decision: Some(Judged {
                verdict: Verdict::Deny,
                policies: vec!["no-writes".into()],
                reason: Some("notifications only read".into()),
                epoch: Epoch(3),
            }),
            status: 403,
            error: None,
            took_us: 80,
            added_us: 60,
            client: None,
            user: None,
            span: 1,
            parent_span: 0,
        };
        insta::assert_snapshot!(
            shown("accounts", SeenBy::Inbound, id, What::Request(denied)),
            @"2000-02-29T00:00:00.123Z  DENY  accounts       inbound    notifications POST /accounts/1 of accounts: denied with 403 (notifications only read; by no-writes)  4bf92f3577b34da6a3ce929d0e0e4736"
        );
        let handshake = Handshake {
            peer: None,
            remote: None,
            failure: Some(HandshakeFailure::NoCertificate),
            detail: Some("the peer sent none".into()),
            group: None,
            suite: None,
            took_us: 900,
        };
        insta::assert_snapshot!(
            shown("ledger", SeenBy::Inbound, None, What::Handshake(handshake)),
            @"2000-02-29T00:00:00.123Z  DENY  ledger         inbound    TLS handshake with a peer without identity: refused (no_certificate; the peer sent none)"
        );
        let process = Process {
            kind: "program".into(),
            executable: "/opt/led\u{1b}[2Jger".into(),
            pid: 7,
            started: false,
            exit: Some("signal 9".into()),
        };
        insta::assert_snapshot!(
            shown("ledger", SeenBy::Supervisor, None, What::Process(process)),
            @"2000-02-29T00:00:00.123Z  FAIL  ledger         supervisor program led�[2Jger (7) ended (signal 9)"
        );
    }

    #[test]
    fn shows_what_it_does_not_know_as_it_came() {
        for text in ["", "not json", "{}", "[1]"] {
            assert_eq!(line(text), text);
        }
        assert_eq!(line("{\"bartizan_missed\":6,\"message\":\"6 events passed\"}"), "… 6 events passed");
    }
}
