//! A no to a caller: what the caller is told, and what our own record says.

use crate::app::App;
use bartizan_core::deny::Denied;
use bartizan_core::event::{Identity, Refused, What};
use bartizan_core::{ServiceName, SpiffeId};
use bartizan_identity::Svid;
use bartizan_runtime::control_stream::{Code, Status};
use std::net::SocketAddr;

/// Why a caller gets nothing.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: Code,
    /// For the caller, who may be anybody.
    told: &'static str,
    /// For the record.
    detail: String,
}

impl Refusal {
    /// What was sent makes no sense. Sending it again cannot help.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self { code: Code::InvalidArgument, told: "the request is malformed", detail: detail.into() }
    }

    /// The caller may not have what it asks for.
    pub(crate) fn denied(detail: impl Into<String>) -> Self {
        Self { code: Code::PermissionDenied, told: "not admitted; control's events say why", detail: detail.into() }
    }

    /// The caller, or somebody it relies on, is not trusted any more.
    pub(crate) fn on_deny_list(entry: &Denied) -> Self {
        Self::denied(format!("`{}` is on the deny list: {}", entry.subject, entry.reason))
    }

    /// We could not do it now. Trying again may help.
    pub(crate) fn unable(detail: impl Into<String>) -> Self {
        Self { code: Code::Unavailable, told: "control could not do this now", detail: detail.into() }
    }

    /// Too much, too often or too late.
    pub(crate) fn exhausted(detail: impl Into<String>) -> Self {
        Self { code: Code::ResourceExhausted, told: "a limit was reached; come back later", detail: detail.into() }
    }

    /// Whether it is for asking too often.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.code == Code::ResourceExhausted
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// What goes over the wire.
    pub(crate) fn status(&self) -> Status {
        Status::new(self.code, self.told)
    }
}

/// Reports that `id` was not given an identity.
pub(crate) fn report_refused(app: &App, service: Option<&ServiceName>, id: SpiffeId, renewal: bool, refusal: &Refusal) {
    app.count_refused_identity();
    tracing::warn!(%id, why = refusal.detail(), "no identity was issued");
    let refused = Some(refusal.detail().into());
    app.own_events.write(service, What::Identity(Identity { id, serial: None, not_after: None, renewal, refused }));
}

/// Reports input that did not even name somebody.
pub(crate) fn report_unreadable(app: &App, peer: Option<SpiffeId>, remote: Option<SocketAddr>, refusal: &Refusal) {
    app.count_refused_identity();
    tracing::warn!(why = refusal.detail(), "a stream was refused");
    app.own_events.write(None, What::Refused(Refused { peer, remote, rule: "control_hello".into(), status: 0 }));
}

/// Reports an identity that was handed out.
pub(crate) fn report_issued(app: &App, service: Option<&ServiceName>, id: SpiffeId, renewal: bool, svid: &Svid) {
    let (serial, not_after) = (Some(svid.serial.as_str().into()), Some(svid.not_after));
    app.own_events.write(service, What::Identity(Identity { id, serial, not_after, renewal, refused: None }));
}
