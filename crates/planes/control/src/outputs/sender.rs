//! The other end of an output: what it is told, and what it answers.

use super::counts::Sent;
use super::file::Files;
#[cfg(feature = "kafka")]
use super::kafka::Producer;
use super::line::Line;
use crate::federation::web_roots;
use crate::limits::{OUTPUT_ANSWER_BYTES_MAX, OUTPUT_FILE_BYTES_MAX, OUTPUT_WITHIN};
use bartizan_core::Secret;
use bartizan_core::federation::WebFiles;
use bartizan_core::outputs::{Destination, Http};
use bartizan_runtime::https::{self, Sending};
use bartizan_runtime::tls::{Identity, WebClient};
use bartizan_runtime::{clock, files};
use bartizan_telemetry::out::{Outgoing, bulk, otlp, syslog};
use bartizan_tokens::signed::Form;
use std::path::Path;

/// Events of one request, a count: half a megabyte of records.
pub(super) const TOGETHER: usize = 256;
/// Statuses by which a receiver says that it will never take this.
const NEVER: [u16; 4] = [400, 413, 415, 422];

/// Ready to send. What was read from files is read again after a failure.
pub(super) enum Sender {
    Files(Box<Files>),
    Otlp(Web),
    Elasticsearch {
        web: Web,
        index: String,
    },
    Webhook {
        web: Web,
        secret: Secret<String>,
    },
    Syslog(Line),
    #[cfg(feature = "kafka")]
    Kafka(Box<Producer>),
}

/// A server of HTTP.
pub(super) struct Web {
    http: Http,
    tls: Option<WebClient>,
    authorization: Option<Secret<String>>,
}

impl Sender {
    /// Reads what `to` names, relative to `dir`. Blocks for the disk.
    ///
    /// # Errors
    /// The text says what is wrong.
    pub(super) fn open(to: &Destination, dir: &Path) -> Result<Self, String> {
        let web = |http: &Http| Web::open(http, dir);
        Ok(match to {
            Destination::Ndjson { file, bytes, files } => {
                Self::Files(Box::new(Files::new(dir.join(file), *bytes, *files)))
            }
            Destination::Otlp(http) => Self::Otlp(web(http)?),
            Destination::Elasticsearch { http, index } => Self::Elasticsearch { web: web(http)?, index: index.clone() },
            Destination::Webhook { http, secret: file } => {
                Self::Webhook { web: web(http)?, secret: secret(&dir.join(file))? }
            }
            Destination::Syslog(to) => {
                Self::Syslog(Line::new(to.clone(), tls(to.tls, to.roots.as_deref(), to.shown.as_ref(), dir)?))
            }
            #[cfg(feature = "kafka")]
            Destination::Kafka(to) => {
                let tls = tls(to.tls, to.roots.as_deref(), to.shown.as_ref(), dir)?;
                Self::Kafka(Box::new(Producer::new(to.clone(), tls)))
            }
            Destination::RemoteWrite(_) => return Err("it takes no events".to_owned()),
            // The fleet file is refused before; a build of parts that do not fit is no reason to lose events.
            #[cfg(not(feature = "kafka"))]
            Destination::Kafka(_) => return Err("built without Kafka".to_owned()),
        })
    }

    /// What was sent and may have been lost, for the sender that follows this one.
    pub(super) fn into_unsure(self) -> Vec<u8> {
        match self {
            Self::Syslog(line) => line.into_unsure(),
            _ => Vec::new(),
        }
    }

    /// Begins with what the sender before was not sure of.
    pub(super) fn resume(&mut self, unsure: Vec<u8>) {
        if let Self::Syslog(line) = self {
            line.resume(unsure);
        }
    }

    /// Sends at most [`TOGETHER`] events; what became of them.
    ///
    /// # Errors
    /// Why they have to be sent again.
    pub(super) async fn send(&mut self, events: &[Outgoing]) -> Result<Sent, String> {
        let sending = tokio::time::timeout(OUTPUT_WITHIN, self.send_now(events)).await;
        sending.unwrap_or_else(|_| Err(format!("no answer within {} s", OUTPUT_WITHIN.as_secs())))
    }

