//! Who is on call: what the fleet file may say, and what is refused in which words.

use bartizan_core::alerts::{Severity, Urgency};
use bartizan_core::fleet::parse;
use bartizan_core::limits::{ESCALATION_LEVELS_MAX, ROTATION_MEMBERS_MAX, ROTATION_OVERRIDES_MAX, ROTATIONS_MAX};
use bartizan_core::moment;
use bartizan_core::on_call::Whom;
use proptest::prelude::*;
use std::time::Duration;

const ROUTES: &str = "ana: {webhook: \"https://x.example/a\", secret: s}, ben: {webhook: \"https://x.example/b\", secret: s}, \
    am: {alertmanager: \"http://127.0.0.1:9093\"}, desk: {webhook: \"https://x.example/d\", secret: s, takes: ticket}, \
    chief: {webhook: \"https://x.example/c\", secret: s, level: 2}";
const ROTATION: &str = "members: {ana: ana, ben: ben}, every: 7d, starts: \"2026-11-30T09:00:00+01:00\"";

fn fleet(rotations: &str, escalations: &str) -> String {
    with_routes(ROUTES, rotations, escalations)
}

fn with_routes(routes: &str, rotations: &str, escalations: &str) -> String {
    format!(
        "fleet: bank\ntrust_domain: bank.example\nservices:\n  a: {{listen: \"127.0.0.1:7001\", protocol: http, owner: core}}\n\
         alerts:\n  routes: {{{routes}}}\n  rotations: {{{rotations}}}\n  escalations: {{{escalations}}}\n"
    )
}

fn refused(text: &str) -> String {
    parse(text, "fleet.yaml").expect_err(text).to_string()
}

#[test]
fn refuses_rotations_of_nobody() {
    for (rotation, expected) in [
        ("members: {}", "alerts.rotations.r.members: nobody would be on call; name at least one member, with a route"),
        ("members: {ana: []}", "alerts.rotations.r.members.ana: could not be reached; name a route of `alerts.routes`"),
        (
            "members: {ana: anna}",
            "alerts.rotations.r.members.ana = `anna`: no such route; did you mean `ana`? name one of `alerts.routes`",
        ),
        (
            "members: {ana: am}",
            "alerts.rotations.r.members.ana = `am`: an Alertmanager gets every alert, whoever is on call; name a webhook or an e-mail",
        ),
        (
            "members: {ana: [ana, desk]}",
            "alerts.rotations.r.members.ana[1] = `desk`: has a `level: 2` or `takes` of its own; take them out of the route: the escalation says which alerts and at which level",
        ),
        ("members: {Ana: ana}", "alerts.rotations.r.members.Ana: not a name; lower-case letters, digits and `-`"),
        ("every: 0d", "alerts.rotations.r.every = `0d`: not a time from 1s to 366d; write it as `7d` or `1d`"),
        ("every: 367d", "alerts.rotations.r.every = `367d`: not a time from 1s to 366d; write it as `7d` or `1d`"),
        (
            "starts: 2026-11-30T09:00:00",
            "alerts.rotations.r.starts = `2026-11-30T09:00:00`: not a moment; write it as `2026-11-30T09:00:00+01:00`",
        ),
        (
            "overrides: [{from: \"2026-12-24T09:00Z\", until: \"2026-12-26T09:00Z\", who: bem}]",
            "alerts.rotations.r.overrides[0].who = `bem`: no member of the rotation; did you mean `ben`? name one of its `members`",
        ),
        (
            "overrides: [{from: \"2026-12-24T09:00Z\", until: \"2026-12-24T09:00Z\", who: ben}]",
            "alerts.rotations.r.overrides[0].until: ends before it begins; give it a later end",
        ),
        (
            "overrides: [{from: \"2026-12-26T08:59:59Z\", until: \"2026-12-27T09:00Z\", who: ana}, {from: \"2026-12-24T09:00Z\", until: \"2026-12-26T09:00Z\", who: ben}]",
            "alerts.rotations.r.overrides[0]: is at the same time as the one in line 7; let one end where the other begins",
        ),
    ] {
        let key = rotation.split(':').next().unwrap();
        let rest: Vec<&str> = ["members: {ana: ana, ben: ben}", "every: 7d", "starts: \"2026-11-30T09:00:00+01:00\""]
            .into_iter()
            .filter(|it| !it.starts_with(key))
            .collect();
        let errors = refused(&fleet(&format!("r: {{{rotation}, {}}}", rest.join(", ")), ""));
        assert!(errors.ends_with(expected), "{errors}\n{expected}");
    }
    for missing in ["members", "every", "starts"] {
        let rest: Vec<&str> = ROTATION.split(", ").filter(|it| !it.starts_with(missing)).collect();
        let rest = if missing == "members" { rest[1..].join(", ") } else { rest.join(", ") };
        let errors = refused(&fleet(&format!("r: {{{rest}}}"), ""));
        assert!(errors.contains(&format!("alerts.rotations.r.{missing}: is missing")), "{errors}");
    }
}

