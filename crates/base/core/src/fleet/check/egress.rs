//! Checks what a service may reach outside the fleet: every name and address makes sense, and what a guard could not hold to
//! where it is asked for is refused.

use super::super::ServiceEgress;
use super::super::raw_egress::{
    Destinations, RawDestination, RawDestinationFull, RawEgress, RawEgressFull, RawHeader, RawToken, RawTokenFull,
};
use super::super::reader::{At, Field, Read, Report, Reported, Spot};
use super::ports::{Network, Ports};
use super::{Known, os_text, required, truth};
use crate::egress::{Destination, Egress, HeaderFrom, HostPattern, HttpRule, Originate, Outside, Range, TokenFor};
use crate::limits::{
    AUDIENCE_BYTES_MAX, EGRESS_AUDIENCES_MAX, EGRESS_DESTINATIONS_MAX, EGRESS_ITEMS_MAX, EGRESS_TOKEN_LIFE_MAX,
    EGRESS_TOKEN_LIFE_MIN, JWT_TTL,
};
use crate::path::PathPattern;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Methods that a rule may name: all that a guard lets through.
const METHODS: &[&str] = &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
/// Headers that frame or route a request, or that a guard rewrites: no credential stands there.
const HEADERS_KEPT: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "proxy-authorization",
    "proxy-connection",
    "keep-alive",
    "expect",
];
/// Longest name of a header and longest prefix of its value, in bytes.
const HEADER_BYTES_MAX: usize = 64;

pub(super) fn check(
    report: &mut Report<'_>,
    known: &Known,
    ports: &mut Ports,
    network: &Network,
    egress: At<RawEgress>,
) -> Result<ServiceEgress, Reported> {
    let At { value, spot } = egress;
    match value {
        RawEgress::Learn(at) if at.value == "learn" => {
            let rules = Egress { learn: true, to: Vec::new() };
            Ok(ServiceEgress { rules, proxy: None, dns: None })
        }
        RawEgress::Learn(at) => {
            let way_out = "write a list of destinations, `learn`, or `[]` for none";
            Err(report.refuse_value(&at, "not a list of destinations", way_out))
        }
        RawEgress::List(list) => {
            let rules = Egress { learn: false, to: check_list(report, known, list)? };
            Ok(ServiceEgress { rules, proxy: None, dns: None })
        }
        RawEgress::Full(full) => check_full(report, known, ports, network, &spot, full),
    }
}

fn check_full(
    report: &mut Report<'_>,
    known: &Known,
    ports: &mut Ports,
    network: &Network,
    spot: &Spot,
    full: RawEgressFull,
) -> Result<ServiceEgress, Reported> {
    let RawEgressFull { to, learn, proxy, dns } = full;
    let learn = truth(report, learn);
    let to = required(report, to, spot, "to", "list the destinations, or write `to: []` for none")
        .and_then(|list| check_list(report, known, list));
    let proxy = proxy.optional().and_then(|at| at.map(|at| ports.loopback(report, &at, network)).transpose());
    let dns = dns.optional().and_then(|at| at.map(|at| ports.loopback(report, &at, network)).transpose());
    let rules = Egress { learn: learn?.unwrap_or(false), to: to? };
    Ok(ServiceEgress { rules, proxy: proxy?, dns: dns? })
}

fn check_list(report: &mut Report<'_>, known: &Known, list: Destinations) -> Result<Vec<Destination>, Reported> {
    let At { value, spot } = list;
    if value.len() > EGRESS_DESTINATIONS_MAX {
        let problem = format!("{} destinations, more than the {EGRESS_DESTINATIONS_MAX} of one service", value.len());
        return Err(report.refuse(&spot, problem, "use a pattern such as `*.example.com`"));
    }
    let mut lines = HashMap::new();
    let mut checked = Vec::with_capacity(value.len());
    for item in value {
        checked.push(item.and_then(|item| check_destination(report, known, &mut lines, item)));
    }
    let rules = Egress { learn: false, to: checked.into_iter().collect::<Result<_, _>>()? };
    let audiences: BTreeSet<&str> = rules.tokens().map(|it| it.audience.as_str()).collect();
    if audiences.len() > EGRESS_AUDIENCES_MAX {
        let problem =
            format!("tokens for {} audiences, more than the {EGRESS_AUDIENCES_MAX} of one service", audiences.len());
        return Err(report.refuse(&spot, problem, "let destinations of one owner have one audience"));
    }
    Ok(rules.to)
}

