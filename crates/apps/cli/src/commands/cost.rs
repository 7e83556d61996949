//! `bartizan cost`: what each guard costs over a while, and what could be lighter.

use super::{place, print, print_json, unanswered};
use crate::args::CostArgs;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::limits::COST_SENSIBLE_CALLS_MIN;
use crate::render::{grouped, megabytes, micros, rate, table};
use bartizan_core::ServiceName;
use bartizan_core::fleet::Protocol;
use bartizan_core::status::{ProxyStatus, Status};
use bartizan_runtime::local;
use serde::Serialize;
use std::time::Duration;

/// Columns of the table: it ends with a sentence, which no terminal is wide enough for anyway.
const WIDTH: u16 = u16::MAX;
/// Share of a core from which a guard counts as expensive: what it takes is missing to a program.
const BUSY_CORES: f64 = 0.25;

/// What one guard costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Cost {
    pub(super) service: String,
    pub(super) owner: Option<String>,
    /// Classes of data that the service handles.
    pub(super) data: Vec<String>,
    pub(super) protocol: Option<Protocol>,
    /// Calls into it in the time looked at.
    pub(super) calls: u64,
    pub(super) calls_per_s: f64,
    /// What the guard added to a call, by its own measure over the last seconds, in microseconds.
    pub(super) added_p50_us: Option<u64>,
    pub(super) added_p99_us: Option<u64>,
    /// Cores that it used on average.
    pub(super) cores: f64,
    /// CPU of the guard for each call into the service; what it spends on calls out of it is in here too.
    pub(super) cpu_us_per_call: Option<f64>,
    pub(super) resident_bytes: u64,
    pub(super) advice: Advice,
    pub(super) why: String,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Advice {
    /// As it is.
    Keep,
    /// Leave the guard, and make what it is asked cheaper.
    Tune,
    /// A lighter mode would do.
    Lighter,
}

impl Advice {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Tune => "tune",
            Self::Lighter => "lighter",
        }
    }
}

/// The whole report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Report {
    /// Seconds that were looked at.
    seconds: f64,
    pub(super) guards: Vec<Cost>,
    /// What a guard may add at the 99th percentile, in microseconds.
    budget_us: Option<u32>,
    cores: f64,
    resident_bytes: u64,
    /// Services without a guard, which cost nothing here and are guarded by nobody.
    unguarded: Vec<ServiceName>,
}

/// Looks twice, `--seconds` apart, and prints what lies between.
pub(crate) async fn run(args: &CostArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let first = look(&data).await?;
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let report = report(&first, &look(&data).await?, None);
    if args.data.json { print_json(&report) } else { print(&told(&report)) }
}

pub(super) async fn look(data: &DataDir) -> Result<Status, Failure> {
    local::get(&data.control_socket(), "/v1/status").await.map_err(|error| unanswered(data, &error))
}

/// What lies between two looks; judged by the budget of the fleet file, or else by `otherwise`.
pub(super) fn report(before: &Status, after: &Status, otherwise: Option<u32>) -> Report {
    let budget = after.guard_p99_us.or(otherwise);
    let seconds = after.now.since(before.now).as_secs_f64();
    let guards: Vec<_> = after
        .proxies
        .iter()
        .filter(|proxy| proxy.attached)
        .map(|proxy| {
            let earlier = before.proxies.iter().find(|it| it.service == proxy.service && it.instance == proxy.instance);
            cost(earlier, proxy, seconds, budget)
        })
        .collect();
    let (cores, resident_bytes) =
        (guards.iter().map(|it| it.cores).sum(), guards.iter().map(|it| it.resident_bytes).sum());
    let unguarded = after.unguarded.iter().map(|it| it.service.clone()).collect();
    Report { seconds, guards, budget_us: budget, cores, resident_bytes, unguarded }
}

/// `before` is `None` for a guard that was started within the time looked at: it has counted from nothing.
fn cost(before: Option<&ProxyStatus>, now: &ProxyStatus, seconds: f64, budget: Option<u32>) -> Cost {
    let calls = now.calls - before.map_or(0, |it| it.calls.min(now.calls));
    let cpu_us = now.cpu_us - before.map_or(0, |it| it.cpu_us.min(now.cpu_us));
    let per_s = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
    let mut cost = Cost {
        service: now.service.to_string(),
        owner: now.owner.clone(),
        data: now.data.clone(),
        protocol: now.protocol,
        calls,
        calls_per_s: per_s(calls as f64),
        added_p50_us: now.added_p50_us,
        added_p99_us: now.added_p99_us,
        cores: per_s(cpu_us as f64) / 1e6,
        cpu_us_per_call: (calls > 0).then(|| cpu_us as f64 / calls as f64),
        resident_bytes: now.resident_bytes,
        advice: Advice::Keep,
        why: String::new(),
    };
    (cost.advice, cost.why) = advise(&cost, budget);
    cost
}

