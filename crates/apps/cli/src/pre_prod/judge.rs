//! One service after the other: called, looked for in the store, judged.

use super::ask::Ask;
use super::call::Outcome;
use super::seen::{Seen, find};
use super::ways::{self, Way};
use super::{Check, Judged, Report, Standing, denied};
use crate::data_dir::DataDir;
use crate::limits::{
    PRE_PROD_LOOK, PRE_PROD_LOOK_BACK, PRE_PROD_ON_ITS_WAY, PRE_PROD_TOLD_WITHIN, PRE_PROD_TRACES_MAX,
};
use bartizan_core::fleet::{Fleet, Protocol, Service};
use bartizan_core::snapshot::{Kind, Mode};
use bartizan_core::status::{ProxyStatus, Status};
use bartizan_core::{Member, RequestId, ServiceName, Timestamp};
use bartizan_crypto::random;
use bartizan_runtime::clock;
use std::collections::BTreeSet;
use std::time::Instant;

/// With this the ids of requests begin that are made here, so that they are told from those of programs. Whoever else writes it hides
/// his own program from this check, and from nothing else.
const MARK: &str = "62707265";

/// Of a guard.
const AWAY: &str = "its guard is away from control";

/// The id of a request that is made here.
fn marked(random: [u8; 16]) -> String {
    let id = RequestId::from_random(random).to_string();
    format!("{MARK}{}", &id[MARK.len()..])
}

/// Of a program that is down its guard says so, by a status as a program may have it.
fn answered(status: u16, asked: &str) -> Check {
    match status {
        502..=504 => {
            let why = format!("{asked}: answered with {status}, as by a program that is down or cannot serve");
            Check::new("called", Standing::Fail, why)
        }
        _ => Check::new("called", Standing::Pass, format!("{asked}: answered with {status}")),
    }
}

impl Judged {
    /// Once the ledger was read.
    fn finish(&mut self, entries: &denied::Entries) {
        let checks = std::mem::take(&mut self.checks).into_iter();
        self.checks = checks.flat_map(|check| denied::with_entry(check, entries)).collect();
        self.passed = self.checks.iter().all(|it| matches!(it.standing, Standing::Pass | Standing::None));
    }
}

/// A running fleet that is looked at.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) status: &'a Status,
    pub(crate) data: &'a DataDir,
    pub(crate) asks: &'a [Ask],
}

