//! One call, made here or in the network of a program: its guard's way to a callee may listen in there alone.

use crate::data_dir::DataDir;
use crate::limits::{PRE_PROD_ANSWER_WITHIN, PRE_PROD_CALL_BYTES_MAX, PRE_PROD_INSIDE_WITHIN};
use bartizan_core::{Member, RequestId};
use bartizan_runtime::https::{self, Asking, Session};
use bartizan_runtime::tls::WebClient;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A call to make.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(super) at: SocketAddr,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Option<String>,
    /// The request id, 32 hex digits: it is found again by that.
    pub(super) request: String,
    /// 32 hex digits, the same for each try of what is asked: a program knows by that what it has had.
    pub(super) key: String,
}

/// What came of a call.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// With this status.
    Answered(u16),
    /// Nobody had it, and why.
    NotMade(String),
    /// Nobody knows whether somebody had it, and why.
    Unanswered(String),
}

impl Call {
    /// Makes it. With `tls` it is encrypted.
    pub(super) async fn make(&self, tls: Option<&WebClient>) -> Outcome {
        let late = || Outcome::Unanswered(format!("no answer from {} within {PRE_PROD_ANSWER_WITHIN:?}", self.at));
        tokio::time::timeout(PRE_PROD_ANSWER_WITHIN, self.try_to(tls)).await.unwrap_or_else(|_| late())
    }

    async fn try_to(&self, tls: Option<&WebClient>) -> Outcome {
        let (mut session, asking) = match self.prepare(tls).await {
            Ok(ready) => ready,
            Err(why) => return Outcome::NotMade(why),
        };
        match session.ask(&self.path, &asking).await {
            Ok(status) => Outcome::Answered(status),
            Err(error) => Outcome::Unanswered(error.to_string()),
        }
    }

    /// All that comes before the request.
    async fn prepare(&self, tls: Option<&WebClient>) -> Result<(Session, Asking), String> {
        let host = self.at.ip().to_string();
        let stream = https::dial(&host, self.at.port()).await.map_err(|error| error.to_string())?;
        let authority = self.at.to_string();
        let session = match tls {
            None => Session::open(stream, &authority).await,
            Some(tls) => {
                let stream = tls.connect(stream, &host, PRE_PROD_ANSWER_WITHIN).await;
                Session::open(stream.map_err(|error| error.detail)?, &authority).await
            }
        }
        .map_err(|error| error.to_string())?;
        Ok((session, self.asking()?))
    }

    fn asking(&self) -> Result<Asking, String> {
        // The span of the caller has to be something; nobody tells of it.
        let request = &self.request;
        let parent = format!("00-{request}-{}-01", &request[..16]);
        // The same as a UUID, which is what most programs take for one.
        let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &self.key[part]);
        let key = format!("{a}-{b}-{c}-{d}-{e}");
        let mut fields = vec![("traceparent", parent.as_str())];
        if self.body.is_some() {
            // Of what changes something a program may want to know whether it has had it.
            fields.extend([("content-type", "application/json"), ("idempotency-key", key.as_str())]);
        }
        Asking::new(&self.method, &fields, self.body.clone().unwrap_or_default())
    }

    /// The same from inside the network of `member`.
    pub(super) async fn make_inside(&self, data: &DataDir, member: &Member) -> Outcome {
        let late = || Err(format!("no answer from inside `{member}` within {PRE_PROD_INSIDE_WITHIN:?}"));
        let running = tokio::time::timeout(PRE_PROD_INSIDE_WITHIN, self.run_inside(data, member)).await;
        let done = match running.unwrap_or_else(|_| late()) {
            Ok(done) => done,
            Err(why) => return Outcome::Unanswered(why),
        };
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            return Outcome::Unanswered(said.trim().trim_start_matches("bartizan: ").to_owned());
        }
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| {
            Outcome::Unanswered(format!("`bartizan inside` did not say what came of it: {error}"))
        })
    }

    async fn run_inside(&self, data: &DataDir, member: &Member) -> Result<Output, String> {
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
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start `bartizan inside`: {error}"))?;
        let text = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        // Dropped after this, so that it ends; where the child is gone already, its status says more.
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(&text).await;
        }
        child.wait_with_output().await.map_err(|error| error.to_string())
    }
}

/// `bartizan call-inside`: the other end of [`Call::make_inside`], with the call on standard input.
///
/// # Errors
/// Why it is no call.
pub(crate) async fn answer_inside() -> Result<Outcome, String> {
    let mut text = Vec::new();
    let read = std::io::stdin().lock().take(PRE_PROD_CALL_BYTES_MAX).read_to_end(&mut text);
    read.map_err(|error| error.to_string())?;
    let call: Call = serde_json::from_slice(&text).map_err(|error| format!("no call: {error}"))?;
    if [&call.request, &call.key].into_iter().any(|id| RequestId::parse(id).is_none()) {
        return Err("no call: its request id or its key is none".to_owned());
    }
    Ok(call.make(None).await)
}