/// Name and port of each rule that came before, with its line: two rules for one of them would be a matter of luck.
type Lines = HashMap<(String, u16), u64>;

fn check_destination(
    report: &mut Report<'_>,
    known: &Known,
    lines: &mut Lines,
    item: RawDestination,
) -> Result<Destination, Reported> {
    let (destination, spot) = match item {
        RawDestination::Name(at) => {
            let host = Some(check_host(report, &at)?);
            let (ports, addresses, http) = (vec![443], Vec::new(), HttpRule::default());
            (Destination { host, protocol: Outside::Https, ports, addresses, http }, at.spot)
        }
        RawDestination::Full(full) => {
            let spot = full.spot.clone();
            (check_destination_full(report, known, *full)?, spot)
        }
    };
    let Some(host) = &destination.host else { return Ok(destination) };
    for port in &destination.ports {
        if let Some(line) = lines.insert((host.to_string(), *port), spot.place.line) {
            let problem = format!("`{host}` with port {port} has a rule already, in line {line}");
            return Err(report.refuse(&spot, problem, "make one rule of the two, or name other ports"));
        }
    }
    Ok(destination)
}

fn check_destination_full(
    report: &mut Report<'_>,
    known: &Known,
    full: RawDestinationFull,
) -> Result<Destination, Reported> {
    let RawDestinationFull {
        host,
        protocol,
        ports,
        addresses,
        methods,
        paths,
        https_originate,
        roots,
        header,
        token,
        spot,
    } = full;
    let originates = truth(report, https_originate)?.unwrap_or(false);
    let protocol = check_protocol(report, protocol, originates)?;
    check_enforceable(report, protocol, originates, [&methods, &paths], &roots, (&header, &token))?;
    let host = host.optional().and_then(|at| at.map(|at| check_host(report, &at)).transpose());
    let ports = check_ports(report, &spot, protocol, originates, ports);
    let addresses = check_addresses(report, addresses);
    let methods = check_each(report, methods, check_method);
    let paths = check_each(report, paths, check_path);
    let roots = roots.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let header = header.optional().and_then(|at| at.map(|at| check_header(report, at)).transpose());
    let token_spot = token.get().map(|at| at.spot.clone());
    let token = token.optional().and_then(|at| at.map(|at| check_token(report, known, at)).transpose());
    if let (Ok(Some(header)), Ok(Some(token)), Some(spot)) = (&header, &token, token_spot)
        && header.name == token.header
    {
        let problem = format!("`header` says what stands in `{}` already", header.name);
        return Err(report.refuse(&spot, problem, "choose one of the two, or another header for the token"));
    }

    let (host, addresses) = (host?, addresses?);
    if protocol == Outside::Tcp && addresses.is_empty() {
        let way_out = "name its `addresses`; where it speaks TLS, `protocol: https` goes by the name";
        return Err(report.refuse(&spot, "in `tcp` there is nothing to check a name by", way_out));
    }
    if host.is_none() && protocol != Outside::Tcp {
        let way_out = "name the `host`; addresses alone are for `protocol: tcp`";
        return Err(report.refuse(&spot, format!("a destination in `{}` has a name", protocol.as_str()), way_out));
    }
    if originates
        && matches!(host, Some(HostPattern::OneLabelBefore(_)))
        && !matches!((&header, &token), (Ok(None), Ok(None)))
    {
        let way_out = "name each host that may have it";
        return Err(report.refuse(&spot, "a credential for `*.` would go to hosts that nobody named", way_out));
    }
    let originate = originates.then_some(Originate { roots: roots?, header: header?, token: token? });
    let http = HttpRule { methods: methods?, paths: paths?, originate };
    Ok(Destination { host, protocol, ports: ports?, addresses, http })
}

/// What a guard cannot hold to is refused: inside TLS it sees no request, and in the clear a credential would be anybody's.
fn check_enforceable(
    report: &mut Report<'_>,
    protocol: Outside,
    originates: bool,
    methods_and_paths: [&Field<Vec<Read<String>>>; 2],
    roots: &Field<String>,
    (header, token): (&Field<RawHeader>, &Field<RawToken>),
) -> Result<(), Reported> {
    let way_out = "let the guard speak the TLS with `https_originate: true`, or delete it";
    if protocol != Outside::Http {
        let why = match protocol {
            Outside::Https => "in `https` the guard passes TLS on and sees no request",
            _ => "in `tcp` there are no requests",
        };
        for field in methods_and_paths {
            if let Some(at) = field.get() {
                return Err(report.refuse(&at.spot, format!("cannot be enforced: {why}"), way_out));
            }
        }
    }
    if originates {
        return Ok(());
    }
    let spots = roots.get().map(|at| &at.spot).into_iter().chain(header.get().map(|at| &at.spot));
    match spots.chain(token.get().map(|at| &at.spot)).next() {
        Some(spot) => Err(report.refuse(spot, "cannot be enforced: the guard speaks no TLS there", way_out)),
        None => Ok(()),
    }
}

