//! `GET /v1/metrics`: counters of control and of every proxy, in the Prometheus text format (version 0.0.4).

use crate::alerts::Asked;
use crate::api::status::status;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::balance;
use crate::registry::EdgeNow;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use bartizan_core::Timestamp;
use bartizan_core::balance::Balance;
use bartizan_core::federation::Standing;
use bartizan_core::indicators::Indicators;
use bartizan_core::retention::Sort;
use bartizan_core::rotation::Forecast;
use bartizan_core::stats::{EdgeStats, ProxyStats, SendingStats};
use bartizan_core::status::{Handshakes, ProxyStatus, Status};
use bartizan_indicators::count::unauthorised_handshakes;
use bartizan_promql::store::Held;
use bartizan_runtime::clock;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/metrics",
    who: Who::Viewer,
    about: "Counters of control and of every proxy, as Prometheus text",
    route: || get(answer),
};

async fn answer(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page(&app))
}

/// The whole page.
pub(crate) fn page(app: &App) -> String {
    // An instance beside the first has its number in its label, such as `ledger.2`: series must differ.
    let totals: Vec<_> =
        app.registry.totals().into_iter().map(|(member, totals)| (member.to_string(), totals)).collect();
    let mut text = render(&status(app), &totals, app.identities_refused());
    text.push_str(&edges(&app.registry.edges(clock::now())));
    text.push_str(&federation(&app.federation.standings(&app.in_force().desired.fleet.federation), clock::now()));
    text.push_str(&forecast(&crate::expiry::of(app, clock::now())));
    let in_force = app.in_force();
    let objectives = in_force.desired.fleet.objectives.as_ref();
    text.push_str(&indicators(&app.indicators.report(objectives, clock::now())));
    text.push_str(&balance(&balance::of(app)));
    text.push_str(&security(&status(app), app.pipeline.security_lost()));
    text.push_str(&kept(&app.series.held(), app.alerts.prometheus.asked()));
    text
}

/// Name, help, and which number it is.
type Family = (&'static str, &'static str, fn(&Held) -> usize);

/// What series are of.
const SERIES: [&str; 2] = ["measured", "recorded"];

/// What is kept of this page, over time, and what became of rules.
fn kept(held: &[Held; 2], rules: Asked) -> String {
    let mut page = Page::default();
    let families: [Family; 3] = [
        ("bartizan_series_held", "Series that control keeps: of these metrics, and of what rules recorded", |it| {
            it.series
        }),
        ("bartizan_series_moments_held", "Moments of which they are kept", |it| it.moments),
        ("bartizan_series_changes_held", "Values that are kept of them, as far as they changed", |it| it.changes),
    ];
    for (name, help, of) in families {
        page.family(name, "gauge", help);
        SERIES.iter().zip(held).for_each(|(kind, it)| page.value(&[("kind", kind)], of(it)));
    }
    page.family("bartizan_series_refused_total", "counter", "Samples of series that found no room");
    SERIES.iter().zip(held).for_each(|(kind, it)| page.value(&[("kind", kind)], it.refused));
    page.family(
        "bartizan_rules_asked_total",
        "counter",
        "Rules in the form of Prometheus, each time that they were asked",
    );
    page.value(&[], rules.asked);
    page.family("bartizan_rules_failed_total", "counter", "Those that could not be answered");
    page.value(&[], rules.failed);
    page.text
}

/// Name under which control's own numbers stand among those of services. No service can have it: names begin with a letter.
const CONTROL: &str = "-control";
/// Caller of calls that come from outside, without an identity.
const OUTSIDE: &str = "-outside";

fn render(status: &Status, totals: &[(String, ProxyStats)], identities_refused: u64) -> String {
    let mut page = Page::default();
    handshakes(&mut page, status);
    calls(&mut page, totals);
    sending(&mut page, totals);
    plaintext(&mut page, totals);
    unguarded(&mut page, status);
    unauthorised(&mut page, status, totals, identities_refused);
    tls(&mut page, status);
    budget(&mut page, status);
    egress(&mut page, status, totals);
    limits(&mut page, totals);
    ended(&mut page, totals);
    events(&mut page, status);
    issued(&mut page, status);
    drift(&mut page, status);
    expiry(&mut page, status);
    proxies(&mut page, status);
    group(&mut page, status);
    page.text
}

