//! Where alerts go: a queue for each route, sent in order, tried again with growing pauses; an Alertmanager gets all that is there, again
//! and again, as it expects.

use super::send::{self, Outcome};
use crate::app::App;
use crate::limits::{
    ALERT_QUEUE_MAX, ALERT_RETRY_FIRST, ALERT_RETRY_MOST, ALERT_SEND_WITHIN, ALERT_TRIES, ALERTMANAGER_AGAIN,
};
use bartizan_alerts::{Notice, NoticeKind};
use bartizan_core::Timestamp;
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
    /// Until when it was told what no escalation takes, where it was and is not any more.
    common_until: Option<Timestamp>,
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
    pub(super) fn set(&self, routes: &[Route], now: Timestamp) {
        let mut held = self.lock();
        let mut before = std::mem::take(&mut *held);
        *held = routes
            .iter()
            .map(|route| match before.iter().position(|it| it.leads_where(route)) {
                Some(at) => before.swap_remove(at).told_as(route, now),
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
            for it in held.iter_mut().filter(|it| it.concerns(notice, has_second)) {
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
        let Some(it) = held.iter_mut().find(|it| it.leads_where(route)) else { return };
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
        let (common_until, queue, busy, tries, not_before, told, sent, failed, why) = Default::default();
        Self { route, common_until, queue, busy, tries, not_before, told, sent, failed, why }
    }

    /// Whether what waits for it is for that route as well, whatever else is said of it.
    fn leads_where(&self, route: &Route) -> bool {
        self.route.name == route.name && self.route.way == route.way
    }

    fn told_as(mut self, route: &Route, now: Timestamp) -> Self {
        if route.on_call && !self.route.on_call {
            self.common_until = Some(now);
        }
        self.route = route.clone();
        self
    }

    fn push(&mut self, job: Arc<Job>) {
        if self.queue.len() >= ALERT_QUEUE_MAX {
            self.failed += 1;
            self.why = Some("more waits than is kept".to_owned());
            return;
        }
        self.queue.push_back(job);
    }

    /// Whether somebody there has to be told. An Alertmanager shares out further, so that it gets all.
    fn concerns(&self, notice: &Notice, has_second: bool) -> bool {
        let route = &self.route;
        let urgency = match notice.kind {
            NoticeKind::Page | NoticeKind::Escalation => Some(Urgency::Page),
            NoticeKind::Ticket => Some(Urgency::Ticket),
            NoticeKind::Resolved => notice.alerts.first().map(|it| it.urgency),
        };
        if route.takes.is_some() && route.takes != urgency {
            return false;
        }
        if matches!(route.way, Way::Alertmanager { .. })
            || notice.called.iter().any(|it| it.routes.contains(&route.name))
        {
            return true;
        }
        // What an escalation takes is for those whom it names, and they are told nothing else.
        let is_common = !route.on_call && notice.called.is_empty();
        match notice.kind {
            NoticeKind::Resolved => self.was_told(notice),
            // Where there is nobody else, those who were told first are told again.
            NoticeKind::Escalation => is_common && (route.level == 2 || !has_second),
            NoticeKind::Page | NoticeKind::Ticket => is_common && route.level == 1,
        }
    }

    /// Whether it was told that the alert is there although no escalation named it: none took the alert at some level.
    fn was_told(&self, end: &Notice) -> bool {
        let was_common = !self.route.on_call
            || self.common_until.is_some_and(|until| end.alerts.iter().any(|alert| alert.since < until));
        let by_none = |level: u8| end.called.iter().all(|it| it.level != level);
        was_common && (1..=end.level.max(1)).any(|level| self.route.level <= level && by_none(level))
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

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::on_call::Called;
    use serde_json::json;

    fn route(name: &str, on_call: bool) -> Route {
        let way = Way::Webhook { url: format!("https://x.example/{name}"), secret: "s".to_owned() };
        Route { name: name.to_owned(), way, takes: None, level: 1, on_call }
    }

    fn notice(kind: NoticeKind, since_s: u64, level: u8, called: &[(u8, &str)]) -> Notice {
        let since = Timestamp::from_secs(since_s);
        let alert = json!({
            "id": "a1", "rule": "R", "title": "", "severity": "high", "urgency": "page", "place": "fleet", "owner": "", "runbook": "",
            "since": since, "last": since, "count": 1, "state": "firing", "summary": "", "value": 1.0, "threshold": 1.0, "changes": [],
            "group": "i1", "labels": {}, "level": level
        });
        let called = called.iter().map(|(level, route)| Called {
            escalation: "e".to_owned(),
            level: *level,
            rotation: None,
            who: None,
            routes: vec![(*route).to_owned()],
            at: since,
        });
        Notice {
            kind,
            incident: "i1".to_owned(),
            level,
            called: called.collect(),
            at: since,
            alerts: vec![serde_json::from_value(alert).unwrap()],
            evidence: None,
        }
    }

    fn waiting(routes: &Routes) -> Vec<(String, u64)> {
        routes.status().into_iter().map(|it| (it.name, it.waiting)).collect()
    }

    #[test]
    fn what_waits_for_a_route_and_what_is_on_its_way_outlive_that_an_escalation_names_it() {
        let routes = Routes::default();
        let at = Timestamp::from_secs;
        routes.set(&[route("ana", false)], at(0));
        routes.offer(&[notice(NoticeKind::Page, 1, 1, &[]), notice(NoticeKind::Page, 2, 1, &[])]);
        let now = Instant::now();
        let (asked, job) = routes.due(now).remove(0);
        routes.set(&[route("ana", true)], at(3));
        assert_eq!(waiting(&routes), [("ana".to_owned(), 2)]);
        assert!(routes.due(now).is_empty(), "one at a time");
        routes.done(&asked, job.as_ref(), Outcome::Failed("no".to_owned()), now);
        let later = now + ALERT_RETRY_FIRST * 2;
        let again = routes.due(later).remove(0).1.unwrap();
        assert_eq!(Some(&again.id), job.as_ref().map(|it| &it.id), "the same is tried again");
        // Where the way is another one, what waited is not for whoever is there.
        let mut other = route("ana", true);
        other.way = Way::Alertmanager { url: "http://127.0.0.1:1".to_owned() };
        routes.set(&[other], at(4));
        assert_eq!(waiting(&routes), [("ana".to_owned(), 0)]);
    }

    #[test]
    fn whoever_was_told_that_it_is_there_hears_its_end_also_once_an_escalation_names_them() {
        let ends = |on_call_before: bool, since_s: u64, level: u8, called: &[(u8, &str)]| {
            let routes = Routes::default();
            routes.set(
                &[route("ana", on_call_before), route("desk", false), route("chief", true)],
                Timestamp::from_secs(0),
            );
            routes.set(&[route("ana", true), route("desk", false), route("chief", true)], Timestamp::from_secs(10));
            routes.offer(&[notice(NoticeKind::Resolved, since_s, level, called)]);
            let told = waiting(&routes).into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name);
            told.collect::<Vec<_>>()
        };
        assert_eq!(ends(false, 5, 1, &[]), ["ana", "desk"], "she was told of it as everybody was");
        assert_eq!(ends(false, 15, 1, &[]), ["desk"], "it is of after that");
        assert_eq!(ends(true, 5, 1, &[]), ["desk"], "she is told what the escalation says alone");
        assert_eq!(ends(true, 5, 2, &[(1, "ana"), (2, "chief")]), ["ana", "chief"]);
        assert_eq!(ends(false, 5, 2, &[(2, "chief")]), ["ana", "desk", "chief"], "first all, then the chief");
    }
}
