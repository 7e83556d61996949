//! Alerts: what control measures and what events tell, held against rules; who was told, kept over restarts.
//!
//! The engine (`bartizan-alerts`) decides; here are the clock, the file, the tasks and the ways out. Every start, end, acknowledgement,
//! escalation and silence is an event, and an entry of the ledger.

mod alertmanager; // an API like Alertmanager's, for amtool and Prometheus
mod evidence; // what a page carries beside the alerts
mod facts; // what is measured
mod mail; // a notice as e-mail
mod prometheus; // rules in the form of Prometheus
mod routes; // where alerts go
mod send; // one notice, one way
mod smtp; // the relay, by SMTP

pub use prometheus::check_prometheus_rules;

pub(crate) use alertmanager::serve as serve_alertmanager;
pub(crate) use prometheus::Asked;
pub(crate) use routes::keep as keep_routes;

use self::facts::Measured;
use self::prometheus::Prometheus;
use self::routes::Routes;
use crate::app::App;
use crate::fleet::{programs, splits};
use crate::limits::{ALERTS_EVERY, ALERTS_SETTLED_AFTER, ALERTS_STATE_EVERY};
use bartizan_alerts::book::Came;
use bartizan_alerts::{
    Book, Causes, Changes, Context, Counters, Foreign, Outflow, Rehearsals, Silences, changes, in_force, limits,
    on_call, readings, state,
};
use bartizan_core::alerts::{
    Alert, AlertsStatus, ESCALATE_AFTER, Rehearsal, Rule, Severity, Standing, Urgency, Window,
};
use bartizan_core::event::{AlertStep, Alerted, Event, What};
use bartizan_core::fleet::Fleet;
use bartizan_core::on_call::OnCallStatus;
use bartizan_core::snapshot::Kind;
use bartizan_core::versions::{Held, HeldBy, HeldVersion, VersionStatus};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_detect::{Declared, Suspects};
use bartizan_indicators::versions::Programs;
use bartizan_indicators::{Raise, Versions};
use bartizan_runtime::{clock, files};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is there, shared by the pipeline (which feeds it), the local API and the tasks below.
#[derive(Debug)]
pub(crate) struct Desk {
    path: PathBuf,
    started: Timestamp,
    inner: Mutex<Inner>,
    pub(crate) routes: Routes,
    pub(crate) prometheus: Prometheus,
}

#[derive(Debug)]
struct Inner {
    rules: Arc<Vec<Rule>>,
    counters: Counters,
    changes: Changes,
    /// What failed lately; begins anew with this process.
    causes: Causes,
    outflow: Outflow,
    /// Who does what attackers do, in what others log; begins anew with this process.
    suspects: Suspects,
    declared: Declared,
    rehearsals: Rehearsals,
    book: Book,
    silences: Silences,
    /// What was counted of services that have versions; begins anew with this process.
    versions: Versions,
    measured: Measured,
    /// The minute in which the file was written for what went out.
    kept_minute: u64,
    /// Whether the file says something else.
    changed: bool,
}

impl Desk {
    /// What was kept, and the rules of a fleet. A file that cannot be read is left aside with a word: who was told is told again.
    pub(crate) fn open(data: &Path, fleet: &Fleet, now: Timestamp) -> Arc<Self> {
        let path = data.join("alerts.json");
        let kept = files::read_bounded(&path, limits::STATE_BYTES_MAX).ok().and_then(|bytes| {
            let kept = state::read(&bytes);
            if kept.is_none() {
                tracing::warn!(path = %path.display(), "which alerts there were is forgotten");
            }
            kept
        });
        let state::Kept { book, silences, changes, outflow, rehearsals } = kept.unwrap_or_default();
        let inner = Inner {
            rules: Arc::default(),
            counters: Counters::default(),
            changes,
            causes: Causes::default(),
            outflow,
            suspects: Suspects::default(),
            declared: Declared::default(),
            rehearsals,
            book,
            silences,
            versions: Versions::default(),
            measured: Measured::default(),
            kept_minute: now.as_secs() / 60,
            changed: false,
        };
        let it = Self {
            path,
            started: now,
            inner: Mutex::new(inner),
            routes: Routes::default(),
            prometheus: Prometheus::default(),
        };
        it.set_rules(fleet);
        Arc::new(it)
    }

