//! A token by which a service shows somebody outside the fleet who it is: a JWT-SVID for an audience that its rules name.

use crate::app::App;
use crate::limits::{OUTSIDE_TOKENS_MAX, RENEWALS_PER};
use crate::stream::refusal::Refusal;
use crate::stream::renew::Allowance;
use bartizan_core::{Member, SpiffeId, Timestamp};
use bartizan_runtime::control_v1::MintOutside;
use std::time::Duration;

/// The token that `request` asks for, and its end. For the identity of the stream and no other, and for the audiences that the fleet file in
/// force names for its service alone.
pub(crate) fn mint(
    app: &App,
    request: &MintOutside,
    member: &Member,
    id: &SpiffeId,
    allowance: &mut Allowance,
    now: Timestamp,
) -> Result<(String, Timestamp), Refusal> {
    if !allowance.take(now, OUTSIDE_TOKENS_MAX) {
        let seconds = RENEWALS_PER.as_secs();
        return Err(Refusal::exhausted(format!("more than {OUTSIDE_TOKENS_MAX} tokens within {seconds} s")));
    }
    let in_force = app.in_force();
    if let Some(denied) = in_force.denied.denies_id(id) {
        return Err(Refusal::on_deny_list(denied));
    }
    let egress = in_force.desired.fleet.services.get(member.service()).and_then(|it| it.egress.as_ref());
    let life = egress.and_then(|it| it.rules.token_life_s(&request.audience));
    // Not said back: it is nothing that the fleet file knows.
    let life = life.ok_or_else(|| Refusal::denied("the fleet file names no such audience for this service"))?;
    let life = Duration::from_secs(life.into());
    let token = app.jwt.sign_for(id, &request.audience, life, now);
    let token = token.ok_or_else(|| Refusal::unable("there is no key for tokens yet"))?;
    token.map(|token| (token, now.plus(life))).map_err(|error| Refusal::unable(error.to_string()))
}
