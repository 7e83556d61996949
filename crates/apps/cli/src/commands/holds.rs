//! `bartizan events hold`, `holds` and `release`.

use super::{place, print, print_json, unanswered};
use crate::args::{DataArgs, EventsCommand, HoldArgs, ReleaseArgs};
use crate::failure::Failure;
use crate::render::{event, utc};
use bartizan_core::Timestamp;
use bartizan_core::retention::{Hold, HoldScope, HoldWanted, Holds, ReleaseWanted};
use bartizan_runtime::local;
use std::time::SystemTime;

pub(crate) async fn run(command: &EventsCommand) -> Result<(), Failure> {
    match command {
        EventsCommand::Hold(args) => hold(args).await,
        EventsCommand::Holds(args) => list(args).await,
        EventsCommand::Release(args) => release(args).await,
    }
}

async fn hold(args: &HoldArgs) -> Result<(), Failure> {
    let HoldArgs { name, reason, from, until, service, identity, data: how } = args;
    let data = place(&how.place)?;
    let now = Timestamp::from(SystemTime::now());
    let scope = HoldScope {
        from: from.map(|moment| moment.at(now)),
        until: until.map(|moment| moment.at(now)),
        service: service.clone(),
        identity: identity.clone(),
    };
    let wanted = HoldWanted { name: name.clone(), reason: reason.clone(), scope };
    let held: Hold = local::post(&data.control_socket(), "/v1/holds/hold", &wanted)
        .await
        .map_err(|error| unanswered(&data, &error))?;
    if how.json { print_json(&held) } else { print(&format!("held: {}", line(&held))) }
}

async fn list(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let held: Holds =
        local::get(&data.control_socket(), "/v1/holds").await.map_err(|error| unanswered(&data, &error))?;
    if args.json {
        return print_json(&held);
    }
    if held.holds.is_empty() {
        return print("nothing is held: events go as `events` of the fleet file says\n");
    }
    print(&held.holds.iter().map(line).collect::<String>())
}

async fn release(args: &ReleaseArgs) -> Result<(), Failure> {
    let ReleaseArgs { name, reason, data: how } = args;
    let data = place(&how.place)?;
    let wanted = ReleaseWanted { name: name.clone(), reason: reason.clone() };
    let released: Hold = local::post(&data.control_socket(), "/v1/holds/release", &wanted)
        .await
        .map_err(|error| unanswered(&data, &error))?;
    if how.json { print_json(&released) } else { print(&format!("released: {}", line(&released))) }
}

fn line(hold: &Hold) -> String {
    let Hold { name, reason, by, since, scope } = hold;
    let line = format!("{name}: {scope}, since {} by {by}: {reason}", utc(*since));
    format!("{}\n", event::printable(&line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::ServiceName;

    #[test]
    fn a_hold_is_one_line_whatever_somebody_wrote() {
        let hold = Hold {
            name: ServiceName::parse("case-17").unwrap(),
            reason: "a court\nasks\u{1b}[2J".to_owned(),
            by: "uid 0".to_owned(),
            since: Timestamp::from_secs(951_782_400),
            scope: HoldScope {
                from: Some(Timestamp::from_secs(951_000_000)),
                service: ServiceName::parse("payment").ok(),
                ..HoldScope::default()
            },
        };
        let line = line(&hold);
        assert!(line.starts_with("case-17: events of payment from 2000-02-19T22:40:00"), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains('\u{1b}') && line.contains("by uid 0: a court"), "{line}");
    }
}
