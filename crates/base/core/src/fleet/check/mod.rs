//! From what the file says to a checked fleet: every name resolves, every port is used once, every edge has two ends.

mod addresses;
mod alerts;
mod ambiguous;
mod api;
mod apps;
mod authorization;
mod budget;
mod capture;
mod console;
mod control;
mod cors;
mod counts;
mod edge;
mod egress;
mod events;
mod federation;
mod gateway;
mod guards;
mod headers;
mod instances;
mod intake;
mod isolate;
mod ledger;
mod limits;
mod login;
mod narrow;
mod on_call;
mod other;
mod outputs;
mod people;
mod pod;
mod ports;
mod profile;
mod routes;
mod senders;
mod service;
mod slow_down;
mod software;
mod synthetic;
mod tls;
mod trust;
mod tuning;
mod upstream;
mod users;
mod versions;
mod workload;

use self::guards::Guards;
use self::other::{Others, RawOther};
use self::ports::Ports;
use super::node::{Node, Value};
use super::raw::{RawFleet, RawGateway, RawService};
use super::raw_alerts::RawAlerts;
use super::raw_federation::RawFederation;
use super::raw_workload::RawWorkload;
use super::reader::{At, Field, Named, Read, Report, Reported, Spot, did_you_mean, dot};
use super::report::FleetErrors;
use super::{Fleet, Protocol};
use crate::authorization::Authorization;
use crate::limits::{DRAIN_MAX, FLEET_FILE_BYTES_MAX, SERVICES_MAX};
use crate::name::{GATEWAY, ServiceName, TrustDomain};
use crate::objectives::Objectives;
use crate::profile::Profile;
use crate::user::Users;
use std::collections::{HashMap, HashSet};

/// Parses and checks a fleet file. `file` is its name for messages.
///
/// # Errors
/// Everything that is wrong with it, except that a text which is no YAML has that one error. No part of a file with
/// an error is of use.
pub fn parse(text: &str, file: &str) -> Result<Fleet, FleetErrors> {
    let mut report = Report::new(file, text);
    let draft = read(&mut report, text).and_then(|raw| check(&mut report, raw));
    let warnings = report.finish()?;
    let mut fleet = draft.expect("what failed is in the report, which was empty");
    fleet.warnings = warnings;
    Ok(fleet)
}

/// Whether some route of the gateway asks for users, programs with a key or senders of events, who are users to policies.
fn asks_for_users(gateway: &Field<RawGateway>) -> bool {
    let routes = gateway.get().and_then(|gateway| gateway.value.routes.get());
    let mut routes = routes.into_iter().flat_map(|routes| &routes.value).filter_map(|route| route.as_ref().ok());
    let asks = |word: &Read<String>| word.as_ref().is_ok_and(|at| matches!(at.value.as_str(), "user" | "key"));
    routes.any(|route| {
        !matches!(route.events, Field::Absent) || route.auth.get().is_some_and(|auth| auth.value.iter().any(asks))
    })
}

fn read(report: &mut Report<'_>, text: &str) -> Result<RawFleet, Reported> {
    let whole = Spot::default();
    if text.len() > FLEET_FILE_BYTES_MAX {
        let problem = format!("the file has {} bytes, more than the {FLEET_FILE_BYTES_MAX} that are read", text.len());
        return Err(report.refuse(&whole, problem, "split the fleet"));
    }
    let root = Node::parse(text).map_err(|(place, problem)| {
        let problem = format!("not readable as YAML: {problem}");
        report.refuse(&Spot { place, key: String::new() }, problem, "")
    })?;
    if matches!(root.value, Value::Nothing) {
        return Err(report.refuse(
            &whole,
            "the file is empty",
            "begin with `fleet: NAME`, `trust_domain: NAME` and `services:`",
        ));
    }
    RawFleet::read(report, root)
}

