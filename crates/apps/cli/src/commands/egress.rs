//! `bartizan egress`.

use super::{place, print, print_json, unanswered};
use crate::args::{EgressArgs, EgressCommand};
use crate::failure::Failure;
use crate::render::{grouped, left, table};
use bartizan_core::ServiceName;
use bartizan_core::egress::{Egress, HostName, Outside, Seen, suggestion};
use bartizan_core::status::{EgressDestination, EgressPath, EgressStatus};
use bartizan_runtime::local;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// What is called a moment ago.
const MOMENT: Duration = Duration::from_secs(1);
/// Columns of the table; names of hosts are long.
const WIDTH: u16 = u16::MAX;

pub(crate) async fn run(command: EgressCommand) -> Result<(), Failure> {
    match command {
        EgressCommand::List(args) => {
            let status = status(&args).await?;
            if args.data.json { print_json(&status) } else { print(&rows(&status)) }
        }
        EgressCommand::Suggest(args) => {
            let suggested = suggested(&status(&args).await?);
            if args.data.json { print_json(&suggested) } else { print(&yaml(&suggested)) }
        }
    }
}

async fn status(args: &EgressArgs) -> Result<EgressStatus, Failure> {
    let data = place(&args.data.place)?;
    let status: EgressStatus =
        local::get(&data.control_socket(), "/v1/egress").await.map_err(|error| unanswered(&data, &error))?;
    match &args.service {
        None => Ok(status),
        Some(name) => only(status, name),
    }
}

fn only(mut status: EgressStatus, name: &ServiceName) -> Result<EgressStatus, Failure> {
    status.services.retain(|it| it.service == *name);
    if status.services.is_empty() {
        return Err(Failure::new(format!("the fleet has no service `{name}`; `bartizan status` lists them")));
    }
    status.destinations.retain(|it| it.service == *name);
    Ok(status)
}

fn rows(status: &EgressStatus) -> String {
    let mut text = String::new();
    for it in &status.services {
        let mode = match &it.rules {
            None => continue,
            Some(rules) if rules.learn => "is learning",
            Some(rules) if rules.to.is_empty() => "may reach nothing",
            Some(_) => "may reach what is listed",
        };
        let path = match it.path {
            Some(EgressPath::Forced) => "has no other way out than its guard",
            Some(EgressPath::Told) => "is told of its guard, and could go round it",
            Some(EgressPath::Open) => "goes out as it likes",
            None => "is started elsewhere",
        };
        let _ = writeln!(text, "{} {mode}; it {path}", it.service);
    }
    if status.destinations.is_empty() {
        return text + "no service went out, or tried to, since this was written down\n";
    }
    let row = |it: &EgressDestination| {
        let ago = |at| format!("{} ago", left(status.now.since(at).max(MOMENT)));
        let state = match (it.used, it.refusal) {
            (true, _) if it.learned => "LEARNED".to_owned(),
            (true, None) => "allowed".to_owned(),
            (true, Some(why)) => format!("allowed, {} at times", why.as_str()),
            (false, Some(why)) => format!("REFUSED {}", why.as_str()),
            (false, None) => "nobody there".to_owned(),
        };
        vec![
            it.service.to_string(),
            it.destination(),
            it.protocol.clone(),
            state,
            grouped(it.passed),
            grouped(it.refused),
            grouped(it.bytes_up),
            grouped(it.bytes_down),
            ago(it.first_seen),
            ago(it.last_seen),
        ]
    };
    let headers = [
        "SERVICE",
        "DESTINATION",
        "SPEAKS",
        "STATE",
        "PASSED",
        "REFUSED",
        "BYTES UP",
        "DOWN",
        "FIRST SEEN",
        "LAST SEEN",
    ];
    let rows = status.destinations.iter().map(row).collect();
    format!("{text}{}\n", table(&headers, rows, WIDTH).trim_end())
}

/// The smallest list for each service that has a way out.
fn suggested(status: &EgressStatus) -> BTreeMap<ServiceName, Egress> {
    let with_rules = status.services.iter().filter_map(|it| Some((&it.service, it.rules.as_ref()?)));
    with_rules
        .map(|(service, rules)| {
            let used = status.destinations.iter().filter(|it| it.service == *service && it.used);
            (service.clone(), suggestion(rules, &used.flat_map(seen).collect::<Vec<_>>()))
        })
        .collect()
}

/// A destination, once for each address that it had.
fn seen(it: &EgressDestination) -> Vec<Seen> {
    let Some(protocol) = Outside::parse(&it.protocol) else { return Vec::new() };
    let host = it.host.as_deref().and_then(|host| HostName::parse(host).ok());
    it.addresses
        .iter()
        .map(|address| Seen { host: host.clone(), address: Some(*address), port: it.port, protocol })
        .collect()
}

fn yaml(suggested: &BTreeMap<ServiceName, Egress>) -> String {
    if suggested.is_empty() {
        return "# no service has `egress` in the fleet file; write `egress: learn` for those that go out\n".to_owned();
    }
    let mut text = "services:\n".to_owned();
    for (service, egress) in suggested {
        let _ = write!(text, "  {service}:\n{}", egress.to_yaml(4));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_core::egress::Refusal;
    use bartizan_core::status::EgressService;

    fn status() -> EgressStatus {
        let service = ServiceName::parse("payment").unwrap();
        let destination =
            |host: &str, address: &str, port, protocol: &str, refusal: Option<Refusal>| EgressDestination {
                service: service.clone(),
                host: (!host.is_empty()).then(|| host.to_owned()),
                addresses: address.parse().into_iter().collect(),
                port,
                protocol: protocol.to_owned(),
                first_seen: Timestamp::from_secs(900),
                last_seen: Timestamp::from_secs(990),
                used: refusal.is_none(),
                passed: u64::from(refusal.is_none()),
                failed: 0,
                refused: u64::from(refusal.is_some()),
                refusal,
                learned: refusal.is_none(),
                bytes_up: 1_000,
                bytes_down: 2_000,
            };
        EgressStatus {
            now: Timestamp::from_secs(1_000),
            services: vec![EgressService {
                service: service.clone(),
                path: Some(EgressPath::Told),
                rules: Some(Egress { learn: true, to: Vec::new() }),
            }],
            destinations: vec![
                destination("api.partner.example", "1.2.3.4", 443, "https", None),
                destination("", "10.0.0.7", 5432, "tcp", None),
                destination("evil.example", "", 443, "https", Some(Refusal::Undeclared)),
                destination("lookup.example", "", 0, "dns", Some(Refusal::NameUndeclared)),
            ],
        }
    }

    #[test]
    fn suggests_what_was_used_and_not_what_was_refused() {
        let text = yaml(&suggested(&status()));
        insta::assert_snapshot!(text, @r#"
        services:
          payment:
            egress:
              - { protocol: tcp, ports: [5432], addresses: ["10.0.0.7"] }
              - api.partner.example
        "#);
        assert!(yaml(&BTreeMap::new()).contains("egress: learn"));
    }

    #[test]
    fn lists_who_went_where_and_what_was_refused() {
        let text = rows(&status());
        for part in [
            "payment is learning; it is told of its guard",
            "LEARNED",
            "REFUSED undeclared",
            "evil.example:443",
            "2 000",
            "100 s ago",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        assert!(only(status(), &ServiceName::parse("ledger").unwrap()).is_err());
    }
}
