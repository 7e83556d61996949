//! What the gateway would say to a token, for operators who wonder.

use crate::app::App;
use bartizan_core::Timestamp;
use bartizan_tokens::{Binding, inspect, issuers_of};

/// What has to be shown with a token that is believed; why it is not, for one that is not.
pub(crate) fn judge(app: &App, text: &str, now: Timestamp) -> Result<Option<String>, String> {
    let desired = &app.in_force().desired;
    let users = desired.believed().ok_or("the fleet file has no `users`, so nobody's tokens are believed")?;
    let issuers = issuers_of(&users, 1).map_err(|error| error.to_string())?;
    let token = inspect(&issuers, text, now).map_err(|error| error.to_string())?;
    if !token.audiences.contains(&users.audience) {
        return Err(format!("it is for {}, not for `{}`", token.audiences.join(", "), users.audience));
    }
    if app.authorization.revoked.has(&token) {
        return Err("it was taken back".to_owned());
    }
    Ok(match token.binding {
        Binding { certificate: None, key: None } => None,
        Binding { certificate: Some(_), key: None } => Some("the client certificate that it is bound to".to_owned()),
        Binding { certificate: None, key: Some(_) } => Some("a proof by the key that it is bound to (DPoP)".to_owned()),
        Binding { .. } => Some("the client certificate and a proof by the key that it is bound to".to_owned()),
    })
}