fn check(report: &mut Report<'_>, raw: RawFleet) -> Result<Fleet, Reported> {
    let profile = profile::check(report, &raw);
    let RawFleet {
        fleet,
        trust_domain,
        services,
        gateway,
        users,
        authorization,
        policies,
        trust,
        tls,
        tuning,
        drain,
        budget,
        events,
        ledger,
        objectives,
        alerts,
        intake,
        outputs,
        counts,
        console,
        control,
        workloads,
        federation,
        isolate,
        capture,
        guards,
        profile: _, // looked at above, beside all the others
        synthetic,
        spot,
    } = raw;
    let name = required(report, fleet, &spot, "fleet", "give the fleet a name, such as `fleet: bank`").and_then(|at| {
        ServiceName::parse(&at.value).map_err(|e| report.refuse_value(&at, format!("not a name: {}", e.why), ""))
    });
    let trust_domain =
        required(report, trust_domain, &spot, "trust_domain", "name it, such as `trust_domain: bank.example`")
            .and_then(|at| {
                TrustDomain::parse(&at.value)
                    .map_err(|e| report.refuse_value(&at, format!("not a trust domain: {}", e.why), ""))
            });
    let policies = policies.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let tls = tls.optional().and_then(|at| at.map(|at| tls::check(report, at)).transpose());
    let tuning = tuning.optional().and_then(|at| at.map(|at| tuning::check(report, at)).transpose());
    let drain = edge::time_within(report, drain, DRAIN_MAX);
    let budget = budget.optional().and_then(|at| at.map(|at| budget::check(report, at)).transpose());
    let events = events.optional().and_then(|at| at.map(|at| events::check(report, at)).transpose());
    let ledger = ledger.optional().and_then(|at| at.map(|at| ledger::check(report, at)).transpose());
    let objectives = objectives.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let alerts = alerts.optional().and_then(|at| {
        let of = |mut at: At<RawAlerts>| {
            let maintenance = std::mem::take(&mut at.value.maintenance);
            let rotations = std::mem::take(&mut at.value.rotations);
            let roster = on_call::RawRoster { rotations, escalations: std::mem::take(&mut at.value.escalations) };
            alerts::check(report, at).map(|alerts| (alerts, maintenance, roster))
        };
        at.map(of).transpose()
    });
    // Where it makes no sense itself, nothing is said of what would follow from that.
    let has_counts = !matches!(counts, Field::Absent);
    let counts = counts.optional().and_then(|at| at.map(|at| counts::check(report, at)).transpose());
    let trust = trust.optional().and_then(|at| at.map(|at| trust::check(report, at)).transpose());
    let services = required(report, services, &spot, "services", "declare at least one service")?;
    if services.value.is_empty() {
        return Err(report.refuse(&services.spot, "there is no service", "declare at least one"));
    }
    if services.value.len() > SERVICES_MAX {
        let problem = format!("{} services, more than the {SERVICES_MAX} of the largest fleet", services.value.len());
        return Err(report.refuse(&services.spot, problem, "split the fleet"));
    }

    let declared: Vec<&str> = services.value.iter().map(|(name, _)| name.value.as_str()).collect();
    let guards = match profile {
        Ok(Profile::Observe) => Ok(Guards::none()),
        _ => guards::check(report, &declared, &gateway, guards),
    };
    // What follows from a word that makes no sense would be no second error.
    let (guards, guards_are_good) = guards.map_or_else(|bad| (Guards::All, Err(bad)), |guards| (guards, Ok(())));
    let known = Known::of(&services.value, &workloads, &federation, (guards, guards::clients(&gateway)));
    let known = Known { domain: trust_domain.as_ref().ok().cloned(), ..known };
    let for_all = guards::refuse_for_all(report, &known, [&isolate, &capture]);
    let isolate = isolate::of_fleet(report, isolate);
    let capture = capture::of_fleet(report, capture);
    let all = service::OfAll {
        isolate: isolate.unwrap_or_default(),
        capture: capture.unwrap_or_default(),
        users: asks_for_users(&gateway),
        counts: has_counts,
    };
    let mut ports = Ports::default();
    let mut names = Vec::with_capacity(services.value.len());
    // Every service is looked at, also after one failed: whoever reads the report wants all of it.
    let mut checked = Vec::with_capacity(services.value.len());
    for (name, body) in services.value {
        checked.push(service::check(report, &known, &mut ports, all, &name, body));
        names.push(name);
    }
    let mut others = Others::default();
    let own = trust_domain.as_ref().ok();
    let workloads = workload::check_all(report, own, &known, &mut ports, &mut others, workloads);
    let federation = federation::check(report, own, &known, &mut ports, &mut others, federation);

    let intake = intake.optional().and_then(|at| at.map(|at| intake::check(report, &mut ports, at)).transpose());
    let outputs = outputs::check(report, &known, outputs);
    let others = others.finish();
    // Last, so that it is the gateway's port that is reported as taken.
    let clients = others.as_ref().ok();
    let users = users.optional().and_then(|at| at.map(|at| users::check(report, at)).transpose());
    let context = authorization::Context {
        fleet: name.as_ref().ok(),
        users: users.as_ref().ok(),
        workloads: workloads.as_ref().ok(),
    };
    let authorization = authorization
        .optional()
        .and_then(|at| at.map(|at| authorization::check(report, context, &mut ports, at)).transpose());
    let knows_users = !matches!((&users, &authorization), (Ok(None), Ok(None)));
    let login = login::Context { users: users.as_ref().ok(), own: authorization.as_ref().ok() };
    let context = gateway::Context { known: &known, clients, knows_users, counts: has_counts, login };
    let gateway =
        gateway.optional().and_then(|at| at.map(|at| gateway::check(report, context, &mut ports, at)).transpose());
    let console = console::check(report, &mut ports, console);
    let control = control.optional().and_then(|at| at.map(|at| control::check(report, &mut ports, at)).transpose());
    let synthetic = synthetic::check(report, &known, others.as_ref().ok(), synthetic);
    let mut authorization = authorization;
    let registered = match (&trust_domain, &gateway, &mut authorization) {
        (Ok(domain), Ok(gateway), Ok(own)) => login::register(report, domain, gateway.as_ref(), own),
        _ => Ok(()),
    };

    let (alerts, maintenance, roster) = alerts.map(|it| it.unwrap_or_default())?;
    let mut fleet = Fleet {
        name: name?,
        trust_domain: trust_domain?,
        profile: profile?,
        services: checked.into_iter().collect::<Result<_, _>>()?,
        gateway: gateway?,
        workloads: workloads?,
        others: others?,
        federation: federation?,
        users: users?.or_else(|| believed(&authorization)),
        authorization: authorization?,
        policies: policies?,
        trust: trust?.unwrap_or_default(),
        tls: tls?.unwrap_or_default(),
        tuning: tuning?.unwrap_or_default(),
        drain_ms: drain?,
        guard_p99_us: budget?.flatten(),
        events: events?.unwrap_or_default(),
        ledger: ledger?,
        objectives: objectives?.map(|file| Objectives { file, said: Vec::new() }),
        alerts,
        intake: intake?,
        outputs: outputs?,
        counts: counts?,
        console: console?,
        control: control?.unwrap_or_default(),
        synthetic: synthetic?,
        warnings: Vec::new(),
    };
    let maintenance = alerts::maintenance(report, maintenance, &fleet);
    let on_call = on_call::check(report, roster, &mut fleet);
    fleet.alerts.maintenance = maintenance?;
    on_call?;
    if fleet.profile == Profile::Guard {
        warn_of_uncalled(report, &fleet, &names);
    }
    registered.and(guards_are_good).and(for_all).and(isolate).and(capture).map(|_| fleet)
}

