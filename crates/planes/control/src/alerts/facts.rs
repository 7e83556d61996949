//! What control measures for rules. The dear part, budgets, is looked at less often where a fleet has many of them.

use crate::app::App;
use crate::indicators::objective;
use crate::limits::{
    ALERTS_BURN_SHARE, ALERTS_CALENDAR_EVERY, ALERTS_EVERY, ALERTS_SUSPECTS_EVERY, ALERTS_VERSIONS_EVERY,
    EVENTS_LOST_WITHIN,
};
use bartizan_alerts::baseline::unusual;
use bartizan_alerts::outflow::Sent;
use bartizan_alerts::window::Window;
use bartizan_alerts::{Facts, Outflow};
use bartizan_core::alerts::{Measure, Urgency};
use bartizan_core::fleet::Fleet;
use bartizan_core::indicator::{Indicator, Place};
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::versions::VersionStatus;
use bartizan_core::{ServiceName, Timestamp};
use bartizan_detect::{Suspects, Suspicion};
use bartizan_indicators::burn::paces;
use bartizan_indicators::{Board, Versions};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Bad ones and all, at each place.
type Counted = BTreeMap<(Indicator, Duration), Vec<(Place, u64, u64)>>;
/// What burns, whom it concerns, where, how fast, and the limit.
type Burning = Vec<(Indicator, Urgency, Place, f64, f64)>;

/// What was measured last.
#[derive(Debug)]
pub(super) struct Measured {
    values: BTreeMap<Measure, Vec<(Option<ServiceName>, f64)>>,
    burning: Burning,
    /// Bad ones and all of each indicator at each place, by window; asked for while rules are evaluated.
    counted: Counted,
    wanted: std::cell::RefCell<std::collections::BTreeSet<(Indicator, Duration)>>,
    next_burn: Option<Instant>,
    /// What was to be replaced and is not.
    overdue: Vec<String>,
    next_calendar: Option<Instant>,
    versions: Vec<VersionStatus>,
    next_versions: Option<Instant>,
    lost: Window,
    lost_total: Option<u64>,
    /// Where most of what a service sent to new places went.
    sent_to: BTreeMap<ServiceName, String>,
    /// Who did what is suspicious, and the event that shows it.
    suspects: BTreeMap<(Measure, Option<ServiceName>), (f64, String)>,
    next_suspects: Option<Instant>,
    /// The hour in which it was looked back last, and what came of it.
    looked_back: Option<u64>,
    unusual: Vec<(Option<ServiceName>, f64)>,
}

const HOUR_S: u64 = 3600;

impl Default for Measured {
    fn default() -> Self {
        let (values, burning, counted, wanted, sent_to, suspects, looked_back, unusual) = Default::default();
        Self {
            values,
            burning,
            counted,
            wanted,
            next_burn: None,
            overdue: Vec::new(),
            next_calendar: None,
            versions: Vec::new(),
            next_versions: None,
            lost: Window::new(EVENTS_LOST_WITHIN),
            lost_total: None,
            sent_to,
            suspects,
            next_suspects: None,
            looked_back,
            unusual,
        }
    }
}

