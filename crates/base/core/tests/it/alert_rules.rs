//! Files of alert rules, and where alerts go: what is refused, and in which words.

use bartizan_core::alerts::{Condition, Severity, Urgency, Way};
use bartizan_core::fleet::{parse, parse_rules};
use proptest::prelude::*;

const GOOD: &str =
    "name: It\nsummary: it\nowner: core\nseverity: high\nurgency: page\nrunbook: r.md#it\nwhen: {burn: M1}";

fn file(lines: &str) -> String {
    format!("version: 1\nrules:\n  - {}\n", lines.replace('\n', "\n    "))
}

fn without(key: &str) -> String {
    file(&GOOD.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n"))
}

fn with(key: &str, line: &str) -> String {
    file(&GOOD.lines().map(|it| if it.starts_with(key) { line } else { it }).collect::<Vec<_>>().join("\n"))
}

#[test]
fn refuses_a_rule_that_nobody_could_act_on() {
    for (key, expected) in [
        ("owner", "owner: is missing; name who answers for it: an alert of nobody is read by nobody"),
        ("severity", "severity: is missing; write `critical`, `high`, `medium` or `low`"),
        ("urgency", "urgency: is missing; write `page` (somebody, now) or `ticket` (somebody, on a working day)"),
        ("runbook", "runbook: is missing; link what is to be done, such as `runbooks.md#manydenied`"),
        ("summary", "summary: is missing; say in a sentence what is wrong"),
        ("when", "when: is missing; say when it is there: `burn`, `ratio`, `events` or `measure`"),
    ] {
        let errors = parse_rules(&without(key), "a.yaml", None).expect_err(key).to_string();
        assert_eq!(errors, format!("a.yaml:3:5: rules[0].{expected}"));
    }
    for (key, line, expected) in [
        (
            "name",
            "name: it is",
            "rules[0].name = `it is`: not a name; letters and digits, a letter first, such as `ManyDenied`",
        ),
        (
            "severity",
            "severity: bad",
            "rules[0].severity = `bad`: not a severity; write `critical`, `high`, `medium` or `low`",
        ),
        (
            "severity",
            "severity: low",
            "rules[0]: pages somebody for what is of low severity; make it a ticket, or say how it is worse than low",
        ),
        (
            "summary",
            "summary: it\ncovers: [It]",
            "rules[0].covers[0] = `It`: the rule itself: it would mute itself; name another rule",
        ),
        ("urgency", "urgency: soon", "rules[0].urgency = `soon`: not an urgency; write `page` or `ticket`"),
        (
            "when",
            "when: {burn: M8}",
            "rules[0].when.burn = `M8`: no indicator with a share; write M1, M2, M3 or M9; count what M8 counts with `events`",
        ),
        (
            "when",
            "when: {burn: M1, measure: drift, above: 0}",
            "rules[0].when: has to have one of `burn`, `ratio`, `events` and `measure`; make a rule for each",
        ),
        (
            "when",
            "when: {burn: M1, at_least: 3}",
            "rules[0].when: has `at_least` or `within` with what is not counted; delete them",
        ),
        (
            "when",
            "when: {events: {}, at_least: 1, within: 1m}",
            "rules[0].when.events: would count every event; name `class` or `outcome`",
        ),
        (
            "when",
            "when: {events: {class: requests}, at_least: 1, within: 1m}",
            "rules[0].when.events.class = `requests`: no class of events; did you mean `request`? known: request, connection, handshake, refused, config, process, identity, loss, ended, rotation, clock, budget, egress, person, alert, telemetry, predicted",
        ),
        (
            "when",
            "when: {events: {class: request}, at_least: 0, within: 1m}",
            "rules[0].when.at_least = `0`: not a count from 1 on",
        ),
        (
            "when",
            "when: {events: {class: request}, at_least: 1, within: 2d}",
            "rules[0].when.within = `2d`: not a time from 1s to 24h; write it as `30s`, `5m` or `2h`",
        ),
        (
            "when",
            "when: {measure: drift}",
            "rules[0].when: has to have one of `above` and `below`; say on which side of what it is wrong",
        ),
        (
            "when",
            "when: {ratio: M2, above: 0.2, at_least: 5, within: 5m}",
            "rules[0].when.above = `0.2`: not a share from 0 % to less than 100 %; write it as `20 %`",
        ),
    ] {
        let errors = parse_rules(&with(key, line), "a.yaml", None).expect_err(line).to_string();
        assert!(errors.ends_with(expected), "{errors}\n{expected}");
    }
    let twice = format!("{}{}", file(GOOD), file(GOOD).split_once("rules:\n").unwrap().1);
    let errors = parse_rules(&twice, "a.yaml", None).unwrap_err().to_string();
    assert_eq!(errors, "a.yaml:10:5: rules[1]: rule `It` is there already, in line 3; give each a name of its own");
}

#[test]
fn takes_a_rule_with_everything() {
    let rule = "name: It\nsummary: it\nowner: core\nseverity: critical\nurgency: ticket\nrunbook: r.md#it\n\
        when: {events: {class: person, outcome: denied, kind: locked}, at_least: 3, within: 2m}\nfor: 1m\nkeep: 5s\nservices: [a]\n\
        labels: {team: core}\nsymptom: true\naway: false\ndeploy_grace: 3m";
    let rule = parse_rules(&file(rule), "a.yaml", None).unwrap_or_else(|errors| panic!("{errors}")).remove(0);
    assert_eq!(
        (rule.severity, rule.urgency, rule.for_s, rule.keep_s, rule.deploy_grace_s),
        (Severity::Critical, Urgency::Ticket, 60, 5, 180)
    );
    assert!(matches!(rule.when, Condition::Events { at_least: 3, within_s: 120, .. }), "{rule:?}");
    assert_eq!((rule.place.as_str(), rule.symptom, rule.labels["team"].as_str()), ("a.yaml:3", true, "core"));
}

fn fleet(alerts: &str) -> String {
    format!(
        "fleet: bank\ntrust_domain: bank.example\nservices:\n  a: {{listen: \"127.0.0.1:7001\", protocol: http, owner: o}}\nalerts: {alerts}\n"
    )
}

#[test]
fn refuses_ways_that_do_not_lead_to_anybody() {
    for (alerts, expected) in [
        (
            "{listen: \"0.0.0.0:9093\"}",
            "alerts.listen = `0.0.0.0:9093`: anybody who reaches it could silence alerts; name a file with a `token`, or a loopback address",
        ),
        (
            "{routes: {pager: {webhook: \"https://x.example/h\"}}}",
            "alerts.routes.pager.secret: is missing; name a file with `whsec_BASE64`, so that whoever gets it can tell that it is ours",
        ),
        (
            "{routes: {pager: {webhook: \"http://x.example/h\", secret: s}}}",
            "alerts.routes.pager.webhook = `http://x.example/h`: would go over the network in plain; begin it with `https://`",
        ),
        (
            "{routes: {pager: {alertmanager: \"http://127.0.0.1:9093\", secret: s}}}",
            "alerts.routes.pager: is no one way; write `alertmanager`, or `webhook` with `secret`, or `email` with `from` and `relay`",
        ),
        (
            "{routes: {desk: {email: a@b.example, from: c@b.example, relay: \"10.0.0.1:25\"}}}",
            "alerts.routes.desk.relay = `10.0.0.1:25`: would be spoken to over the network in plain; add `tls: starttls` or `tls: implicit`, or name a relay of this machine by its address",
        ),
        (
            "{routes: {desk: {email: a@b.example, from: c@b.example, relay: \"localhost:25\"}}}",
            "alerts.routes.desk.relay = `localhost:25`: would be spoken to over the network in plain; add `tls: starttls` or `tls: implicit`, or name a relay of this machine by its address",
        ),
        (
            "{routes: {desk: {email: a@b.example, from: c@b.example, relay: smtp.b.example, tls: starttls}}}",
            "alerts.routes.desk.relay = `smtp.b.example`: not a name or an address with a port; write it as `smtp.bank.example:587`",
        ),
        (
            "{routes: {desk: {email: a@b.example, from: c@b.example, relay: \"s.b.example:587/x\", tls: starttls}}}",
            "alerts.routes.desk.relay = `s.b.example:587/x`: not a name or an address with a port; write it as `smtp.bank.example:587`",
        ),
        (
            "{routes: {desk: {email: a@b.example, from: c@b.example, relay: \"s.b.example:587\", tls: opportunistic}}}",
            "alerts.routes.desk.tls = `opportunistic`: not a way to begin TLS; write `starttls` (mostly port 587) or `implicit` (mostly port 465)",
        ),
        (
            "{routes: {desk: {email: a@b.example, from: c@b.example, relay: \"127.0.0.1:25\", user: u, password: p}}}",
            "alerts.routes.desk.user: a password would go in plain, also to who took the port of the relay; add `tls: starttls` or `tls: implicit`",
        ),
        (
            "{routes: {desk: {email: a@b.example, from: c@b.example, relay: \"s.b.example:587\", tls: starttls, user: u}}}",
            "alerts.routes.desk: has one of `user` and `password`; write both; `password` names a file",
        ),
        (
            "{routes: {desk: {email: \"a@b> RCPT TO:<c@d\", from: c@b.example, relay: \"127.0.0.1:25\"}}}",
            "not a mailbox; such as `oncall@bank.example`, with nothing around it",
        ),
        (
            "{routes: {pager: {alertmanager: \"http://127.0.0.1:9093\", level: 2}}}",
            "alerts.routes: nobody is told first; leave out `level: 2` at one of them",
        ),
        (
            "{maintenance: [{services: [b], from: \"2026-12-01T22:00:00Z\", until: \"2026-12-02T00:00:00Z\", why: disk}]}",
            "alerts.maintenance[0].services[0] = `b`: no such service; name a service of the fleet file, or `gateway`",
        ),
        (
            "{maintenance: [{from: \"2026-12-01T22:00:00Z\", until: \"2026-12-01T21:00:00Z\", why: disk}]}",
            "alerts.maintenance[0].until: ends before it begins; give it a later end",
        ),
    ] {
        let errors = parse(&fleet(alerts), "fleet.yaml").expect_err(alerts).to_string();
        assert!(errors.ends_with(expected), "{errors}\n{expected}");
    }
}

#[test]
fn takes_a_folder_alone_and_everything() {
    let short = parse(&fleet("alerts/"), "fleet.yaml").unwrap().alerts;
    assert_eq!((short.folder.as_deref(), short.routes.len()), (Some("alerts/"), 0));
    let full = "{rules: alerts/, listen: \"127.0.0.1:9093\", escalate_after: 10m, routes: {am: {alertmanager: \"http://127.0.0.1:9099/\"}, \
        desk: {email: [a@b.example], from: c@b.example, relay: \"127.0.0.1:25\", takes: ticket}, \
        second: {webhook: \"https://x.example/h\", secret: s, level: 2}}, \
        maintenance: [{from: \"2026-12-01T22:00:00Z\", until: \"2026-12-02T00:00:00Z\", why: disk}]}";
    let full = parse(&fleet(full), "fleet.yaml").unwrap_or_else(|errors| panic!("{errors}")).alerts;
    assert_eq!((full.routes.len(), full.maintenance.len(), full.escalate_after_s), (3, 1, Some(600)));
    assert!(matches!(&full.routes[0].way, Way::Alertmanager { url } if url == "http://127.0.0.1:9099"), "{full:?}");
    assert_eq!((full.routes[1].takes, full.routes[2].level), (Some(Urgency::Ticket), 2));
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,200}", when in "[a-z0-9:{}, %]{0,60}") {
        let _ = parse_rules(&text, "a.yaml", None);
        let _ = parse_rules(&with("when", &format!("when: {when}")), "a.yaml", None);
    }
}
