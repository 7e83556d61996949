//! What goes out to whom something was granted: an access token, and beside it an ID token and a refresh token where there are such.

use super::answer::Refusal;
use super::ask::Asked;
use crate::app::App;
use bartizan_core::Timestamp;
use bartizan_crypto::jose::json::Object;
use bartizan_tokens::id_token::IdToken;
use bartizan_tokens::mint::Access;
use bartizan_tokens::request::OPENID;
use serde_json::{Value, json};

/// Claims that say how somebody signed in; an ID token repeats them.
const SIGN_IN_CLAIMS: [&str; 4] = ["auth_time", "acr", "amr", "sid"];

/// What goes out.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) access: Access,
    /// The access token's name.
    pub(super) name: [u8; 16],
    /// The moment from which the access token counts.
    pub(super) issued: Timestamp,
    pub(super) refresh: Option<String>,
    /// Whether there is an ID token where it is asked for, and the nonce in it.
    pub(super) id: Option<Option<String>>,
}

impl Given {
    /// As the body of an answer.
    pub(super) fn answer(mut self, app: &App, asked: &Asked, now: Timestamp) -> Result<Value, Refusal> {
        let issuer = &asked.server()?.issuer;
        self.issued = app.authorization.revoked.issued_at(issuer, &self.access.subject, self.issued);
        if let Some(peer) = asked.peer() {
            // A token that outlived the certificate that it is bound to would be of no use.
            self.access.ttl = self.access.ttl.min(peer.not_after().since(self.issued));
        }
        let Self { access, name, issued, refresh, id } = self;
        let text = sign(app.authorization.keys.mint(issuer, &access, name, issued))?;
        let mut answer = json!({
            "token_type": if access.binding.key.is_some() { "DPoP" } else { "Bearer" },
            "expires_in": issued.plus(access.ttl).since(now).as_secs(),
            "scope": access.scopes.to_string(),
        });
        if let Some(nonce) = id.filter(|_| access.scopes.has(OPENID)) {
            let more = access.more.iter().filter(|(name, _)| SIGN_IN_CLAIMS.contains(&name.as_str()));
            let said = IdToken {
                subject: &access.subject,
                client_id: &access.client_id,
                nonce: nonce.as_deref(),
                access_token: Some(&text),
                more: more.map(|(name, value)| (name.clone(), value.clone())).collect::<Object>(),
            };
            answer["id_token"] = json!(sign(app.authorization.id_keys.mint_id(issuer, &said, now))?);
        }
        answer["access_token"] = json!(text);
        if let Some(refresh) = refresh {
            answer["refresh_token"] = json!(refresh);
        }
        Ok(answer)
    }
}

fn sign<E: std::fmt::Display>(signed: Option<Result<String, E>>) -> Result<String, Refusal> {
    let text = signed.ok_or_else(|| Refusal::unable("there is no key to sign with"))?;
    text.map_err(|error| Refusal::unable(error.to_string()))
}
