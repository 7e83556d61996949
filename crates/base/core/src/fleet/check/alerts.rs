//! Checks where alerts go, and when nobody is paged.

use super::super::Fleet;
use super::super::raw_alerts::{RawAlerts, RawMaintenance, RawRoute};
use super::super::reader::{At, Field, Named, Read, Report, Reported, Spot};
use super::super::rules::service;
use super::{os_text, required};
use crate::alerts::{Alerting, Maintenance, Relay, RelayLogin, RelayTls, Route, Urgency, Way};
use crate::federation::Url;
use crate::limits::{ALERT_MAILBOXES_MAX, ALERT_ROUTES_MAX, ALERT_WITHIN_MAX, ALERT_WORDS_BYTES_MAX, MAINTENANCE_MAX};
use crate::moment;
use crate::on_call::Roster;
use crate::time::Timestamp;
use std::net::SocketAddr;

pub(super) fn check(report: &mut Report<'_>, alerts: At<RawAlerts>) -> Result<Alerting, Reported> {
    let RawAlerts {
        rules,
        prometheus_rules,
        routes,
        rotations: _,
        escalations: _,
        maintenance: _,
        listen,
        token,
        escalate_after,
    } = alerts.value;
    let folder = rules.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let prometheus = prometheus_rules.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let routes = routes.optional().and_then(|at| at.map(|at| routes_of(report, at)).transpose());
    let token = token.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let has_token = !matches!(token, Ok(None));
    let listen = listen.optional().and_then(|at| at.map(|at| listener(report, &at, has_token)).transpose());
    let escalate = escalate_after.optional().and_then(|at| at.map(|at| escalation(report, &at)).transpose());
    Ok(Alerting {
        folder: folder?,
        rules: Vec::new(),
        prometheus_folder: prometheus?,
        prometheus: Vec::new(),
        routes: routes?.unwrap_or_default(),
        roster: Roster::default(),
        maintenance: Vec::new(),
        listen: listen?,
        token: token?,
        escalate_after_s: escalate?,
    })
}

/// When nobody is paged: once the services are known.
pub(super) fn maintenance(
    report: &mut Report<'_>,
    field: Field<Vec<Read<RawMaintenance>>>,
    fleet: &Fleet,
) -> Result<Vec<Maintenance>, Reported> {
    let Some(at) = field.optional()? else { return Ok(Vec::new()) };
    if at.value.len() > MAINTENANCE_MAX {
        let problem = format!("more than {MAINTENANCE_MAX} times");
        return Err(report.refuse(&at.spot, problem, "take out those that are over"));
    }
    let all: Vec<_> = at.value.into_iter().map(|it| it.and_then(|it| window(report, it, fleet))).collect();
    all.into_iter().collect()
}

fn window(report: &mut Report<'_>, at: At<RawMaintenance>, fleet: &Fleet) -> Result<Maintenance, Reported> {
    let RawMaintenance { services, from, until, why } = at.value;
    let services = services.optional().and_then(|at| {
        let of = |at: At<Vec<Read<String>>>| {
            let all: Vec<_> = at.value.into_iter().map(|at| service(report, &at?, Some(fleet))).collect();
            all.into_iter().collect::<Result<Vec<_>, _>>()
        };
        at.map(of).transpose()
    });
    let example = "2026-12-01T22:00:00Z";
    let from = moment_of(report, from, &at.spot, "from", example);
    let until = moment_of(report, until, &at.spot, "until", example);
    let why = required(report, why, &at.spot, "why", "say why").and_then(|at| os_text(report, at));
    let ((from, _), (until, spot)) = (from?, until?);
    if until <= from {
        return Err(report.refuse(&spot, "ends before it begins", "give it a later end"));
    }
    Ok(Maintenance { services: services?.unwrap_or_default(), from, until, why: why? })
}

/// A moment, and where it stands.
pub(super) fn moment_of(
    report: &mut Report<'_>,
    field: Field<String>,
    map: &Spot,
    key: &str,
    example: &str,
) -> Result<(Timestamp, Spot), Reported> {
    let at = required(report, field, map, key, &format!("write it as `{example}`"))?;
    moment::read(&at.value)
        .map(|it| (it, at.spot.clone()))
        .ok_or_else(|| report.refuse_value(&at, "not a moment", format!("write it as `{example}`")))
}

/// A name as routes have it.
pub(super) fn plain_name(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if at.value.is_empty() || at.value.len() > ALERT_WORDS_BYTES_MAX || !at.value.bytes().all(plain) {
        return Err(report.refuse(&at.spot, "not a name", "lower-case letters, digits and `-`"));
    }
    Ok(at.value)
}

