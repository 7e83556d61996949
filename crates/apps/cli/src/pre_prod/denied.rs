//! The call that must be refused: somebody without a certificate, at the door of a guard. That is an event, and an entry of the ledger.

use super::seen::{Seen, find};
use super::{Check, Standing};
use crate::data_dir::DataDir;
use crate::limits::{PRE_PROD_ANSWER_WITHIN, PRE_PROD_LOOK, PRE_PROD_TOLD_WITHIN};
use bartizan_core::status::ProxyStatus;
use bartizan_events::record;
use bartizan_ledger::{Piece, read_with};
use bartizan_runtime::tls::{Client, Judge};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The refusal, and its leaf.
pub(super) async fn check(proxy: &ProxyStatus, mesh: SocketAddr, data: &DataDir) -> [Check; 2] {
    let member = proxy.member();
    let skipped = |why: &str| Check::new("ledger", Standing::Unseen, why);
    let from = match knock(mesh).await {
        Ok(from) => from,
        Err(why) => {
            let denied = Check::new("denied", Standing::Fail, format!("at the guard of `{member}`: {why}"));
            return [denied, skipped("nothing was denied")];
        }
    };
    let Some(event) = told(proxy, from, data).await else {
        let why = format!("the guard of `{member}` refused {from} without a certificate, and no event tells of it");
        return [Check::new("denied", Standing::Fail, why), skipped("there is no event to look for")];
    };
    let detail = format!("the guard of `{member}` refused {from}: {}", event.at("/status_code"));
    let denied = Check::new("denied", Standing::Pass, detail).by([event.id()]);
    [denied, in_ledger(&event.id(), data).await]
}

/// Shakes hands without a certificate. Where that was refused, the address that it came from.
async fn knock(mesh: SocketAddr) -> Result<SocketAddr, String> {
    let knocking = async {
        let stream = TcpStream::connect(crate::up::loopback_of(mesh)).await.map_err(|error| error.to_string())?;
        let from = stream.local_addr().map_err(|error| error.to_string())?;
        // Nothing is sent there that anybody could use, so whoever answers will do.
        let anybody: Judge<()> = Arc::new(|_| Ok(()));
        let client = Client::new(None, &["http/1.1"]).map_err(|error| error.to_string())?;
        if let Ok(mut open) = client.connect(stream, anybody, PRE_PROD_ANSWER_WITHIN).await {
            // The server's no comes after our own yes; whoever lets us in waits for a request.
            let mut byte = [0];
            let read = tokio::time::timeout(PRE_PROD_LOOK * 10, open.stream.read(&mut byte)).await;
            if matches!(read, Err(_) | Ok(Ok(1..))) {
                return Err("it lets in somebody who shows no certificate".to_owned());
            }
        }
        Ok(from)
    };
    let knocked = tokio::time::timeout(PRE_PROD_ANSWER_WITHIN, knocking).await;
    knocked.unwrap_or_else(|_| Err(format!("no answer within {PRE_PROD_ANSWER_WITHIN:?}")))
}

async fn told(proxy: &ProxyStatus, from: SocketAddr, data: &DataDir) -> Option<Seen> {
    let wanted =
        [("service", proxy.service.to_string()), ("class", "handshake".to_owned()), ("deny", "true".to_owned())];
    let until = Instant::now() + PRE_PROD_TOLD_WITHIN;
    loop {
        let found = find(&data.control_socket(), &wanted).await.unwrap_or_default();
        let port = u64::from(from.port());
        if let Some(event) = found.into_iter().find(|it| it.number("/src_endpoint/port") == Some(port)) {
            return Some(event);
        }
        if Instant::now() >= until {
            return None;
        }
        tokio::time::sleep(PRE_PROD_LOOK).await;
    }
}

/// Whether the event is an entry of the ledger. It is there before the store has it.
async fn in_ledger(event: &str, data: &DataDir) -> Check {
    let folders = ledgers(data);
    if folders.is_empty() {
        return Check::new("ledger", Standing::Fail, "there is no ledger in the data folder");
    }
    for folder in folders {
        let (mut n, mut found) = (0_u64, None);
        let read = read_with(&folder, &[], |_, piece| match piece {
            Piece::Entry(entry) => {
                if record::read_bytes(entry).is_some_and(|it| it.event.id.to_string() == event) {
                    found = Some(n);
                }
                n += 1;
            }
            Piece::Seal(seal) => n = bartizan_audit::Seal::read(seal).map_or(n, |seal| n.max(seal.end.tree.size())),
            Piece::Mark(_) | Piece::Damaged | Piece::Torn => {}
        });
        match (read, found) {
            (Err(error), _) => return Check::new("ledger", Standing::Fail, error.to_string()),
            (Ok(()), Some(n)) => {
                let detail = format!("entry {n}; `bartizan audit prove {n}` proves it");
                return Check::new("ledger", Standing::Pass, detail).by([n.to_string()]);
            }
            (Ok(()), None) => {}
        }
    }
    Check::new("ledger", Standing::Fail, format!("event {event} is no entry of the ledger"))
}

/// That of the only control, or those of all members on this machine.
fn ledgers(data: &DataDir) -> Vec<PathBuf> {
    let members = (1..=u8::MAX).map(|number| data.member(number)).take_while(|member| member.path().exists());
    let all = std::iter::once(data.clone()).chain(members);
    all.map(|it| it.path().join("ledger")).filter(|folder| folder.exists()).collect()
}
