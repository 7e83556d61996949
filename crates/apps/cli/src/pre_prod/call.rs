//! One call, made here or in the network of a program: its guard's way to a callee may listen in there alone.

use crate::data_dir::DataDir;
use crate::limits::{PRE_PROD_ANSWER_WITHIN, PRE_PROD_CALL_BYTES_MAX};
use bartizan_core::{Member, RequestId};
use bartizan_runtime::https::{self, Asking, Session};
use bartizan_runtime::tls::WebClient;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// A call to make.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(super) at: SocketAddr,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Option<String>,
    /// The request id, 32 hex digits: it is found again by that.
    pub(super) request: String,
}

impl Call {
    /// Makes it, and says which status came back. With `tls` it is encrypted.
    pub(super) async fn make(&self, tls: Option<&WebClient>) -> Result<u16, String> {
        let making = tokio::time::timeout(PRE_PROD_ANSWER_WITHIN, self.try_to(tls)).await;
        making.unwrap_or_else(|_| Err(format!("no answer from {} within {PRE_PROD_ANSWER_WITHIN:?}", self.at)))
    }

    async fn try_to(&self, tls: Option<&WebClient>) -> Result<u16, String> {
        let host = self.at.ip().to_string();
        let stream = https::dial(&host, self.at.port()).await.map_err(|error| error.to_string())?;
        let authority = self.at.to_string();
        let mut session = match tls {
            None => Session::open(stream, &authority).await,
            Some(tls) => {
                let stream = tls.connect(stream, &host, PRE_PROD_ANSWER_WITHIN).await;
                Session::open(stream.map_err(|error| error.detail)?, &authority).await
            }
        }
        .map_err(|error| error.to_string())?;
        session.ask(&self.path, &self.asking()?).await.map_err(|error| error.to_string())
    }

    fn asking(&self) -> Result<Asking, String> {
        // The span of the caller has to be something; nobody tells of it.
        let request = &self.request;
        let parent = format!("00-{request}-{}-01", &request[..16]);
        // The same as a UUID, which is what most programs take for one.
        let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &request[part]);
        let key = format!("{a}-{b}-{c}-{d}-{e}");
        let mut fields = vec![("traceparent", parent.as_str())];
        if self.body.is_some() {
            // Of what changes something a program may want to know whether it has had it.
            fields.extend([("content-type", "application/json"), ("idempotency-key", key.as_str())]);
        }
        Asking::new(&self.method, &fields, self.body.clone().unwrap_or_default())
    }

    /// The same from inside the network of `member`.
    pub(super) fn make_inside(&self, data: &DataDir, member: &Member) -> Result<u16, String> {
        let own = std::env::current_exe().map_err(|error| format!("cannot find `bartizan` itself: {error}"))?;
        let mut child = Command::new(&own)
            .args(["inside", "--data"])
            .arg(data.path())
            .arg(member.to_string())
            .arg("--")
            .args([own.as_os_str(), "call-inside".as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start `bartizan inside`: {error}"))?;
        let text = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        // Dropped after this, so that it ends; where the child is gone already, its status says more.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(&text));
        let done = child.wait_with_output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(if done.status.success() { &done.stdout } else { &done.stderr });
        let said = said.trim().trim_start_matches("bartizan: ");
        if done.status.success() {
            said.parse().map_err(|_| format!("`bartizan inside` answered `{said}`"))
        } else {
            Err(said.to_owned())
        }
    }
}

/// `bartizan call-inside`: the other end of [`Call::make_inside`], with the call on standard input.
///
/// # Errors
/// Why there was no answer.
pub(crate) async fn answer_inside() -> Result<u16, String> {
    let mut text = Vec::new();
    let read = std::io::stdin().lock().take(PRE_PROD_CALL_BYTES_MAX).read_to_end(&mut text);
    read.map_err(|error| error.to_string())?;
    let call: Call = serde_json::from_slice(&text).map_err(|error| format!("no call: {error}"))?;
    if RequestId::parse(&call.request).is_none() {
        return Err("no call: its request id is none".to_owned());
    }
    call.make(None).await
}