/// What to do, and why. What handles data of a class is never advised to be guarded less.
fn advise(cost: &Cost, budget: Option<u32>) -> (Advice, String) {
    let over = budget.filter(|budget| cost.added_p99_us.is_some_and(|added| added > u64::from(*budget)));
    let heavy = match over {
        Some(budget) => Some(format!("adds more than the budget of {budget} µs at p99")),
        None if cost.cores >= BUSY_CORES => Some(format!("takes {:.2} cores", cost.cores)),
        None => None,
    };
    let tune =
        "name the service in policies that are about it, keep its callers' connections open, give the host more CPU";
    match heavy {
        None if cost.calls < COST_SENSIBLE_CALLS_MIN => {
            (Advice::Keep, format!("fewer than {COST_SENSIBLE_CALLS_MIN} calls: too few to judge by"))
        }
        None => (Advice::Keep, "within what a guard may cost".to_owned()),
        Some(heavy) if cost.service == bartizan_core::name::GATEWAY => {
            (Advice::Tune, format!("{heavy}; it is the edge and stays: {tune}"))
        }
        Some(heavy) if !cost.data.is_empty() => {
            (Advice::Tune, format!("{heavy}; it handles {} and stays as it is guarded: {tune}", cost.data.join(", ")))
        }
        Some(heavy) if cost.protocol == Some(Protocol::Tcp) => {
            (Advice::Tune, format!("{heavy}; its guard judges connections alone already: give the host more CPU"))
        }
        Some(heavy) => (
            Advice::Lighter,
            format!(
                "{heavy} and handles no class of data: `protocol: tcp` for it, then `bartizan reload`, keeps identity, encryption \
                 and who may connect, and gives up decisions and events by request; callers change nothing"
            ),
        ),
    }
}

fn told(report: &Report) -> String {
    let headers =
        ["SERVICE", "DATA", "CALLS", "CALLS/s", "P50 µs", "P99 µs", "CORES", "CPU µs/CALL", "MiB", "ADVICE", "WHY"];
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let row = |it: &Cost| {
        vec![
            it.service.clone(),
            or_dash((!it.data.is_empty()).then(|| it.data.join(","))),
            grouped(it.calls),
            rate(it.calls_per_s),
            or_dash(it.added_p50_us.map(micros)),
            or_dash(it.added_p99_us.map(micros)),
            format!("{:.3}", it.cores),
            or_dash(it.cpu_us_per_call.map(|us| format!("{us:.0}"))),
            megabytes(it.resident_bytes),
            it.advice.as_str().to_owned(),
            it.why.clone(),
        ]
    };
    let budget = report
        .budget_us
        .map_or("no budget is set (`budget: guard_p99_us`)".to_owned(), |us| format!("budget {us} µs at p99"));
    let rows = report.guards.iter().map(row).collect();
    let bare: Vec<_> = report.unguarded.iter().map(ServiceName::as_str).collect();
    let bare = if bare.is_empty() { String::new() } else { format!("NO GUARD, and so no cost: {}\n", bare.join(", ")) };
    format!(
        "over {:.0} s; {budget}; what a guard adds is of the last seconds\n{}\nall guards: {:.3} cores, {} MiB\n{bare}",
        report.seconds,
        table(&headers, rows, WIDTH).trim_end(),
        report.cores,
        megabytes(report.resident_bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(service: &str, data: &[&str], protocol: Protocol, added: u64, cores: f64) -> Cost {
        Cost {
            service: service.to_owned(),
            owner: None,
            data: data.iter().map(|&it| it.to_owned()).collect(),
            protocol: Some(protocol),
            calls: 10_000,
            calls_per_s: 1000.0,
            added_p50_us: Some(added / 3),
            added_p99_us: Some(added),
            cores,
            cpu_us_per_call: Some(40.0),
            resident_bytes: 15 << 20,
            advice: Advice::Keep,
            why: String::new(),
        }
    }

    #[test]
    fn what_handles_data_is_never_advised_to_be_guarded_less() {
        for (it, budget, wanted) in [
            (cost("accounts", &["pii"], Protocol::Http, 900, 0.9), Some(500), Advice::Tune),
            (cost("accounts", &["pii"], Protocol::Auto, 100, 0.9), None, Advice::Tune),
            (cost("gateway", &[], Protocol::Http, 900, 0.1), Some(500), Advice::Tune),
            (cost("cache", &[], Protocol::Tcp, 900, 0.9), Some(500), Advice::Tune),
            (cost("catalogue", &[], Protocol::Http, 900, 0.1), Some(500), Advice::Lighter),
            (cost("catalogue", &[], Protocol::Http, 100, 0.3), None, Advice::Lighter),
            (cost("catalogue", &[], Protocol::Http, 400, 0.1), Some(500), Advice::Keep),
            (cost("catalogue", &[], Protocol::Http, 900, 0.1), None, Advice::Keep),
        ] {
            let (advice, why) = advise(&it, budget);
            assert_eq!(advice, wanted, "{it:?}: {why}");
            assert!(advice == Advice::Lighter || !why.contains("protocol: tcp"), "{why}");
        }
    }

    #[test]
    fn few_calls_are_no_ground_to_judge_by() {
        let it = Cost { calls: COST_SENSIBLE_CALLS_MIN - 1, ..cost("catalogue", &[], Protocol::Http, 100, 0.0) };
        assert!(advise(&it, Some(500)).1.contains("too few"));
    }
}
