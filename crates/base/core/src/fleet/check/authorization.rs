//! Checks the authorization server and its clients.

use super::super::raw_authorization::{RawAuthorization, RawClient};
use super::super::reader::{At, Field, Named, Read, Report, Reported, did_you_mean};
use super::ports::Ports;
use super::{apps, people, required};
use crate::authorization::{AUDIENCES_MAX, Authorization, CLIENTS_MAX, Client, Grant, SCOPES_MAX, TEXT_BYTES_MAX};
use crate::federation::Url;
use crate::name::ServiceName;
use crate::user::Users;
use crate::workload::Entry;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What the rest of the file says; `None` for what made no sense itself, which was reported.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) fleet: Option<&'a ServiceName>,
    pub(super) users: Option<&'a Option<Users>>,
    pub(super) workloads: Option<&'a BTreeMap<ServiceName, Entry>>,
}

pub(super) fn check(
    report: &mut Report<'_>,
    context: Context<'_>,
    ports: &mut Ports,
    at: At<RawAuthorization>,
) -> Result<Authorization, Reported> {
    let At {
        value: RawAuthorization { listen, issuer, audience, clients, apps, registration, require_pushed, people },
        spot,
    } = at;
    let listen = required(report, listen, &spot, "listen", "say where clients connect, such as `127.0.0.1:8445`")
        .and_then(|at| ports.anywhere(report, &at));
    let issuer = check_issuer(report, context, listen.as_ref().ok(), issuer);
    let audience = check_audience(report, context, audience);
    let has_other = !matches!((&apps, &registration), (Field::Absent, Field::Absent));
    let known = audience.as_ref().ok();
    let clients = match clients {
        // With people alone the gateway may be the only client, or nobody is.
        Field::Absent if has_other || !matches!(people, Field::Absent) => Ok(BTreeMap::new()),
        clients => required(report, clients, &spot, "clients", "name who gets tokens, or delete `authorization`")
            .and_then(|at| check_clients(report, context, known, at)),
    };
    let names = clients.as_ref().ok();
    let apps = apps
        .optional()
        .and_then(|at| at.map_or(Ok(BTreeMap::new()), |at| apps::check(report, context.workloads, known, names, at)));
    let registration =
        registration.optional().and_then(|at| at.map(|at| apps::check_registration(report, known, at)).transpose());
    let pushed = apps::check_flag(report, require_pushed);
    let people = people.optional().and_then(|at| at.map(|at| people::check(report, at)).transpose());
    if has_other && matches!(people, Ok(None)) {
        let problem = "apps are for people, and nobody can sign in";
        return Err(report.refuse(&spot, problem, "add `people: {}` beside `apps`"));
    }
    let (pushed, mut apps) = (pushed?, apps?);
    apps.values_mut().for_each(|app| app.pushed |= pushed);
    Ok(Authorization {
        listen: listen?,
        issuer: issuer?,
        audience: audience?,
        clients: clients?,
        apps,
        registration: registration?,
        pushed,
        people: people?,
    })
}

fn check_issuer(
    report: &mut Report<'_>,
    context: Context<'_>,
    listen: Option<&SocketAddr>,
    field: Field<String>,
) -> Result<String, Reported> {
    let Some(at) = field.optional()? else {
        // Where `listen` made no sense, nothing is used.
        return Ok(listen.map(|listen| format!("https://{listen}")).unwrap_or_default());
    };
    // Metadata lies at the root of the host; a path would put it elsewhere (RFC 8414 section 3.1).
    let has_path = at.value.trim_start_matches("https://").contains('/');
    match Url::parse(&at.value) {
        Err(why) => return Err(report.refuse_value(&at, format!("not an issuer: {why}"), "")),
        Ok(_) if has_path || at.value.len() > TEXT_BYTES_MAX => {
            let way_out = "give host and port alone, such as `https://auth.bank.example`, without a `/` behind";
            return Err(report.refuse_value(&at, "not an issuer", way_out));
        }
        Ok(_) => {}
    }
    let users = context.users.and_then(Option::as_ref);
    if users.is_some_and(|users| users.issuers.iter().any(|issuer| issuer.issuer == at.value)) {
        let way_out = "give this one another name, or delete that one: its own tokens are believed anyway";
        return Err(report.refuse_value(&at, "an issuer of that name is under `users`", way_out));
    }
    Ok(at.value)
}

/// The gateway believes tokens for one audience: two would be a fleet in which some look good and never are.
fn check_audience(report: &mut Report<'_>, context: Context<'_>, field: Field<String>) -> Result<String, Reported> {
    let users = context.users.and_then(Option::as_ref).map(|users| &users.audience);
    let fleet = || context.fleet.map(ToString::to_string).unwrap_or_default();
    match (field.optional()?, users) {
        (None, Some(audience)) => Ok(audience.clone()),
        (None, None) => Ok(fleet()),
        (Some(at), Some(audience)) if at.value != *audience => {
            let problem = format!("the gateway believes tokens for `{audience}` alone, as `users.audience` says");
            Err(report.refuse_value(&at, problem, "delete the line"))
        }
        (Some(at), _) => text(report, at),
    }
}