/// The controls that keep one state; nothing where there is one alone.
fn group(page: &mut Page, status: &Status) {
    let Some(group) = &status.control.group else { return };
    let numbers: [(&str, &str, u64); 3] = [
        ("bartizan_group_term", "How many leaders the group of controls had, at most", group.term),
        ("bartizan_group_applied", "The last change that counts", group.applied),
        ("bartizan_group_state_bytes", "What the state takes that the group keeps", group.state_bytes),
    ];
    for (name, help, value) in numbers {
        page.family(name, "gauge", help);
        page.value(&[], value);
    }
    page.family(
        "bartizan_group_member_away",
        "gauge",
        "1 where a member of the group has not answered for some seconds",
    );
    let numbered = || group.others.iter().map(|it| (it.member.to_string(), it));
    numbered().for_each(|(member, it)| page.value(&[("member", &member)], u8::from(it.away)));
    page.family("bartizan_group_member_behind", "gauge", "Changes that a member of the group lacks");
    numbered().for_each(|(member, it)| page.value(&[("member", &member)], it.behind));
}

/// What became of events, arrow by arrow. The sums of an arrow are equal where `bartizan_arrow_missing` is 0.
fn balance(balance: &Balance) -> String {
    let mut page = Page::default();
    page.family("bartizan_arrow_events_total", "counter", "Events on an arrow of their way, by what became of them");
    for it in &balance.arrows {
        for (fate, count) in [("received", it.received), ("stored", it.stored)] {
            page.value(&[("arrow", &it.arrow), ("fate", fate), ("cause", "")], count);
        }
        for (fate, causes) in [("refused", &it.refused), ("dropped", &it.dropped)] {
            for (cause, count) in causes {
                page.value(&[("arrow", &it.arrow), ("fate", fate), ("cause", cause)], *count);
            }
        }
    }
    page.family("bartizan_arrow_waiting", "gauge", "Events that are under way on an arrow");
    balance.arrows.iter().for_each(|it| page.value(&[("arrow", &it.arrow)], it.waiting));
    let mut sources: std::collections::BTreeMap<&str, (u64, u64)> = std::collections::BTreeMap::new();
    for it in &balance.ingest {
        let sum = sources.entry(&it.source).or_default();
        *sum = (sum.0 + it.events, sum.1 + it.bytes);
    }
    page.family(
        "bartizan_ingest_events",
        "gauge",
        "Events that were stored in the days that are remembered, by source",
    );
    sources.iter().for_each(|(source, (events, _))| page.value(&[("source", source)], *events));
    page.family("bartizan_ingest_bytes", "gauge", "Bytes of them before they are packed, by source");
    sources.iter().for_each(|(source, (_, bytes))| page.value(&[("source", source)], *bytes));
    page.family("bartizan_arrow_missing", "gauge", "Events of an arrow that nobody accounts for");
    for it in &balance.arrows {
        page.value(&[("arrow", &it.arrow)], it.received.abs_diff(it.accounted()));
    }
    page.text
}

/// What tells of a decision or is about security is never left out by choice; here is what was lost all the same, where it was lost.
fn security(status: &Status, at_control: u64) -> String {
    let mut page = Page::default();
    let help = "Spans and events of decisions, or about security, that were lost; none is left out by sampling";
    page.family("bartizan_security_spans_dropped_total", "counter", help);
    page.value(&[("at", CONTROL)], at_control);
    for proxy in &status.proxies {
        page.value(&[("at", &label(proxy))], proxy.events.dropped);
    }
    page.text
}

/// How old what is held of other trust domains is.
fn federation(standings: &[Standing], now: Timestamp) -> String {
    let mut page = Page::default();
    if standings.is_empty() {
        return page.text;
    }
    let name = "bartizan_federation_bundle_age_seconds";
    page.family(name, "gauge", "Time since the bundle endpoint of another trust domain last gave a good answer");
    for it in standings {
        if let Some(at) = it.fetched_at {
            page.value(&[("domain", it.domain.as_str())], now.since(at).as_secs());
        }
    }
    page.family("bartizan_federation_roots", "gauge", "Roots held of another trust domain");
    standings.iter().for_each(|it| page.value(&[("domain", it.domain.as_str())], it.roots as u64));
    page.text
}

