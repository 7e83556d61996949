//! The call that must be refused: somebody without a certificate, at the door of a guard. That is an event, and an entry of the ledger.

use super::seen::{Seen, find};
use super::{Check, Standing};
use crate::data_dir::DataDir;
use crate::limits::{PRE_PROD_ANSWER_WITHIN, PRE_PROD_LOOK, PRE_PROD_TOLD_WITHIN};
use bartizan_core::Timestamp;
use bartizan_core::status::ProxyStatus;
use bartizan_events::record;
use bartizan_ledger::{Piece, read_with};
use bartizan_runtime::clock;
use bartizan_runtime::tls::{Client, Judge};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The name of the check of a refusal.
pub(super) const IT: &str = "denied";

/// Which entries of the ledger tell of events: event and number of the entry.
pub(super) type Entries = Result<BTreeMap<String, u64>, String>;

/// The refusal at one guard.
pub(super) async fn check(proxy: &ProxyStatus, mesh: SocketAddr, data: &DataDir) -> Check {
    let member = proxy.member();
    let began = clock::now();
    let from = match knock(mesh).await {
        Ok(from) => from,
        Err(why) => return Check::new(IT, Standing::Fail, format!("at the guard of `{member}`: {why}")),
    };
    let Some(event) = told(proxy, from, began, data).await else {
        let why = format!("the guard of `{member}` refused {from} without a certificate, and no event tells of it");
        return Check::new(IT, Standing::Fail, why);
    };
    let detail = format!("the guard of `{member}` refused {from}: {}", event.at("/status_code"));
    Check::new(IT, Standing::Pass, detail).by([event.id()])
}

/// The event of a refusal.
pub(super) fn event(check: &Check) -> Option<&String> {
    check.evidence.first().filter(|_| check.check == IT && check.standing == Standing::Pass)
}

/// A check, and where it is one of a refusal, that of its entry in the ledger.
pub(super) fn with_entry(check: Check, entries: &Entries) -> Vec<Check> {
    if check.check != IT {
        return vec![check];
    }
    let fail = |why: String| Check::new("ledger", Standing::Fail, why);
    let entry = match (event(&check), entries) {
        (None, _) => Check::new("ledger", Standing::Unseen, "there is no refusal to look for"),
        (Some(_), Err(why)) => fail(why.clone()),
        (Some(event), Ok(entries)) => match entries.get(event) {
            Some(n) => Check::new("ledger", Standing::Pass, format!("entry {n}; `bartizan audit prove {n}` proves it"))
                .by([n.to_string()]),
            None => fail(format!("event {event} is no entry of the ledger")),
        },
    };
    vec![check, entry]
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

async fn told(proxy: &ProxyStatus, from: SocketAddr, began: Timestamp, data: &DataDir) -> Option<Seen> {
    let wanted = [
        ("service", proxy.service.to_string()),
        ("class", "handshake".to_owned()),
        ("deny", "true".to_owned()),
        // Whoever was refused earlier may have come from the same port.
        ("since_ms", began.as_millis().to_string()),
    ];
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

/// Reads the ledger once, for all of them. An event is an entry before the store has it.
pub(super) fn entries(events: &BTreeSet<String>, data: &DataDir) -> Entries {
    let mut found = BTreeMap::new();
    if events.is_empty() {
        return Ok(found);
    }
    let folders = ledgers(data);
    if folders.is_empty() {
        return Err("there is no ledger in the data folder".to_owned());
    }
    for folder in folders {
        let mut n = 0_u64;
        let read = read_with(&folder, &[], |_, piece| match piece {
            Piece::Entry(entry) => {
                let event = record::read_bytes(entry).map(|it| it.event.id.to_string());
                if let Some(event) = event.filter(|it| events.contains(it)) {
                    found.entry(event).or_insert(n);
                }
                n += 1;
            }
            Piece::Seal(seal) => n = bartizan_audit::Seal::read(seal).map_or(n, |seal| n.max(seal.end.tree.size())),
            Piece::Mark(_) | Piece::Damaged | Piece::Torn => {}
        });
        read.map_err(|error| error.to_string())?;
    }
    Ok(found)
}

/// That of the only control, or those of all members on this machine.
fn ledgers(data: &DataDir) -> Vec<PathBuf> {
    let members = (1..=u8::MAX).map(|number| data.member(number)).take_while(|member| member.path().exists());
    let all = std::iter::once(data.clone()).chain(members);
    all.map(|it| it.path().join("ledger")).filter(|folder| folder.exists()).collect()
}
