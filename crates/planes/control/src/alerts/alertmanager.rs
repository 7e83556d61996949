//! An API like Alertmanager's (version 2), as far as `amtool alert query`, `amtool silence add`, `query` and `expire`, and a Prometheus that
//! sends us its alerts need it.

use crate::app::App;
use crate::limits::{ALERT_TOKEN_BYTES_MAX, ALERTMANAGER_BODY_BYTES_MAX, ALERTMANAGER_POSTED_MAX, ALERTS_LISTEN_LOOK};
use crate::settled::before_answers;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bartizan_alerts::Foreign;
use bartizan_alerts::silence::{fits, labels, matcher};
use bartizan_core::alerts::{Alert, Matcher, Standing, Window};
use bartizan_core::{Timestamp, moment};
use bartizan_crypto::hash::{self, hex, sha256};
use bartizan_crypto::random;
use bartizan_runtime::{clock, exporter, files, listen, plain_http};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Serves where the fleet file says, and follows when it says something else, until the app stops.
pub(crate) async fn serve(app: Arc<App>) {
    let mut changes = app.watch();
    loop {
        let wanted = changes.borrow_and_update().desired.fleet.alerts.listen;
        let ended = CancellationToken::new();
        let serving = wanted.map(|at| tokio::spawn(one(Arc::clone(&app), at, ended.clone())));
        let other = async {
            while changes.changed().await.is_ok() {
                if changes.borrow_and_update().desired.fleet.alerts.listen != wanted {
                    return;
                }
            }
        };
        let goes_on = app.stop.run_until_cancelled(other).await.is_some();
        ended.cancel();
        if let Some(serving) = serving {
            let _ = serving.await; // it ends when it is asked to
        }
        if !goes_on {
            return;
        }
    }
}

async fn one(app: Arc<App>, at: SocketAddr, ended: CancellationToken) {
    let mut said = false;
    let listener = loop {
        match listen::bind(at) {
            Ok(listener) => break listener,
            Err(error) if !said => {
                tracing::error!(%error, "the API for Alertmanager's clients is not served; it is tried again");
                said = true;
            }
            Err(_) => {}
        }
        if ended.run_until_cancelled(tokio::time::sleep(ALERTS_LISTEN_LOOK)).await.is_none() {
            return;
        }
    };
    tracing::info!(%at, "serves alerts as an Alertmanager does");
    plain_http::serve(listener, router(app), ended).await;
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/api/v2/status", get(status))
        .route("/api/v2/receivers", get(receivers))
        .route("/api/v2/alerts", get(query).post(take))
        .route("/api/v2/alerts/groups", get(groups))
        .route("/api/v2/silences", get(silences).post(silence))
        .route("/api/v2/silence/{id}", get(silence_of).delete(expire))
        .route("/-/ready", get(|| async { "OK\n" }))
        .route("/-/healthy", get(|| async { "OK\n" }))
        .route("/-/reload", post(|| async { (StatusCode::FORBIDDEN, "use `bartizan reload`\n") }))
        .layer(from_fn_with_state(Arc::clone(&app), before_answers))
        .layer(from_fn_with_state(Arc::clone(&app), admit))
        .layer(DefaultBodyLimit::max(ALERTMANAGER_BODY_BYTES_MAX))
        .with_state(app)
}

/// Who shows the token; without one, who asks by address, so that no page in a browser can act by a name that points here.
async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let in_force = app.in_force();
    let token = in_force
        .desired
        .fleet
        .alerts
        .token
        .as_ref()
        .map(|file| app.options.fleet.parent().unwrap_or(std::path::Path::new("")).join(file));
    let admitted = match token {
        Some(path) => shows(request.headers(), &path),
        None if !exporter::is_by_address(request.headers()) => {
            return (StatusCode::FORBIDDEN, "ask by address, or have a token asked for\n").into_response();
        }
        None => true,
    };
    if !admitted {
        return (StatusCode::UNAUTHORIZED, "a bearer token has to come along\n").into_response();
    }
    // A form of a page needs no leave of anybody; JSON does (CORS).
    let is_json =
        request.headers().get(header::CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"application/json"));
    if request.method() == axum::http::Method::POST && !is_json {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json\n").into_response();
    }
    next.run(request).await
}

