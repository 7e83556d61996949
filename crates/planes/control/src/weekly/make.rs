//! Makes the report of one week.

use crate::app::App;
use crate::events::read;
use crate::limits::{WEEKLY_EVENTS_MAX, WEEKLY_PAGE_EVENTS, WEEKLY_ROWS_MAX};
use crate::weekly::Archive;
use bartizan_core::event::{AlertStep, Class, Upshot, What};
use bartizan_core::fleet::Fleet;
use bartizan_core::indicators::{Indicators, PlaceStatus};
use bartizan_core::weekly::{
    AlertsOfWeek, BudgetOfWeek, Delta, DenialsOfWeek, IndicatorOfWeek, PolicyOfWeek, WEEK, Week, WeeklyReport,
};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_events::{EventsError, Filter, Order};
use bartizan_indicators::{Board, Indicator, Place, Series};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where nothing permitted it.
const NO_POLICY: &str = "-none";

/// The report of `week`, as far as it has passed.
///
/// # Errors
/// [`EventsError`] where the store cannot be read.
pub(crate) async fn make(app: &Arc<App>, week: Week, now: Timestamp) -> Result<WeeklyReport, EventsError> {
    let in_force = app.in_force();
    let fleet = &in_force.desired.fleet;
    let shared = Arc::clone(app);
    let before =
        tokio::task::spawn_blocking(move || Archive::of(&shared.options.data).get(week.before())).await.ok().flatten();
    let _one_at_a_time = app.making_report.lock().await;
    let until = week.ends().min(now);
    let status = app.indicators.report(fleet.objectives.as_ref(), now);
    let (denials, indicators) = app.indicators.with_board(|board| {
        let of = |it, place: &Place| counted(board.series(it, place), now, until);
        (denials(board, fleet, &of), all_indicators(board, fleet, &of))
    });
    let (policies, policies_cut) = policies(app, fleet, week).await?;
    let horizon = Timestamp::from_millis(week.ends().as_millis() + 2 * WEEK.as_millis() as u64);
    let forecast = crate::expiry::of(app, now).items.into_iter();
    Ok(WeeklyReport {
        week: week.to_string(),
        begins: week.begins(),
        ends: week.ends(),
        made_at: now,
        is_whole: now >= week.ends(),
        counted_since: status.since,
        alerts: alerts(app, week, now).await?,
        denials,
        policies,
        policies_cut,
        indicators,
        budgets: budgets(&status, fleet, before.as_ref()),
        versions: app.alerts.versions(now),
        // Certificates of an hour that are renewed in time are nobody's business.
        expiring: forecast.filter(|it| it.in_danger || (it.renewed_by.is_none() && it.at <= horizon)).collect(),
        no_source: no_source(&status),
        archived: Vec::new(),
    })
}

fn no_source(status: &Indicators) -> Vec<String> {
    let indicators = status.indicators.iter().filter(|it| !it.has_source).map(|it| format!("{} ({})", it.id, it.title));
    indicators.chain(["reports of scans".to_owned()]).collect()
}

fn owner(fleet: &Fleet, service: &str) -> Option<String> {
    fleet.services.get(&ServiceName::parse(service).ok()?)?.owner.clone()
}

/// Bad ones and all, of the week and of the one before.
fn counted(series: Option<&Series>, now: Timestamp, until: Timestamp) -> (Delta, Delta) {
    // The slot that `until` begins is no part of it.
    let end = |at: Timestamp| Timestamp::from_millis(at.as_millis().saturating_sub(1));
    let begins = Week::of(end(until)).begins();
    let of = |until: Timestamp, window| series.map(|it| it.between(now, end(until), window)).unwrap_or_default();
    let (week, before) = (of(until, until.since(begins)), of(begins, WEEK));
    (Delta { now: week.bad, before: before.bad }, Delta { now: week.all, before: before.all })
}

type Counted<'a> = dyn Fn(Indicator, &Place) -> (Delta, Delta) + 'a;

fn denials(board: &Board, fleet: &Fleet, of: &Counted<'_>) -> Vec<DenialsOfWeek> {
    let places = board.of(Indicator::M8).filter(|(place, _)| matches!(place, Place::Service(_)));
    let row = |(place, _): (&Place, &Series)| {
        let service = place.to_string();
        let (attempts, unexpected) = (of(Indicator::M8, place).0, of(Indicator::M3, place).0);
        DenialsOfWeek { owner: owner(fleet, &service), service, attempts, unexpected }
    };
    let mut rows: Vec<_> = places.map(row).filter(|it| it.attempts != Delta::default()).collect();
    rows.sort_by_key(|it| std::cmp::Reverse(it.attempts.now));
    rows.truncate(WEEKLY_ROWS_MAX);
    rows
}

fn all_indicators(board: &Board, fleet: &Fleet, of: &Counted<'_>) -> Vec<IndicatorOfWeek> {
    let mut rows = Vec::new();
    for it in Indicator::ALL.into_iter().filter(|it| it.has_source()) {
        let services = board.of(it).map(|(place, _)| place).filter(|place| matches!(place, Place::Service(_)));
        for place in std::iter::once(&Place::Fleet).chain(services).take(WEEKLY_ROWS_MAX) {
            let (bad, all) = of(it, place);
            let place = place.to_string();
            rows.push(IndicatorOfWeek {
                id: it.id().to_owned(),
                title: it.title().to_owned(),
                owner: owner(fleet, &place),
                place,
                bad,
                all,
            });
        }
    }
    rows
}

