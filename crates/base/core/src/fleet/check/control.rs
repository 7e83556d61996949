//! Checks which controls there are.

use super::super::raw_control::{RawControl, RawControlMember};
use super::super::reader::{At, Report, Reported};
use super::ports::Ports;
use super::required;
use crate::group::{MEMBER_COUNTS, Members, Place};

pub(super) fn check(report: &mut Report<'_>, ports: &mut Ports, control: At<RawControl>) -> Result<Members, Reported> {
    let At { value: RawControl { members, spot }, .. } = control;
    let members = required(report, members, &spot, "members", "name 3 of them, or delete `control` for a single one")?;
    let count = members.value.len();
    let numbered = members.value.into_iter().map(|(name, place)| {
        let number = name.value.parse::<u8>().ok().filter(|number| *number > 0 && number.to_string() == name.value);
        let number = number.ok_or_else(|| {
            report.refuse(
                &name.spot,
                "not a number from 1 to 255",
                "number the members, such as `1: { listen: ..., group: ... }`",
            )
        });
        let place = place.and_then(|at| self::place(report, ports, at));
        Ok((number?, place?))
    });
    // All of them are looked at, also after one that was wrong.
    let numbered: Vec<Result<(u8, Place), Reported>> = numbered.collect();
    let numbered = numbered.into_iter().collect::<Result<Members, _>>()?;
    if !MEMBER_COUNTS.contains(&count) {
        let problem = format!("{count} members cannot decide well: half of an even number is no majority");
        return Err(report.refuse(&members.spot, problem, "take 1, 3, 5 or 7"));
    }
    Ok(numbered)
}

fn place(report: &mut Report<'_>, ports: &mut Ports, at: At<RawControlMember>) -> Result<Place, Reported> {
    let At { value: RawControlMember { listen, group, spot }, .. } = at;
    let listen =
        required(report, listen, &spot, "listen", "say where guards find it, such as `listen: \"10.0.0.5:7000\"`")
            .and_then(|at| ports.elsewhere(report, &at));
    let group = required(
        report,
        group,
        &spot,
        "group",
        "say where the other members find it, such as `group: \"10.0.0.5:7001\"`",
    )
    .and_then(|at| ports.elsewhere(report, &at));
    Ok(Place { listen: listen?, group: group? })
}
