//! Checks how people log in at the gateway, and registers the gateway with the fleet's own authorization server.

use super::super::raw_login::RawLogin;
use super::super::reader::{At, Field, Read, Report, Reported, Spot, did_you_mean};
use super::super::{Auth, Gateway};
use super::authorization::{check_scopes, text};
use super::os_text;
use super::people::span;
use crate::authorization::{App, Authorization, Grant};
use crate::federation::Url;
use crate::gateway::Origin;
use crate::login::{CALLBACK, IDLE, IDLE_MAX, LIFE, LIFE_MAX, LOGGED_OUT, Login, ORIGINS_MAX};
use crate::name::{Role, ServiceName, SpiffeId, TrustDomain};
use crate::path::PathPattern;
use crate::redirect::Redirect;
use crate::user::Users;
use std::net::SocketAddr;
use std::time::Duration;

/// Asks for an ID token; without it nobody says who somebody is.
const OPENID: &str = "openid";
/// Longest path after log-out, in bytes.
const PATH_BYTES_MAX: usize = 1_024;

/// What the rest of the file says; `None` for what made no sense itself, which was reported.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) users: Option<&'a Option<Users>>,
    pub(super) own: Option<&'a Option<Authorization>>,
}

pub(super) fn check(
    report: &mut Report<'_>,
    context: Context<'_>,
    listen: Option<SocketAddr>,
    at: At<RawLogin>,
) -> Result<Login, Reported> {
    let RawLogin { issuer, client, secret, scopes, origin, life, idle, after_logout, spot } = at.value;
    let issuer = check_issuer(report, context, &spot, issuer);
    // Where it is not known who signs people in, nothing is said of what would follow from that.
    let client = match &issuer {
        Ok(Some((_, own))) => check_client(report, *own, &spot, client, secret),
        _ => Ok(None),
    };
    let scopes = check_scopes(report, scopes).map(|scopes| {
        let mut scopes = scopes.unwrap_or_default();
        if !scopes.iter().any(|scope| scope == OPENID) {
            scopes.insert(0, OPENID.to_owned());
        }
        scopes
    });
    let origins = check_origins(report, listen, &spot, origin);
    let times = check_times(report, life, idle);
    let after_logout =
        after_logout.optional().and_then(|at| at.map_or(Ok(LOGGED_OUT.to_owned()), |at| path(report, at)));
    let (issuer, own) = issuer?.unwrap_or_default();
    let ((client, secret), (life, idle)) = (client?.unwrap_or_default(), times?);
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    Ok(Login {
        issuer,
        own,
        client,
        secret,
        scopes: scopes?,
        origins: origins?,
        life_s: seconds(life),
        idle_s: seconds(idle),
        after_logout: after_logout?,
    })
}

/// The provider, and whether it is the fleet's own; `None` where what would say so made no sense, and then the fleet is refused.
fn check_issuer(
    report: &mut Report<'_>,
    Context { users, own }: Context<'_>,
    spot: &Spot,
    field: Field<String>,
) -> Result<Option<(String, bool)>, Reported> {
    let (Some(users), Some(own)) = (users, own) else { return field.optional().map(|_| None) };
    let known: Vec<&str> = users.iter().flat_map(|users| &users.issuers).map(|issuer| issuer.issuer.as_str()).collect();
    let named = match (field.optional()?, own) {
        (Some(at), _) => at,
        (None, Some(own)) => At { value: own.issuer.clone(), spot: spot.clone() },
        (None, None) => match known.as_slice() {
            [only] => At { value: (*only).to_owned(), spot: spot.clone() },
            _ => return Err(report.refuse(spot, "it is not said who signs people in", "name an issuer of `users`")),
        },
    };
    if let Some(own) = own.as_ref().filter(|own| own.issuer == named.value) {
        return match own.people {
            Some(_) => Ok(Some((named.value, true))),
            None => {
                let problem = "nobody can sign in at the authorization server";
                Err(report.refuse(&named.spot, problem, "add `people: {}` under `authorization`"))
            }
        };
    }
    if !known.contains(&named.value.as_str()) {
        let all = known.iter().copied().chain(own.iter().map(|own| own.issuer.as_str()));
        let near = report.nearest(&named.value, all);
        let way_out = did_you_mean(near, "name an issuer of `users`, or add an own server under `authorization`");
        return Err(report.refuse_value(&named, "nobody's tokens of that name are believed here", way_out));
    }
    if let Err(why) = Url::parse(&named.value) {
        let way_out = "an OpenID provider is found by its `https://` address";
        return Err(report.refuse_value(&named, format!("nobody can be sent there: {why}"), way_out));
    }
    Ok(Some((named.value, false)))
}

/// The gateway's name at the provider, and the file with its secret.
#[allow(clippy::type_complexity, reason = "a name and a file, once")]
fn check_client(
    report: &mut Report<'_>,
    own: bool,
    spot: &Spot,
    client: Field<String>,
    secret: Field<String>,
) -> Result<Option<(String, Option<String>)>, Reported> {
    if own {
        let way_out = "delete the line: the server knows the gateway by its identity";
        if let Some(at) = client.get().or(secret.get()) {
            return Err(report.refuse(&at.spot, "the own authorization server wants neither name nor secret", way_out));
        }
        return Ok(Some((ServiceName::gateway().to_string(), None)));
    }
    let way_out = "give the name under which the gateway is registered there";
    let client = super::required(report, client, spot, "client", way_out).and_then(|at| text(report, at));
    let secret = secret.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    Ok(Some((client?, secret?)))
}