fn escalation(report: &mut Report<'_>, at: &At<String>) -> Result<u64, Reported> {
    let read = moment::span(&at.value).filter(|span| *span <= ALERT_WITHIN_MAX && !span.is_zero());
    read.map(|it| it.as_secs())
        .ok_or_else(|| report.refuse_value(at, "not a time from 1s to 24h", "write it as `5m`; `5m` where left out"))
}

fn listener(report: &mut Report<'_>, at: &At<String>, has_token: bool) -> Result<SocketAddr, Reported> {
    let Ok(listen) = at.value.parse::<SocketAddr>() else {
        return Err(report.refuse_value(at, "not an address with a port", "write it as `127.0.0.1:9093`"));
    };
    if !listen.ip().is_loopback() && !has_token {
        let way_out = "name a file with a `token`, or a loopback address";
        return Err(report.refuse_value(at, "anybody who reaches it could silence alerts", way_out));
    }
    Ok(listen)
}

fn routes_of(report: &mut Report<'_>, at: At<Named<Read<RawRoute>>>) -> Result<Vec<Route>, Reported> {
    if at.value.len() > ALERT_ROUTES_MAX {
        let problem = format!("more than {ALERT_ROUTES_MAX} routes");
        return Err(report.refuse(&at.spot, problem, "let an Alertmanager share alerts out further"));
    }
    let all: Vec<_> = at.value.into_iter().map(|(name, body)| route(report, name, body?)).collect();
    let routes: Vec<Route> = all.into_iter().collect::<Result<_, _>>()?;
    if !routes.is_empty() && routes.iter().all(|it| it.level == 2) {
        return Err(report.refuse(&at.spot, "nobody is told first", "leave out `level: 2` at one of them"));
    }
    Ok(routes)
}

fn route(report: &mut Report<'_>, name: At<String>, at: At<RawRoute>) -> Result<Route, Reported> {
    let RawRoute { alertmanager, webhook, secret, email, from, relay, tls, roots, user, password, takes, level } =
        at.value;
    let name = plain_name(report, name)?;
    let takes = takes.optional().and_then(|at| {
        let of = |at: At<String>| {
            Urgency::parse(&at.value).ok_or_else(|| {
                report.refuse_value(&at, "not an urgency", "write `page` or `ticket`, or delete the line for both")
            })
        };
        at.map(of).transpose()
    });
    let level = level.optional().and_then(|at| match at {
        None => Ok(1),
        Some(at) if at.value == "1" => Ok(1),
        Some(at) if at.value == "2" => Ok(2),
        Some(at) => Err(report.refuse_value(&at, "not a level", "write 1 or 2")),
    });
    let relay = RawRelay { at: relay, tls, roots, user, password };
    let (has_secret, has_from, has_relay) = (is(&secret), is(&from), relay.is_said());
    let way = match (alertmanager.optional()?, webhook.optional()?, email.optional()?) {
        (Some(url), None, None) if !has_secret && !has_from && !has_relay => {
            address(report, &url).map(|url| Way::Alertmanager { url })
        }
        (None, Some(url), None) if !has_from && !has_relay => {
            let url = address(report, &url);
            let secret = required(
                report,
                secret,
                &at.spot,
                "secret",
                "name a file with `whsec_BASE64`, so that whoever gets it can tell that it is ours",
            )
            .and_then(|at| os_text(report, at));
            Ok(Way::Webhook { url: url?, secret: secret? })
        }
        (None, None, Some(to)) if !has_secret => mail(report, &at.spot, to, from, relay),
        _ => {
            let way_out = "write `alertmanager`, or `webhook` with `secret`, or `email` with `from` and `relay`";
            Err(report.refuse(&at.spot, "is no one way", way_out))
        }
    };
    Ok(Route { name, way: way?, takes: takes?, level: level?, on_call: false })
}

fn is(field: &Field<String>) -> bool {
    !matches!(field, Field::Absent)
}

/// An address of the web; without TLS on loopback alone.
fn address(report: &mut Report<'_>, at: &At<String>) -> Result<String, Reported> {
    let (plain, as_https) = match at.value.strip_prefix("http://") {
        Some(rest) => (true, format!("https://{rest}")),
        None => (false, at.value.clone()),
    };
    let url = Url::parse(&as_https).map_err(|why| {
        report.refuse_value(
            at,
            format!("not an address: {why}"),
            "such as `https://alerts.example/hook`, or `http://127.0.0.1:9093`",
        )
    })?;
    let is_near = url.host == "localhost" || url.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if plain && !is_near {
        return Err(report.refuse_value(at, "would go over the network in plain", "begin it with `https://`"));
    }
    Ok(at.value.trim_end_matches('/').to_owned())
}

