//! `/v1/promql/…`: the HTTP API of Prometheus, over the series that control keeps, in the subset of [`bartizan_promql`].
//!
//! `bartizan metrics --listen` serves the same below `/api/v1/`, as others expect it; forms become addresses there.

pub(super) mod described;

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::limits::{QUERY_POINTS_MAX, SERIES_NAMES_MAX};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bartizan_core::moment;
use bartizan_promql::{
    Error, ErrorKind, Labels, Range, Series, Value, duration, instant, number, parse, range, selector,
};
use bartizan_runtime::clock;
use serde_json::{Map, Value as Tree, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const fn endpoint(
    path: &'static str,
    about: &'static str,
    route: fn() -> axum::routing::MethodRouter<Arc<App>>,
) -> Endpoint {
    Endpoint { method: Method::Get, path, who: Who::Viewer, about, route }
}

pub(super) const QUERY: Endpoint =
    endpoint("/v1/promql/query", "PromQL over our own metrics, at one moment", || get(query));
pub(super) const RANGE: Endpoint =
    endpoint("/v1/promql/query_range", "PromQL over our own metrics, at each moment of a range", || get(over));
pub(super) const LABELS: Endpoint = endpoint("/v1/promql/labels", "Names of labels of our own metrics", || get(labels));
pub(super) const VALUES: Endpoint =
    endpoint("/v1/promql/label/{name}/values", "Values of a label of our own metrics", || get(values));
pub(super) const SERIES: Endpoint =
    endpoint("/v1/promql/series", "Series of our own metrics that fit `match[]`", || get(series));

/// Parameters as they came.
struct Asked(Vec<(String, String)>);

/// A refusal, as Prometheus words it.
struct Refused(StatusCode, &'static str, String);

type Answered = Result<Tree, Refused>;

impl Refused {
    fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "bad_data", why.into())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::Text | ErrorKind::Outside => Self::bad(error.to_string()),
            ErrorKind::Limit | ErrorKind::Data => {
                Self(StatusCode::UNPROCESSABLE_ENTITY, "execution", error.to_string())
            }
        }
    }
}

impl Asked {
    /// What stands behind `?`.
    fn of(uri: &Uri) -> Result<Self, Refused> {
        let wrong = |why: String| Refused::bad(format!("the parameters cannot be read: {why}"));
        Query::try_from_uri(uri).map(|Query(all)| Self(all)).map_err(|error| wrong(error.body_text()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(it, value)| it == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    fn needed(&self, name: &str) -> Result<&str, Refused> {
        self.get(name).ok_or_else(|| Refused::bad(format!("parameter `{name}` is missing")))
    }

    /// A moment, in milliseconds since 1970: seconds, or as RFC 3339 has it.
    fn moment_ms(&self, name: &str, or_else: Option<i64>) -> Result<i64, Refused> {
        let Some(text) = self.get(name) else {
            return or_else.ok_or_else(|| Refused::bad(format!("parameter `{name}` is missing")));
        };
        let seconds =
            number::read(text).filter(|it| it.is_finite() && it.abs() < 1e12).map(|it| (it * 1000.0).round() as i64);
        let written = || moment::read(text).and_then(|at| i64::try_from(at.as_millis()).ok());
        seconds.or_else(written).ok_or_else(|| {
            Refused::bad(format!(
                "{name} = {text}: expected seconds since 1970, or a time such as 2026-12-01T22:00:00Z"
            ))
        })
    }

    /// A span, in milliseconds: seconds, or as PromQL has it.
    fn span_ms(&self, name: &str) -> Result<i64, Refused> {
        let text = self.needed(name)?;
        let seconds =
            number::read(text).filter(|it| it.is_finite() && it.abs() < 1e9).map(|it| (it * 1000.0).round() as i64);
        seconds
            .or_else(|| duration::read(text))
            .ok_or_else(|| Refused::bad(format!("{name} = {text}: expected seconds, or a span such as `1m`")))
    }

    /// The conditions of each `match[]`.
    fn matches(&self) -> Result<Vec<Vec<bartizan_promql::Matcher>>, Refused> {
        let all = self.0.iter().filter(|(name, _)| name == "match[]");
        all.map(|(_, text)| selector(text).map_err(Refused::from)).collect()
    }
}

fn now_ms() -> i64 {
    i64::try_from(clock::now().as_millis()).unwrap_or(i64::MAX)
}

/// Answers off the threads that serve others, once it is our turn.
async fn answer(app: Arc<App>, asked: Result<Asked, Refused>, work: fn(&App, &Asked) -> Answered) -> Response {
    let asked = match asked {
        Ok(asked) => asked,
        Err(refused) => return refused.into_response(),
    };
    let Some(turn) = app.series.turn().await else {
        let why = "as many queries are being answered or wait as may be at once; ask again".to_owned();
        return Refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why).into_response();
    };
    let answered = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        match work(&app, &asked) {
            Ok(data) => Json(json!({ "status": "success", "data": data })).into_response(),
            Err(refused) => refused.into_response(),
        }
    });
    answered.await.unwrap_or_else(|error| {
        Refused(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()).into_response()
    })
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status, kind, why) = self;
        (status, Json(json!({ "status": "error", "errorType": kind, "error": why }))).into_response()
    }
}

