//! Checks where things are handed in.

use super::super::raw_intake::RawIntake;
use super::super::reader::{At, Field, Named, Read, Report, Reported, Spot};
use super::ports::{Network, Ports};
use super::{os_text, required};
use crate::federation::WebFiles;
use crate::intake::{INTAKE_TOKENS_MAX, Intake, RECORDS_PER_S, RECORDS_PER_S_MAX};
use crate::name::ServiceName;
use std::collections::BTreeMap;
use std::net::SocketAddr;

pub(super) fn check(report: &mut Report<'_>, ports: &mut Ports, at: At<RawIntake>) -> Result<Intake, Reported> {
    let At { value, spot } = at;
    let RawIntake { otlp_http, otlp_grpc, syslog, syslog_tls, ndjson, certificate, key, tokens, records_per_s } = value;
    let otlp_http = anywhere(report, ports, otlp_http);
    let otlp_grpc = anywhere(report, ports, otlp_grpc);
    let syslog = local(report, ports, syslog);
    let syslog_tls = anywhere(report, ports, syslog_tls);
    let ndjson = anywhere(report, ports, ndjson);
    let web = web(report, &spot, certificate, key);
    let tokens = tokens_of(report, tokens);
    let records_per_s = rate(report, records_per_s);
    let it = Intake {
        otlp_http: otlp_http?,
        otlp_grpc: otlp_grpc?,
        syslog: syslog?,
        syslog_tls: syslog_tls?,
        ndjson: ndjson?,
        web: web?,
        tokens: tokens?,
        records_per_s: records_per_s?,
    };
    if [it.otlp_http, it.otlp_grpc, it.syslog, it.syslog_tls, it.ndjson].iter().all(Option::is_none) {
        let way_out = "name an address, such as `otlp_http: 127.0.0.1:4318`, or delete the key";
        return Err(report.refuse(&spot, "nothing is taken anywhere", way_out));
    }
    Ok(it)
}

fn anywhere(report: &mut Report<'_>, ports: &mut Ports, field: Field<String>) -> Result<Option<SocketAddr>, Reported> {
    field.optional()?.map(|at| ports.anywhere(report, &at)).transpose()
}

/// Nobody proves anything over UDP, and it is read by whoever is on the way.
fn local(report: &mut Report<'_>, ports: &mut Ports, field: Field<String>) -> Result<Option<SocketAddr>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    if let Ok(address) = at.value.parse::<SocketAddr>()
        && !address.ip().is_loopback()
    {
        let way_out = "write `syslog_tls` for clients on other machines, which then show a certificate";
        return Err(report.refuse_value(&at, "syslog without TLS is taken on loopback alone", way_out));
    }
    ports.loopback(report, &at, &Network::Host).map(Some)
}

/// A certificate and its key: both or none.
pub(super) fn web(
    report: &mut Report<'_>,
    spot: &Spot,
    certificate: Field<String>,
    key: Field<String>,
) -> Result<Option<WebFiles>, Reported> {
    if matches!((&certificate, &key), (Field::Absent, Field::Absent)) {
        return Ok(None);
    }
    let way_out = "name a PEM file, or delete both `certificate` and `key`";
    let certificate = required(report, certificate, spot, "certificate", way_out).and_then(|at| os_text(report, at));
    let key = required(report, key, spot, "key", way_out).and_then(|at| os_text(report, at));
    Ok(Some(WebFiles { certificate: certificate?, key: key? }))
}

fn tokens_of(
    report: &mut Report<'_>,
    field: Field<Named<Read<String>>>,
) -> Result<BTreeMap<ServiceName, String>, Reported> {
    let Some(named) = field.optional()? else { return Ok(BTreeMap::new()) };
    if named.value.len() > INTAKE_TOKENS_MAX {
        let problem = format!("{} tokens, more than {INTAKE_TOKENS_MAX}", named.value.len());
        return Err(report.refuse(&named.spot, problem, "let collectors gather what many programs say"));
    }
    let mut all = Vec::new();
    for (name, file) in named.value {
        let name = ServiceName::parse(&name.value)
            .map_err(|e| report.refuse(&name.spot, format!("not a name: {}", e.why), "choose one such as `collector`"));
        let file = file.and_then(|at| os_text(report, at));
        all.push(name.and_then(|name| Ok((name, file?))));
    }
    all.into_iter().collect()
}

fn rate(report: &mut Report<'_>, field: Field<String>) -> Result<u32, Reported> {
    let Some(at) = field.optional()? else { return Ok(RECORDS_PER_S) };
    at.value
        .parse()
        .ok()
        .filter(|rate| (1..=RECORDS_PER_S_MAX).contains(rate))
        .ok_or_else(|| report.refuse_value(&at, format!("not a number of records from 1 to {RECORDS_PER_S_MAX}"), ""))
}