fn check_protocol(report: &mut Report<'_>, field: Field<String>, originates: bool) -> Result<Outside, Reported> {
    let unsaid = if originates { Outside::Http } else { Outside::Https };
    let Some(at) = field.optional()? else { return Ok(unsaid) };
    let Some(protocol) = Outside::parse(&at.value) else {
        return Err(report.refuse_value(&at, "no protocol of a destination", "choose among https, http, tcp"));
    };
    if originates && protocol != Outside::Http {
        let problem = "with `https_originate` the program speaks plain HTTP with its guard";
        return Err(report.refuse_value(&at, problem, "write `protocol: http`, or delete the line"));
    }
    Ok(protocol)
}

fn check_host(report: &mut Report<'_>, at: &At<String>) -> Result<HostPattern, Reported> {
    HostPattern::parse(&at.value).map_err(|error| {
        let way_out = match error {
            crate::egress::HostError::Address => {
                "addresses go under `addresses`, with `protocol: tcp` where there is no name"
            }
            _ if at.value.contains("://") || at.value.contains(':') => "write the name alone; ports go under `ports`",
            _ => "such as `api.example.com` or `*.example.com`",
        };
        report.refuse_value(at, format!("not a host: {error}"), way_out)
    })
}

fn check_ports(
    report: &mut Report<'_>,
    spot: &Spot,
    protocol: Outside,
    originates: bool,
    field: Field<Vec<Read<String>>>,
) -> Result<Vec<u16>, Reported> {
    let Some(list) = field.optional()? else {
        return match protocol {
            Outside::Https => Ok(vec![443]),
            Outside::Http => Ok(vec![if originates { 443 } else { 80 }]),
            Outside::Tcp => Err(report.refuse(spot, "in `tcp` no port goes without saying", "name its `ports`")),
        };
    };
    let ports = bounded(report, list)?;
    let mut checked: Vec<u16> = Vec::with_capacity(ports.len());
    for at in ports {
        let port = at.value.parse::<u16>().ok().filter(|port| *port != 0);
        let port = port.ok_or_else(|| report.refuse_value(&at, "not a port", "choose one from 1 to 65535"))?;
        if checked.contains(&port) {
            return Err(report.refuse_value(&at, "the port is named twice", "delete one"));
        }
        checked.push(port);
    }
    Ok(checked)
}

fn check_addresses(report: &mut Report<'_>, field: Field<Vec<Read<String>>>) -> Result<Vec<Range>, Reported> {
    check_each(report, field, |report, at| {
        Range::parse(&at.value).map_err(|error| {
            let way_out = "such as `203.0.113.7` or `10.1.0.0/16`; leave `addresses` out for every outside address";
            report.refuse_value(&at, error.to_string(), way_out)
        })
    })
}

fn check_method(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    if METHODS.contains(&at.value.as_str()) {
        return Ok(at.value);
    }
    Err(report.refuse_value(&at, "no method of a rule", format!("known are {}", METHODS.join(", "))))
}

fn check_path(report: &mut Report<'_>, at: At<String>) -> Result<PathPattern, Reported> {
    PathPattern::parse(&at.value)
        .map_err(|error| report.refuse_value(&at, format!("not a path pattern: {}", error.why()), "such as `/v1/**`"))
}

fn check_header(report: &mut Report<'_>, at: At<RawHeader>) -> Result<HeaderFrom, Reported> {
    let At { value: RawHeader { name, file, prefix }, spot } = at;
    let name = required(report, name, &spot, "name", "name the header, such as `authorization`")?;
    let lower = check_header_name(report, &name)?;
    let file = required(report, file, &spot, "file", "name the file with the value")?;
    let file = os_text(report, file)?;
    let prefix = match prefix.optional()? {
        None => String::new(),
        Some(at) if at.value.len() > HEADER_BYTES_MAX || !at.value.bytes().all(|b| matches!(b, 0x20..=0x7e)) => {
            return Err(report.refuse_value(&at, "not the beginning of a header's value", "such as `\"Bearer \"`"));
        }
        Some(at) => at.value,
    };
    Ok(HeaderFrom { name: lower, file, prefix })
}

