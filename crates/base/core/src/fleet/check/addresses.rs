//! Checks from where clients may come, and who says so for others.

use super::super::raw_gateway::RawAddresses;
use super::super::reader::{At, Field, Read, Report, Reported};
use super::cors::each;
use super::truth;
use crate::egress::Range;
use crate::gateway::{Addresses, RANGES_MAX};

pub(super) fn check(report: &mut Report<'_>, field: Field<RawAddresses>) -> Result<Option<Addresses>, Reported> {
    let Some(At { value: RawAddresses { allow, deny, spot }, .. }) = field.optional()? else { return Ok(None) };
    let twice = deny.get().map(|at| at.value.iter().filter_map(|it| it.as_ref().ok()).map(copy).collect::<Vec<_>>());
    let allow = ranges(report, allow);
    let deny = ranges(report, deny);
    let (allow, deny) = (allow?, deny?);
    if allow.is_empty() && deny.is_empty() {
        let way_out = "give `allow` or `deny` with a range such as `10.0.0.0/8`, or delete the line";
        return Err(report.refuse(&spot, "no address is named", way_out));
    }
    let clash =
        twice.into_iter().flatten().find(|at| Range::parse(&at.value).is_ok_and(|range| allow.contains(&range)));
    if let Some(at) = clash {
        return Err(report.refuse_value(&at, "it stands under `allow` as well", "delete one of the two"));
    }
    Ok(Some(Addresses { allow, deny }))
}

fn copy(at: &At<String>) -> At<String> {
    At { value: at.value.clone(), spot: at.spot.clone() }
}

/// Who is believed about the addresses of others, and whether they speak the PROXY protocol.
pub(super) fn check_proxies(
    report: &mut Report<'_>,
    trusted: Field<Vec<Read<String>>>,
    protocol: Field<String>,
) -> Result<(Vec<Range>, bool), Reported> {
    let said = protocol.get().map(copy);
    let named = !matches!(trusted, Field::Absent);
    let trusted = ranges(report, trusted);
    let protocol = truth(report, protocol)?.unwrap_or(false);
    if let Some(at) = said.filter(|_| protocol && !named) {
        let way_out = "name the balancers under `trusted_proxies`; nobody else is believed";
        return Err(report.refuse_value(&at, "anybody could say to be anybody", way_out));
    }
    Ok((trusted?, protocol))
}

fn ranges(report: &mut Report<'_>, field: Field<Vec<Read<String>>>) -> Result<Vec<Range>, Reported> {
    field.optional()?.map_or(Ok(Vec::new()), |at| {
        each(report, at, RANGES_MAX, |report, at| match Range::parse(&at.value) {
            Ok(range) if range.first().to_canonical() != range.first() => {
                let way_out = "write the IPv4 range, which holds for both spellings";
                Err(report.refuse_value(at, "IPv4 addresses in IPv6 spelling", way_out))
            }
            Ok(range) => Ok(range),
            Err(why) => Err(report.refuse_value(at, why.to_string(), "such as `203.0.113.7` or `10.1.0.0/16`")),
        })
    })
}