#[test]
fn refuses_escalations_to_nobody() {
    for (escalation, expected) in [
        ("levels: []", "alerts.escalations.e.levels: nobody would be told; name a `rotation` or a `route`"),
        (
            "levels: [{rotation: s}]",
            "alerts.escalations.e.levels[0].rotation = `s`: no such rotation; name one of `alerts.rotations`",
        ),
        (
            "levels: [{route: pager}]",
            "alerts.escalations.e.levels[0].route = `pager`: no such route; name one of `alerts.routes`",
        ),
        (
            "levels: [{rotation: r}, {route: chief}]",
            "alerts.escalations.e.levels[1].route = `chief`: has a `level: 2` or `takes` of its own; take them out of the route: the escalation says which alerts and at which level",
        ),
        (
            "levels: [{rotation: r, route: ana}]",
            "alerts.escalations.e.levels[0]: has to have one of `rotation` and `route`; make a level for each",
        ),
        (
            "levels: [{rotation: r, after: 5m}]",
            "alerts.escalations.e.levels[0].after = `5m`: the first level is told at once; delete the line",
        ),
        (
            "levels: [{rotation: r}, {route: ana, after: 0m}]",
            "alerts.escalations.e.levels[1].after = `0m`: not a time from 1s to 24h; write it as `5m`",
        ),
        (
            "levels: [{rotation: r}], severities: [severe]",
            "alerts.escalations.e.severities[0] = `severe`: not a severity; write `critical`, `high`, `medium` or `low`",
        ),
        ("levels: [{rotation: r}], owners: []", "alerts.escalations.e.owners: is empty; name one, or delete the key"),
        (
            "levels: [{rotation: r}], services: [b]",
            "alerts.escalations.e.services[0] = `b`: no such service; name a service of the fleet file, or `gateway`",
        ),
        (
            "levels: [{rotation: r}], service_owners: corn",
            "alerts.escalations.e.service_owners = `corn`: no service has this owner; did you mean `core`? name the `owner` of a service of the fleet file",
        ),
    ] {
        let errors = refused(&fleet(&format!("r: {{{ROTATION}}}"), &format!("e: {{{escalation}}}")));
        assert!(errors.ends_with(expected), "{errors}\n{expected}");
    }
    // `ana` and `ben` are those of the rotation; nobody else is there for what is no page.
    let routes =
        "ana: {webhook: \"https://x.example/a\", secret: s}, ben: {webhook: \"https://x.example/b\", secret: s}";
    let some = with_routes(routes, &format!("r: {{{ROTATION}}}"), "e: {urgency: page, levels: [{rotation: r}]}");
    let expected = |what: &str| {
        format!(
            "alerts.escalations: a {what} that none of them takes reaches nobody; add a last one without conditions, or a route that none of them names"
        )
    };
    assert!(refused(&some).ends_with(&expected("ticket")), "{}", refused(&some));
    let all = some.replace("urgency: page, ", "");
    assert!(parse(&all, "fleet.yaml").is_ok());
    // A route that takes tickets alone hears the tickets that are left, and no page.
    let desk = format!("{routes}, desk: {{webhook: \"https://x.example/d\", secret: s, takes: ticket}}");
    let with_desk = |takes: &str| {
        with_routes(&desk, &format!("r: {{{ROTATION}}}"), &format!("e: {{{takes}, levels: [{{rotation: r}}]}}"))
    };
    assert!(parse(&with_desk("urgency: page"), "fleet.yaml").is_ok());
    for takes in ["owners: security", "owners: security, urgency: page", "urgency: ticket"] {
        assert!(refused(&with_desk(takes)).ends_with(&expected("page")), "{takes}: {}", refused(&with_desk(takes)));
    }
}

