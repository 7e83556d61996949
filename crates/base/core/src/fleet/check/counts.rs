//! Checks where shared counts lie.

use super::super::raw_counts::RawCounts;
use super::super::reader::{At, Field, Report, Reported, did_you_mean};
use super::{os_text, required};
use crate::counts::{Away, Counts};
use std::net::IpAddr;

pub(super) fn check(report: &mut Report<'_>, counts: At<RawCounts>) -> Result<Counts, Reported> {
    let At { value: RawCounts { redis, roots, password_file, away }, spot } = counts;
    let wanted = "say where it listens, such as `127.0.0.1:6379`";
    let redis = required(report, redis, &spot, "redis", wanted);
    let in_plain = matches!(roots, Field::Absent);
    let roots = roots.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let password = password_file.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let away = check_away(report, away);
    let redis = redis?;
    let counts = Counts { redis: redis.value.clone(), roots: roots?, password: password?, away: away? };
    let Some((host, _)) = counts.host_and_port() else {
        return Err(report.refuse_value(&redis, "not a host and a port", wanted));
    };
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if in_plain && !is_here {
        let way_out = "name its `roots`, so that it is spoken to over TLS, or use one on this machine";
        return Err(report.refuse_value(&redis, "counts and password would go over the network in plain", way_out));
    }
    Ok(counts)
}

fn check_away(report: &mut Report<'_>, away: Field<String>) -> Result<Away, Reported> {
    let Some(at) = away.optional()? else { return Ok(Away::default()) };
    match at.value.as_str() {
        "local" => Ok(Away::Local),
        "refuse" => Ok(Away::Refuse),
        _ => {
            let near = report.nearest(&at.value, ["local", "refuse"].into_iter());
            let way_out = did_you_mean(near, "write `local` or `refuse`");
            Err(report.refuse_value(&at, "nothing that guards could do while it is away", way_out))
        }
    }
}
