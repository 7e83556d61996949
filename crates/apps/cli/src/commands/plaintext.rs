//! `bartizan plaintext`: who still calls without mutual TLS.

use super::{place, print, print_json, unanswered};
use crate::adopt::look::{self, Caller, How};
use crate::args::DataArgs;
use crate::failure::Failure;
use crate::limits::LOOK_FOR;
use crate::render::status::unguarded_lines;
use crate::render::{table, utc};
use bartizan_core::edge::Mtls;
use bartizan_core::status::{Status, Unguarded};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_runtime::local;
use serde::Serialize;
use std::collections::BTreeMap;

/// Columns of the tables; who has a narrow terminal can use `--json`.
const WIDTH: u16 = 200;

/// What the guards counted and what is seen on this machine now.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What each service says.
    pub(crate) mtls: BTreeMap<ServiceName, Mtls>,
    /// What guards counted since they started, by service and address.
    pub(crate) counted: Vec<Counted>,
    /// Who is connected past the guards, or to them without one, now.
    pub(crate) now: Vec<Caller>,
    /// Who has no guard, and who calls there in plain.
    pub(crate) unguarded: Vec<Unguarded>,
}

/// Calls from one address to one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Counted {
    /// The instance that was called.
    pub(crate) to: String,
    /// Where the calls came from.
    pub(crate) address: String,
    /// How many.
    pub(crate) calls: u64,
    /// When the last one came.
    pub(crate) last: Timestamp,
}

/// Prints who still speaks plaintext.
pub(crate) async fn run(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let status: Status =
        local::get(&data.control_socket(), "/v1/status").await.map_err(|error| unanswered(&data, &error))?;
    let report = report(&status);
    if args.json { print_json(&report) } else { print(&told(&report)) }
}

/// Takes [`LOOK_FOR`], since connections may be short.
pub(crate) fn report(status: &Status) -> Report {
    let counted = status.proxies.iter().flat_map(|proxy| {
        proxy.plaintext.iter().map(|(address, it)| Counted {
            to: proxy.member().to_string(),
            address: address.clone(),
            calls: it.calls,
            last: it.last,
        })
    });
    let mtls = status.proxies.iter().filter(|proxy| proxy.places.is_some());
    Report {
        mtls: mtls.map(|proxy| (proxy.service.clone(), proxy.mtls)).collect(),
        counted: counted.collect(),
        now: look::watch(&look::places(&status.proxies), LOOK_FOR).into_iter().collect(),
        unguarded: status.unguarded.clone(),
    }
}

/// For people.
pub(crate) fn told(report: &Report) -> String {
    let permissive: Vec<_> =
        report.mtls.iter().filter(|(_, mtls)| !mtls.is_strict()).map(|(name, _)| name.as_str()).collect();
    let mut text = match permissive.as_slice() {
        [] => "every guard takes mutual TLS alone\n".to_owned(),
        names => format!("permissive: {}\n", names.join(", ")),
    };
    if report.counted.is_empty() {
        text.push_str("no guard was called without mutual TLS since it started\n");
    } else {
        let row = |it: &Counted| vec![it.address.clone(), it.to.clone(), it.calls.to_string(), utc(it.last)];
        let rows = report.counted.iter().map(row).collect();
        text.push_str(&format!("\n{}\n", table(&["FROM", "TO", "CALLS", "LAST"], rows, WIDTH)));
    }
    text.push_str(&callers(&report.now));
    text.push_str(&unguarded_lines(&report.unguarded));
    text
}

/// Those who are connected now, each with what to do.
pub(crate) fn callers(now: &[Caller]) -> String {
    if now.is_empty() {
        return "nobody on this machine is connected past the guards now\n".to_owned();
    }
    let row = |it: &Caller| {
        let who = it.service.as_ref().map_or_else(|| it.process.clone(), ToString::to_string);
        let pid = it.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let how = if it.how == How::Direct { "past its guard" } else { "plaintext to its guard" };
        let instead = it.instead.map_or_else(|| "-".to_owned(), |at| at.to_string());
        vec![
            if who.is_empty() { "?".to_owned() } else { who },
            pid,
            it.to.to_string(),
            it.at.to_string(),
            how.to_owned(),
            instead,
        ]
    };
    let headers = ["CALLER", "PROCESS", "CALLS", "AT", "HOW", "ITS OWN GUARD IS AT"];
    format!("\n{}\n", table(&headers, now.iter().map(row).collect(), WIDTH))
}