#[test]
fn refuses_more_than_is_kept() {
    let many = |most: usize, of: &dyn Fn(usize) -> String| (0..=most).map(of).collect::<Vec<_>>().join(", ");
    let rotation = |more: &str| format!("r: {{{ROTATION}{more}}}");
    let overrides = many(ROTATION_OVERRIDES_MAX, &|n| {
        format!(
            "{{from: \"2027-01-01T{:02}:{:02}Z\", until: \"2027-01-01T{:02}:{:02}:30Z\", who: ana}}",
            n / 60,
            n % 60,
            n / 60,
            n % 60
        )
    });
    for (text, expected) in [
        (
            fleet(&many(ROTATIONS_MAX, &|n| format!("r{n}: {{{ROTATION}}}")), ""),
            format!("{} rotations, more than {ROTATIONS_MAX}", ROTATIONS_MAX + 1),
        ),
        (
            fleet(&rotation(""), &many(ROTATIONS_MAX, &|n| format!("e{n}: {{levels: [{{rotation: r}}]}}"))),
            format!("{} escalations, more than {ROTATIONS_MAX}", ROTATIONS_MAX + 1),
        ),
        (
            fleet(
                &rotation(""),
                &format!("e: {{levels: [{}]}}", many(ESCALATION_LEVELS_MAX, &|_| "{rotation: r}".into())),
            ),
            format!("{} levels, more than {ESCALATION_LEVELS_MAX}", ESCALATION_LEVELS_MAX + 1),
        ),
        (
            fleet(
                &rotation("").replace("ana: ana, ben: ben", &many(ROTATION_MEMBERS_MAX, &|n| format!("m{n}: ana"))),
                "",
            ),
            format!("{} members, more than {ROTATION_MEMBERS_MAX}", ROTATION_MEMBERS_MAX + 1),
        ),
        (
            fleet(&rotation(&format!(", overrides: [{overrides}]")), ""),
            format!("{} overrides, more than {ROTATION_OVERRIDES_MAX}", ROTATION_OVERRIDES_MAX + 1),
        ),
    ] {
        let errors = refused(&text);
        assert!(errors.contains(&expected), "{errors}\n{expected}");
    }
}

#[test]
fn takes_everything_and_tells_those_who_are_named_nothing_else() {
    let rotation = format!(
        "r: {{{ROTATION}, overrides: [{{from: \"2026-12-26T09:00Z\", until: \"2026-12-27T09:00Z\", who: ana}}, {{from: \"2026-12-24T09:00Z\", until: \"2026-12-26T09:00Z\", who: ben}}]}}"
    );
    let escalations = "s: {owners: security, severities: [critical, high], urgency: page, services: a, service_owners: [core], labels: {team: core}, \
        levels: [{rotation: r}, {route: ana, after: 10m}, {rotation: r}]}, rest: {levels: [{rotation: r}]}";
    let fleet = parse(&fleet(&rotation, escalations), "fleet.yaml").unwrap_or_else(|errors| panic!("{errors}"));
    let named: Vec<&str> = fleet.alerts.routes.iter().filter(|it| it.on_call).map(|it| it.name.as_str()).collect();
    assert_eq!(named, ["ana", "ben"]);
    let roster = &fleet.alerts.roster;
    let it = &roster.rotations[0];
    assert_eq!((it.every, it.starts), (Duration::from_secs(7 * 86_400), moment::read("2026-11-30T08:00:00Z").unwrap()));
    assert_eq!(it.overrides.iter().map(|it| it.member).collect::<Vec<_>>(), [1, 0], "in order");
    let it = &roster.escalations[0];
    assert_eq!(it.takes.severities, [Severity::Critical, Severity::High]);
    assert_eq!((it.takes.urgency, it.takes.labels["team"].as_str()), (Some(Urgency::Page), "core"));
    assert!(it.takes.services.iter().all(|it| it.as_str() == "a") && !it.takes.is_everything());
    assert_eq!(it.levels.iter().map(|it| it.after.map(|it| it.as_secs())).collect::<Vec<_>>(), [None, Some(600), None]);
    assert_eq!(it.levels[1].who, Whom::Route("ana".into()));
    assert!(roster.escalations[1].takes.is_everything());
}

proptest! {
    #[test]
    fn no_text_is_too_odd(rotation in "[a-z0-9:{}, \\[\\]\"+-]{0,80}", escalation in "[a-z0-9:{}, \\[\\]]{0,80}") {
        let _ = parse(&fleet(&format!("r: {{{rotation}}}"), &format!("e: {{{escalation}}}")), "fleet.yaml");
        let _ = parse(&fleet(&format!("r: {{{ROTATION}, {rotation}}}"), &escalation), "fleet.yaml");
    }
}
