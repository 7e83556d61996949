//! Checks where the console is, and who may use it.

use super::super::raw_console::RawConsole;
use super::super::raw_gateway::WordOr;
use super::super::reader::{At, Field, Named, Read, Report, Reported, Spot, did_you_mean};
use super::ports::Ports;
use super::{os_text, required};
use crate::console::{Console, ConsoleRole, HOSTS_MAX, host};
use crate::federation::WebFiles;
use crate::people::{ROLE_BYTES_MAX, ROLES_MAX, is_shown};
use std::collections::BTreeMap;

pub(super) fn check(
    report: &mut Report<'_>,
    ports: &mut Ports,
    field: Field<WordOr<RawConsole>>,
) -> Result<Console, Reported> {
    match field.optional()?.map(|at| at.value) {
        None => Ok(Console::default()),
        Some(WordOr::Word(word)) if word.value == "off" => Ok(Console { off: true, ..Console::default() }),
        Some(WordOr::Word(word)) => {
            let way_out =
                "write `off`, or a map such as `{ listen: \"127.0.0.1:8444\" }`; delete the line for the default";
            Err(report.refuse_value(&word, "neither `off` nor a map", way_out))
        }
        Some(WordOr::Map(raw)) => check_map(report, ports, raw),
    }
}

fn check_map(report: &mut Report<'_>, ports: &mut Ports, raw: RawConsole) -> Result<Console, Reported> {
    let RawConsole { listen, certificate, key, hosts, roles, spot } = raw;
    let web = check_web(report, &spot, certificate, key);
    let listen = listen.optional().and_then(|at| at.map(|at| place(report, ports, &at, &web)).transpose());
    let hosts = check_hosts(report, hosts);
    let roles = check_roles(report, roles);
    Ok(Console { off: false, listen: listen?, web: web?, hosts: hosts?, roles: roles? })
}

fn check_web(
    report: &mut Report<'_>,
    spot: &Spot,
    certificate: Field<String>,
    key: Field<String>,
) -> Result<Option<WebFiles>, Reported> {
    if matches!((&certificate, &key), (Field::Absent, Field::Absent)) {
        return Ok(None);
    }
    let certificate = required(report, certificate, spot, "certificate", "name a PEM file, or delete `key`")
        .and_then(|at| os_text(report, at));
    let key = required(report, key, spot, "key", "name a PEM file, or delete `certificate`")
        .and_then(|at| os_text(report, at));
    Ok(Some(WebFiles { certificate: certificate?, key: key? }))
}

/// Sessions would go over the network in plain.
fn place(
    report: &mut Report<'_>,
    ports: &mut Ports,
    at: &At<String>,
    web: &Result<Option<WebFiles>, Reported>,
) -> Result<std::net::SocketAddr, Reported> {
    let listen = ports.anywhere(report, at)?;
    if !listen.ip().is_loopback() && matches!(web, Ok(None)) {
        let way_out = format!(
            "name its `certificate` and `key`, or listen on loopback, such as `127.0.0.1:{}`, behind something that has one",
            listen.port()
        );
        return Err(report.refuse_value(at, "not a loopback address, and the console would be in plain", way_out));
    }
    Ok(listen)
}

fn check_hosts(report: &mut Report<'_>, field: Field<Vec<Read<String>>>) -> Result<Vec<String>, Reported> {
    let Some(all) = field.optional()? else { return Ok(Vec::new()) };
    if all.value.is_empty() || all.value.len() > HOSTS_MAX {
        return Err(report.refuse(&all.spot, format!("there have to be 1 to {HOSTS_MAX}"), "or delete the line"));
    }
    let mut one = |at: At<String>| {
        host(&at.value).ok_or_else(|| {
            report.refuse_value(
                &at,
                "not the name of a host",
                "write it as `console.bank.example`, with a port or without",
            )
        })
    };
    let all: Vec<_> = all.value.into_iter().map(|at| at.and_then(&mut one)).collect();
    all.into_iter().collect()
}

fn check_roles(
    report: &mut Report<'_>,
    field: Field<Named<Read<String>>>,
) -> Result<BTreeMap<String, ConsoleRole>, Reported> {
    let Some(all) = field.optional()? else { return Ok(BTreeMap::new()) };
    if all.value.len() > ROLES_MAX {
        return Err(report.refuse(&all.spot, format!("more than {ROLES_MAX} roles"), "give people fewer roles"));
    }
    let mut one = |name: At<String>, role: Read<String>| {
        let role = role?;
        if !is_shown(&name.value, ROLE_BYTES_MAX) {
            let problem = format!("not a role of people: 1 to {ROLE_BYTES_MAX} plain characters");
            return Err(report.refuse(&name.spot, problem, ""));
        }
        let words = ConsoleRole::ALL.map(ConsoleRole::as_str);
        let found = ConsoleRole::parse(&role.value).ok_or_else(|| {
            let near = report.nearest(&role.value, words.into_iter());
            report.refuse_value(
                &role,
                "nothing that somebody may be here",
                did_you_mean(near, "known are viewer, operator, administrator"),
            )
        })?;
        Ok((name.value, found))
    };
    let all: Vec<_> = all.value.into_iter().map(|(name, role)| one(name, role)).collect();
    all.into_iter().collect()
}