async fn query(State(app): State<Arc<App>>, uri: Uri) -> Response {
    answer(app, Asked::of(&uri), at_moment).await
}

async fn over(State(app): State<Arc<App>>, uri: Uri) -> Response {
    answer(app, Asked::of(&uri), over_range).await
}

async fn labels(State(app): State<Arc<App>>, uri: Uri) -> Response {
    answer(app, Asked::of(&uri), label_names).await
}

async fn values(State(app): State<Arc<App>>, Path(name): Path<String>, uri: Uri) -> Response {
    let asked = Asked::of(&uri).map(|mut asked| {
        asked.0.insert(0, ("label".to_owned(), name));
        asked
    });
    answer(app, asked, label_values).await
}

async fn series(State(app): State<Arc<App>>, uri: Uri) -> Response {
    answer(app, Asked::of(&uri), series_that_fit).await
}

fn at_moment(app: &App, asked: &Asked) -> Answered {
    let expr = parse(asked.needed("query")?)?;
    let at_ms = asked.moment_ms("time", Some(now_ms()))?;
    let value = instant(&expr, &app.series, at_ms)?;
    fits(&value)?;
    Ok(data(value, at_ms))
}

fn over_range(app: &App, asked: &Asked) -> Answered {
    let expr = parse(asked.needed("query")?)?;
    let (from_ms, until_ms) = (asked.moment_ms("start", None)?, asked.moment_ms("end", None)?);
    let asked = Range { from_ms, until_ms, step_ms: asked.span_ms("step")? };
    let value = range(&expr, &app.series, asked)?;
    fits(&value)?;
    Ok(data(value, until_ms))
}

/// Refuses an answer that would be many times as large as text as it is in memory.
fn fits(value: &Value) -> Result<(), Refused> {
    let points = match value {
        Value::Matrix(all) => all.iter().map(|it| it.samples.len()).sum(),
        Value::Vector(all) => all.len(),
        _ => 1,
    };
    if points <= QUERY_POINTS_MAX {
        return Ok(());
    }
    let why = format!(
        "the answer has {points} points, and may have {QUERY_POINTS_MAX}; ask for a longer `step`, a shorter time, or for sums"
    );
    Err(Refused(StatusCode::UNPROCESSABLE_ENTITY, "execution", why))
}

/// The series that are asked for, which were there within the time that is asked for.
fn named(app: &App, asked: &Asked) -> Result<Vec<Labels>, Refused> {
    let (from, to) = (asked.moment_ms("start", Some(0))?, asked.moment_ms("end", Some(now_ms()))?);
    Ok(app.series.names(&asked.matches()?, from, to))
}

fn label_names(app: &App, asked: &Asked) -> Answered {
    let all = named(app, asked)?;
    let names: BTreeSet<&str> = all.iter().flat_map(|it| it.iter().map(|(name, _)| name)).collect();
    Ok(json!(names))
}

fn label_values(app: &App, asked: &Asked) -> Answered {
    let (name, all) = (asked.needed("label")?, named(app, asked)?);
    let values: BTreeSet<&str> = all.iter().map(|it| it.get(name)).filter(|it| !it.is_empty()).collect();
    Ok(json!(values))
}