/// Shares of the indicators over their windows, and what is left of their budgets.
fn indicators(report: &Indicators) -> String {
    let mut page = Page::default();
    let places = || report.indicators.iter().flat_map(|it| it.places.iter().map(move |at| (it, at)));
    page.family("bartizan_indicator_ratio", "gauge", "Share of good or bad ones of an indicator, by window in seconds");
    for (it, at) in places() {
        for window in &at.windows {
            let seconds = window.seconds.to_string();
            if let Some(share) = window.share {
                page.value(&[("indicator", &it.id), ("place", &at.place), ("window", &seconds)], share);
            }
        }
    }
    let help =
        "What is counted apart from an indicator: expected denials and attacks of M3, synthetic calls of M1, by window";
    page.family("bartizan_indicator_part", "gauge", help);
    for (it, at) in places() {
        for (part, window) in at.parts.iter().flat_map(|part| part.windows.iter().map(move |it| (part, it))) {
            let seconds = window.seconds.to_string();
            let labels =
                [("indicator", it.id.as_str()), ("place", &at.place), ("part", &part.part), ("window", &seconds)];
            // Of calls where there are any to count, else the denials themselves.
            page.value(&labels, if window.all > 0 { window.all } else { window.bad });
        }
    }
    let help = "What has to fall, by what it was before: the last seven days, and the last fifteen of thirty";
    page.family("bartizan_indicator_trend", "gauge", help);
    for (it, at) in places() {
        for (days, trend) in [("7", at.trend), ("30", at.trend_month)] {
            if let Some(trend) = trend {
                page.value(&[("indicator", &it.id), ("place", &at.place), ("days", days)], trend);
            }
        }
    }
    page.family(
        "bartizan_error_budget_left",
        "gauge",
        "Share of an error budget that is left; below 0 it is overdrawn",
    );
    for (it, at) in places() {
        if let Some(left) = at.budget.as_ref().and_then(|budget| budget.left) {
            page.value(&[("indicator", &it.id), ("place", &at.place)], left);
        }
    }
    page.family("bartizan_error_budget_burn", "gauge", "Multiple of the rate that uses up a budget in time");
    for (it, at) in places() {
        for burn in &at.burns {
            if let Some(rate) = burn.rate {
                let window = burn.long_s.to_string();
                page.value(&[("indicator", &it.id), ("place", &at.place), ("window", &window)], rate);
            }
        }
    }
    let help =
        "1 while a budget burns so fast, and so surely, that somebody has to know: at once (page) or some day (ticket)";
    page.family("bartizan_error_budget_alight", "gauge", help);
    for (it, at) in places().filter(|(_, at)| !at.burns.is_empty()) {
        for urgency in ["page", "ticket"] {
            let alight = at.burns.iter().any(|burn| burn.alight && burn.urgency == urgency);
            page.value(&[("indicator", &it.id), ("place", &at.place), ("urgency", urgency)], u8::from(alight));
        }
    }
    page.text
}

fn drift(page: &mut Page, status: &Status) {
    page.family("bartizan_drift", "gauge", "Files on disk that say something else than what is in force");
    page.value(&[], status.drift.as_ref().map_or(0, |drift| drift.what.len() as u64));
}

/// M2: completed / attempted, with the cause of every failure.
fn handshakes(page: &mut Page, status: &Status) {
    let proxies = status.proxies.iter().map(|proxy| (label(proxy), &proxy.handshakes));
    let all: Vec<(String, &Handshakes)> = proxies.chain([(CONTROL.to_owned(), &status.control.handshakes)]).collect();
    page.family("bartizan_handshakes_attempted_total", "counter", "TLS handshakes begun");
    all.iter().for_each(|(at, h)| page.value(&[("service", at.as_str())], h.attempted));
    page.family("bartizan_handshakes_completed_total", "counter", "TLS handshakes that ended well");
    all.iter().for_each(|(at, h)| page.value(&[("service", at.as_str())], h.completed));
    page.family("bartizan_handshakes_failed_total", "counter", "TLS handshakes that failed, by cause");
    for (at, handshakes) in &all {
        for (cause, count) in &handshakes.failed {
            page.value(&[("service", at.as_str()), ("cause", cause.as_str())], *count);
        }
    }
}

