//! Client credentials (OAuth 2.1 section 4.2) of workloads: the identity of the connection is the client, so that nothing has to be
//! registered and no secret handed out.

use crate::binding::Binding;
use crate::exchange::Ceiling;
use crate::mint::Access;
use crate::scopes::Scopes;
use bartizan_core::SpiffeId;

/// Why a workload gets no token for itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// It shows neither a certificate nor a key, and a token that is bound to nothing is not issued.
    #[error("the workload shows nothing that its token could be bound to")]
    Unbound,
    /// Policy does not let it go there.
    #[error("`{client}` may not have a token for `{audience}`")]
    Audience {
        /// Who asks.
        client: SpiffeId,
        /// Where to.
        audience: String,
    },
    /// More is asked for than policy allows.
    #[error("more scopes are asked for than `{0}`, which is what policy allows")]
    Scopes(Scopes),
}

impl ClientError {
    /// The `error` of the answer.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unbound => "invalid_client",
            Self::Audience { .. } => "invalid_target",
            Self::Scopes(_) => "invalid_scope",
        }
    }
}

/// Decides; the answer is what [`crate::mint::access`] makes into a token. There is no refresh token: who can show its identity can ask
/// again.
///
/// # Errors
/// [`ClientError`].
pub fn client_credentials(
    client: &SpiffeId,
    binding: Binding,
    audience: &str,
    scopes: Option<&Scopes>,
    ceilings: &[Ceiling],
) -> Result<Access, ClientError> {
    if binding.is_none() {
        return Err(ClientError::Unbound);
    }
    let ceiling = ceilings.iter().find(|ceiling| ceiling.audience == audience);
    let ceiling =
        ceiling.ok_or_else(|| ClientError::Audience { client: client.clone(), audience: audience.to_owned() })?;
    let scopes = scopes.unwrap_or(&ceiling.scopes);
    if !scopes.are_within(&ceiling.scopes) {
        return Err(ClientError::Scopes(ceiling.scopes.clone()));
    }
    let mut access = Access::new(client.as_str(), client.as_str(), audience);
    access.scopes = scopes.clone();
    access.binding = binding;
    Ok(access)
}
