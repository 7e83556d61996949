//! `bartizan versions`.

use super::{place, print, print_json, unanswered};
use crate::args::DataArgs;
use crate::failure::Failure;
use crate::render::{micros, table};
use bartizan_core::versions::{Held, HeldBy, VersionCounts, VersionStatus, VersionsStatus};
use bartizan_runtime::local;

/// Columns of the table: it ends with a sentence.
const WIDTH: u16 = u16::MAX;

/// Prints what is thought of each version.
pub(crate) async fn run(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let status: VersionsStatus =
        local::get(&data.control_socket(), "/v1/versions").await.map_err(|error| unanswered(&data, &error))?;
    if args.json { print_json(&status) } else { print(&told(&status)) }
}

fn told(status: &VersionsStatus) -> String {
    if status.versions.is_empty() {
        return "no service has other versions (`split`)\n".to_owned();
    }
    let rows = status.versions.iter().map(row).collect();
    let headers = ["VERSION", "BESIDE", "PART", "", "MORE", "CALLS", "FAILED", "DENIED", "P50", "P95", "WHY"];
    format!("{}\n", table(&headers, rows, WIDTH).trim_end())
}

fn row(it: &VersionStatus) -> Vec<String> {
    let both = |of: &dyn Fn(&VersionCounts) -> String| format!("{} / {}", of(&it.new), of(&it.old));
    let time = |us: Option<u64>| us.map_or_else(|| "-".to_owned(), micros);
    vec![
        it.version.to_string(),
        it.service.to_string(),
        format!("{:.0} %", it.part * 100.0),
        it.judgement.as_str().to_uppercase(),
        more(it.held.as_ref()).to_owned(),
        both(&|it| it.calls.to_string()),
        both(&|it| it.failed.to_string()),
        both(&|it| it.denied.to_string()),
        both(&|it| time(it.p50_us)),
        both(&|it| time(it.p95_us)),
        it.held.as_ref().map_or_else(|| it.why.clone(), |held| held.why.clone()),
    ]
}

/// Whether it may get more of the calls.
const fn more(held: Option<&Held>) -> &'static str {
    match held {
        None => "yes",
        Some(Held { by: HeldBy::NotYet, .. }) => "not yet",
        Some(_) => "NO",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::versions::Judgement;
    use bartizan_core::{ServiceName, Timestamp};

    #[test]
    fn each_version_stands_beside_the_one_that_callers_name() {
        let name = |text: &str| ServiceName::parse(text).unwrap();
        let mut status = VersionsStatus { now: Timestamp::from_secs(1), versions: Vec::new() };
        assert!(told(&status).contains("no service"));
        status.versions.push(VersionStatus {
            service: name("api"),
            version: name("api-v2"),
            part: 0.1,
            judgement: Judgement::NotYet,
            why: "too few".to_owned(),
            old: VersionCounts { calls: 900, failed: 1, denied: 3, p50_us: Some(1_000), p95_us: Some(2_000) },
            new: VersionCounts { calls: 7, ..VersionCounts::default() },
            fails_more: None,
            denied_more: None,
            slow_us: Some(2_000),
            slower: None,
            raised: None,
            calls_since: 7,
            burn: None,
            held: Some(Held { by: HeldBy::NotYet, why: "too few".to_owned() }),
        });
        let text = told(&status);
        for part in ["api-v2", "10 %", "NOT YET", "not yet", "7 / 900", "0 / 1", "0 / 3", "too few"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        status.versions[0].held = Some(Held { by: HeldBy::Bad, why: "it fails".to_owned() });
        assert!(told(&status).contains(" NO ") && told(&status).contains("it fails"), "{}", told(&status));
        status.versions[0].held = None;
        assert!(told(&status).contains(" yes ") && told(&status).contains("too few"), "{}", told(&status));
    }
}
