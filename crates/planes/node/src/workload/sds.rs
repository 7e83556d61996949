//! Envoy's Secret Discovery Service, version 3, "state of the world".
//!
//! A client names what it wants, gets it, acknowledges it by repeating the nonce, and is sent the next version when there is
//! one. A refusal (`error_detail`) is written down; what was refused is not sent again before it changes.

use super::session::Session;
use super::{Desk, answer};
use crate::limits::{SECRET_NAMES_MAX, SEND_WITHIN};
use bartizan_crypto::hash;
use bartizan_runtime::control_stream::{Request, Response, Status, Streaming, async_trait};
use bartizan_runtime::sds_v3::secret_discovery_service_server::SecretDiscoveryService;
use bartizan_runtime::sds_v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Secret,
};
use bartizan_runtime::workload_api::{SECRET_TYPE, pack};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

type Answers<T> = ReceiverStream<Result<T, Status>>;

/// The service as tonic calls it.
pub(super) struct Api(pub(super) Arc<Desk>);

#[async_trait]
impl SecretDiscoveryService for Api {
    type DeltaSecretsStream = Answers<DeltaDiscoveryResponse>;
    type StreamSecretsStream = Answers<DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Err(Status::unimplemented("ask with StreamSecrets"))
    }

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let session = Session::open(&self.0, &request).await?;
        let (answers, stream) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut client = Client { session, names: Vec::new(), asked: false, sent: None, nonce: 0 };
            if let Err(status) = client.converse(request.into_inner(), &answers).await {
                let _ = timeout(SEND_WITHIN, answers.send(Err(status))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn fetch_secrets(&self, request: Request<DiscoveryRequest>) -> Result<Response<DiscoveryResponse>, Status> {
        let session = Session::open(&self.0, &request).await?;
        let request = request.into_inner();
        let names = checked(&request)?;
        let secrets = secrets(&session, &names)?;
        if secrets.is_empty() {
            return Err(Status::unavailable("there is no identity yet; come back soon"));
        }
        Ok(Response::new(response(&secrets, 0)))
    }
}

/// One open stream.
struct Client {
    session: Session,
    /// What it wants.
    names: Vec<String>,
    /// Whether it has said what it wants.
    asked: bool,
    /// What it was sent last.
    sent: Option<Vec<Secret>>,
    /// Number of the last answer.
    nonce: u64,
}

impl Client {
    /// Until the client leaves (`Ok`) or is sent away.
    async fn converse(
        &mut self,
        mut requests: Streaming<DiscoveryRequest>,
        answers: &mpsc::Sender<Result<DiscoveryResponse, Status>>,
    ) -> Result<(), Status> {
        loop {
            if let Some(answer) = self.answer()?
                && !matches!(timeout(SEND_WITHIN, answers.send(Ok(answer))).await, Ok(Ok(())))
            {
                return Ok(()); // it left, or does not read
            }
            tokio::select! {
                request = requests.message() => match request {
                    Ok(Some(request)) => self.take(&request)?,
                    Ok(None) | Err(_) => return Ok(()),
                },
                changed = self.session.changed() => changed?,
            }
        }
    }

    fn take(&mut self, request: &DiscoveryRequest) -> Result<(), Status> {
        self.session.hear()?;
        let names = checked(request)?;
        // An answer to what we said before the last thing we said: the answer to that is on its way.
        if !request.response_nonce.is_empty() && request.response_nonce != self.nonce.to_string() {
            return Ok(());
        }
        if let Some(error) = &request.error_detail {
            let why: String = error.message.chars().filter(|c| !c.is_control()).take(200).collect();
            tracing::warn!(pid = self.session.caller.pid, why, "an SDS client refused its secrets");
        }
        if !self.asked || names != self.names {
            (self.names, self.asked, self.sent) = (names, true, None);
        }
        Ok(())
    }

    /// What is to be sent now, where that is something new.
    fn answer(&mut self) -> Result<Option<DiscoveryResponse>, Status> {
        if !self.asked {
            return Ok(None);
        }
        let secrets = secrets(&self.session, &self.names)?;
        if secrets.is_empty() || self.sent.as_ref() == Some(&secrets) {
            return Ok(None);
        }
        self.nonce += 1;
        let response = response(&secrets, self.nonce);
        self.sent = Some(secrets);
        Ok(Some(response))
    }
}

/// The names in a request, where it is one for secrets.
fn checked(request: &DiscoveryRequest) -> Result<Vec<String>, Status> {
    if !request.type_url.is_empty() && request.type_url != SECRET_TYPE {
        return Err(Status::invalid_argument("only secrets are to be had here"));
    }
    if request.resource_names.len() > SECRET_NAMES_MAX {
        return Err(Status::invalid_argument(format!("more than {SECRET_NAMES_MAX} names")));
    }
    Ok(request.resource_names.clone())
}

/// What of `names` is there. No name stands for the caller's certificate and the roots of its domain.
fn secrets(session: &Session, names: &[String]) -> Result<Vec<Secret>, Status> {
    let all = ["default".to_owned(), "ROOTCA".to_owned()];
    let names = if names.is_empty() { &all[..] } else { names };
    let mut secrets = Vec::with_capacity(names.len());
    for name in names {
        let secret = answer::secret(session, name);
        let secret = secret.ok_or_else(|| Status::permission_denied("the caller may not have what it named"))?;
        secrets.extend(secret);
    }
    Ok(secrets)
}

fn response(secrets: &[Secret], nonce: u64) -> DiscoveryResponse {
    let resources: Vec<_> = secrets.iter().map(pack).collect();
    let content: Vec<u8> = resources.iter().flat_map(|resource| resource.value.iter().copied()).collect();
    DiscoveryResponse {
        version_info: hash::hex(&hash::sha256(&content)[..8]),
        resources,
        type_url: SECRET_TYPE.to_owned(),
        nonce: nonce.to_string(),
    }
}