    /// Takes over what the files say.
    pub(crate) fn set_rules(&self, fleet: &Fleet) {
        self.prometheus.set(fleet);
        let mut inner = self.lock();
        let rules = in_force(&fleet.alerts.rules);
        inner.counters.renew(&rules);
        inner.rules = Arc::new(rules);
        inner.declared = Declared::of(fleet);
        inner.silences.set_file(&fleet.alerts.maintenance);
        inner.versions.set(splits(fleet), &programs(fleet), clock::now());
        self.routes.set(&fleet.alerts.routes, clock::now());
    }

    /// Counts what rules ask for, and notes changes. Called for every batch of events on its way to the store.
    pub(crate) fn note(&self, events: &[Event]) {
        let now = clock::now();
        let mut inner = self.lock();
        let inner = &mut *inner;
        for event in events {
            inner.counters.note(event, now);
            inner.causes.note(event, now);
            inner.outflow.note(event, now);
            inner.versions.note(event, now);
            if let Some(change) = changes::change(event) {
                inner.changes.note(change);
            }
        }
    }

    /// Looks for attacks in what others logged. Called for what is stored: what is not comes again.
    pub(crate) fn suspect(&self, handed: &[Event]) {
        let now = clock::now();
        let mut inner = self.lock();
        let Inner { suspects, declared, .. } = &mut *inner;
        handed.iter().for_each(|event| suspects.note(event, declared, now));
    }

    /// Takes in alerts that others made.
    pub(crate) fn raise(&self, foreign: &[Foreign]) {
        let mut inner = self.lock();
        inner.book.raise(foreign, clock::now());
        inner.changed = true;
    }

    /// Whether such an alert is there.
    pub(crate) fn is_open(&self, foreign: &Foreign) -> bool {
        self.lock().book.is_open(foreign)
    }

    /// Lets the fault of each rule happen, on a clock of its own: nobody is told. Blocks for some milliseconds a rule.
    pub(crate) fn rehearse(&self, now: Timestamp) -> Vec<Rehearsal> {
        let (rules, mut rehearsals) = {
            let inner = self.lock();
            (Arc::clone(&inner.rules), inner.rehearsals.clone())
        };
        // Without the lock: meanwhile alerts go on.
        let done = rehearsals.rehearse(&rules, now);
        let mut inner = self.lock();
        inner.rehearsals = rehearsals;
        inner.changed = true;
        done
    }

    /// Everything, for `GET /v1/alerts`.
    pub(crate) fn status(&self, now: Timestamp) -> AlertsStatus {
        let prometheus = self.prometheus.status();
        let inner = self.lock();
        AlertsStatus {
            prometheus,
            now,
            alerts: inner.book.alerts(),
            muted: inner.book.muted(),
            rules: inner.rules.to_vec(),
            windows: inner.silences.list(now),
            routes: self.routes.status(),
            rehearsals: inner.rehearsals.of(&inner.rules, now),
            left_out: inner.book.left_out()
                + inner.counters.left_out()
                + inner.causes.left_out()
                + inner.outflow.left_out()
                + inner.suspects.left_out(),
        }
    }

    /// Whether new versions do as well as those beside them, and whether they may get more of the calls.
    pub(crate) fn versions(&self, now: Timestamp) -> Vec<VersionStatus> {
        let inner = self.lock();
        let mut all = inner.versions.judge(now);
        for it in all.iter_mut().filter(|it| it.held.is_none()) {
            it.held = paged(&inner.book, &it.version);
        }
        all
    }