    async fn send_now(&mut self, events: &[Outgoing]) -> Result<Sent, String> {
        let all = events.len() as u64;
        let stored = Ok(Sent { stored: all, ..Sent::default() });
        match self {
            Self::Files(files) => {
                let lines: String = events.iter().map(|it| format!("{}\n", it.ocsf)).collect();
                // A disk may take its time, and this task is its output's alone; the runtime has other threads.
                tokio::task::block_in_place(|| files.add(lines.as_bytes())).map_err(|error| error.to_string())?;
                stored
            }
            Self::Otlp(web) => {
                let fields = [("content-type", "application/x-protobuf")];
                let (status, answer) = web.post("", &fields, otlp::message(events)).await?;
                judged(status, all, || Ok(otlp::rejected(&answer)))
            }
            Self::Elasticsearch { web, index } => {
                let fields = [("content-type", "application/x-ndjson")];
                let (status, answer) = web.post("_bulk", &fields, bulk::body(index, events)).await?;
                judged(status, all, || {
                    let told = bulk::answer(&answer, events.len()).ok_or("an answer that is none of a bulk request")?;
                    // Those that are there already say so the next time.
                    if told.later > 0 {
                        Err(format!("{} of {all} may be taken later", told.later))
                    } else {
                        Ok(told.rejected)
                    }
                })
            }
            Self::Webhook { web, secret } => {
                let body = serde_json::to_vec(&events.iter().map(|it| &it.ocsf).collect::<Vec<_>>());
                let body = body.map_err(|error| error.to_string())?;
                // The same for the same events, so that a receiver knows what comes again.
                let id = format!("evt_{}_{all}", events.first().map(|it| it.event.id.to_string()).unwrap_or_default());
                let signed = Form::Standard.sign(secret, (&id, clock::now().as_secs()), &body);
                let signed = signed.ok_or("the secret is none of Standard Webhooks (`whsec_…`)")?;
                let mut fields = vec![("content-type", "application/json")];
                fields.extend(signed.iter().map(|(name, value)| (*name, value.as_str())));
                let (status, _) = web.post("", &fields, body).await?;
                judged(status, all, || Ok(0))
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(producer) => producer.send(events).await,
            Self::Syslog(line) => {
                line.send(events.iter().flat_map(syslog::frame).collect()).await?;
                stored
            }
        }
    }
}

/// What a status means for `all` events; `rejected` says how many a receiver that took the request did not take.
fn judged(status: u16, all: u64, rejected: impl FnOnce() -> Result<u64, String>) -> Result<Sent, String> {
    match status {
        200..=299 => {
            let rejected = rejected()?.min(all);
            Ok(Sent { stored: all - rejected, rejected, filtered: 0 })
        }
        status if NEVER.contains(&status) => Ok(Sent { rejected: all, ..Sent::default() }),
        status => Err(format!("it answers with status {status}")),
    }
}

impl Web {
    /// Reads what `http` names, relative to `dir`. Blocks for the disk.
    ///
    /// # Errors
    /// The text says what is wrong.
    pub(super) fn open(http: &Http, dir: &Path) -> Result<Self, String> {
        let authorization = http.authorization.as_ref().map(|file| secret(&dir.join(file))).transpose()?;
        let tls = tls(http.tls, http.roots.as_deref(), http.shown.as_ref(), dir)?;
        Ok(Self { http: http.clone(), tls, authorization })
    }

    /// Posts to the address, or to what is below it.
    ///
    /// # Errors
    /// The text says why there is no answer.
    pub(super) async fn post(
        &self,
        below: &str,
        fields: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), String> {
        let url = &self.http.url;
        let path = match below {
            "" => url.path.clone(),
            below => format!("{}/{below}", url.path.trim_end_matches('/')),
        };
        let mut fields = fields.to_vec();
        if let Some(authorization) = &self.authorization {
            fields.push(("authorization", authorization.expose()));
        }
        let authority = url.authority();
        let sending = Sending { authority: &authority, path: &path, fields: &fields };
        let stream = https::dial(&url.host, url.port).await.map_err(|error| error.to_string())?;
        let answer = match &self.tls {
            None => https::send(stream, sending, body.into(), OUTPUT_ANSWER_BYTES_MAX).await,
            Some(client) => {
                let stream = client.connect(stream, &url.host, OUTPUT_WITHIN).await.map_err(|e| e.to_string())?;
                https::send(stream, sending, body.into(), OUTPUT_ANSWER_BYTES_MAX).await
            }
        };
        answer.map(|(status, body)| (status, body.to_vec())).map_err(|error| error.to_string())
    }
}

fn tls(wanted: bool, roots: Option<&str>, shown: Option<&WebFiles>, dir: &Path) -> Result<Option<WebClient>, String> {
    if !wanted {
        return Ok(None);
    }
    let path = roots.map(|file| dir.join(file));
    let roots = web_roots(path.as_deref()).map_err(|error| error.to_string())?;
    let shown = shown.map(|files| identity(files, dir)).transpose()?;
    WebClient::showing(&roots, &[], shown.as_ref()).map(Some).map_err(|error| error.to_string())
}

fn identity(WebFiles { certificate, key }: &WebFiles, dir: &Path) -> Result<Identity, String> {
    let chain = text(&dir.join(certificate))?;
    let identity = Identity::from_pem(chain.expose(), &text(&dir.join(key))?);
    identity.map_err(|error| format!("`{certificate}` and `{key}`: {error}"))
}

/// The first line of a file.
fn secret(path: &Path) -> Result<Secret<String>, String> {
    let text = text(path)?;
    let line = text.expose().lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    line.map(Secret::new).ok_or_else(|| format!("`{}`: it is empty", path.display()))
}

fn text(path: &Path) -> Result<Secret<String>, String> {
    let refuse = |why: String| format!("`{}`: {why}", path.display());
    let bytes = files::read_bounded(path, OUTPUT_FILE_BYTES_MAX).map_err(|error| refuse(error.to_string()))?;
    String::from_utf8(bytes).map(Secret::new).map_err(|_| refuse("it is no text".to_owned()))
}
