//! What an endpoint answers when it cannot do what was asked: a status and a line of text.

use crate::authorization::RevokedError;
use crate::deny::DenyListError;
use crate::error::{ControlError, chain};
use crate::keys::KeysError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bartizan_events::EventsError;
use bartizan_store::{JournalError, StoreError};

/// A refusal. Its text is for the operator, who may know everything.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    text: String,
}

impl Failure {
    /// The call makes no sense.
    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, text: text.into() }
    }

    /// There is nothing of that name.
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, text: text.into() }
    }

    /// What is asked for does not fit what is under way.
    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, text: text.into() }
    }

    /// Something that the operator provides is missing or wrong.
    pub(crate) fn unprocessable(text: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, text: text.into() }
    }

    /// It may work later.
    pub(crate) fn unavailable(text: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, text: text.into() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::unavailable(chain(&error))
    }
}

impl From<EventsError> for Failure {
    fn from(error: EventsError) -> Self {
        Self::unavailable(chain(&error))
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::unavailable(chain(&error))
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let text = chain(&error);
        match error {
            // What the operator wrote is wrong, and can be corrected.
            ControlError::Fleet(_)
            | ControlError::Users(_)
            | ControlError::Roots(_)
            | ControlError::Sender { .. }
            | ControlError::Apis(_)
            | ControlError::PrometheusRules(_)
            | ControlError::Policies(_)
            | ControlError::Federation(_)
            | ControlError::Plan { .. }
            | ControlError::PlanMisfit { .. }
            | ControlError::Fixed { .. }
            | ControlError::DenyList(DenyListError::Rule(_) | DenyListError::Needed(..) | DenyListError::NotThere(_))
            | ControlError::Keys(KeysError::Full | KeysError::There(_) | KeysError::NotThere(_) | KeysError::Said(_))
            | ControlError::Revoked(RevokedError::Full | RevokedError::Unknown(..) | RevokedError::Name(_))
            | ControlError::Snapshot(_) => Self { status: StatusCode::UNPROCESSABLE_ENTITY, text },
            ControlError::Locked(_) | ControlError::Held(_) => Self::conflict(text),
            ControlError::ForeignData { .. }
            | ControlError::NotSettled(_)
            | ControlError::OtherFiles { .. }
            | ControlError::Ca(_)
            | ControlError::NodeRoots { .. }
            | ControlError::DenyList(DenyListError::File { .. } | DenyListError::Malformed { .. })
            | ControlError::Jwt(_)
            | ControlError::Revoked(RevokedError::File { .. })
            | ControlError::Keys(KeysError::File { .. })
            | ControlError::Store(_)
            | ControlError::Events(_)
            | ControlError::Holds(_)
            | ControlError::Ledger(_)
            | ControlError::Journal(_)
            | ControlError::Listen(_)
            | ControlError::Socket { .. }
            | ControlError::Serve(_) => Self::unavailable(text),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, self.text + "\n").into_response()
    }
}
