//! `bartizan upgrade`.

use super::{place, print, print_json};
use crate::args::UpgradeArgs;
use crate::failure::Failure;
use crate::up::{UpgradeRequest, UpgradeStep};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Has guards replaced one by one, and prints each.
pub(crate) async fn run(args: &UpgradeArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let path = data.up_socket();
    let unreached = |error: std::io::Error| {
        Failure::new(format!(
            "the `bartizan up` of `{}` does not answer: {error}; is it running, in another mode than `off`?",
            data.path().display()
        ))
    };
    let mut stream = UnixStream::connect(&path).await.map_err(unreached)?;
    let request = serde_json::to_string(&UpgradeRequest { services: args.services.clone() });
    let request = request.map_err(|error| Failure::new(format!("cannot ask: {error}")))? + "\n";
    stream.write_all(request.as_bytes()).await.map_err(unreached)?;
    let mut lines = BufReader::new(stream).lines();
    let (mut steps, mut failed) = (Vec::new(), false);
    while let Some(line) = lines.next_line().await.map_err(unreached)? {
        let step: UpgradeStep = serde_json::from_str(&line)
            .map_err(|error| Failure::new(format!("`bartizan up` answered oddly: {error}")))?;
        failed |= step.error.is_some();
        if !args.json {
            print(&told(&step))?;
        }
        steps.push(step);
    }
    if args.json {
        print_json(&steps)?;
    }
    let all = steps.first().is_some_and(|first| first.of == steps.len());
    match (failed, all) {
        (false, true) => Ok(()),
        (true, _) => Err(Failure::new("not all guards were replaced; those that were not go on as they are")),
        (false, false) => Err(Failure::new("`bartizan up` ended before all guards were replaced")),
    }
}

fn told(step: &UpgradeStep) -> String {
    let UpgradeStep { service, pid, took_ms, error, of: _ } = step;
    match (pid, error) {
        (Some(pid), _) => format!("{service}: replaced within {took_ms} ms, process {pid} serves\n"),
        (None, error) => format!("{service}: NOT REPLACED: {}\n", error.as_deref().unwrap_or("no reason was given")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::ServiceName;

    #[test]
    fn says_who_serves_or_why_not() {
        let service = ServiceName::parse("ledger").unwrap();
        let mut step = UpgradeStep { service, pid: Some(7), took_ms: 312, error: None, of: 1 };
        assert_eq!(told(&step), "ledger: replaced within 312 ms, process 7 serves\n");
        (step.pid, step.error) = (None, Some("it ended: exit 1".to_owned()));
        assert_eq!(told(&step), "ledger: NOT REPLACED: it ended: exit 1\n");
    }
}
