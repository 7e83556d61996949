//! The SPIFFE Workload API.

use super::session::Session;
use super::view::{Ask, AskError, Wanted};
use super::{Desk, answer};
use crate::limits::{ANSWER_WITHIN, SEND_WITHIN};
use bartizan_identity::jwt_svid::check_audiences;
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{Request, Response, Status, async_trait};
use bartizan_runtime::workload_api::{SECURITY_HEADER, to_struct};
use bartizan_runtime::workload_v1::spiffe_workload_api_server::SpiffeWorkloadApi;
use bartizan_runtime::workload_v1::{
    JwtBundlesRequest, JwtBundlesResponse, Jwtsvid, JwtsvidRequest, JwtsvidResponse, ValidateJwtsvidRequest,
    ValidateJwtsvidResponse, X509BundlesRequest, X509BundlesResponse, X509svidRequest, X509svidResponse,
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

type Answers<T> = ReceiverStream<Result<T, Status>>;

/// The service as tonic calls it.
pub(super) struct Api(pub(super) Arc<Desk>);

#[async_trait]
impl SpiffeWorkloadApi for Api {
    type FetchX509SVIDStream = Answers<X509svidResponse>;
    type FetchX509BundlesStream = Answers<X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<JwtBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        Ok(push(self.open(&request).await?, answer::x509))
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        Ok(push(self.open(&request).await?, answer::x509_bundles))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        Ok(push(self.open(&request).await?, answer::jwt_bundles))
    }

    async fn fetch_jwtsvid(&self, request: Request<JwtsvidRequest>) -> Result<Response<JwtsvidResponse>, Status> {
        let session = self.open(&request).await?;
        let JwtsvidRequest { audience, spiffe_id } = request.into_inner();
        check_audiences(&audience).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let is_wanted = |id: &str| spiffe_id.is_empty() || id == spiffe_id;
        let wanted: Vec<_> =
            session.mine.iter().filter(|entry| entry.jwt && is_wanted(entry.id.as_str())).cloned().collect();
        if wanted.is_empty() {
            return Err(Status::permission_denied("no identity issued"));
        }
        let mut svids = Vec::with_capacity(wanted.len());
        for entry in wanted {
            let (answer, answered) = oneshot::channel();
            let spiffe_id = entry.id.to_string();
            let what = Wanted::Jwt { audiences: audience.clone(), answer };
            self.0.hub.ask(Ask { entry, what }).await.map_err(of_ask)?;
            let away = || Status::unavailable("control cannot be asked now");
            let token = timeout(ANSWER_WITHIN, answered).await.map_err(|_| away())?.map_err(|_| away())?;
            svids.push(Jwtsvid { spiffe_id, svid: token.map_err(of_ask)?, hint: String::new() });
        }
        if session.caller.has_ended() {
            return Err(Status::permission_denied("no identity issued"));
        }
        Ok(Response::new(JwtsvidResponse { svids }))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        let session = self.open(&request).await?;
        let ValidateJwtsvidRequest { audience, svid } = request.into_inner();
        let valid = session.view.jwt_keys.validate(&svid, &audience, clock::now());
        let valid = valid.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let (spiffe_id, claims) = (valid.id.to_string(), Some(to_struct(valid.claims)));
        Ok(Response::new(ValidateJwtsvidResponse { spiffe_id, claims }))
    }
}

impl Api {
    /// The header first: without it, nothing is told to anybody.
    async fn open<T>(&self, request: &Request<T>) -> Result<Session, Status> {
        let mut values = request.metadata().get_all(SECURITY_HEADER).iter();
        if values.next().is_none_or(|value| value != "true") || values.next().is_some() {
            return Err(Status::invalid_argument("the security header `workload.spiffe.io: true` is missing"));
        }
        Session::open(&self.0, request).await
    }
}

/// Sends what `make` makes of the session, at once and whenever it changes, until the caller leaves or is sent away.
fn push<T, M>(mut session: Session, make: M) -> Response<Answers<T>>
where
    T: PartialEq + Clone + Send + Sync + 'static,
    M: Fn(&Session) -> Option<T> + Send + Sync + 'static,
{
    let (answers, stream) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut sent = None;
        loop {
            let new = make(&session).filter(|new| sent.as_ref() != Some(new));
            if let Some(new) = new {
                sent = Some(new.clone());
                if !matches!(timeout(SEND_WITHIN, answers.send(Ok(new))).await, Ok(Ok(()))) {
                    return; // it left, or does not read
                }
            }
            let changed = tokio::select! {
                () = answers.closed() => return,
                changed = session.changed() => changed,
            };
            if let Err(status) = changed {
                let _ = timeout(SEND_WITHIN, answers.send(Err(status))).await;
                return;
            }
        }
    });
    Response::new(ReceiverStream::new(stream))
}

fn of_ask(error: AskError) -> Status {
    match error {
        AskError::Away(_) => Status::unavailable(error.to_string()),
        AskError::Refused(_) => Status::permission_denied(error.to_string()),
    }
}