/// Users are those of the own authorization server where the file names no other.
fn believed(authorization: &Result<Option<Authorization>, Reported>) -> Option<Users> {
    let own = authorization.as_ref().ok()?.as_ref()?;
    Some(Users { audience: own.audience.clone(), issuers: Vec::new(), revoked: Vec::new() })
}

fn warn_of_uncalled(report: &mut Report<'_>, fleet: &Fleet, names: &[At<String>]) {
    let called: HashSet<String> = fleet.edges().map(|(_, to)| to.as_str().to_owned()).collect();
    for name in names.iter().filter(|name| !called.contains(&name.value)) {
        let way_out = "name it under `calls` of a service or in a route of the gateway, unless it only calls others";
        report.warn(&name.spot, "nobody may call it", way_out);
    }
}

/// The names that the file declares, each with its protocol where that makes sense. Services whose bodies are
/// broken are among them: a call to a broken service is no second error.
struct Known {
    services: HashMap<String, Option<Protocol>>,
    /// Those beside the services who may be called.
    others: HashMap<String, Option<Protocol>>,
    /// Services with `mtls: permissive`.
    permissive: HashSet<String>,
    /// Clients of the gateway with a name, and whom a route leads them to.
    clients: HashSet<(String, String)>,
    guards: Guards,
    /// The trust domain, where it makes sense.
    domain: Option<TrustDomain>,
}

impl Known {
    fn of(
        services: &[(At<String>, Read<RawService>)],
        workloads: &Field<Named<Read<RawWorkload>>>,
        federation: &Field<RawFederation>,
        (guards, clients): (Guards, HashSet<(String, String)>),
    ) -> Self {
        let protocol = |body: &Read<RawService>| match &body.as_ref().ok()?.value.protocol {
            Field::Absent => Some(Protocol::Auto),
            Field::Bad(_) => None,
            Field::Is(at) => protocol(&at.value),
        };
        let is_permissive = |body: &Read<RawService>| {
            body.as_ref().is_ok_and(|body| body.value.mtls.get().is_some_and(|at| at.value == "permissive"))
        };
        let permissive = services.iter().filter(|(_, body)| is_permissive(body)).map(|(name, _)| name.value.clone());
        let permissive = permissive.collect();
        let services = services.iter().map(|(name, body)| (name.value.clone(), protocol(body))).collect();
        let workloads =
            named(workloads).filter_map(|(name, it)| Some((name.clone(), RawOther::speaks(&it.mesh, &it.protocol)?)));
        let domains = federation.get().into_iter().flat_map(|at| named(&at.value.domains));
        let foreign = domains
            .flat_map(|(_, domain)| named(&domain.workloads))
            .filter_map(|(name, it)| Some((name.clone(), RawOther::speaks(&it.mesh, &it.protocol)?)));
        let others = workloads.chain(foreign).collect();
        Self { services, others, permissive, clients, guards, domain: None }
    }