fn budgets(status: &Indicators, fleet: &Fleet, before: Option<&WeeklyReport>) -> Vec<BudgetOfWeek> {
    let mut rows = Vec::new();
    for it in &status.indicators {
        let is_told = |at: &&PlaceStatus| at.target.is_some() || !at.place.contains("->");
        for at in it.places.iter().filter(is_told).take(WEEKLY_ROWS_MAX) {
            let Some(budget) = &at.budget else { continue };
            let same = |row: &&BudgetOfWeek| row.indicator == it.id && row.place == at.place;
            let last = before.and_then(|report| report.budgets.iter().find(same));
            rows.push(BudgetOfWeek {
                indicator: it.id.clone(),
                place: at.place.clone(),
                owner: owner(fleet, &at.place),
                target: at.target.clone().unwrap_or_else(|| it.target.clone()),
                left: budget.left,
                left_before: last.and_then(|row| row.left),
                burns: at.burns.iter().any(|burn| burn.alight),
            });
        }
    }
    rows
}

async fn alerts(app: &Arc<App>, week: Week, now: Timestamp) -> Result<Vec<AlertsOfWeek>, EventsError> {
    let rules = app.alerts.status(now).rules;
    let mut began: BTreeMap<(String, Option<String>), Delta> = BTreeMap::new();
    let filter = Filter { classes: vec![Class::Alert], ..Filter::default() };
    each(app, week, filter, |event, is_now| {
        let What::Alert(it) = &event.what else { return };
        if it.step == AlertStep::Started {
            let service = event.service.as_ref().map(ToString::to_string);
            count(&mut began, (it.rule.to_string(), service), is_now);
        }
    })
    .await?;
    let row = |((rule, service), began): ((String, Option<String>), Delta)| AlertsOfWeek {
        owner: rules.iter().find(|it| it.name == rule).map(|it| it.owner.clone()),
        rule,
        service,
        began,
    };
    let mut rows: Vec<_> = began.into_iter().map(row).collect();
    rows.sort_by_key(|it| std::cmp::Reverse(it.began.now));
    rows.truncate(WEEKLY_ROWS_MAX);
    Ok(rows)
}

async fn policies(app: &Arc<App>, fleet: &Fleet, week: Week) -> Result<(Vec<PolicyOfWeek>, bool), EventsError> {
    let mut denied: BTreeMap<(String, Option<String>), Delta> = BTreeMap::new();
    let classes = vec![Class::Request, Class::Connection];
    let filter = Filter { classes, upshots: vec![Upshot::Denied], ..Filter::default() };
    let cut = each(app, week, filter, |event, is_now| {
        let judged = match &event.what {
            What::Request(it) => it.decision.as_ref(),
            What::Connection(it) => it.decision.as_ref(),
            _ => None,
        };
        let Some(judged) = judged else { return };
        let service = event.service.as_ref().map(ToString::to_string);
        if judged.policies.is_empty() {
            count(&mut denied, (NO_POLICY.to_owned(), service.clone()), is_now);
        }
        for policy in &judged.policies {
            count(&mut denied, (policy.to_string(), service.clone()), is_now);
        }
    })
    .await?;
    let row = |((policy, service), denied): ((String, Option<String>), Delta)| PolicyOfWeek {
        owner: service.as_deref().and_then(|service| owner(fleet, service)),
        policy,
        service,
        denied,
    };
    let mut rows: Vec<_> = denied.into_iter().map(row).collect();
    rows.sort_by_key(|it| std::cmp::Reverse(it.denied.now));
    rows.truncate(WEEKLY_ROWS_MAX);
    Ok((rows, cut))
}

fn count<K: Ord>(all: &mut BTreeMap<K, Delta>, key: K, is_now: bool) {
    let delta = all.entry(key).or_default();
    *(if is_now { &mut delta.now } else { &mut delta.before }) += 1;
}

/// Looks at the events that fit of the week and of the one before, the newest of each. True where there were more than are looked at.
async fn each(
    app: &Arc<App>,
    week: Week,
    filter: Filter,
    mut look: impl FnMut(&bartizan_core::event::Event, bool),
) -> Result<bool, EventsError> {
    let mut cut = false;
    for (of, is_now) in [(week, true), (week.before(), false)] {
        let mut filter = Filter {
            since: Some(of.begins()),
            until: Some(of.ends()),
            limit: Some(WEEKLY_PAGE_EVENTS),
            order: Order::Newest,
            ..filter.clone()
        };
        let mut seen = 0;
        loop {
            let page = app.events.find(&filter).await?;
            seen += page.events.len();
            page.events.iter().filter_map(read).for_each(|record| look(&record.event, is_now));
            match page.next {
                Some(_) if seen >= WEEKLY_EVENTS_MAX => {
                    cut = true;
                    break;
                }
                Some(next) => filter.from = Some(next),
                None => break,
            }
        }
    }
    Ok(cut)
}