impl Look<'_> {
    /// Judges `services`, or all where there are none.
    pub(crate) async fn at(&self, services: &[ServiceName]) -> Report {
        let mut judged = Vec::new();
        for (name, service) in &self.fleet.services {
            if services.is_empty() || services.contains(name) {
                judged.push(self.judge(name, service).await);
            }
        }
        let refused: BTreeSet<String> =
            judged.iter().flat_map(|it| &it.checks).filter_map(denied::event).cloned().collect();
        let entries = denied::entries(&refused, self.data);
        judged.iter_mut().for_each(|it| it.finish(&entries));
        let passed = judged.iter().all(|it| it.passed);
        Report { fleet: self.status.fleet.clone(), passed, services: judged }
    }

    async fn judge(&self, name: &ServiceName, service: &Service) -> Judged {
        let (request, checks) = match self.cannot(name, service) {
            Some(why) => (None, vec![Check::new("called", Standing::Fail, format!("cannot be asked: {why}"))]),
            None => self.ask(name, service).await,
        };
        let owner = service.owner.clone().unwrap_or_default();
        Judged { service: name.clone(), owner, passed: false, request, checks }
    }

    /// Why nobody can ask it.
    fn cannot(&self, name: &ServiceName, service: &Service) -> Option<&'static str> {
        let is_attached = self.status.proxies.iter().any(|proxy| proxy.service == *name && proxy.attached);
        if self.status.mode != Mode::Full {
            Some("the fleet does not run in mode `full`, and only then guards decide and tell of each call")
        } else if !service.guarded {
            Some("it has no guard (`guards`), so nobody sees its calls")
        } else if !is_attached {
            Some(AWAY)
        } else if service.protocol == Protocol::Tcp {
            Some("it speaks `tcp`: its connections are events, and bytes carry no trace")
        } else {
            None
        }
    }

    async fn ask(&self, name: &ServiceName, service: &Service) -> (Option<String>, Vec<Check>) {
        let ask = self.asks.iter().find(|ask| ask.service == *name);
        let began = clock::now();
        let (mut checks, request) = self.call(name, ask).await;
        for member in self.guards_of(name) {
            checks.push(self.denied(&member).await);
        }
        let callees = || {
            service.calls.iter().map(|call| &call.to).filter(|callee| {
                self.fleet.services.get(*callee).is_some_and(|it| it.guarded && it.protocol != Protocol::Tcp)
            })
        };
        if callees().next().is_none() {
            checks.push(Check::new("trace", Standing::None, "it calls nobody whose guard would tell"));
        }
        for callee in callees() {
            checks.push(self.trace(name, callee, request.as_deref(), began).await);
        }
        checks.push(self.logs(name, began).await);
        (request, checks)
    }

    /// The guards that it has to have, and those that it has besides.
    fn guards_of(&self, name: &ServiceName) -> BTreeSet<Member> {
        let there = self.status.proxies.iter().filter(|proxy| proxy.attached).map(ProxyStatus::member);
        self.fleet.guarded_instances().chain(there).filter(|member| member.service() == name).collect()
    }

    async fn denied(&self, member: &Member) -> Check {
        let proxy = self.status.proxies.iter().find(|proxy| proxy.attached && proxy.member() == *member);
        match proxy.map(|proxy| (proxy, &proxy.places)) {
            None => Check::new(denied::IT, Standing::Fail, format!("`{member}`: {AWAY}")),
            Some((_, None)) => {
                let why = format!("control does not say where the guard of `{member}` takes calls");
                Check::new(denied::IT, Standing::Unseen, why)
            }
            Some((proxy, Some(places))) => denied::check(proxy, places.mesh, self.data).await,
        }
    }

    /// The call that is allowed, and what its guard told of it: by the first way on which nobody said no.
    async fn call(&self, name: &ServiceName, ask: Option<&Ask>) -> (Vec<Check>, Option<String>) {
        let fail = |why: String| Check::new("called", Standing::Fail, why);
        let (mut last, mut refused) = (None, String::new());
        let key = marked(random::bytes());
        let is_repeatable = ask.is_none_or(|ask| matches!(&*ask.method, "GET" | "HEAD" | "OPTIONS"));
        for way in ways::to(name, ask, self.fleet, self.status, self.data) {
            let request = marked(random::bytes());
            match way.call(ask, &request, &key, self.data).await {
                Outcome::Answered(status) => {
                    let events = self.told(&request, name, &way).await;
                    let mut checks = vec![answered(status, &way.told(ask)).by([request.clone()])];
                    checks.extend(self.hops(name, &way, &events));
                    let is_decided = |word| events.iter().any(|it| it.is_call_into(name) && it.own("decision") == word);
                    // What changes something is not asked again where the program may have had it.
                    if is_decided("allow") || !is_repeatable && !is_decided("deny") {
                        return (checks, Some(request));
                    }
                    last = Some((checks, Some(request)));
                }
                Outcome::Unanswered(why) if !is_repeatable => {
                    let why = format!("{}: {why}; it may have been done, and is not asked again", way.told(ask));
                    return (vec![fail(why).by([request.clone()])], Some(request));
                }
                Outcome::NotMade(why) | Outcome::Unanswered(why) => refused = format!("{}: {why}", way.told(ask)),
            }
        }
        last.unwrap_or_else(|| {
            let nobody = "nobody in the fleet has a way to it: no service calls it, and no open route of the gateway fits (`--ask`)";
            (vec![fail(if refused.is_empty() { nobody.to_owned() } else { refused })], None)
        })
    }

    /// The events of a call, once all hops told or the time for it is over.
    async fn told(&self, request: &str, name: &ServiceName, way: &Way) -> Vec<Seen> {
        let wanted = [("request", request.to_owned()), ("class", "request".to_owned())];
        let until = Instant::now() + PRE_PROD_TOLD_WITHIN;
        loop {
            let found = find(&self.data.control_socket(), &wanted).await.unwrap_or_default();
            let edge = way.caller != ServiceName::gateway() || found.iter().any(|it| it.own("seen_by") == "gateway");
            if edge && found.iter().any(|it| it.is_call_into(name)) || Instant::now() >= until {
                return found;
            }
            tokio::time::sleep(PRE_PROD_LOOK).await;
        }
    }

    fn hops(&self, name: &ServiceName, way: &Way, events: &[Seen]) -> Vec<Check> {
        let mut checks = Vec::new();
        if way.caller == ServiceName::gateway() {
            checks.push(match events.iter().find(|it| it.own("seen_by") == "gateway") {
                Some(event) => Check::new("span", Standing::Pass, "the gateway told of it").by([event.id()]),
                None => Check::new("span", Standing::Fail, "the gateway told nothing of it"),
            });
        }
        let Some(event) = events.iter().find(|it| it.is_call_into(name)) else {
            checks.push(Check::new("span", Standing::Fail, "its guard told nothing of the call"));
            return checks;
        };
        let (id, span) = (event.id(), event.at("/trace/span/uid"));
        checks.push(match span.is_empty() {
            false => Check::new("span", Standing::Pass, format!("its guard told of span {span}")).by([id.clone()]),
            true => Check::new("span", Standing::Fail, "the event of its guard has no span").by([id.clone()]),
        });
        checks.push(self.identities(name, way, event));
        checks.push(self.decision(name, event));
        checks
    }

    fn identities(&self, name: &ServiceName, way: &Way, event: &Seen) -> Check {
        let of = |service: &ServiceName| {
            let id =
                bartizan_core::SpiffeId::of(&self.status.trust_domain, &bartizan_core::Role::Service(service.clone()));
            id.to_string()
        };
        let (caller, callee) = (event.own("peer"), event.at("/dst_endpoint/uid"));
        let standing = if caller == of(&way.caller) && callee == of(name) { Standing::Pass } else { Standing::Fail };
        let or_nobody = |id: &str| if id.is_empty() { "nobody".to_owned() } else { id.to_owned() };
        Check::new("identities", standing, format!("{} called {}", or_nobody(caller), or_nobody(callee)))
            .by([event.id()])
    }

    fn decision(&self, name: &ServiceName, event: &Seen) -> Check {
        let held = self.status.proxies.iter().filter(|proxy| proxy.service == *name);
        let held: BTreeSet<_> =
            held.filter_map(|proxy: &ProxyStatus| proxy.held.get(&Kind::Policies).copied()).collect();
        let epoch = event.number("/unmapped/bartizan/epoch");
        let (verdict, decision) = (event.own("decision"), event.own("decision_id"));
        let is_current = epoch.is_some_and(|epoch| held.iter().any(|held| held.0 <= epoch));
        let (standing, why) = match verdict {
            "allow" if !decision.is_empty() && is_current => (Standing::Pass, String::new()),
            "allow" => (Standing::Fail, ", which no guard of it holds any more".to_owned()),
            "" => (Standing::Fail, "; nothing was decided".to_owned()),
            _ => (Standing::Fail, format!(": {}; name a call that is allowed by `--ask`", event.own("reason"))),
        };
        let epoch = epoch.map_or_else(|| "none".to_owned(), |epoch| epoch.to_string());
        let detail = format!("decision `{verdict}` under policy epoch {epoch}{why}");
        Check::new("decision", standing, detail).by(Some(decision.to_owned()).filter(|id| !id.is_empty()))
    }

    /// Whether its program hands the trace on to `callee`: in the call just made, or else in those of late.
    async fn trace(&self, name: &ServiceName, callee: &ServiceName, request: Option<&str>, began: Timestamp) -> Check {
        // A call out may be made after the answer.
        let until = Instant::now() + PRE_PROD_ON_ITS_WAY;
        let is_ours = |it: &&Seen| request.is_some_and(|request| it.own("request") == request);
        let mut calls = self.calls(name, callee, began).await;
        while !calls.iter().any(|it| is_ours(&it)) && Instant::now() < until {
            tokio::time::sleep(PRE_PROD_LOOK).await;
            calls = self.calls(name, callee, began).await;
        }
        if let Some(event) = calls.iter().find(is_ours) {
            let detail = format!("its call of `{callee}` belongs to the request that caused it");
            return Check::new("trace", Standing::Pass, detail).by([event.id()]);
        }
        // What was asked here, now or before, in the name of this service is no word of its program.
        let is_its_own = |it: &Seen| !it.own("request").starts_with(MARK);
        calls.retain(is_its_own);
        if calls.is_empty() {
            let span_ms = u64::try_from(PRE_PROD_LOOK_BACK.as_millis()).unwrap_or(u64::MAX);
            let since = Timestamp::from_millis(began.as_millis().saturating_sub(span_ms));
            calls = self.calls(name, callee, since).await;
            calls.retain(is_its_own);
        }
        for event in calls.iter().take(PRE_PROD_TRACES_MAX) {
            if self.was_called_in(name, event.own("request")).await {
                let detail =
                    format!("its last call of `{callee}` that was caused belongs to the request that caused it");
                return Check::new("trace", Standing::Pass, detail).by([event.id()]);
            }
        }
        match calls.first() {
            Some(event) => {
                let detail = format!(
                    "`{name}` drops `traceparent`: none of its last {} calls of `{callee}` belongs to a request that it was asked",
                    calls.len().min(PRE_PROD_TRACES_MAX)
                );
                Check::new("trace", Standing::Fail, detail).by([event.id(), event.own("request").to_owned()])
            }
            None => {
                let detail = format!("it has not called `{callee}`: name a request that makes it do so by `--ask`");
                Check::new("trace", Standing::Unseen, detail)
            }
        }
    }

    /// Calls from one to the other that the callee's guard told of, the newest first.
    async fn calls(&self, name: &ServiceName, callee: &ServiceName, since: Timestamp) -> Vec<Seen> {
        let id = bartizan_core::SpiffeId::of(&self.status.trust_domain, &bartizan_core::Role::Service(name.clone()));
        let wanted = [
            ("service", callee.to_string()),
            ("identity", id.to_string()),
            ("class", "request".to_owned()),
            ("since_ms", since.as_millis().to_string()),
        ];
        let mut found = find(&self.data.control_socket(), &wanted).await.unwrap_or_default();
        found.retain(|it| it.is_call_into(callee) && it.own("peer") == id.as_str());
        found.reverse();
        found
    }

    async fn was_called_in(&self, name: &ServiceName, request: &str) -> bool {
        let wanted = [("request", request.to_owned()), ("class", "request".to_owned())];
        let found = find(&self.data.control_socket(), &wanted).await.unwrap_or_default();
        found.iter().any(|it| it.is_call_into(name))
    }

    /// Whether what its program logs can be found by the request.
    async fn logs(&self, name: &ServiceName, began: Timestamp) -> Check {
        let span_ms = u64::try_from(PRE_PROD_LOOK_BACK.as_millis()).unwrap_or(u64::MAX);
        let wanted = [
            ("service", name.to_string()),
            ("class", "telemetry".to_owned()),
            ("since_ms", began.as_millis().saturating_sub(span_ms).to_string()),
        ];
        let mut found = match find(&self.data.control_socket(), &wanted).await {
            Ok(found) => found,
            Err(error) => return Check::new("logs", Standing::Unseen, format!("the store did not say: {error}")),
        };
        // What it logs of requests is `access`.
        found.retain(|it| matches!(it.own("signal"), "log" | "access"));
        match (found.len(), found.iter().rev().find(|it| !it.own("request").is_empty())) {
            (0, _) => Check::new("logs", Standing::None, "its program hands in no logs"),
            (_, Some(event)) => {
                Check::new("logs", Standing::Pass, "its logs name the request that they are about").by([event.id()])
            }
            (count, None) => {
                let detail = format!("none of its last {count} records names a request (`trace_id`)");
                Check::new("logs", Standing::Fail, detail).by(found.last().map(Seen::id))
            }
        }
    }
}
