//! Codes that a browser carried (OAuth 2.1 section 4.1): from the log-in to the tokens.

use super::answer::Refusal;
use super::ask::Asked;
use super::family;
use super::given::Given;
use super::telling;
use crate::app::App;
use bartizan_core::Timestamp;
use bartizan_crypto::random;
use bartizan_tokens::grant::{Code, CodeError, Family, FamilyId, Redemption};
use bartizan_tokens::limits::CODE_REMEMBERED;

/// A code, with what is not the code's to know.
#[derive(Debug)]
pub(super) struct HeldCode {
    pub(super) code: Code,
    /// The session that what comes of it ends with.
    pub(super) session: Option<String>,
    /// Goes into the first ID token.
    pub(super) nonce: Option<String>,
}

/// The tokens that a code is good for.
pub(super) async fn redeem(app: &App, asked: &Asked, now: Timestamp) -> Result<Given, Refusal> {
    let caller = asked.app()?;
    let proof = asked.needed_proof()?;
    let needed = |name: &'static str, public: &'static str| {
        asked.form.get(name).ok_or_else(|| Refusal::invalid_request(public, ""))
    };
    let shown = needed("code", "`code` is missing")?;
    let redemption = Redemption {
        client_id: &caller.id,
        redirect_uri: needed("redirect_uri", "`redirect_uri` is missing")?,
        verifier: needed("code_verifier", "`code_verifier` is missing")?,
        proof_key: proof.as_ref(),
    };
    match try_redeem(app, shown, &redemption, now) {
        None => Err(Refusal::invalid_grant("it is no code of ours, or one of long ago")),
        Some(Ok((begun, session, nonce))) => {
            // First: whoever signs out from here on finds it.
            telling::note(app, &caller.rules, &begun, now).await?;
            family::begin(app, asked, begun, session, nonce, now).await
        }
        Some(Err(error)) => {
            if let CodeError::Replayed { family } = &error {
                family::end(app, *family, now).await?;
            }
            Err(Refusal::invalid_grant(error.to_string()))
        }
    }
}

type Begun = (Family, Option<String>, Option<String>);

/// `None` where there is no such code.
fn try_redeem(app: &App, shown: &str, redemption: &Redemption<'_>, now: Timestamp) -> Option<Result<Begun, CodeError>> {
    let id = FamilyId(random::bytes());
    app.authorization.codes.change(shown, now, |held, until| {
        let HeldCode { code, session, nonce } = held;
        let (code, outcome) = code.redeem(redemption, id, now);
        match outcome {
            Ok(family) => {
                let held = HeldCode { code, session: None, nonce: None };
                (Some((held, now.plus(CODE_REMEMBERED))), Ok((family, session, nonce)))
            }
            Err(error) => (Some((HeldCode { code, session, nonce }, until)), Err(error)),
        }
    })
}