    /// Those of them that may not have the part of the calls that they would get.
    pub(crate) fn held(&self, raised: &[Raise], programs: &Programs, now: Timestamp) -> Vec<HeldVersion> {
        let inner = self.lock();
        let held = |it: &Raise| {
            let program = programs.get(&it.version).map_or("", String::as_str);
            let verdict = inner.versions.may_get(it, program, now).err();
            let held = verdict.or_else(|| paged(&inner.book, &it.version))?;
            Some(HeldVersion { service: it.service.clone(), version: it.version.clone(), held })
        };
        raised.iter().filter_map(held).collect()
    }

    /// Alerts that are there or were, and silences.
    pub(crate) fn alerts(&self, now: Timestamp) -> (Vec<Alert>, Vec<Window>) {
        let inner = self.lock();
        (inner.book.alerts(), inner.silences.list(now))
    }

    /// Somebody takes notice; the alerts concerned.
    pub(crate) fn acknowledge(&self, app: &App, id: &str, by: &str, note: Option<&str>) -> Vec<Alert> {
        let acknowledged = {
            let mut inner = self.lock();
            inner.changed = true;
            inner.book.acknowledge(id, by, note)
        };
        acknowledged.iter().for_each(|alert| tell(app, alert, AlertStep::Acknowledged, Some(by)));
        acknowledged
    }

    /// A time begins in which nobody is told.
    pub(crate) fn silence(&self, app: &App, window: Window) -> Result<(), bartizan_alerts::silence::SilenceError> {
        let mut inner = self.lock();
        inner.silences.add(window.clone(), clock::now())?;
        inner.changed = true;
        drop(inner);
        tell_silence(app, &window, AlertStep::Silenced);
        Ok(())
    }

    /// It is over before its time; false where there is none of that name.
    pub(crate) fn end_silence(&self, app: &App, id: &str, by: &str) -> bool {
        let mut inner = self.lock();
        let Some(ended) = inner.silences.end(id, clock::now()) else { return false };
        inner.changed = true;
        drop(inner);
        tell_silence(app, &Window { by: by.to_owned(), ..ended }, AlertStep::Unsilenced);
        true
    }

    /// One look at everything.
    fn step(&self, app: &App, now: Timestamp) -> Came {
        let current = app.in_force();
        let fleet = &current.desired.fleet;
        let edges: Vec<(ServiceName, ServiceName)> =
            fleet.edges().map(|(from, to)| (from.clone(), to.clone())).collect();
        let mut inner = self.lock();
        let Inner {
            rules,
            counters,
            changes,
            causes: _,
            outflow,
            suspects,
            declared: _,
            rehearsals: _,
            book,
            silences,
            versions,
            measured,
            kept_minute,
            changed,
        } = &mut *inner;
        measured.look(app, fleet, self.started, now);
        measured.look_outside(outflow, now);
        measured.look_at_suspects(suspects, now);
        let bad = measured.look_at_versions(versions, now);
        // What went out changes all the time: what is lost of it with us is what guards told within a minute.
        let minute = now.as_secs() / 60;
        *changed |= std::mem::replace(kept_minute, minute) != minute;
        let readings = readings(rules, measured, counters, now);
        let context = Context {
            rules,
            edges: &edges,
            changes,
            silences,
            roster: &fleet.alerts.roster,
            escalate_after: escalate_after(fleet),
            settled: now.since(self.started) >= ALERTS_SETTLED_AFTER,
        };
        let mut came = book.step(&readings, &context, now);
        *changed |= came != Came::default();
        let rules = Arc::clone(rules);
        for notice in came.notices.iter_mut().filter(|it| evidence::is_wanted(it)) {
            notice.evidence = Some(evidence::rest(&mut inner, notice));
        }
        drop(inner);
        let by = (Kind::Directory, current.epoch(Kind::Directory));
        bad.iter().for_each(|it| app.indicators.found_bad(by, it.part, now));
        for notice in came.notices.iter_mut().filter(|it| it.evidence.is_some()) {
            let slis = evidence::slis(app, &rules, notice);
            notice.evidence.iter_mut().for_each(|it| it.slis.clone_from(&slis));
        }
        came
    }