fn mail(
    report: &mut Report<'_>,
    spot: &Spot,
    to: At<Vec<Read<String>>>,
    from: Field<String>,
    relay: RawRelay,
) -> Result<Way, Reported> {
    let to: Vec<_> = to.value.into_iter().map(|at| mailbox(report, at?)).collect();
    let to: Vec<String> = to.into_iter().collect::<Result<_, _>>()?;
    let from = required(report, from, spot, "from", "name who sends, such as `bartizan@bank.example`")
        .and_then(|at| mailbox(report, at));
    let relay = relay_of(report, spot, relay);
    if to.is_empty() || to.len() > ALERT_MAILBOXES_MAX {
        return Err(report.refuse(
            spot,
            "an e-mail to nobody, or to too many",
            "name one to 16 mailboxes; a list is the relay's to share out",
        ));
    }
    Ok(Way::Email { to, from: from?, relay: relay? })
}

/// What is said of a relay.
struct RawRelay {
    at: Field<String>,
    tls: Field<String>,
    roots: Field<String>,
    user: Field<String>,
    password: Field<String>,
}

impl RawRelay {
    /// Whether anything is said that only an e-mail needs.
    fn is_said(&self) -> bool {
        [&self.at, &self.tls, &self.roots, &self.user, &self.password].into_iter().any(is)
    }
}

fn relay_of(report: &mut Report<'_>, spot: &Spot, raw: RawRelay) -> Result<Relay, Reported> {
    let RawRelay { at, tls, roots, user, password } = raw;
    let tls = tls.optional().and_then(|at| {
        let of = |at: At<String>| {
            let known = [RelayTls::Starttls, RelayTls::Implicit].into_iter().find(|it| it.as_str() == at.value);
            known.ok_or_else(|| {
                let way_out = "write `starttls` (mostly port 587) or `implicit` (mostly port 465)";
                report.refuse_value(&at, "not a way to begin TLS", way_out)
            })
        };
        at.map(of).transpose()
    })?;
    let at = required(report, at, spot, "relay", "name who takes it, such as `smtp.bank.example:587`")?;
    let place = Url::parse(&format!("https://{}", at.value)).ok().filter(|url| url.path == "/");
    // What has no port would be read as the web's.
    let Some(place) = place.filter(|url| at.value.ends_with(&format!(":{}", url.port))) else {
        let way_out = "write it as `smtp.bank.example:587`";
        return Err(report.refuse_value(&at, "not a name or an address with a port", way_out));
    };
    let is_near = place.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if tls.is_none() && !is_near {
        let way_out = "add `tls: starttls` or `tls: implicit`, or name a relay of this machine by its address";
        return Err(report.refuse_value(&at, "would be spoken to over the network in plain", way_out));
    }
    let mut with_tls = |field: Field<String>, why: &str| match field.optional()? {
        Some(at) if tls.is_none() => Err(report.refuse(&at.spot, why, "add `tls: starttls` or `tls: implicit`")),
        Some(at) => os_text(report, at).map(Some),
        None => Ok(None),
    };
    let roots = with_tls(roots, "nobody is recognised without TLS")?;
    let user = with_tls(user, "a password would go in plain, also to who took the port of the relay")?;
    let password = with_tls(password, "a password would go in plain, also to who took the port of the relay")?;
    let login = match (user, password) {
        (Some(user), Some(password)) => Some(RelayLogin { user, password }),
        (None, None) => None,
        _ => {
            return Err(report.refuse(spot, "has one of `user` and `password`", "write both; `password` names a file"));
        }
    };
    Ok(Relay { host: place.host, port: place.port, tls, roots, login })
}

/// `local@domain` of plain characters: what stands in commands of SMTP without quotes.
fn mailbox(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    let plain = |part: &str| {
        !part.is_empty() && part.len() <= 64 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._+".contains(&b))
    };
    match at.value.split_once('@') {
        Some((local, domain)) if plain(local) && plain(domain) => Ok(at.value),
        _ => Err(report.refuse_value(&at, "not a mailbox", "such as `oncall@bank.example`, with nothing around it")),
    }
}
