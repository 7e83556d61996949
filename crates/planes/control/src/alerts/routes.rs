//! Where alerts go: a queue for each route, sent in order, tried again with growing pauses; an Alertmanager gets all that is there, again
//! and again, as it expects.

use super::send::{self, Outcome};
use crate::app::App;
use crate::limits::{
    ALERT_QUEUE_MAX, ALERT_RETRY_FIRST, ALERT_RETRY_MOST, ALERT_SEND_WITHIN, ALERT_TRIES, ALERTMANAGER_AGAIN,
};
use bartizan_alerts::{Notice, NoticeKind};
use bartizan_core::alerts::{Alert, Route, RouteStatus, Urgency, Way};
use bartizan_runtime::clock;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Every route with what waits for it.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    held: Mutex<Vec<Held>>,
    wake: Notify,
}

#[derive(Debug)]
struct Held {
    route: Route,
    queue: VecDeque<Arc<Job>>,
    busy: bool,
    tries: u32,
    not_before: Option<Instant>,
    /// When an Alertmanager was told last.
    told: Option<Instant>,
    sent: u64,
    failed: u64,
    why: Option<String>,
}

/// One notice on its way. Its id is the same at each try, so that who gets it twice can tell.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) notice: Notice,
}

impl Routes {
    /// Takes over what the fleet file says; what waits for a route that stays goes on waiting.
    pub(super) fn set(&self, routes: &[Route]) {
        let mut held = self.lock();
        let mut before = std::mem::take(&mut *held);
        *held = routes
            .iter()
            .map(|route| match before.iter().position(|it| it.route == *route) {
                Some(at) => before.swap_remove(at),
                None => Held::new(route.clone()),
            })
            .collect();
        drop(held);
        self.wake.notify_one();
    }

    /// Puts notices into the queues of those whom they concern.
    pub(super) fn offer(&self, notices: &[Notice]) {
        if notices.is_empty() {
            return;
        }
        let mut held = self.lock();
        let has_second = held.iter().any(|it| it.route.level == 2 && !it.route.on_call);
        for (n, notice) in notices.iter().enumerate() {
            let id = format!("{}-{}-{}-{n}", notice.incident, notice.kind.as_str(), notice.at.as_millis());
            let job = Arc::new(Job { id, notice: notice.clone() });
            for it in held.iter_mut().filter(|it| concerns(&it.route, notice, has_second)) {
                it.push(Arc::clone(&job));
            }
        }
        drop(held);
        self.wake.notify_one();
    }

    /// Their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.lock().iter().map(|it| it.route.name.clone()).collect()
    }

    /// How each of them fares.
    pub(super) fn status(&self) -> Vec<RouteStatus> {
        let status = |it: &Held| RouteStatus {
            name: it.route.name.clone(),
            sent: it.sent,
            failed: it.failed,
            waiting: it.queue.len() as u64,
            why: it.why.clone(),
        };
        self.lock().iter().map(status).collect()
    }

    /// What is to be sent now, one for each route.
    fn due(&self, now: Instant) -> Vec<(Route, Option<Arc<Job>>)> {
        let mut due = Vec::new();
        for it in self.lock().iter_mut() {
            if it.busy || it.not_before.is_some_and(|at| now < at) {
                continue;
            }
            let again = matches!(it.route.way, Way::Alertmanager { .. })
                && it.told.is_none_or(|told| now.duration_since(told) >= ALERTMANAGER_AGAIN);
            if let Some(job) = it.queue.front() {
                due.push((it.route.clone(), Some(Arc::clone(job))));
            } else if again {
                due.push((it.route.clone(), None));
            } else {
                continue;
            }
            it.busy = true;
        }
        due
    }

    fn done(&self, route: &Route, job: Option<&Arc<Job>>, outcome: Outcome, now: Instant) {
        let mut held = self.lock();
        let Some(it) = held.iter_mut().find(|it| it.route == *route) else { return };
        it.busy = false;
        it.told = Some(now);
        let (why, final_one) = match outcome {
            Outcome::Arrived => (None, true),
            Outcome::Refused(why) => (Some(why), true),
            Outcome::Failed(why) => (Some(why), it.tries + 1 >= ALERT_TRIES),
        };
        if why.is_some() && it.why != why {
            tracing::warn!(route = route.name, why, "an alert did not arrive");
        }
        let arrived = why.is_none();
        it.why = why;
        if !final_one {
            it.tries += 1;
            let pause = (ALERT_RETRY_FIRST * 2u32.saturating_pow(it.tries - 1)).min(ALERT_RETRY_MOST);
            it.not_before = Some(now + pause);
            return;
        }
        (it.tries, it.not_before) = (0, None);
        let Some(job) = job else { return };
        it.queue.retain(|waiting| !Arc::ptr_eq(waiting, job));
        if matches!(it.route.way, Way::Alertmanager { .. }) {
            // It was told of everything there is.
            it.queue.clear();
        }
        if arrived { it.sent += 1 } else { it.failed += 1 }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn new(route: Route) -> Self {
        let (queue, busy, tries, not_before, told, sent, failed, why) = Default::default();
        Self { route, queue, busy, tries, not_before, told, sent, failed, why }
    }

    fn push(&mut self, job: Arc<Job>) {
        if self.queue.len() >= ALERT_QUEUE_MAX {
            self.failed += 1;
            self.why = Some("more waits than is kept".to_owned());
            return;
        }
        self.queue.push_back(job);
    }
}

/// Whether somebody there has to be told. An Alertmanager shares out further, so that it gets all.
fn concerns(route: &Route, notice: &Notice, has_second: bool) -> bool {
    let urgency = match notice.kind {
        NoticeKind::Page | NoticeKind::Escalation => Some(Urgency::Page),
        NoticeKind::Ticket => Some(Urgency::Ticket),
        NoticeKind::Resolved => notice.alerts.first().map(|it| it.urgency),
    };
    if route.takes.is_some() && route.takes != urgency {
        return false;
    }
    if matches!(route.way, Way::Alertmanager { .. }) {
        return true;
    }
    // What an escalation takes is for those whom it names, and they are told nothing else.
    if route.on_call || !notice.called.is_empty() {
        return notice.called.iter().any(|it| it.routes.contains(&route.name));
    }
    match notice.kind {
        // Where there is nobody else, those who were told first are told again.
        NoticeKind::Escalation => route.level == 2 || !has_second,
        NoticeKind::Resolved => route.level <= notice.level.max(1),
        NoticeKind::Page | NoticeKind::Ticket => route.level == 1,
    }
}

/// Sends what waits, until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    let mut sending = JoinSet::new();
    loop {
        let routes = &app.alerts.routes;
        for (route, job) in routes.due(Instant::now()) {
            let app = Arc::clone(&app);
            sending.spawn(async move {
                let dir = app.options.fleet.parent().unwrap_or(Path::new("")).to_owned();
                let there: Vec<Alert> = app.alerts.alerts(clock::now()).0;
                let send = send::send(&route, job.as_deref(), &there, &dir);
                let outcome = match tokio::time::timeout(ALERT_SEND_WITHIN, send).await {
                    Ok(outcome) => outcome,
                    Err(_) => Outcome::Failed(format!("no answer within {} s", ALERT_SEND_WITHIN.as_secs())),
                };
                (route, job, outcome)
            });
        }
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = routes.wake.notified() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            Some(done) = sending.join_next() => match done {
                Ok((route, job, outcome)) => routes.done(&route, job.as_ref(), outcome, Instant::now()),
                Err(error) => tracing::error!(%error, "sending an alert ended badly"),
            },
        }
    }
}