/// M3: denied / calls, per edge, as the callee's side counts them.
fn calls(page: &mut Page, totals: &[(String, ProxyStats)]) {
    for (name, help, count) in [
        ("bartizan_calls_total", "Calls, by caller and callee", 0),
        ("bartizan_denied_total", "Calls that policy denied", 1),
        ("bartizan_failed_total", "Calls that failed for another reason", 2),
        ("bartizan_unauthenticated_total", "Calls that the guard answered 401", 3),
        ("bartizan_denied_expected_total", "Denied calls of which somebody said so before", 4),
        ("bartizan_denied_attacks_total", "Denied calls that are attacks", 5),
    ] {
        page.family(name, "counter", help);
        for (to, totals) in totals {
            for (from, edge) in &totals.inbound {
                let from = if from.is_empty() { OUTSIDE } else { from };
                page.value(&[("from", from), ("to", to.as_str())], counts(edge)[count]);
            }
        }
    }
    page.family("bartizan_input_refused_total", "counter", "Input refused before it was a request");
    totals.iter().for_each(|(at, totals)| page.value(&[("service", at.as_str())], totals.refused));
    predicted(page, totals);
    page.family("bartizan_shortages_total", "counter", "Times that a guard could open nothing for want of something");
    for (at, totals) in totals {
        for (what, times) in &totals.shortages {
            page.value(&[("service", at.as_str()), ("what", what.as_str())], *times);
        }
    }
}

const fn counts(it: &EdgeStats) -> [u64; 6] {
    [it.calls, it.denied, it.failed, it.unauthenticated, it.expected, it.attacks]
}

/// What guards add to the calls of each caller, as far as callers are told apart in that.
fn edges(edges: &[EdgeNow]) -> String {
    let mut page = Page::default();
    let help = "A proxy's own share of a call's time over the last 15 seconds, by caller and callee";
    page.family("bartizan_edge_added_microseconds", "gauge", help);
    for edge in edges {
        let from = if edge.from.is_empty() { OUTSIDE } else { &edge.from };
        let to = edge.member.to_string();
        for (quantile, value) in ["0.5", "0.99"].into_iter().zip(edge.added_us.into_iter().flatten()) {
            page.value(&[("from", from), ("to", &to), ("quantile", quantile)], value);
        }
    }
    page.text
}

/// What policies that are tried out would have decided otherwise.
fn predicted(page: &mut Page, totals: &[(String, ProxyStats)]) {
    let help = "Calls that a policy in shadow would have decided otherwise, by what it would have decided";
    page.family("bartizan_policy_predicted_total", "counter", help);
    for (at, totals) in totals {
        for it in &totals.predicted {
            let (from, to, decision) = (it.from.as_str(), it.to.as_str(), it.verdict.as_str());
            let labels =
                [("service", at.as_str()), ("policy", &*it.policy), ("from", from), ("to", to), ("decision", decision)];
            page.value(&labels, it.calls);
        }
    }
    let help = "Such predictions of edges that a guard had no room for";
    page.family("bartizan_policy_predicted_unlisted_total", "counter", help);
    totals.iter().for_each(|(at, totals)| page.value(&[("service", at.as_str())], totals.predicted_unlisted));
}

fn budget(page: &mut Page, status: &Status) {
    page.family("bartizan_over_budget", "gauge", "1 for a guard that has cost more time than its budget for a while");
    status.over_budget.iter().for_each(|it| page.value(&[("service", it.service.as_str())], 1));
}