fn shows(fields: &HeaderMap, path: &std::path::Path) -> bool {
    let Ok(held) = files::read_bounded(path, ALERT_TOKEN_BYTES_MAX) else { return false };
    let held = String::from_utf8_lossy(&held);
    // As `bartizan metrics` has it: one that can be guessed is none.
    held.trim().len() >= 32 && exporter::bearer(fields).is_some_and(|shown| hash::equal(held.trim().as_bytes(), shown))
}

async fn status(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({
        "cluster": { "status": "disabled", "peers": [] },
        "versionInfo": {
            "version": env!("CARGO_PKG_VERSION"), "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
        },
        "config": { "original": "" },
        "uptime": moment::write(app.started_at),
    }))
}

async fn receivers(State(app): State<Arc<App>>) -> Json<Value> {
    let names: Vec<Value> = app.alerts.routes.names().into_iter().map(|name| json!({ "name": name })).collect();
    Json(names.into())
}

/// One alert as it is sent to us.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
}

async fn take(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let wrong = |why: String| (StatusCode::BAD_REQUEST, Json(Value::from(why))).into_response();
    let posted: Vec<Posted> = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(error) => return wrong(error.to_string()),
    };
    if posted.len() > ALERTMANAGER_POSTED_MAX {
        return wrong(format!("more than {ALERTMANAGER_POSTED_MAX} alerts at once"));
    }
    let now = clock::now();
    let read = |it: Posted| {
        // Go's zero time stands for none.
        let at = |text: Option<String>| match text {
            Some(text) if !text.starts_with("0001-") => moment::read(&text).map(Some).ok_or("not a moment"),
            _ => Ok(None),
        };
        Foreign::new(it.labels, &it.annotations, (at(it.starts_at)?, at(it.ends_at)?), now)
    };
    match posted.into_iter().map(read).collect::<Result<Vec<_>, _>>() {
        Ok(foreign) => {
            app.alerts.raise(&foreign);
            StatusCode::OK.into_response()
        }
        Err(why) => wrong(why.to_owned()),
    }
}

/// What is asked for: `filter` may come several times, so that the query is read by hand.
fn asked(query: &str) -> Result<(Vec<Matcher>, impl Fn(&str) -> bool), String> {
    let mut filters = Vec::new();
    let mut off = Vec::new();
    for pair in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value).ok_or("the query cannot be read")?;
        match name {
            "filter" => filters.push(matcher(&value).ok_or_else(|| format!("`{value}` is no filter"))?),
            _ if value == "false" => off.push(name.to_owned()),
            _ => {}
        }
    }
    Ok((filters, move |name: &str| !off.iter().any(|it| it == name)))
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                rest = tail;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

async fn query(State(app): State<Arc<App>>, request: Request) -> Response {
    let (filters, wanted) = match asked(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return (StatusCode::BAD_REQUEST, Json(Value::from(why))).into_response(),
    };
    let now = clock::now();
    let (alerts, _) = app.alerts.alerts(now);
    let shown = |it: &&Alert| {
        let labels = labels(it);
        let silenced = it.silenced_by.as_deref().is_some_and(|why| why.starts_with("silence "));
        let inhibited = it.silenced_by.is_some() && !silenced;
        it.state == Standing::Firing
            && (if silenced {
                wanted("silenced")
            } else if inhibited {
                wanted("inhibited")
            } else {
                wanted("active")
            })
            && filters.iter().all(|filter| fits(filter, labels.get(filter.name.as_str()).copied().unwrap_or_default()))
    };
    let list: Vec<Value> = alerts.iter().filter(shown).map(|it| gettable(it, &app)).collect();
    Json(list).into_response()
}

async fn groups(State(app): State<Arc<App>>) -> Json<Value> {
    let (alerts, _) = app.alerts.alerts(clock::now());
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for it in alerts.iter().filter(|it| it.state == Standing::Firing) {
        groups.entry(it.group.clone()).or_default().push(gettable(it, &app));
    }
    let group = |(incident, alerts): (String, Vec<Value>)| json!({ "labels": { "incident": incident }, "receiver": { "name": "bartizan" }, "alerts": alerts });
    Json(groups.into_iter().map(group).collect::<Vec<_>>().into())
}

fn fingerprint(alert: &Alert) -> String {
    let text: Vec<String> = labels(alert).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    hex(&sha256(text.join("\0").as_bytes())[..8])
}

