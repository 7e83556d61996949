//! Checks how many instances a service has, and where they are.

use super::super::raw_edge::RawInstance;
use super::super::reader::{At, Field, Read, Report, Reported};
use super::super::{Instance, Instances, Placing};
use super::edge::number;
use super::ports::{Network, Ports};
use super::required;
use crate::limits::{INSTANCES_MAX, WEIGHT_MAX, ZONE_BYTES_MAX};
use std::net::SocketAddr;

/// The instances of a program that runs already: the address of the first, and the others.
pub(super) fn check_at(
    report: &mut Report<'_>,
    ports: &mut Ports,
    at: At<Vec<Result<RawInstance, Reported>>>,
) -> Result<(SocketAddr, Option<SocketAddr>, Instances), Reported> {
    if at.value.len() > INSTANCES_MAX {
        let problem = format!("{} instances, more than the {INSTANCES_MAX} of a service", at.value.len());
        return Err(report.refuse(&at.spot, problem, "split the service"));
    }
    let mut checked = Vec::with_capacity(at.value.len());
    for instance in at.value {
        checked.push(instance.and_then(|instance| check_one(report, ports, instance)));
    }
    let mut checked = checked.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter();
    let Some((listen, first)) = checked.next() else {
        return Err(report.refuse(&at.spot, "there is no address", "say where the program listens"));
    };
    let more = checked.map(|(listen, instance)| Instance { listen: Some(listen), ..instance }).collect();
    Ok((listen, first.mesh, Instances { first: first.placing, more }))
}

fn check_one(report: &mut Report<'_>, ports: &mut Ports, raw: RawInstance) -> Result<(SocketAddr, Instance), Reported> {
    let RawInstance { at, zone, weight, mesh, spot } = raw;
    let listen = required(report, at, &spot, "at", "say where it listens, such as `127.0.0.1:7102`")
        .and_then(|at| ports.loopback(report, &at, &Network::Host));
    let mesh = mesh.optional().and_then(|at| at.map(|at| ports.anywhere(report, &at)).transpose());
    let zone = zone.optional().and_then(|at| at.map(|at| check_zone(report, at)).transpose());
    let weight = number(report, weight, 1..=WEIGHT_MAX);
    let placing = Placing { zone: zone?, weight: weight?.unwrap_or(1) };
    Ok((listen?, Instance { listen: None, mesh: mesh?, placing }))
}

/// The instances of a program that is started.
pub(super) fn check_run(
    report: &mut Report<'_>,
    instances: Field<String>,
    zones: Field<Vec<Read<String>>>,
    mesh: &Field<String>,
) -> Result<Instances, Reported> {
    let most = u16::try_from(INSTANCES_MAX).unwrap_or(u16::MAX);
    let count = number(report, instances, 1..=most).map(|count| count.unwrap_or(1));
    let zones = check_zones(report, zones);
    if let (Ok(2..), Some(at)) = (&count, mesh.get()) {
        let problem = "one address for several instances";
        return Err(report.refuse_value(
            at,
            problem,
            "delete it, or start the instances elsewhere and list them under `at`",
        ));
    }
    let (count, zones) = (count?, zones?);
    let mut placing = (0..count).map(|n| {
        let zone = zones.get(usize::from(n) % zones.len().max(1)).cloned();
        Placing { zone, weight: 1 }
    });
    let first = placing.next().unwrap_or_default();
    Ok(Instances { first, more: placing.map(|placing| Instance { placing, ..Instance::default() }).collect() })
}

/// Where there is no `run`, nobody starts instances.
pub(super) fn refuse_without_run(
    report: &mut Report<'_>,
    instances: &Field<String>,
    zones: &Field<Vec<Read<String>>>,
) -> Result<(), Reported> {
    let (problem, way_out) = ("there is no `run`", "list the instances under `at`, each with its zone");
    let instances = instances.get().map_or(Ok(()), |at| Err(report.refuse_value(at, problem, way_out)));
    let zones = zones.get().map_or(Ok(()), |at| Err(report.refuse(&at.spot, problem, way_out)));
    instances.and(zones)
}

fn check_zones(report: &mut Report<'_>, zones: Field<Vec<Read<String>>>) -> Result<Vec<Box<str>>, Reported> {
    let Some(zones) = zones.optional()? else { return Ok(Vec::new()) };
    if zones.value.is_empty() {
        return Err(report.refuse(&zones.spot, "there is no zone", "name one, or delete the key"));
    }
    let checked: Vec<_> = zones.value.into_iter().map(|zone| check_zone(report, zone?)).collect();
    checked.into_iter().collect()
}

fn check_zone(report: &mut Report<'_>, at: At<String>) -> Result<Box<str>, Reported> {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if at.value.is_empty() || at.value.len() > ZONE_BYTES_MAX || !at.value.bytes().all(allowed) {
        let problem = format!("not a zone: 1 to {ZONE_BYTES_MAX} lower-case letters, digits and `-`");
        return Err(report.refuse_value(&at, problem, "such as `a` or `rack-7`"));
    }
    Ok(at.value.into())
}