fn series_that_fit(app: &App, asked: &Asked) -> Answered {
    if asked.matches()?.is_empty() {
        return Err(Refused::bad("parameter `match[]` is missing"));
    }
    let all = named(app, asked)?;
    if all.len() > SERIES_NAMES_MAX {
        let why = format!("more than {SERIES_NAMES_MAX} series fit; narrow `match[]`");
        return Err(Refused(StatusCode::UNPROCESSABLE_ENTITY, "execution", why));
    }
    Ok(Tree::Array(all.iter().map(metric).collect()))
}

fn data(value: Value, at_ms: i64) -> Tree {
    let (kind, result) = match value {
        Value::Scalar(value) => ("scalar", point(at_ms, value)),
        Value::Text(text) => ("string", json!([seconds(at_ms), text])),
        Value::Vector(all) => {
            let each = all.iter().map(|it| json!({ "metric": metric(&it.labels), "value": point(at_ms, it.value) }));
            ("vector", each.collect())
        }
        Value::Matrix(all) => ("matrix", all.iter().map(with_values).collect()),
    };
    json!({ "resultType": kind, "result": result })
}

fn with_values(series: &Series) -> Tree {
    let values: Vec<Tree> = series.samples.iter().map(|it| point(it.at_ms, it.value)).collect();
    json!({ "metric": metric(&series.labels), "values": values })
}

fn metric(labels: &Labels) -> Tree {
    Tree::Object(labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>())
}

fn point(at_ms: i64, value: f64) -> Tree {
    json!([seconds(at_ms), number::write(value)])
}