fn check_clients(
    report: &mut Report<'_>,
    context: Context<'_>,
    audience: Option<&String>,
    clients: At<Named<Read<RawClient>>>,
) -> Result<BTreeMap<ServiceName, Client>, Reported> {
    if clients.value.is_empty() || clients.value.len() > CLIENTS_MAX {
        let problem = format!("there have to be 1 to {CLIENTS_MAX} clients");
        return Err(report.refuse(&clients.spot, problem, "name who gets tokens, or delete `authorization`"));
    }
    let mut checked = Vec::new();
    for (name, body) in clients.value {
        let entry = find(report, context.workloads, &name);
        let body = body.and_then(|body| check_client(report, audience, body.value));
        checked.push(entry.and_then(|(name, id)| {
            let (scopes, audiences, grants) = body?;
            Ok(id.map(|id| (name, Client { id, scopes, audiences, grants })))
        }));
    }
    // `None` only where the workloads made no sense, and then the fleet is refused.
    checked.into_iter().filter_map(Result::transpose).collect()
}

pub(super) type Found = (ServiceName, Option<crate::name::SpiffeId>);

pub(super) fn find(
    report: &mut Report<'_>,
    workloads: Option<&BTreeMap<ServiceName, Entry>>,
    at: &At<String>,
) -> Result<Found, Reported> {
    let name = ServiceName::parse(&at.value)
        .map_err(|e| report.refuse(&at.spot, format!("not a name: {}", e.why), "name a workload"))?;
    let Some(workloads) = workloads else { return Ok((name, None)) };
    if let Some(entry) = workloads.get(&name) {
        return Ok((name, Some(entry.id.clone())));
    }
    let near = report.nearest(&at.value, workloads.keys().map(ServiceName::as_str));
    let way_out = did_you_mean(
        near,
        "name one under `workloads`: a client shows the certificate that it gets over the Workload API, and that of a service is its guard's",
    );
    Err(report.refuse(&at.spot, "no such workload", way_out))
}

type Checked = (Vec<String>, Vec<String>, Vec<Grant>);

fn check_client(report: &mut Report<'_>, audience: Option<&String>, raw: RawClient) -> Result<Checked, Reported> {
    let RawClient { scopes, audiences, grants } = raw;
    let scopes = check_scopes(report, scopes);
    let audiences = check_audiences(report, audience, audiences);
    let known = "known are `client_credentials` and `token_exchange`";
    let grants = check_grants(report, grants, &Grant::OF_CLIENTS, known);
    Ok((scopes?.unwrap_or_default(), audiences?, grants?.unwrap_or_else(|| vec![Grant::ClientCredentials])))
}

/// `None` where nothing is said.
pub(super) fn check_scopes(
    report: &mut Report<'_>,
    scopes: Field<Vec<Read<String>>>,
) -> Result<Option<Vec<String>>, Reported> {
    list(report, scopes, SCOPES_MAX, |report, at| {
        // RFC 6749 section 3.3.
        let good = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        match at.value.bytes().all(good) {
            true => text(report, at),
            false => Err(report.refuse_value(&at, "not a scope: it has blanks, quotes or other characters", "")),
        }
    })
}

/// That of the server where nothing is said.
pub(super) fn check_audiences(
    report: &mut Report<'_>,
    audience: Option<&String>,
    audiences: Field<Vec<Read<String>>>,
) -> Result<Vec<String>, Reported> {
    let audiences = list(report, audiences, AUDIENCES_MAX, text)?;
    Ok(audiences.unwrap_or_else(|| audience.cloned().into_iter().collect()))
}

/// `None` where nothing is said.
pub(super) fn check_grants(
    report: &mut Report<'_>,
    grants: Field<Vec<Read<String>>>,
    of: &[Grant],
    known: &str,
) -> Result<Option<Vec<Grant>>, Reported> {
    list(report, grants, of.len(), |report, at| {
        if let Some(grant) = of.iter().find(|grant| grant.as_str() == at.value) {
            return Ok(*grant);
        }
        let near = report.nearest(&at.value, of.iter().map(|grant| grant.as_str()));
        Err(report.refuse_value(&at, "no such grant", did_you_mean(near, known)))
    })
}

/// A list of 1 to `most`, each of which `one` takes; `None` where it is left out.
pub(super) fn list<T>(
    report: &mut Report<'_>,
    field: Field<Vec<Read<String>>>,
    most: usize,
    one: impl Fn(&mut Report<'_>, At<String>) -> Result<T, Reported>,
) -> Result<Option<Vec<T>>, Reported> {
    let Some(all) = field.optional()? else { return Ok(None) };
    if all.value.is_empty() || all.value.len() > most {
        return Err(report.refuse(&all.spot, format!("there have to be 1 to {most}"), "or delete the line"));
    }
    let all: Vec<_> = all.value.into_iter().map(|at| at.and_then(|at| one(report, at))).collect();
    all.into_iter().collect::<Result<_, _>>().map(Some)
}

pub(super) fn text(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    if at.value.is_empty() || at.value.len() > TEXT_BYTES_MAX || at.value.chars().any(char::is_control) {
        return Err(report.refuse_value(&at, format!("it has to have 1 to {TEXT_BYTES_MAX} plain characters"), ""));
    }
    Ok(at.value)
}