fn gettable(alert: &Alert, app: &App) -> Value {
    let silence = alert
        .silenced_by
        .as_deref()
        .and_then(|why| why.strip_prefix("silence ")?.split_once(' ').map(|(id, _)| id.to_owned()));
    let inhibited = silence.is_none() && alert.silenced_by.is_some();
    let receivers: Vec<Value> = app.alerts.routes.names().into_iter().map(|name| json!({ "name": name })).collect();
    json!({
        "labels": labels(alert),
        "annotations": { "summary": alert.summary, "runbook": alert.runbook, "count": alert.count.to_string(), "incident": alert.group },
        "startsAt": moment::write(alert.since),
        "endsAt": moment::write(alert.ended.unwrap_or_else(|| clock::now().plus(bartizan_alerts::limits::FOREIGN_FOR))),
        "updatedAt": moment::write(alert.last),
        "fingerprint": fingerprint(alert),
        "generatorURL": "",
        "receivers": receivers,
        "status": {
            "state": if alert.silenced_by.is_some() { "suppressed" } else { "active" },
            "silencedBy": silence.into_iter().collect::<Vec<_>>(),
            "inhibitedBy": if inhibited { vec![alert.group.clone()] } else { Vec::new() },
        },
    })
}

/// A silence as it is sent to us.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedSilence {
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<PostedMatcher>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    comment: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedMatcher {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

async fn silence(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let wrong = |why: String| (StatusCode::BAD_REQUEST, Json(Value::from(why))).into_response();
    let posted: PostedSilence = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(error) => return wrong(error.to_string()),
    };
    let (Some(from), Some(until)) = (moment::read(&posted.starts_at), moment::read(&posted.ends_at)) else {
        return wrong("startsAt and endsAt have to be moments".to_owned());
    };
    if posted.created_by.len() > 256 || posted.comment.len() > 1024 {
        return wrong("createdBy or comment is too long".to_owned());
    }
    let id = posted.id.filter(|it| !it.is_empty()).unwrap_or_else(new_id);
    let matchers = posted.matchers.into_iter().map(|it| Matcher {
        name: it.name,
        value: it.value,
        is_regex: it.is_regex,
        is_equal: it.is_equal,
    });
    let window = Window {
        id: id.clone(),
        matchers: matchers.collect(),
        from,
        until,
        // Nobody proved who it was.
        by: format!("{} (as they say)", posted.created_by),
        why: posted.comment,
        pages_only: false,
        active: false,
    };
    match app.alerts.silence(&app, window) {
        Ok(()) => Json(json!({ "silenceID": id })).into_response(),
        Err(error) => wrong(error.to_string()),
    }
}

/// As an Alertmanager makes them: a UUID of version 4.
fn new_id() -> String {
    let bytes: [u8; 16] = random::bytes();
    let text = hex(&bytes);
    format!("{}-{}-4{}-a{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..32])
}

fn gettable_silence(it: &Window, now: Timestamp) -> Value {
    let state = if it.until <= now {
        "expired"
    } else if it.from > now {
        "pending"
    } else {
        "active"
    };
    let matchers: Vec<Value> = it
        .matchers
        .iter()
        .map(|it| json!({ "name": it.name, "value": it.value, "isRegex": it.is_regex, "isEqual": it.is_equal }))
        .collect();
    json!({
        "id": it.id,
        "matchers": matchers,
        "startsAt": moment::write(it.from),
        "endsAt": moment::write(it.until),
        "updatedAt": moment::write(it.from),
        "createdBy": it.by,
        "comment": it.why,
        "status": { "state": state },
    })
}

async fn silences(State(app): State<Arc<App>>, Query(_): Query<Vec<(String, String)>>) -> Json<Value> {
    let now = clock::now();
    let (_, windows) = app.alerts.alerts(now);
    Json(windows.iter().map(|it| gettable_silence(it, now)).collect::<Vec<_>>().into())
}

async fn silence_of(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let now = clock::now();
    let (_, windows) = app.alerts.alerts(now);
    let found = windows.iter().find(|it| it.id == id);
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |it| Json(gettable_silence(it, now)).into_response())
}

async fn expire(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    if app.alerts.end_silence(&app, &id, "a client of the API") {
        StatusCode::OK.into_response()
    } else {
        (StatusCode::NOT_FOUND, Json(Value::from(format!("there is no silence {id}, or it is over")))).into_response()
    }
}
