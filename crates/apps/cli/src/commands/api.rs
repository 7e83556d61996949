//! `bartizan api`.

use super::{place, print, print_json, unanswered};
use crate::args::{ApiCommand, InventoryArgs};
use crate::failure::Failure;
use crate::render::{grouped, left, table};
use bartizan_core::status::{ApiFinding, ApiInventory, ApiOperation};
use bartizan_runtime::local;
use std::time::Duration;

/// What is called a moment ago.
const MOMENT: Duration = Duration::from_secs(1);
/// Columns of the table; paths are long.
const WIDTH: u16 = u16::MAX;

pub(crate) async fn run(command: ApiCommand) -> Result<(), Failure> {
    let ApiCommand::Inventory(args) = command;
    let inventory = inventory(&args).await?;
    if args.data.json { print_json(&inventory) } else { print(&rows(&inventory)) }
}

async fn inventory(args: &InventoryArgs) -> Result<ApiInventory, Failure> {
    let data = place(&args.data.place)?;
    let path = format!("/v1/inventory?unseen_days={}", args.unseen_days);
    let mut inventory: ApiInventory =
        local::get(&data.control_socket(), &path).await.map_err(|error| unanswered(&data, &error))?;
    if let Some(service) = &args.service {
        inventory.operations.retain(|it| it.service == *service);
    }
    if args.odd {
        inventory.operations.retain(|it| !it.findings.is_empty());
    }
    Ok(inventory)
}

fn rows(inventory: &ApiInventory) -> String {
    if inventory.operations.is_empty() {
        return "no operation is declared or was called\n".to_owned();
    }
    let ago = |at| format!("{} ago", left(inventory.now.since(at).max(MOMENT)));
    let row = |it: &ApiOperation| {
        let findings: Vec<&str> = it.findings.iter().map(|finding| finding.as_str()).collect();
        let seen = it.seen.as_ref();
        vec![
            it.service.to_string(),
            it.method.clone(),
            it.path.clone(),
            findings.join(", "),
            it.declared.clone().unwrap_or_else(|| "-".to_owned()),
            grouped(seen.map_or(0, |it| it.calls)),
            grouped(seen.map_or(0, |it| it.failed)),
            seen.map_or_else(|| "never".to_owned(), |it| ago(it.last_seen)),
            seen.map_or_else(String::new, |it| it.callers.join(", ")),
            it.data.join(", "),
        ]
    };
    let headers =
        ["SERVICE", "METHOD", "PATH", "FINDINGS", "DECLARED", "CALLS", "FAILED", "LAST SEEN", "CALLERS", "DATA"];
    let table = table(&headers, inventory.operations.iter().map(row).collect(), WIDTH);
    format!("{}\n{}\n", table.trim_end(), summary(inventory))
}

fn summary(inventory: &ApiInventory) -> String {
    let count = |finding| inventory.operations.iter().filter(|it| it.findings.contains(&finding)).count();
    let coarse = match inventory.coarse {
        0 => String::new(),
        calls => format!("; {} calls counted under coarser paths", grouped(calls)),
    };
    format!(
        "{} operations: {} shadow, {} zombie ({} days), {} deprecated and used, {} unauthenticated{coarse}",
        inventory.operations.len(),
        count(ApiFinding::Shadow),
        count(ApiFinding::Zombie),
        inventory.unseen_days,
        count(ApiFinding::DeprecatedUsed),
        count(ApiFinding::Unauthenticated),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::status::SeenOperation;
    use bartizan_core::{ServiceName, Timestamp};

    #[test]
    fn says_what_is_odd_and_how_much_of_it_there_is() {
        let service = ServiceName::parse("orders").unwrap();
        let at = Timestamp::from_secs(1_000);
        let mut seen = SeenOperation::new(service.clone(), "POST".into(), "/admin/{id}".into(), at);
        (seen.calls, seen.callers) = (1_234, vec!["gateway".into()]);
        let operation = |seen: Option<SeenOperation>, declared: Option<&str>, finding| ApiOperation {
            service: service.clone(),
            method: "POST".into(),
            path: "/admin/{id}".into(),
            declared: declared.map(str::to_owned),
            owner: None,
            data: vec!["pii".into()],
            seen,
            findings: vec![finding],
        };
        let inventory = ApiInventory {
            now: Timestamp::from_secs(1_060),
            since: at,
            unseen_days: 30,
            coarse: 5,
            operations: vec![
                operation(Some(seen), None, ApiFinding::Shadow),
                operation(None, Some("orders.yaml:7"), ApiFinding::Zombie),
            ],
        };
        let text = rows(&inventory);
        for part in [
            "shadow",
            "1 234",
            "gateway",
            "pii",
            "orders.yaml:7",
            "never",
            "1 shadow, 1 zombie (30 days)",
            "5 calls counted",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
