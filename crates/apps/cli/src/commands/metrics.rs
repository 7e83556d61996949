//! `bartizan metrics`.

use super::{place, print, unanswered};
use crate::args::MetricsArgs;
use crate::failure::Failure;
use bartizan_crypto::hash;
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
    print(&format!("http://{bound}/metrics serves the metrics of {}; Ctrl-C ends it\n", data.path().display()))?;
    let text = move || {
        let socket = socket.clone();
        async move { local::get_text(&socket, PATH).await.map_err(|error| format!("control does not answer: {error}\n")) }
    };
    let may = token.map(|token| -> Arc<exporter::May> { Arc::new(move |shown| hash::equal(token.as_bytes(), shown)) });
    exporter::serve(listener, text, may, stop::on_signals()).await;
    Ok(())
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