/// What goes out, and whether anything goes out past a guard.
fn egress(page: &mut Page, status: &Status, totals: &[(String, ProxyStats)]) {
    let it = &status.egress;
    page.family("bartizan_egress_programs", "gauge", "Programs that are started here, by their way out of the fleet");
    for (path, count) in [("forced", it.forced), ("told", it.told), ("open", it.programs - it.forced - it.told)] {
        page.value(&[("path", path)], count as u64);
    }
    let help = "Share of those programs that have no other way out than their guard";
    page.family("bartizan_egress_coverage", "gauge", help);
    page.value(&[], if it.programs == 0 { 1.0 } else { it.forced as f64 / it.programs as f64 });
    page.family("bartizan_egress_new_destinations", "gauge", "Destinations used for the first time in the last hour");
    page.value(&[], it.new.len() as u64);
    page.family("bartizan_egress_total", "counter", "Connections and requests out of the fleet that were let through");
    for (service, totals) in totals {
        for (what, count) in
            [("passed", totals.egress.passed), ("failed", totals.egress.failed), ("learned", totals.egress.learned)]
        {
            page.value(&[("service", service.as_str()), ("what", what)], count);
        }
    }
    page.family("bartizan_egress_refused_total", "counter", "Attempts to go out that were refused, by reason");
    for (service, totals) in totals {
        for (reason, count) in &totals.egress.refused {
            page.value(&[("service", service.as_str()), ("reason", reason.as_str())], *count);
        }
    }
    page.family("bartizan_egress_bytes_total", "counter", "Bytes out of the fleet and back");
    for (service, totals) in totals {
        page.value(&[("service", service.as_str()), ("way", "up")], totals.egress.bytes_up);
        page.value(&[("service", service.as_str()), ("way", "down")], totals.egress.bytes_down);
    }
    page.family("bartizan_egress_lookups_total", "counter", "Names looked up outside for a service");
    totals.iter().for_each(|(at, totals)| page.value(&[("service", at.as_str())], totals.egress.lookups));
}

fn tls(page: &mut Page, status: &Status) {
    page.family("bartizan_tls_handshakes_total", "counter", "Handshakes of each edge, by what they agreed on");
    for edge in &status.tls {
        let from = edge.from.as_deref().unwrap_or(OUTSIDE);
        let labels = [("from", from), ("to", edge.to.as_str()), ("group", &edge.group), ("suite", &edge.suite)];
        page.value(&labels, edge.handshakes);
    }
}

fn ended(page: &mut Page, totals: &[(String, ProxyStats)]) {
    let help = "Open connections and requests under way that ended because trust in them did, by reason";
    page.family("bartizan_trust_ended_total", "counter", help);
    for (service, totals) in totals {
        for (ending, count) in &totals.ended {
            page.value(&[("service", service.as_str()), ("reason", ending.as_str())], *count);
        }
    }
}

/// M8: everything that somebody tried and was not allowed to.
fn unauthorised(page: &mut Page, status: &Status, totals: &[(String, ProxyStats)], identities_refused: u64) {
    let denied: u64 = totals.iter().flat_map(|(_, it)| it.inbound.values()).map(|edge| edge.denied).sum();
    let proxies = status.proxies.iter().map(|proxy| &proxy.handshakes.failed);
    let handshakes: u64 = proxies.chain([&status.control.handshakes.failed]).map(unauthorised_handshakes).sum();
    page.family(
        "bartizan_unauthorised_total",
        "counter",
        "Attempts at what the caller may not have: calls, handshakes, identities",
    );
    page.value(&[("what", "call")], denied);
    page.value(&[("what", "handshake")], handshakes);
    page.value(&[("what", "identity")], identities_refused);
}

fn events(page: &mut Page, status: &Status) {
    let store = &status.store;
    for (name, help, count) in [
        ("bartizan_events_offered_total", "Events that came to control", store.offered),
        ("bartizan_events_stored_total", "Events in the store", store.stored),
        ("bartizan_events_known_total", "Events that came a second time", store.known),
    ] {
        page.family(name, "counter", help);
        page.value(&[], count);
    }
    page.family("bartizan_events_lost_total", "counter", "Events that are nowhere, by reason");
    store.lost.iter().for_each(|(reason, count)| page.value(&[("reason", reason)], *count));
    let held = &status.events;
    for (name, help, value) in [
        ("bartizan_events_held", "Events that can be asked for", held.events),
        ("bartizan_events_held_bytes", "Bytes that events take on disk", held.bytes),
    ] {
        page.family(name, "gauge", help);
        page.value(&[], value);
    }
    page.family("bartizan_events_gone_total", "counter", "Events that were stored and went, by reason");
    for (reason, count) in [("age", held.aged), ("room", held.displaced)] {
        page.value(&[("reason", reason)], count);
    }
    page.family("bartizan_events_gone_by_sort_total", "counter", "Those of each sort, as far as it is known");
    for (reason, each) in [("age", &held.aged_each), ("room", &held.displaced_each)] {
        for sort in Sort::ALL {
            let count = each.get(&sort).copied().unwrap_or(0);
            page.value(&[("reason", reason), ("sort", sort.as_str())], count);
        }
    }
    page.family("bartizan_events_holds", "gauge", "Legal holds in force");
    page.value(&[], held.holds);
    page.family("bartizan_ledger_entries", "gauge", "Entries of the ledger, on disk and signed");
    page.value(&[], status.ledger.entries);
    page.family("bartizan_ledger_lost_total", "counter", "Events that belong in the ledger and are not in it");
    page.value(&[], status.ledger.lost);
    page.family("bartizan_ledger_bytes", "gauge", "Bytes that the ledger takes in the data folder");
    page.value(&[], status.ledger.bytes);
    let failing = u64::from(status.ledger.archive_failed.is_some());
    page.family(
        "bartizan_ledger_archive_failing",
        "gauge",
        "1 while files of the ledger cannot be moved into its archive",
    );
    page.value(&[], failing);
    page.family("bartizan_events_waiting", "gauge", "Events that wait to be stored");
    page.value(&[], store.waiting);
    page.family(
        "bartizan_proxy_events_total",
        "counter",
        "Events of each proxy: offered = delivered + dropped + waiting there",
    );
    for proxy in &status.proxies {
        for (what, count) in [
            ("offered", proxy.events.offered),
            ("delivered", proxy.events.delivered),
            ("dropped", proxy.events.dropped),
        ] {
            page.value(&[("service", &label(proxy)), ("what", what)], count);
        }
    }
}

