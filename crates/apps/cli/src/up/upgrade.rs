//! Proxies are replaced by their present binary while they serve: the new one takes over the listeners of the old one, which
//! finishes what it has. `bartizan upgrade` asks for it on a socket of ours.

use super::board::Board;
use super::launcher::Launcher;
use super::part::Part;
use crate::failure::chain;
use crate::limits::{UPGRADE_ASKED_WITHIN, UPGRADE_REQUEST_BYTES_MAX};
use bartizan_core::ServiceName;
use bartizan_node::api::Done;
use bartizan_runtime::local;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// What `bartizan upgrade` asks for, as one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpgradeRequest {
    /// Whose guards; `gateway` for the edge. All where empty.
    pub(crate) services: Vec<ServiceName>,
}

/// What it is told of each, as lines of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpgradeStep {
    /// Whose guard.
    pub(crate) service: ServiceName,
    /// The process that serves now; `None` where there is an error.
    pub(crate) pid: Option<u32>,
    /// Milliseconds until it served.
    pub(crate) took_ms: u64,
    /// Why it was not replaced; the one before goes on then, and no further one is tried.
    pub(crate) error: Option<String>,
    /// How many were to be replaced.
    pub(crate) of: usize,
}

/// Where a replacement is answered: the process that serves now, or why it is the one before.
pub(crate) type Answer = oneshot::Sender<Result<u32, String>>;

/// How to reach the keepers of proxies.
#[derive(Debug, Default)]
pub(crate) struct Upgrades {
    keepers: Mutex<BTreeMap<Part, mpsc::Sender<Answer>>>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Upgrades {
    /// The keeper of `part` hears of replacements here, while its proxy lives.
    pub(crate) fn hear(&self, part: &Part) -> mpsc::Receiver<Answer> {
        let (ask, asked) = mpsc::channel(1);
        if matches!(part, Part::Sidecar(_) | Part::Gateway) {
            self.keepers.lock().unwrap_or_else(PoisonError::into_inner).insert(part.clone(), ask);
        }
        asked
    }

    async fn replace(&self, part: &Part) -> Result<u32, String> {
        let keeper = self.keepers.lock().unwrap_or_else(PoisonError::into_inner).get(part).cloned();
        let (answer, answered) = oneshot::channel();
        let not_there = || format!("{part} does not run");
        keeper.ok_or_else(not_there)?.send(answer).await.map_err(|_| not_there())?;
        answered.await.unwrap_or_else(|_| Err(not_there()))
    }
}

/// Answers `bartizan upgrade` until `stop`.
pub(crate) async fn serve(
    listener: UnixListener,
    launcher: Arc<Launcher>,
    upgrades: Arc<Upgrades>,
    board: Arc<Board>,
    stop: CancellationToken,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else { continue };
        let (launcher, upgrades, board, stop) =
            (Arc::clone(&launcher), Arc::clone(&upgrades), Arc::clone(&board), stop.clone());
        tokio::spawn(async move {
            if let Some(Err(error)) = stop.run_until_cancelled(answer(stream, &launcher, &upgrades, &board)).await {
                tracing::warn!(%error, "an upgrade was not told to its end");
            }
        });
    }
}

async fn answer(stream: UnixStream, launcher: &Launcher, upgrades: &Upgrades, board: &Board) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(UPGRADE_REQUEST_BYTES_MAX));
    tokio::time::timeout(UPGRADE_ASKED_WITHIN, read.read_line(&mut line)).await??;
    let request: UpgradeRequest = serde_json::from_str(&line)?;
    let _alone = upgrades.one_at_a_time.lock().await;
    let parts = parts(&request, board);
    let of = parts.len();
    for (service, part) in parts {
        let began = Instant::now();
        let replaced = match part {
            Some(part) => replace(launcher, upgrades, &part).await,
            None => Err(format!("`{service}` has no guard here")),
        };
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (pid, error) = replaced.map_or_else(|error| (None, Some(error)), |pid| (Some(pid), None));
        let failed = error.is_some();
        let step = UpgradeStep { service, pid, took_ms, error, of };
        write.write_all((serde_json::to_string(&step)? + "\n").as_bytes()).await?;
        if failed {
            break; // the others would most likely fail the same way; as they are, they work
        }
    }
    Ok(())
}

/// The guards that are meant, the gateway last: it is the way to all others.
fn parts(request: &UpgradeRequest, board: &Board) -> Vec<(ServiceName, Option<Part>)> {
    let known = |part: &&Part| matches!(part, Part::Sidecar(_) | Part::Gateway);
    let parts: Vec<_> = board.now().keys().filter(known).cloned().collect();
    // Every instance of it, or nobody.
    let of = |name: &ServiceName| {
        let its = parts.iter().filter(|part| part.service().as_ref() == Some(name)).cloned().map(Some);
        let its: Vec<_> = its.collect();
        if its.is_empty() { vec![None] } else { its }
    };
    let mut meant: Vec<_> = if request.services.is_empty() {
        parts.iter().filter_map(|part| Some((part.service()?, Some(part.clone())))).collect()
    } else {
        request.services.iter().flat_map(|name| of(name).into_iter().map(|part| (name.clone(), part))).collect()
    };
    meant.sort_by_key(|(_, part)| *part == Some(Part::Gateway));
    meant
}

async fn replace(launcher: &Launcher, upgrades: &Upgrades, part: &Part) -> Result<u32, String> {
    // The node vouches for the binary that it has looked at.
    let Done {} = local::post(&launcher.data.node_socket(), "/v1/proxy-binary", &serde_json::json!({}))
        .await
        .map_err(|error| format!("the node did not look at the proxy binary: {}", chain(&error)))?;
    upgrades.replace(part).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Member;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn member(text: &str, number: u16) -> Member {
        Member::new(name(text), number)
    }

    #[tokio::test]
    async fn the_gateway_is_replaced_last_and_strangers_are_named() {
        let board = Board::default();
        for part in [
            Part::Gateway,
            Part::Control,
            Part::Sidecar(member("z", 1)),
            Part::Sidecar(member("z", 2)),
            Part::Program(member("a", 1)),
        ] {
            board.started(&part, 1);
        }
        let all = parts(&UpgradeRequest { services: Vec::new() }, &board);
        let z = |number| (name("z"), Some(Part::Sidecar(member("z", number))));
        assert_eq!(all, [z(1), z(2), (name("gateway"), Some(Part::Gateway))]);
        let both = parts(&UpgradeRequest { services: vec![name("z")] }, &board);
        assert_eq!(both, [z(1), z(2)]);
        let some = parts(&UpgradeRequest { services: vec![name("gateway"), name("a")] }, &board);
        assert_eq!(some, [(name("a"), None), (name("gateway"), Some(Part::Gateway))]);
        let error = Upgrades::default().replace(&Part::Gateway).await.unwrap_err();
        assert_eq!(error, "gateway does not run");
    }

    #[test]
    fn a_request_is_read_whole_or_not_at_all() {
        for (text, why) in [
            ("", "nothing"),
            ("{}", "no services"),
            (r#"{"services":["A!"]}"#, "no name"),
            (r#"{"services":[],"x":1}"#, "more"),
        ] {
            assert!(serde_json::from_str::<UpgradeRequest>(text).is_err(), "accepted, though {why}");
        }
    }
}
