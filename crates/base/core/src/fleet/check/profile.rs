//! Checks what a fleet has of Bartizan, and that nothing is asked of guards where there are none.

use super::super::raw::RawFleet;
use super::super::reader::{At, Field, Report, Reported, Spot, did_you_mean};
use crate::profile::Profile;

/// What the file says. Where nothing is guarded, each key that only a guard could hold to is refused.
pub(super) fn check(report: &mut Report<'_>, raw: &RawFleet) -> Result<Profile, Reported> {
    let word = match &raw.profile {
        Field::Absent => return Ok(Profile::Guard),
        Field::Bad(reported) => return Err(*reported),
        Field::Is(word) => word,
    };
    let Some(profile) = Profile::parse(&word.value) else {
        let near = report.nearest(&word.value, Profile::ALL.into_iter().map(Profile::as_str));
        let way_out = did_you_mean(near, "write `guard`, or `observe` for logs and alerts alone");
        return Err(report.refuse_value(word, "neither `guard` nor `observe`", way_out));
    };
    if profile == Profile::Guard {
        return Ok(profile);
    }
    let mut refused = Ok(profile);
    for (spot, why) in asked(raw) {
        let way_out = "delete it, or `profile: observe`";
        refused = Err(report.refuse(spot, format!("nothing is guarded in profile `observe`, so {why}"), way_out));
    }
    let hears = raw.intake.get().is_some() || refused.is_err();
    if !hears {
        let way_out = "add `intake:` with a door, such as `otlp_http: 127.0.0.1:4318`";
        report.warn(&word.spot, "nobody can hand anything in, and nothing else is looked at", way_out);
    }
    refused
}

/// What the file asks of guards, and why nobody would do it.
fn asked(raw: &RawFleet) -> Vec<(&Spot, &'static str)> {
    fn spot<T>(at: Option<&At<T>>) -> Option<&Spot> {
        at.map(|at| &at.spot)
    }
    let keys = [
        (spot(raw.gateway.get()), "there is no gateway"),
        (spot(raw.guards.get()), "there are no guards"),
        (spot(raw.users.get()), "nobody looks at tokens of users"),
        (spot(raw.authorization.get()), "no tokens are handed out"),
        (spot(raw.policies.get()), "no policy is enforced"),
        (spot(raw.trust.get()), "nobody relies on control"),
        (spot(raw.tls.get()), "nobody speaks mutual TLS"),
        (spot(raw.budget.get()), "no guard costs anything"),
        (spot(raw.counts.get()), "nothing is counted against limits"),
        (spot(raw.workloads.get()), "no identities are handed out"),
        (spot(raw.federation.get()), "no identities count"),
        (spot(raw.isolate.get()), "nobody leads in and out"),
        (spot(raw.capture.get()), "nobody takes what is redirected"),
        (spot(raw.synthetic.get()), "nobody calls with an identity"),
    ];
    keys.into_iter().filter_map(|(spot, why)| Some((spot?, why))).collect()
}