fn issued(page: &mut Page, status: &Status) {
    let issued = &status.issued;
    for (name, kind, help, count) in [
        ("bartizan_issued_total", "counter", "Certificates that were recorded and handed out", issued.recorded),
        (
            "bartizan_issued_refused_total",
            "counter",
            "Certificates not issued, as they could not be recorded",
            issued.refused,
        ),
        (
            "bartizan_issued_waiting",
            "gauge",
            "Records of certificates that the database has not taken in",
            issued.waiting,
        ),
    ] {
        page.family(name, kind, help);
        page.value(&[], count);
    }
}

fn expiry(page: &mut Page, status: &Status) {
    let left = |until: Timestamp| until.since(status.now).as_secs();
    page.family("bartizan_certificate_expiry_seconds", "gauge", "Seconds until a service's identity runs out");
    for proxy in &status.proxies {
        if let Some(until) = proxy.svid_not_after {
            page.value(&[("service", &label(proxy))], left(until));
        }
    }
    page.value(&[("service", CONTROL)], left(status.control.svid_not_after));
    page.family("bartizan_authority_expiry_seconds", "gauge", "Seconds until a CA runs out");
    page.value(&[("authority", "issuing")], left(status.control.issuing_not_after));
    page.value(&[("authority", "root")], left(status.control.root_not_after));
}

fn forecast(forecast: &Forecast) -> String {
    let mut page = Page::default();
    page.family("bartizan_expiry_seconds", "gauge", "Seconds until something runs out, whether or not it is renewed");
    for it in &forecast.items {
        page.value(&[("what", &it.what), ("name", &it.name)], it.at.since(forecast.now).as_secs());
    }
    page.text
}

fn proxies(page: &mut Page, status: &Status) {
    page.family("bartizan_epoch", "gauge", "Epoch in force, by kind of snapshot");
    status.epochs.iter().for_each(|(kind, epoch)| page.value(&[("kind", kind.as_str())], epoch.0));
    page.family("bartizan_proxy_epoch", "gauge", "Epoch that a proxy enforces");
    for proxy in &status.proxies {
        for (kind, epoch) in &proxy.held {
            page.value(&[("service", &label(proxy)), ("kind", kind.as_str())], epoch.0);
        }
    }
    page.family("bartizan_proxy_attached", "gauge", "1 while a proxy's stream is open");
    status.proxies.iter().for_each(|p| page.value(&[("service", &label(p))], u8::from(p.attached)));
    page.family("bartizan_added_microseconds", "gauge", "A proxy's own share of a call's time over the last seconds");
    for proxy in &status.proxies {
        for (quantile, value) in [("0.5", proxy.added_p50_us), ("0.99", proxy.added_p99_us)] {
            if let Some(value) = value {
                page.value(&[("service", &label(proxy)), ("quantile", quantile)], value);
            }
        }
    }
    page.family("bartizan_proxy_resident_bytes", "gauge", "Resident memory of a proxy");
    status.proxies.iter().for_each(|p| page.value(&[("service", &label(p))], p.resident_bytes));
    page.family("bartizan_proxy_cpu_seconds_total", "counter", "CPU time of a proxy");
    status.proxies.iter().for_each(|p| page.value(&[("service", &label(p))], p.cpu_us as f64 / 1e6));
}

