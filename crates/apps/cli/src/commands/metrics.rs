//! `bartizan metrics`.

use super::{place, print, unanswered};
use crate::args::MetricsArgs;
use crate::failure::Failure;
use bartizan_crypto::hash;
use bartizan_runtime::exporter::Asked;
use bartizan_runtime::local::LocalError;
use bartizan_runtime::{exporter, files, listen, local, stop};
use std::path::Path;
use std::sync::Arc;

/// Path of control's local API.
const PATH: &str = "/v1/metrics";
/// Largest file with a token, in bytes.
const TOKEN_BYTES_MAX: usize = 4096;
/// Shortest token, in characters: 16 random bytes in hexadecimal digits, or more of anything else.
const TOKEN_CHARS_MIN: usize = 32;

/// Prints the counters of control and every proxy as Prometheus text, or serves them.
pub(crate) async fn run(args: &MetricsArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let socket = data.control_socket();
    let Some(addr) = args.listen else {
        let text = local::get_text(&socket, PATH).await;
        return print(&text.map_err(|error| unanswered(&data, &error))?);
    };
    let token = args.token_file.as_deref().map(token).transpose()?;
    if token.is_none() && !addr.ip().is_loopback() {
        return Err(Failure::new(format!(
            "{addr} can be reached from elsewhere, and metrics name every service and caller: give `--token-file`, or a loopback address"
        )));
    }
    let listener = listen::bind(addr).map_err(|error| Failure::new(error.to_string()))?;
    let bound = listener.local_addr().unwrap_or(addr);
    print(&format!(
        "http://{bound}/metrics serves the metrics of {}, and answers PromQL at /api/v1/query; Ctrl-C ends it\n",
        data.path().display()
    ))?;
    let text = move |asked| {
        let socket = socket.clone();
        async move { answer(&socket, asked).await }
    };
    let may = token.map(|token| -> Arc<exporter::May> { Arc::new(move |shown| hash::equal(token.as_bytes(), shown)) });
    exporter::serve(listener, text, may, stop::on_signals()).await;
    Ok(())
}

/// What control says to a question; where it says nothing, a status and why.
async fn answer(socket: &Path, asked: Asked) -> Result<String, (u16, String)> {
    let path = match asked {
        Asked::Metrics => PATH.to_owned(),
        Asked::Query { path, parameters } => on_the_socket(&path, &parameters).ok_or_else(|| {
            (404, "{\"status\":\"error\",\"errorType\":\"not_found\",\"error\":\"not served here\"}\n".to_owned())
        })?,
    };
    local::get_text(socket, &path).await.map_err(|error| match error {
        LocalError::Refused { status, body } => (status, body),
        error => (503, format!("control does not answer: {error}\n")),
    })
}

/// The path at control's socket of what may be asked for here: queries, and the names that they need. The token for metrics opens nothing else.
fn on_the_socket(path: &str, parameters: &str) -> Option<String> {
    let path = path.strip_prefix("/api/v1/")?;
    let is_of_label = || {
        let name = path.strip_prefix("label/").and_then(|it| it.strip_suffix("/values"));
        name.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    };
    let is_known = matches!(path, "query" | "query_range" | "labels" | "series") || is_of_label();
    is_known.then(|| format!("/v1/promql/{path}?{parameters}"))
}

fn token(path: &Path) -> Result<String, Failure> {
    let refuse = |why: String| Failure::new(format!("token file {}: {why}", path.display()));
    let bytes = files::read_bounded(path, TOKEN_BYTES_MAX).map_err(|error| refuse(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("is no text".to_owned()))?;
    let token = text.trim();
    if token.len() < TOKEN_CHARS_MIN || token.contains(char::is_whitespace) {
        return Err(refuse(format!(
            "has to be one word of at least {TOKEN_CHARS_MIN} characters, such as `openssl rand -hex 16` makes"
        )));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_queries_goes_on_to_control() {
        for path in [
            "/api/v1/users",
            "/api/v1/status",
            "/api/v1/label//values",
            "/api/v1/label/a/../../users/values",
            "/api/v1/query/",
            "/v1/query",
        ] {
            assert_eq!(on_the_socket(path, "query=1"), None, "{path}");
        }
        for (path, parameters) in [
            ("/api/v1/query", "query=up"),
            ("/api/v1/query_range", ""),
            ("/api/v1/labels", ""),
            ("/api/v1/label/__name__/values", ""),
            ("/api/v1/series", "start=1&match%5B%5D=up"),
        ] {
            assert_eq!(on_the_socket(path, parameters), Some(format!("/v1/promql/{}?{parameters}", &path[8..])));
        }
    }
}