    /// Whether somebody in this fleet may go by `audience`.
    fn is_own_audience(&self, audience: &str) -> bool {
        let domain = self.domain.as_ref().map(TrustDomain::as_str);
        let of_ours = |domain: &str| {
            let rest = audience.strip_prefix("spiffe://").unwrap_or(audience).strip_prefix(domain);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.has(audience) || domain.is_some_and(of_ours)
    }

    fn has(&self, name: &str) -> bool {
        self.is_service(name) || self.others.contains_key(name)
    }

    fn is_service(&self, name: &str) -> bool {
        self.services.contains_key(name)
    }

    fn has_guard(&self, name: &str) -> bool {
        self.guards.has(name)
    }

    fn has_all_guards(&self) -> bool {
        self.services.keys().all(|name| self.has_guard(name))
    }

    fn is_permissive(&self, name: &str) -> bool {
        self.permissive.contains(name)
    }

    fn protocol(&self, name: &str) -> Option<Protocol> {
        self.services.get(name).or_else(|| self.others.get(name)).copied().flatten()
    }

    fn is_tcp(&self, name: &str) -> bool {
        self.protocol(name) == Some(Protocol::Tcp)
    }

    /// The callee named by `at`: a service, or another that may be called.
    fn resolve_callee(&self, report: &mut Report<'_>, at: &At<String>) -> Result<ServiceName, Reported> {
        match self.others.contains_key(&at.value) {
            true => {
                ServiceName::parse(&at.value).map_err(|e| report.refuse_value(at, format!("not a name: {}", e.why), ""))
            }
            false => self.resolve(report, at, "declare it under services or remove it from calls"),
        }
    }

    /// The service named by `at`; `way_out` is for the case that there is none.
    fn resolve(&self, report: &mut Report<'_>, at: &At<String>, way_out: &str) -> Result<ServiceName, Reported> {
        if at.value == GATEWAY {
            return Err(report.refuse_value(
                at,
                "the gateway cannot be called",
                "it is where calls from outside come in",
            ));
        }
        if !self.is_service(&at.value) {
            let near = report.nearest(&at.value, self.services.keys().map(String::as_str));
            return Err(report.refuse_value(at, "no such service", did_you_mean(near, way_out)));
        }
        // A declared name that is no good was reported where it is declared; here it is only repeated.
        ServiceName::parse(&at.value).map_err(|e| report.refuse_value(at, format!("not a service name: {}", e.why), ""))
    }
}

/// The good ones among values with names.
fn named<T>(field: &Field<Named<Read<T>>>) -> impl Iterator<Item = (&String, &T)> {
    let all = field.get().into_iter().flat_map(|at| &at.value);
    all.filter_map(|(name, body)| Some((&name.value, &body.as_ref().ok()?.value)))
}

fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "http" => Some(Protocol::Http),
        "grpc" => Some(Protocol::Grpc),
        "tcp" => Some(Protocol::Tcp),
        "auto" => Some(Protocol::Auto),
        _ => None,
    }
}

/// The value of a key that has to be there.
pub(super) fn required<T>(report: &mut Report<'_>, field: Field<T>, map: &Spot, key: &str, way_out: &str) -> Read<T> {
    let missing = Spot { place: map.place, key: dot(&map.key, key) };
    field.optional()?.ok_or_else(|| report.refuse(&missing, "is missing", way_out))
}

/// `true` or `false`.
pub(super) fn truth(report: &mut Report<'_>, field: Field<String>) -> Result<Option<bool>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    match at.value.as_str() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(report.refuse_value(&at, "neither true nor false", "delete the line for `false`")),
    }
}

/// A text for the operating system: not empty, without NUL.
fn os_text(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    if at.value.is_empty() {
        return Err(report.refuse_value(&at, "is empty", "give it a value, or delete the key"));
    }
    if at.value.contains('\0') {
        return Err(report.refuse_value(&at, "has a NUL character", "no program can be given one"));
    }
    Ok(at.value)
}
