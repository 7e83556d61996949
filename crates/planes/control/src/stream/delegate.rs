//! Lets the gateway's own key mint transaction tokens for a while.

use crate::app::App;
use crate::limits::RENEWALS_MAX;
use crate::registry::Certificate;
use crate::stream::refusal::Refusal;
use crate::stream::renew::Allowance;
use bartizan_core::{Member, ServiceName, SpiffeId, Timestamp};
use bartizan_crypto::jose::{Jwk, json};
use bartizan_runtime::control_v1::Delegate;
use bartizan_tokens::txn;

/// Longest key that is read, in bytes of JSON.
const JWK_BYTES_MAX: usize = 1_024;

/// The delegation that `request` asks for, and its end. It says by which certificate the gateway is known now. Nobody but the gateway gets one: the stream says who it is.
pub(crate) fn delegate(
    app: &App,
    request: &Delegate,
    member: &Member,
    (id, shown): (&SpiffeId, &Certificate),
    allowance: &mut Allowance,
    now: Timestamp,
) -> Result<(String, Timestamp), Refusal> {
    if *member.service() != ServiceName::gateway() {
        return Err(Refusal::denied("only the gateway vouches for users"));
    }
    if !allowance.take(now, RENEWALS_MAX) {
        return Err(Refusal::exhausted(format!("more than {RENEWALS_MAX} delegations within a minute")));
    }
    if request.jwk.len() > JWK_BYTES_MAX {
        return Err(Refusal::malformed(format!("a key of {} bytes", request.jwk.len())));
    }
    let object = json::object(request.jwk.as_bytes()).map_err(Refusal::malformed)?;
    let key = Jwk::parse(&object).map_err(|error| Refusal::malformed(error.to_string()))?;
    let certificate = txn::Certificate { serial: shown.serial.clone(), key: shown.key.clone() };
    let domain = app.in_force().desired.fleet.trust_domain.clone();
    let signed = app.jwt.delegate(&domain, (id, &key), &certificate, now);
    let signed = signed.ok_or_else(|| Refusal::unable("the fleet knows no users, so nobody vouches for any"))?;
    signed.map_err(|error| Refusal::unable(error.to_string()))
}