    /// Writes the file, where it would say something else. Blocks.
    fn keep(&self) {
        let bytes = {
            let mut inner = self.lock();
            if !std::mem::take(&mut inner.changed) {
                return;
            }
            state::write(&inner.book, &inner.silences, &inner.changes, &inner.outflow, &inner.rehearsals)
        };
        if let Err(error) = files::write_atomic(&self.path, &bytes, 0o600) {
            self.lock().changed = true;
            tracing::warn!(%error, path = %self.path.display(), "which alerts there are is not kept");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is on call at a moment, as the fleet file in force says.
pub(crate) fn on_call_at(app: &App, at: Timestamp) -> OnCallStatus {
    let current = app.in_force();
    let fleet = &current.desired.fleet;
    on_call::status(&fleet.alerts.roster, escalate_after(fleet), at)
}

fn escalate_after(fleet: &Fleet) -> Duration {
    fleet.alerts.escalate_after_s.map_or(ESCALATE_AFTER, Duration::from_secs)
}

/// What pages somebody for a version, whatever it is that was found; that it is worse than the other is said by its verdict.
fn paged(book: &Book, version: &ServiceName) -> Option<Held> {
    let pages = |it: &&Alert| {
        it.state == Standing::Firing
            && it.urgency == Urgency::Page
            && it.service.as_deref() == Some(version.as_str())
            && it.silenced_by.is_none()
            && it.rule != "VersionWorse"
    };
    let all = book.alerts();
    let alert = all.iter().find(pages)?;
    let since = bartizan_core::moment::write(alert.since);
    Some(Held {
        by: HeldBy::Alert,
        why: format!("alert {} {} is there since {since}: {}", alert.id, alert.rule, alert.summary),
    })
}

/// Looks several times a second, tells whom it concerns, and keeps the state, until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    let mut kept = clock::now();
    loop {
        let goes_on = app.stop.run_until_cancelled(tokio::time::sleep(ALERTS_EVERY)).await.is_some();
        let now = clock::now();
        if goes_on {
            let came = app.alerts.step(&app, now);
            for (alert, step) in &came.steps {
                tell(&app, alert, *step, None);
            }
            app.alerts.routes.offer(&came.notices);
        }
        if !goes_on || now.since(kept) >= ALERTS_STATE_EVERY {
            kept = now;
            let keeper = Arc::clone(&app);
            if !goes_on {
                keeper.alerts.lock().changed = true;
            }
            if let Err(error) = tokio::task::spawn_blocking(move || keeper.alerts.keep()).await {
                tracing::error!(%error, "alerts were not kept");
            }
        }
        if !goes_on {
            return;
        }
    }
}

/// Records what became of an alert.
fn tell(app: &App, alert: &Alert, step: AlertStep, by: Option<&str>) {
    tracing::warn!(
        id = alert.id,
        rule = alert.rule,
        service = alert.service,
        step = step.as_str(),
        by,
        "{}",
        alert.summary
    );
    let what = What::Alert(Alerted {
        id: alert.id.as_str().into(),
        rule: alert.rule.as_str().into(),
        step,
        severity: alert.severity,
        urgency: alert.urgency,
        incident: alert.group.as_str().into(),
        summary: alert.summary.as_str().into(),
        count: alert.count,
        by: by.map(Into::into),
    });
    let service = alert.service.as_deref().and_then(|it| ServiceName::parse(it).ok());
    app.own_events.write(service.as_ref(), what);
}

fn tell_silence(app: &App, window: &Window, step: AlertStep) {
    let conditions: Vec<String> = window.matchers.iter().map(|it| format!("{}={}", it.name, it.value)).collect();
    let what = What::Alert(Alerted {
        id: window.id.as_str().into(),
        rule: "silence".into(),
        step,
        severity: Severity::Low,
        urgency: Urgency::Ticket,
        incident: "".into(),
        summary: format!("{}: {}", conditions.join(", "), window.why).into(),
        count: 1,
        by: Some(window.by.as_str().into()),
    });
    app.own_events.write(None, what);
}
