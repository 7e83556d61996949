//! One notice, one way.

use super::mail;
use super::routes::Job;
use crate::error::chain;
use crate::federation::web_roots;
use crate::limits::{ALERT_ANSWER_BYTES_MAX, ALERT_SECRET_BYTES_MAX, ALERT_SEND_WITHIN, ALERTMANAGER_COUNTS_FOR};
use bartizan_alerts::silence::labels;
use bartizan_core::alerts::{Alert, Route, Standing, Way};
use bartizan_core::federation::Url;
use bartizan_core::{Secret, moment};
use bartizan_runtime::tls::WebClient;
use bartizan_runtime::{clock, files, https};
use bartizan_tokens::signed::Form;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What became of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is there.
    Arrived,
    /// It did not arrive, and may another time.
    Failed(String),
    /// It never will.
    Refused(String),
}

/// Sends a notice; an Alertmanager gets all alerts that are there, also without one.
pub(super) async fn send(route: &Route, job: Option<&Job>, there: &[Alert], dir: &Path) -> Outcome {
    let done = match (&route.way, job) {
        (Way::Alertmanager { url }, _) => to_alertmanager(route, url, there).await,
        (Way::Webhook { url, secret }, Some(job)) => to_webhook(url, &dir.join(secret), job).await,
        (Way::Email { to, from, relay }, Some(job)) => mail::send(relay, dir, from, to, job).await,
        (_, None) => Ok(()),
    };
    match done {
        Ok(()) => Outcome::Arrived,
        Err(Wrong { why, again: true }) => Outcome::Failed(why),
        Err(Wrong { why, again: false }) => Outcome::Refused(why),
    }
}

/// Why something did not arrive.
pub(super) struct Wrong {
    pub(super) why: String,
    /// Whether it is worth another try.
    pub(super) again: bool,
}

impl Wrong {
    pub(super) fn later(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: true }
    }
}

async fn to_alertmanager(route: &Route, url: &str, there: &[Alert]) -> Result<(), Wrong> {
    let wanted = |it: &&Alert| {
        it.state != Standing::Pending && it.silenced_by.is_none() && route.takes.is_none_or(|only| only == it.urgency)
    };
    let alerts: Vec<Value> = there.iter().filter(wanted).map(alertmanager_form).collect();
    if alerts.is_empty() {
        return Ok(());
    }
    let body = Value::from(alerts).to_string().into_bytes();
    post(&format!("{url}/api/v2/alerts"), &[], body).await
}

/// As its API takes it. What goes on counts for some minutes, so that it ends there too where we are away.
fn alertmanager_form(alert: &Alert) -> Value {
    let labels: Map<String, Value> = labels(alert)
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let changes: Vec<String> = alert.changes.iter().map(|it| format!("{} {}", moment::write(it.at), it.what)).collect();
    let called: Vec<String> = alert.called.iter().map(ToString::to_string).collect();
    let end = alert.ended.unwrap_or_else(|| clock::now().plus(ALERTMANAGER_COUNTS_FOR));
    json!({
        "labels": labels,
        "annotations": {
            "summary": alert.summary,
            "runbook": alert.runbook,
            "id": alert.id,
            "incident": alert.group,
            "count": alert.count.to_string(),
            "changes": changes.join("\n"),
            "on_call": called.join("\n"),
        },
        "startsAt": moment::write(alert.since),
        "endsAt": moment::write(end),
    })
}

async fn to_webhook(url: &str, secret: &Path, job: &Job) -> Result<(), Wrong> {
    let unread = |why: String| Wrong::later(format!("secret `{}`: {why}", secret.display()));
    let text = files::read_bounded(secret, ALERT_SECRET_BYTES_MAX).map_err(|error| unread(error.to_string()))?;
    let text = Secret::new(String::from_utf8(text).map_err(|_| unread("is no text".to_owned()))?.trim().to_owned());
    let now = clock::now();
    let body = json!({
        "type": format!("alert.{}", job.notice.kind.as_str()),
        "timestamp": moment::write(job.notice.at),
        "data": job.notice,
    });
    let body = body.to_string().into_bytes();
    let signed = Form::Standard.sign(&text, (&job.id, now.as_secs()), &body);
    let signed = signed.ok_or_else(|| unread("has to be `whsec_BASE64`".to_owned()))?;
    post(url, &signed, body).await
}

/// POST of JSON; every status of success is one.
async fn post(url: &str, fields: &[(&'static str, String)], body: Vec<u8>) -> Result<(), Wrong> {
    let plain = url.strip_prefix("http://").map(|rest| format!("https://{rest}"));
    let at = Url::parse(plain.as_deref().unwrap_or(url)).map_err(|why| Wrong { why: why.to_owned(), again: false })?;
    // What is read as `https` has its port; a plain one without has 80.
    let bare = plain.is_some() && !url["http://".len()..].split('/').next().unwrap_or_default().contains(':');
    let port = if bare { 80 } else { at.port };
    let stream = https::dial(&at.host, port).await.map_err(|error| Wrong::later(chain(&error)))?;
    let authority = if plain.is_some() { format!("{}:{port}", at.host) } else { at.authority() };
    let mut all = vec![("content-type", "application/json")];
    all.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
    let sending = https::Sending { authority: &authority, path: &at.path, fields: &all };
    let answer = if plain.is_some() {
        https::send(stream, sending, body.into(), ALERT_ANSWER_BYTES_MAX).await
    } else {
        let roots = web_roots(None).map_err(|error| Wrong::later(chain(&error)))?;
        let client = WebClient::new(&roots, https::ALPN).map_err(|error| Wrong::later(chain(&error)))?;
        let stream = client.connect(stream, &at.host, ALERT_SEND_WITHIN).await;
        let stream = stream.map_err(|error| Wrong::later(error.to_string()))?;
        https::send(stream, sending, body.into(), ALERT_ANSWER_BYTES_MAX).await
    };
    match answer.map_err(|error| Wrong::later(chain(&error)))? {
        (200..=299, _) => Ok(()),
        // What is wrong with what we send does not get better.
        (status @ (400 | 404 | 410 | 413 | 422), text) => {
            Err(Wrong { why: format!("status {status}: {}", String::from_utf8_lossy(&text)), again: false })
        }
        (status, _) => Err(Wrong::later(format!("status {status}"))),
    }
}
