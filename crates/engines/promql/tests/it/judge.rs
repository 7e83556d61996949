//! A Prometheus over the series of the corpus.

use bartizan_promql::{Labels, Memory, NAME, Range};
use serde_json::Value as Json;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) struct Prometheus {
    process: Child,
    address: String,
    folder: PathBuf,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Prometheus {
    /// Starts one whose blocks hold these series.
    pub(crate) fn over(series: &Memory) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bartizan-promql-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (text, blocks, config) = (folder.join("series.txt"), folder.join("tsdb"), folder.join("prometheus.yml"));
        std::fs::write(&text, open_metrics(series)).unwrap();
        std::fs::write(&config, "").unwrap();
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&text, &blocks])
            .output()
            .expect("promtool is installed; see xtask/needs.sh");
        assert!(made.status.success(), "{made:?}");
        let mut process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", blocks.display()))
            .args(["--storage.tsdb.retention.time=100y", "--web.listen-address=127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus is installed; see xtask/needs.sh");
        let address = listening(&mut process);
        let it = Self { process, address, folder };
        while !it.is_ready() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        it
    }

    fn is_ready(&self) -> bool {
        self.get("/-/ready").is_some_and(|answer| answer.starts_with("HTTP/1.0 200"))
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The `data` of its answer, or `{"error": …}`.
    pub(crate) fn ask(&self, query: &str, at: Result<i64, Range>) -> Json {
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let path = match at {
            Ok(at_ms) => format!("/api/v1/query?query={}&time={}", encoded(query), seconds(at_ms)),
            Err(Range { from_ms, until_ms, step_ms }) => format!(
                "/api/v1/query_range?query={}&start={}&end={}&step={}",
                encoded(query),
                seconds(from_ms),
                seconds(until_ms),
                seconds(step_ms)
            ),
        };
        let answer = self.get(&path).expect("Prometheus answers");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let mut json: Json = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
        match json["status"] == "success" {
            true => json["data"].take(),
            false => serde_json::json!({ "error": json["error"] }),
        }
    }
}

/// The address that a Prometheus says it listens on. What it says later is read and forgotten, so that it never waits.
fn listening(process: &mut Child) -> String {
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let address = loop {
        let line = lines.next().unwrap_or_else(|| panic!("Prometheus ended: {said}")).unwrap();
        if let Some(at) = line.contains("msg=\"Listening on\"").then(|| line.split("address=").nth(1)).flatten() {
            break at.split_whitespace().next().unwrap().to_owned();
        }
        said.push_str(&line);
        said.push('\n');
    };
    std::thread::spawn(move || lines.for_each(drop));
    address
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") })
        .collect()
}

/// The text that `promtool` makes blocks of.
fn open_metrics(series: &Memory) -> String {
    let mut text = String::new();
    for it in &series.0 {
        let name = head(&it.labels);
        for sample in &it.samples {
            let (s, ms) = (sample.at_ms / 1000, sample.at_ms % 1000);
            writeln!(text, "{name} {} {s}.{ms:03}", bartizan_promql::number::write(sample.value)).unwrap();
        }
    }
    text + "# EOF\n"
}

fn head(labels: &Labels) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let rest: Vec<_> = labels
        .iter()
        .filter(|(name, _)| *name != NAME)
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    format!("{}{{{}}}", labels.get(NAME), rest.join(","))
}
