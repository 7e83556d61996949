//! Requests through `curl`: a client that nobody here wrote.

use std::path::Path;
use std::process::Command;

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status; 0 where there was no answer.
    pub status: u16,
    /// Response head, as it came.
    pub head: String,
    /// Response body.
    pub body: String,
    /// curl's exit code: 0 good, 35 TLS handshake refused, 56 connection ended while reading, 60 certificate not trusted.
    pub curl: i32,
}

impl Answer {
    /// A response header's value, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }
}

/// GET with the given CA file (`None`: `-k`, trust anybody).
pub fn get(url: &str, ca: Option<&Path>) -> Answer {
    request("GET", url, ca, &[], None)
}

/// Any request. Headers as `name: value`.
///
/// # Panics
/// Where curl is not installed.
pub fn request(method: &str, url: &str, ca: Option<&Path>, headers: &[&str], body: Option<&str>) -> Answer {
    request_by(Command::new("curl"), method, url, ca, headers, body)
}

/// As [`request`], by a command that ends with `curl`.
///
/// # Panics
/// Where it cannot be run.
pub fn request_by(
    mut curl: Command,
    method: &str,
    url: &str,
    ca: Option<&Path>,
    headers: &[&str],
    body: Option<&str>,
) -> Answer {
    curl.args(["-s", "-i", "--max-time", "20", "--path-as-is", "-X", method]);
    match ca {
        Some(ca) => curl.arg("--cacert").arg(ca),
        None => curl.arg("-k"),
    };
    for header in headers {
        curl.args(["-H", header]);
    }
    if let Some(body) = body {
        curl.args(["-H", "content-type: application/json", "--data-binary", body]);
    }
    let output = curl.arg(url).output().expect("curl is installed: `apt-get install curl`");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // An interim response (100) comes before the final one.
    let mut rest = text.as_str();
    let (mut head, mut body) = ("", "");
    while let Some((one, after)) = rest.split_once("\r\n\r\n") {
        (head, body) = (one, after);
        if !head.split(' ').nth(1).is_some_and(|s| s.starts_with('1')) {
            break;
        }
        rest = after;
    }
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned(), curl: output.status.code().unwrap_or(-1) }
}