impl Measured {
    /// Measures everything anew.
    pub(super) fn look(&mut self, app: &App, fleet: &Fleet, started: Timestamp, now: Timestamp) {
        self.values.clear();
        let guards = app.registry.glances(fleet);
        let running_out =
            guards.iter().filter(|it| life_left(it.svid_not_after, now).is_some_and(|left| left < 0.1)).count();
        self.set_all(Measure::CertificatesRunningOut, [(None, running_out as f64 / guards.len().max(1) as f64)]);
        // By service the worst of its instances.
        let (mut silent, mut left, mut refused) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for it in &guards {
            let quiet =
                if it.attached { 0.0 } else { now.since(it.last_heard.unwrap_or(started).max(started)).as_secs_f64() };
            worst(&mut silent, &it.service, quiet, f64::max);
            if let Some(share) = life_left(it.svid_not_after, now) {
                worst(&mut left, &it.service, share, f64::min);
            }
            worst(&mut refused, &it.service, it.refused as f64, f64::max);
        }
        self.look_at_calendar(app, now);
        self.set_all(Measure::GuardSilentS, silent);
        self.set_all(Measure::CertificateLeft, left);
        self.set_all(Measure::SnapshotsRefused, refused);

        let dropped: u64 = guards.iter().map(|it| it.events_dropped).sum();
        let lost = app.pipeline.status().lost_total() + dropped;
        // What was lost before this process looked is nobody's news; a guard that began anew counts from nothing.
        let new = self.lost_total.map_or(0, |before| lost.saturating_sub(before));
        self.lost_total = Some(lost);
        if new > 0 {
            self.lost.add(now, new);
        }
        let lost = self.lost.count(now) as f64;
        self.set_all(Measure::EventsLost, [(None, lost)]);
        let held = app.events.status();
        let used = held.bytes_max.map_or(0.0, |most| held.bytes as f64 / most.max(1) as f64);
        // Also where nobody said how much they may take, and the disk is full; and where a block that did not fit is longer than what is left.
        let used = if app.pipeline.is_full() { used.max(1.0) } else { used };
        self.set_all(Measure::StoreUsed, [(None, used)]);
        let missing = app.pipeline.gaps().missing(now).into_iter();
        self.set_all(Measure::HopsMissing, missing.map(|(service, count)| (Some(service), count as f64)));
        let group = app.group().map(|group| (None, group.others.iter().filter(|it| it.away).count() as f64));
        self.set_all(Measure::MembersAway, group);
        self.set_all(Measure::LedgerLost, [(None, app.pipeline.ledger_status().lost as f64)]);
        let drift = app.drift.status().map_or(0, |drift| drift.what.len());
        self.set_all(Measure::Drift, [(None, drift as f64)]);
        let over = app.budgets.status();
        let over = over.into_iter().map(|it| (Some(it.service), it.added_p99_us as f64 / it.budget_us.max(1) as f64));
        self.values.insert(Measure::BudgetUsed, over.collect());
        self.look_at_board(app, fleet, now);
    }

    /// What was to be replaced and is not.
    fn look_at_calendar(&mut self, app: &App, now: Timestamp) {
        let begun = Instant::now();
        if self.next_calendar.is_none_or(|next| begun >= next) {
            self.next_calendar = Some(begun + ALERTS_CALENDAR_EVERY);
            self.overdue = crate::expiry::overdue(app, now);
        }
        self.set_all(Measure::RotationsOverdue, [(None, self.overdue.len() as f64)]);
    }

    /// What went out of the fleet.
    pub(super) fn look_outside(&mut self, outflow: &Outflow, now: Timestamp) {
        let sent = outflow.sent(now);
        let of = |pick: fn(&Sent) -> u64| {
            let some = sent.iter().filter(move |it| pick(it) > 0);
            some.map(move |it| (Some(it.service.clone()), pick(it) as f64)).collect::<Vec<_>>()
        };
        self.set_all(Measure::NewPlacesBytes, of(|it| it.at_once));
        self.set_all(Measure::NewPlacesSlowBytes, of(|it| it.slowly));
        self.sent_to = sent.into_iter().map(|it| (it.service, it.to)).collect();
    }

    /// What others log: now and then, since it looks at everybody of whom something is counted.
    pub(super) fn look_at_suspects(&mut self, suspects: &mut Suspects, now: Timestamp) {
        let begun = Instant::now();
        if self.next_suspects.is_none_or(|next| begun >= next) {
            self.next_suspects = Some(begun + ALERTS_SUSPECTS_EVERY);
            let found = suspects.found(now).into_iter();
            let entry = |Suspicion { measure, service, value, about }| ((measure, service), (value, about));
            self.suspects = found.map(entry).collect();
        }
        for ((measure, service), (value, _)) in &self.suspects {
            self.values.entry(*measure).or_default().push((service.clone(), *value));
        }
    }

    /// Whether new versions do as well as those beside them: now and then, since it sums up an hour. Those of which nobody knew that they
    /// do not.
    pub(super) fn look_at_versions(&mut self, versions: &mut Versions, now: Timestamp) -> Vec<VersionStatus> {
        let (begun, mut bad) = (Instant::now(), Vec::new());
        if self.next_versions.is_none_or(|next| begun >= next) {
            self.next_versions = Some(begun + ALERTS_VERSIONS_EVERY);
            self.versions = versions.judge(now);
            bad = versions.newly_bad(&self.versions);
        }
        let worse = |it: &VersionStatus| f64::from(u8::from(it.is_found_bad()));
        let all: Vec<_> = self.versions.iter().map(|it| (Some(it.version.clone()), worse(it))).collect();
        self.set_all(Measure::VersionWorse, all);
        bad
    }