fn check_origins(
    report: &mut Report<'_>,
    listen: Option<SocketAddr>,
    spot: &Spot,
    field: Field<Vec<Read<String>>>,
) -> Result<Vec<String>, Reported> {
    let Some(all) = field.optional()? else {
        let Some(listen) = listen else { return Ok(Vec::new()) };
        if listen.ip().is_unspecified() {
            let problem = format!("the gateway listens at {listen}, and no browser calls it so");
            return Err(report.refuse(spot, problem, "add `origin`, such as `https://bank.example`"));
        }
        let usual = if listen.port() == 443 { format!("https://{}", listen.ip()) } else { format!("https://{listen}") };
        return Ok(vec![usual]);
    };
    if all.value.is_empty() || all.value.len() > ORIGINS_MAX {
        let problem = format!("there have to be 1 to {ORIGINS_MAX} origins");
        return Err(report.refuse(&all.spot, problem, "or delete the line"));
    }
    let one = |report: &mut Report<'_>, at: At<String>| match Origin::parse(&at.value) {
        Err(why) => Err(report.refuse_value(&at, format!("not an origin: {why}"), "")),
        // Cookies of ours are for TLS alone, and the gateway speaks nothing else.
        Ok(_) if !at.value.starts_with("https://") => {
            Err(report.refuse_value(&at, "browsers reach the gateway over TLS alone", "write `https://`"))
        }
        Ok(origin) => Ok(origin.as_str().to_owned()),
    };
    let all: Vec<_> = all.value.into_iter().map(|at| at.and_then(|at| one(report, at))).collect();
    all.into_iter().collect()
}

fn check_times(
    report: &mut Report<'_>,
    life: Field<String>,
    idle: Field<String>,
) -> Result<(Duration, Duration), Reported> {
    let unused = idle.get().map(|at| At { value: at.value.clone(), spot: at.spot.clone() });
    let life = span(report, life, LIFE, LIFE_MAX);
    let idle = span(report, idle, IDLE, IDLE_MAX);
    let (life, idle) = (life?, idle?);
    match unused {
        Some(at) if idle > life => {
            Err(report.refuse_value(&at, "longer than a session lasts at most", "make it shorter, or `life` longer"))
        }
        _ => Ok((life, idle.min(life))),
    }
}

/// A path of the gateway that a browser is sent to. `//host` and `/\host` are other hosts to a browser.
fn path(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    let is_path = at.value.starts_with('/') && !at.value.starts_with("//");
    let good = at.value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'));
    match is_path && good && at.value.len() <= PATH_BYTES_MAX {
        true => Ok(at.value),
        false => Err(report.refuse_value(&at, "not a path of the gateway", "write one such as `/goodbye`")),
    }
}

/// Whether users may come to a route with a browser that is logged in.
pub(super) fn check_route(
    report: &mut Report<'_>,
    knows_login: bool,
    auth: Option<&Auth>,
    field: Field<String>,
) -> Result<bool, Reported> {
    // Where `auth` made no sense, nothing more is said of what would follow from it.
    let takes_user = auth.is_none_or(|auth| auth.takes_user());
    let Some(at) = field.optional()? else { return Ok(knows_login && takes_user) };
    match at.value.as_str() {
        "true" if !knows_login => {
            Err(report.refuse_value(&at, "nobody can log in here", "add `login: {}` under `gateway`"))
        }
        "true" if !takes_user => {
            Err(report.refuse_value(&at, "the route asks for no user", "write `auth: user`, or delete the line"))
        }
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(report.refuse_value(&at, "neither true nor false", "delete the line for: as the gateway says")),
    }
}

/// Whether a route would be where the gateway answers itself.
pub(super) fn is_own_path(path: &PathPattern) -> bool {
    let form = path.to_string();
    form == "/.bartizan" || form.starts_with(crate::login::OWN_PATHS)
}

/// Makes the gateway a client of the fleet's own authorization server, known by its identity.
pub(super) fn register(
    report: &mut Report<'_>,
    domain: &TrustDomain,
    gateway: Option<&Gateway>,
    own: &mut Option<Authorization>,
) -> Result<(), Reported> {
    let (Some(login), Some(own)) = (gateway.and_then(|it| it.login.as_ref()).filter(|it| it.own), own) else {
        return Ok(());
    };
    let name = ServiceName::gateway();
    if own.apps.contains_key(&name) || own.clients.contains_key(&name) {
        let spot = Spot { key: format!("authorization.apps.{name}"), ..Spot::default() };
        return Err(report.refuse(
            &spot,
            "the gateway is called so, where people log in at it",
            "give it another name",
        ));
    }
    let at = |path: &str| login.origins.iter().filter_map(|it| Redirect::parse(&format!("{it}{path}")).ok()).collect();
    let app = App {
        title: "this site".to_owned(),
        redirect: at(CALLBACK),
        signed_out: at(LOGGED_OUT),
        scopes: login.scopes.clone(),
        audiences: vec![own.audience.clone()],
        trusted: true,
        grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
        bearer: false,
        workload: Some(SpiffeId::of(domain, &Role::Service(name.clone()))),
        // Its requests come by a browser that the gateway itself sends.
        pushed: false,
        // It hears it on its stream to control.
        back_channel: None,
    };
    own.apps.insert(name, app);
    Ok(())
}