fn label(proxy: &ProxyStatus) -> String {
    proxy.member().to_string()
}

/// What came too often.
fn limits(page: &mut Page, totals: &[(String, ProxyStats)]) {
    page.family("bartizan_limited_total", "counter", "Requests that were refused for coming too often, by limit");
    for (service, totals) in totals {
        for (limit, it) in &totals.limits {
            page.value(&[("service", service.as_str()), ("limit", limit)], it.refused);
        }
    }
    page.family(
        "bartizan_slowed_total",
        "counter",
        "Requests that had to wait for coming more often than usual, by limit",
    );
    for (service, totals) in totals {
        for (limit, it) in totals.limits.iter().filter(|(_, it)| it.slowed > 0) {
            page.value(&[("service", service.as_str()), ("limit", limit)], it.slowed);
        }
    }
}

/// What guards do to make calls succeed, by caller and callee.
fn sending(page: &mut Page, totals: &[(String, ProxyStats)]) {
    type Count = fn(&SendingStats) -> u64;
    let families: [(&str, &str, &str, Count); 7] = [
        ("bartizan_retries_total", "counter", "Tries of a call after its first", |it| it.retried),
        ("bartizan_ejections_total", "counter", "Times that an instance got nothing for a while", |it| it.ejected),
        ("bartizan_breaker_opened_total", "counter", "Times that a breaker opened", |it| it.breaker_opened),
        ("bartizan_breaker_refused_total", "counter", "Calls that an open breaker answered", |it| it.short_cut),
        ("bartizan_mirrored_total", "counter", "Copies that were sent to another version", |it| it.mirrored),
        ("bartizan_breakers_open", "gauge", "Workers whose breaker is not closed", |it| it.breakers_open.into()),
        ("bartizan_instances_out", "gauge", "Instances that get nothing from some worker", |it| {
            it.instances_out.into()
        }),
    ];
    for (name, kind, help, count) in families {
        page.family(name, kind, help);
        for (from, totals) in totals {
            for (to, it) in &totals.sending {
                page.value(&[("from", from), ("to", to.as_str())], count(it));
            }
        }
    }
}

/// Who still calls without mutual TLS.
fn plaintext(page: &mut Page, totals: &[(String, ProxyStats)]) {
    page.family("bartizan_plaintext_calls_total", "counter", "Calls that came without mutual TLS, by their address");
    for (to, totals) in totals {
        for (address, it) in &totals.plaintext {
            page.value(&[("address", address), ("to", to)], it.calls);
        }
    }
}

/// What is called in plain, since no guard stands there; as far as the callers have one.
fn unguarded(page: &mut Page, status: &Status) {
    page.family("bartizan_unguarded_services", "gauge", "Services of the fleet file that have no guard");
    page.value(&[], status.unguarded.len() as u64);
    page.family(
        "bartizan_unguarded_calls_total",
        "counter",
        "Calls that guards made in plain to services without a guard",
    );
    for it in &status.unguarded {
        for (from, calls) in &it.callers {
            if let Some(calls) = calls {
                page.value(&[("from", from.as_str()), ("to", it.service.as_str())], *calls);
            }
        }
    }
}

/// The text format: families of values.
#[derive(Debug, Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn value(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            self.put(format_args!("{open}{label}=\"{}\"", Escaped(text)));
        }
        self.put(format_args!("{} {value}\n", if labels.is_empty() { "" } else { "}" }));
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a String takes everything");
    }
}

/// A label's value, with `\`, `"` and line ends escaped as the format asks.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out_of_their_quotes() {
        let mut page = Page::default();
        page.family("x_total", "counter", "help");
        page.value(&[("from", "a\"} 1\nevil 2\\"), ("to", "b")], 3);
        page.value(&[], 4);
        let expected = "# HELP x_total help\n# TYPE x_total counter\nx_total{from=\"a\\\"} 1\\nevil 2\\\\\",to=\"b\"} 3\nx_total 4\n";
        assert_eq!(page.text, expected);
    }
}