/// The name of a header with a credential, in lower case.
fn check_header_name(report: &mut Report<'_>, name: &At<String>) -> Result<String, Reported> {
    let lower = name.value.to_ascii_lowercase();
    let token = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if lower.is_empty() || lower.len() > HEADER_BYTES_MAX || !lower.bytes().all(token) {
        return Err(report.refuse_value(name, "not a name of a header", "letters, digits and `-`"));
    }
    if HEADERS_KEPT.contains(&lower.as_str()) {
        return Err(report.refuse_value(name, "this header says how a request is framed or routed", "choose another"));
    }
    Ok(lower)
}

fn check_token(report: &mut Report<'_>, known: &Known, at: At<RawToken>) -> Result<TokenFor, Reported> {
    let (audience, header, life) = match at.value {
        RawToken::Audience(audience) => (audience, Field::Absent, Field::Absent),
        RawToken::Full(RawTokenFull { audience, header, life, spot }) => {
            let way_out = "say who is to believe the token, such as `https://api.partner.example`";
            (required(report, audience, &spot, "audience", way_out)?, header, life)
        }
    };
    let audience = check_audience(report, known, audience);
    let header = header.optional().and_then(|at| at.map(|at| check_header_name(report, &at)).transpose());
    let life_s = check_life(report, life);
    let header = header?.unwrap_or_else(|| TokenFor::HEADER.to_owned());
    Ok(TokenFor { audience: audience?, header, life_s: life_s? })
}

/// Whoever gets a token can show it in turn: to nobody of this fleet.
fn check_audience(report: &mut Report<'_>, known: &Known, at: At<String>) -> Result<String, Reported> {
    let printable = at.value.bytes().all(|byte| byte.is_ascii_graphic());
    if at.value.is_empty() || at.value.len() > AUDIENCE_BYTES_MAX || !printable {
        let problem = format!("not an audience: 1 to {AUDIENCE_BYTES_MAX} visible characters of ASCII");
        return Err(report.refuse_value(&at, problem, "such as `https://api.partner.example`"));
    }
    if known.is_own_audience(&at.value) {
        let problem = "this is somebody of this fleet, who would believe whoever got the token outside";
        return Err(report.refuse_value(&at, problem, "use the name by which the other side calls itself"));
    }
    Ok(at.value)
}

fn check_life(report: &mut Report<'_>, field: Field<String>) -> Result<u32, Reported> {
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let Some(at) = field.optional()? else { return Ok(seconds(JWT_TTL)) };
    let read = [('s', 1), ('m', 60), ('h', 3_600)].into_iter().find_map(|(unit, unit_s)| {
        let number = at.value.strip_suffix(unit).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        number.parse::<u64>().ok()?.checked_mul(unit_s).map(Duration::from_secs)
    });
    let read = read.filter(|time| (EGRESS_TOKEN_LIFE_MIN..=EGRESS_TOKEN_LIFE_MAX).contains(time));
    read.map(seconds).ok_or_else(|| report.refuse_value(&at, "not a time from 1m to 1h", "write it as `5m`"))
}

/// A list where each item is looked at, also after one was bad.
fn check_each<T>(
    report: &mut Report<'_>,
    field: Field<Vec<Read<String>>>,
    check: impl Fn(&mut Report<'_>, At<String>) -> Result<T, Reported>,
) -> Result<Vec<T>, Reported> {
    let Some(list) = field.optional()? else { return Ok(Vec::new()) };
    let items = bounded(report, list)?;
    let checked: Vec<_> = items.into_iter().map(|at| check(report, at)).collect();
    checked.into_iter().collect()
}

fn bounded(report: &mut Report<'_>, list: At<Vec<Read<String>>>) -> Result<Vec<At<String>>, Reported> {
    let At { value, spot } = list;
    if value.is_empty() {
        return Err(report.refuse(&spot, "the list is empty", "delete it to ask for nothing in particular"));
    }
    if value.len() > EGRESS_ITEMS_MAX {
        let problem = format!("{} items, more than the {EGRESS_ITEMS_MAX} that a rule has", value.len());
        return Err(report.refuse(&spot, problem, "make two rules of it"));
    }
    value.into_iter().collect()
}
