//! `bartizan balance`.

use super::{place, print, print_json, unanswered};
use crate::args::DataArgs;
use crate::failure::Failure;
use crate::render::{table, utc};
use bartizan_core::balance::{Arrow, Balance, Ingested};
use bartizan_runtime::local;
use std::collections::BTreeMap;

/// Columns of the table: causes may be long.
const WIDTH: u16 = 200;
/// Days and sources of each that are printed, counts; all are in the JSON.
const DAYS: usize = 2;
const SOURCES: usize = 20;
/// Letters of a date.
const DATE: usize = 10;

/// Prints what became of events, arrow by arrow. Ends with an error where sums are not equal.
pub(crate) async fn run(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let balance: Balance =
        local::get(&data.control_socket(), "/v1/balance").await.map_err(|error| unanswered(&data, &error))?;
    if args.json {
        print_json(&balance)?;
    } else {
        print(&told(&balance))?;
    }
    let unequal: Vec<&str> = balance.unequal().map(|arrow| arrow.arrow.as_str()).collect();
    if unequal.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("events are missing that nobody accounts for: {}", unequal.join(", "))))
}

fn told(balance: &Balance) -> String {
    let row = |it: &Arrow| {
        let equal = if it.is_equal() { "" } else { "!" };
        let numbers = [it.received, it.stored].map(|number| number.to_string());
        let [received, stored] = numbers;
        let waiting = it.waiting.to_string();
        vec![equal.to_owned(), it.arrow.clone(), received, stored, causes(&it.refused), causes(&it.dropped), waiting]
    };
    let headers = ["", "ARROW", "RECEIVED", "STORED", "REFUSED", "DROPPED", "WAITING"];
    let rows = balance.arrows.iter().map(row).collect();
    let unequal = balance.unequal().count();
    let verdict = match unequal {
        0 => "received = stored + refused + dropped + waiting on every arrow".to_owned(),
        count => format!("the sums of {count} arrows are not equal"),
    };
    format!("{}\n{verdict}\n{}", table(&headers, rows, WIDTH).trim_end(), ingest(&balance.ingest))
}

/// Who brought how much, of the youngest days.
fn ingest(all: &[Ingested]) -> String {
    let mut rows = Vec::new();
    for of_day in all.chunk_by(|a, b| a.day == b.day).take(DAYS) {
        for it in of_day.iter().take(SOURCES) {
            let day = utc(it.day).chars().take(DATE).collect();
            rows.push(vec![day, it.source.clone(), it.events.to_string(), it.bytes.to_string()]);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    format!("\n{}\n", table(&["DAY", "SOURCE", "EVENTS", "BYTES"], rows, WIDTH).trim_end())
}

/// `12 (rate 10, malformed 2)`
fn causes(causes: &BTreeMap<String, u64>) -> String {
    let total: u64 = causes.values().sum();
    if total == 0 {
        return "0".to_owned();
    }
    let each: Vec<String> = causes.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
    format!("{total} ({})", each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;

    fn brought() -> Vec<Ingested> {
        let of = |day: u64| Ingested {
            day: Timestamp::from_secs(1_800_000_000 - (1_800_000_000 % 86_400) + day * 86_400 - 86_400 * 2),
            source: "accounts".to_owned(),
            events: 5,
            bytes: 500,
        };
        vec![of(2), of(1), of(0)]
    }

    #[test]
    fn what_nobody_accounts_for_is_marked() {
        let arrow = |name: &str, waiting| Arrow {
            arrow: name.to_owned(),
            received: 10,
            stored: 5,
            refused: BTreeMap::from([("rate".to_owned(), 2), ("malformed".to_owned(), 1)]),
            dropped: BTreeMap::new(),
            waiting,
        };
        let balance = Balance {
            now: Timestamp::from_secs(1),
            arrows: vec![arrow("good", 2), arrow("bad", 1)],
            ingest: brought(),
        };
        let told = told(&balance);
        assert!(told.contains("3 (malformed 1, rate 2)") && told.contains("the sums of 1 arrows"), "{told}");
        assert!(told.lines().any(|line| line.starts_with('!') && line.contains("bad")), "{told}");
        assert!(told.contains("2027-01-15  accounts") && !told.contains("2027-01-13"), "the last two days: {told}");
    }
}
