//! Checks those beside the services who take part in calls.

use super::super::reader::{At, Field, Read, Report, Reported, Spot, did_you_mean, dot};
use super::super::{Other, Place, Protocol};
use super::ports::Ports;
use super::{Known, guards, protocol};
use crate::name::{GATEWAY, ServiceName, SpiffeId, UNAUTHENTICATED};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the file says of one of them.
pub(super) struct RawOther {
    pub(super) calls: Field<Vec<Read<String>>>,
    pub(super) mesh: Field<String>,
    pub(super) protocol: Field<String>,
}

impl RawOther {
    /// Whether it takes part in calls at all.
    pub(super) fn takes_part(&self) -> bool {
        !matches!((&self.calls, &self.mesh), (Field::Absent, Field::Absent))
    }

    /// What can be called, for [`Known`]: `None` where nobody can.
    pub(super) fn speaks(mesh: &Field<String>, spoken: &Field<String>) -> Option<Option<Protocol>> {
        (!matches!(mesh, Field::Absent)).then(|| match spoken {
            Field::Absent => Some(Protocol::Auto),
            Field::Bad(_) => None,
            Field::Is(at) => protocol(&at.value),
        })
    }
}

/// All of them that were seen so far.
#[derive(Default)]
pub(super) struct Others {
    checked: BTreeMap<ServiceName, Other>,
    names: HashSet<String>,
    ids: HashMap<SpiffeId, String>,
    failed: Option<Reported>,
}

impl Others {
    /// Checks one more; its identity was checked before, and what was wrong with that was reported.
    pub(super) fn add(
        &mut self,
        report: &mut Report<'_>,
        known: &Known,
        ports: &mut Ports,
        name: &At<String>,
        id: Option<SpiffeId>,
        raw: RawOther,
    ) {
        match self.check(report, known, ports, name, id, raw) {
            Ok(Some((name, other))) => _ = self.checked.insert(name, other),
            Ok(None) => {}
            Err(reported) => self.failed = Some(reported),
        }
    }

    pub(super) fn finish(self) -> Result<BTreeMap<ServiceName, Other>, Reported> {
        self.failed.map_or(Ok(self.checked), Err)
    }

    fn check(
        &mut self,
        report: &mut Report<'_>,
        known: &Known,
        ports: &mut Ports,
        name: &At<String>,
        id: Option<SpiffeId>,
        raw: RawOther,
    ) -> Result<Option<(ServiceName, Other)>, Reported> {
        let parsed = self.check_name(report, known, name);
        let calls = check_calls(report, known, &name.value, raw.calls);
        let at = check_place(report, ports, &name.spot, raw.mesh, raw.protocol);
        // What has no identity was reported, and what has no name is no name.
        let Some(id) = id else { return Ok(None) };
        if let Some(other) = self.ids.insert(id.clone(), name.value.clone()) {
            let problem = format!("the same identity as `{other}`, so that a call of the one is a call of the other");
            return Err(report.refuse(&name.spot, problem, "name the calls of an identity in one place"));
        }
        Ok(Some((parsed?, Other { id, calls: calls?, at: at? })))
    }

    /// In policies, events and tables a caller goes by its name: it has to be one caller's alone.
    fn check_name(
        &mut self,
        report: &mut Report<'_>,
        known: &Known,
        name: &At<String>,
    ) -> Result<ServiceName, Reported> {
        if [GATEWAY, UNAUTHENTICATED].contains(&name.value.as_str())
            || known.is_service(&name.value)
            || !self.names.insert(name.value.clone())
        {
            let problem = "the name is taken, and in policies and events a caller goes by its name";
            return Err(report.refuse(&name.spot, problem, "rename it"));
        }
        ServiceName::parse(&name.value)
            .map_err(|e| report.refuse(&name.spot, format!("not a name: {}", e.why), "rename it"))
    }
}

fn check_calls(
    report: &mut Report<'_>,
    known: &Known,
    name: &str,
    calls: Field<Vec<Read<String>>>,
) -> Result<Vec<ServiceName>, Reported> {
    let mut checked: Vec<Result<ServiceName, Reported>> = Vec::new();
    let mut seen = HashSet::new();
    for to in calls.optional()?.into_iter().flat_map(|at| at.value) {
        checked.push(to.and_then(|to| {
            if !seen.insert(to.value.clone()) {
                return Err(report.refuse_value(&to, "the call is declared twice", "delete one"));
            }
            guards::refuse_of_other(report, known, name, &to)?;
            known.resolve(report, &to, "declare it under services or remove it from calls")
        }));
    }
    checked.into_iter().collect()
}

fn check_place(
    report: &mut Report<'_>,
    ports: &mut Ports,
    spot: &Spot,
    mesh: Field<String>,
    spoken: Field<String>,
) -> Result<Option<Place>, Reported> {
    let Some(mesh) = mesh.optional()? else {
        return match spoken.optional()? {
            None => Ok(None),
            Some(at) => Err(report.refuse_value(&at, "nobody calls it", "give `mesh` too, or delete the line")),
        };
    };
    let address = ports.elsewhere(report, &mesh);
    let protocol = match spoken.optional()? {
        Some(at) => protocol(&at.value).ok_or_else(|| {
            let near = report.nearest(&at.value, ["http", "grpc", "tcp", "auto"].into_iter());
            report.refuse_value(
                &at,
                "no such protocol",
                did_you_mean(near, "known are `http`, `grpc`, `tcp` and `auto`"),
            )
        }),
        None => {
            let spot = Spot { place: spot.place, key: dot(&spot.key, "protocol") };
            Err(report.refuse(&spot, "is missing", "say what is spoken at `mesh`: `http`, `grpc` or `tcp`"))
        }
    };
    Ok(Some(Place { mesh: address?, protocol: protocol? }))
}