    /// Calls of the last full hour, held against the same hours of the weeks before: once an hour, since it reads a month.
    fn look_back(&mut self, board: &Board, now: Timestamp) {
        let hour = now.as_secs() / HOUR_S;
        if self.looked_back != Some(hour) {
            self.looked_back = Some(hour);
            let last = Timestamp::from_secs(hour * HOUR_S).minus(Duration::from_millis(1));
            let services = board.of(Indicator::M3).filter(|(place, _)| matches!(place, Place::Service(_)));
            let score = |(place, series): (&Place, &bartizan_indicators::Series)| {
                let hours: Vec<u64> = series.hours(last).into_iter().map(|it| it.all).collect();
                unusual(&hours).map(|it| (place.service().cloned(), it.score))
            };
            self.unusual = services.filter_map(score).collect();
        }
        self.values.insert(Measure::CallsUnusual, self.unusual.clone());
    }

    fn look_at_board(&mut self, app: &App, fleet: &Fleet, now: Timestamp) {
        let wanted = self.wanted.borrow().clone();
        let begun = Instant::now();
        let burn = self.next_burn.is_none_or(|next| begun >= next);
        let objectives = fleet.objectives.as_ref();
        app.indicators.with_board(|board| {
            self.look_back(board, now);
            self.counted = wanted
                .into_iter()
                .map(|(indicator, within)| {
                    let at = |(place, series): (&Place, &bartizan_indicators::Series)| {
                        let tally = series.over(now, within);
                        (place.clone(), tally.bad, tally.all)
                    };
                    ((indicator, within), board.of(indicator).map(at).collect())
                })
                .collect();
            if !burn {
                return;
            }
            self.burning.clear();
            for indicator in Indicator::ALL {
                for (place, series) in board.of(indicator) {
                    let said = objectives.and_then(|all| all.of(indicator, place, now));
                    let Some(objective) = objective(indicator, said) else { continue };
                    let burns = paces(objective.window).map(|pace| pace.burn(&objective, series, now));
                    let alight = burns.into_iter().filter(|burn| burn.alight);
                    // One that pages is no ticket too.
                    let Some(worst) = alight.max_by_key(|burn| burn.pace.urgency) else { continue };
                    let rate = worst.rate.unwrap_or_default();
                    self.burning.push((indicator, worst.pace.urgency, place.clone(), rate, worst.pace.rate));
                }
            }
        });
        if burn {
            self.next_burn = Some(begun + (begun.elapsed() * ALERTS_BURN_SHARE).max(ALERTS_EVERY));
        }
    }

    fn set_all(&mut self, measure: Measure, values: impl IntoIterator<Item = (Option<ServiceName>, f64)>) {
        self.values.insert(measure, values.into_iter().collect());
    }
}

fn worst(all: &mut BTreeMap<Option<ServiceName>, f64>, service: &ServiceName, value: f64, pick: fn(f64, f64) -> f64) {
    let held = all.entry(Some(service.clone())).or_insert(value);
    *held = pick(*held, value);
}

/// Share of a certificate's life that is left; `None` where there is none yet.
fn life_left(not_after: Option<Timestamp>, now: Timestamp) -> Option<f64> {
    not_after.map(|end| end.since(now).as_secs_f64() / LEAF_TTL.as_secs_f64())
}

impl Facts for Measured {
    fn measured(&self, measure: Measure) -> Vec<(Option<ServiceName>, f64)> {
        self.values.get(&measure).cloned().unwrap_or_default()
    }

    fn about(&self, measure: Measure, service: Option<&ServiceName>) -> Option<String> {
        if measure == Measure::RotationsOverdue {
            return (!self.overdue.is_empty()).then(|| self.overdue.join(", "));
        }
        if measure == Measure::VersionWorse {
            let one = self.versions.iter().find(|it| Some(&it.version) == service)?;
            let why = one.held.as_ref().map_or(&one.why, |held| &held.why);
            return Some(format!("beside `{}`: {why}", one.service));
        }
        if let Some((_, about)) = self.suspects.get(&(measure, service.cloned())) {
            return Some(about.clone());
        }
        let is_outside = matches!(measure, Measure::NewPlacesBytes | Measure::NewPlacesSlowBytes);
        let to = service.filter(|_| is_outside).and_then(|it| self.sent_to.get(it))?;
        Some(format!("most of it to {to}"))
    }

    fn counted(&self, indicator: Indicator, within: Duration) -> Vec<(Place, u64, u64)> {
        // Counted from the next look on.
        self.wanted.borrow_mut().insert((indicator, within));
        self.counted.get(&(indicator, within)).cloned().unwrap_or_default()
    }

    fn burning(&self, indicator: Indicator, urgency: Urgency) -> Vec<(Place, f64, f64)> {
        let burning = self.burning.iter().filter(|(of, told, ..)| (*of, *told) == (indicator, urgency));
        burning.map(|(_, _, place, rate, limit)| (place.clone(), *rate, *limit)).collect()
    }
}