/// Whole seconds without a fraction, as Prometheus writes them.
fn seconds(at_ms: i64) -> Tree {
    if at_ms % 1000 == 0 { json!(at_ms / 1000) } else { json!(at_ms as f64 / 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::router;
    use crate::limits::QUERIES_WAITING_MAX;
    use crate::start::Started;
    use axum::body::Body;
    use axum::http::Request;
    use bartizan_runtime::local::Caller;
    use tower_service::Service;

    async fn ask(started: &Started, path: &str) -> (u16, Tree) {
        let mut request = Request::builder().uri(format!("/v1/promql/{path}")).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Caller { pid: None, uid: 0, gid: 0 });
        let answer = router(Arc::clone(&started.app)).call(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 64 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{path}: {body:?}")))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn mistakes_are_told_as_prometheus_tells_them() {
        let dir = tempfile::tempdir().unwrap();
        let started = crate::tests::started(dir.path()).await;
        for (path, status, kind, why) in [
            ("query", 400, "bad_data", "parameter `query` is missing"),
            ("query?query=up%7B", 400, "bad_data", "at byte 3"),
            ("query?query=hour()", 400, "bad_data", "function `hour`: not in the subset"),
            ("query?query=up&time=yesterday", 400, "bad_data", "time = yesterday"),
            ("query?query=label_join(up,%22a-b%22,%22%22)", 422, "execution", "no name of a label"),
            ("query_range?query=up&start=1&end=2", 400, "bad_data", "parameter `step` is missing"),
            ("query_range?query=up&start=0&end=99999&step=1", 422, "execution", "11000 moments"),
            ("query_range?query=up[5m]&start=0&end=1&step=1", 400, "bad_data", "over a range"),
            ("labels?match[]=up%7B", 400, "bad_data", "at byte 3"),
            ("series?start=1", 400, "bad_data", "parameter `match[]` is missing"),
            ("series?match[]=%7B%7D", 400, "bad_data", "a selector needs one condition"),
        ] {
            let (got, answer) = ask(&started, path).await;
            assert_eq!(
                (got, &answer["status"], &answer["errorType"]),
                (status, &json!("error"), &json!(kind)),
                "{path}: {answer}"
            );
            assert!(answer["error"].as_str().unwrap().contains(why), "{path}: {answer}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_measured_can_be_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let started = crate::tests::started(dir.path()).await;
        let app = &started.app;
        // Our own page is one that we can read.
        let page = crate::api::metrics_page(app);
        let measured = bartizan_promql::exposition::read(&page).unwrap();
        assert!(measured.len() > 20, "{page}");
        let base = now_ms() / 1000 * 1000 - 60_000;
        for step in 0..4 {
            app.series.take(&format!("{page}x_total{{at=\"a\"}} {}\n", step * 30), base + step * 15_000);
        }
        let at = format!("time={}", base / 1000 + 45);
        let (_, answer) = ask(&started, &format!("query?query=rate(x_total[45s])&{at}")).await;
        let (metric, value) = (json!({ "at": "a" }), json!([base / 1000 + 45, "2"]));
        let told = json!({ "resultType": "vector", "result": [{ "metric": metric, "value": value }] });
        assert_eq!(answer, json!({ "status": "success", "data": told }));
        let (_, answer) = ask(&started, &format!("query?query=sum+by+(kind)+(bartizan_epoch)&{at}")).await;
        assert!(answer["data"]["result"].as_array().is_some_and(|all| all.len() >= 3), "{answer}");

        let range = format!("query_range?query=x_total&start={}&end={}&step=15s", base / 1000, base / 1000 + 90);
        let (_, answer) = ask(&started, &range).await;
        let values = answer["data"]["result"][0]["values"].as_array().unwrap();
        assert_eq!((values.len(), &values[3]), (7, &json!([base / 1000 + 45, "90"])), "{answer}");
        let (_, names) = ask(&started, "labels?match[]=x_total").await;
        assert_eq!(names["data"], json!(["__name__", "at"]));
        let (_, all) = ask(&started, "labels").await;
        assert!(all["data"].as_array().unwrap().contains(&json!("kind")), "{all}");
        let (_, values) = ask(&started, "label/__name__/values").await;
        assert!(values["data"].as_array().unwrap().contains(&json!("bartizan_epoch")), "{values}");
        let (_, series) = ask(&started, "series?match[]=x_total&match[]=nothing").await;
        assert_eq!(series["data"], json!([{ "__name__": "x_total", "at": "a" }]));
        let (_, none) = ask(&started, "series?match[]=x_total&end=5").await;
        assert_eq!(none["data"], json!([]), "it was not there then");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_too_much_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let started = crate::tests::started(dir.path()).await;
        let series = &started.app.series;
        let (rows, base) = (QUERY_POINTS_MAX / 100, now_ms() - 60_000);
        let page: String = (0..rows).map(|at| format!("many{{at=\"{at}\"}} 1\n")).collect();
        (0..2).for_each(|step| series.take(&page, base + step * 15_000));
        let range = |step: u64| {
            format!("query_range?query=many&start={0}&end={1}&step={step}", base / 1000 + 1, base / 1000 + 111)
        };
        let (status, answer) = ask(&started, &range(1)).await;
        assert_eq!(status, 422, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains("points"), "{answer}");
        let (status, answer) = ask(&started, &range(55)).await;
        assert_eq!((status, answer["data"]["result"].as_array().map(Vec::len)), (200, Some(rows)));

        // All turns are taken: the next waits, and whoever finds too many waiting is told so at once.
        let taken = [series.turn().await, series.turn().await].map(Option::unwrap);
        let waiting: Vec<_> = (0..QUERIES_WAITING_MAX).map(|_| ask(&started, "query?query=1")).collect();
        let mut waiting = Box::pin(futures_of(waiting));
        let early = tokio::time::timeout(std::time::Duration::from_millis(100), &mut waiting).await;
        assert!(early.is_err(), "none of them is answered yet");
        let (status, busy) = ask(&started, "query?query=1").await;
        assert_eq!((status, &busy["errorType"]), (503, &json!("unavailable")), "{busy}");
        drop(taken);
        let all = waiting.await;
        assert!(all.iter().all(|(status, _)| *status == 200), "{all:?}");
    }

    /// All of them at once, in order.
    async fn futures_of<F: Future>(all: Vec<F>) -> Vec<F::Output> {
        let mut all: Vec<_> = all.into_iter().map(|it| (Box::pin(it), None)).collect();
        std::future::poll_fn(|context| {
            for (it, done) in all.iter_mut().filter(|(_, done)| done.is_none()) {
                if let std::task::Poll::Ready(value) = it.as_mut().poll(context) {
                    *done = Some(value);
                }
            }
            if all.iter().all(|(_, done)| done.is_some()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        all.into_iter().filter_map(|(_, done)| done).collect()
    }
}
