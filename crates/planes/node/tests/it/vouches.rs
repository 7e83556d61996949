//! Who gets a voucher and who does not.

use crate::authority::{Authority, domain, name, node_id};
use bartizan_core::limits::JOIN_TOKEN_TTL;
use bartizan_core::{Role, SpiffeId, Timestamp};
use bartizan_crypto::{KeyPair, base64, hash};
use bartizan_identity::voucher;
use bartizan_node::api::{Done, Expect, Health, Vouch, Vouched, router};
use bartizan_node::{AttestError, Attestor, Desk, DeskError, NodeSecret, Own, TicketError};
use bartizan_runtime::clock;
use bartizan_runtime::local::{self, Caller, LocalError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A desk whose proxy binary is this very test, so that this process is a proxy.
struct Fixture {
    authority: Authority,
    desk: Desk,
    _own: watch::Sender<Own>,
}

fn fixture(proxy: &Path, supervisor: Option<i32>) -> Fixture {
    let authority = Authority::new();
    let (key, chain) = authority.identity(&node_id());
    let own = Own::check(key, chain, &node_id(), &authority.bundles(), clock::now()).unwrap();
    let (sender, own) = watch::channel(own);
    let desk = Desk::new(domain(), Attestor::of(proxy).unwrap(), NodeSecret::random(), own, supervisor);
    Fixture { authority, desk, _own: sender }
}

fn this_test() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

fn pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

fn us() -> Caller {
    Caller { pid: Some(pid()), uid: uid(), gid: 0 }
}

fn expect(service: &str, ticket: &str, uid: u32) -> Expect {
    Expect { service: name(service), ticket_sha256: hash::hex(&hash::sha256(ticket.as_bytes())), uid }
}

fn vouch(service: &str, ticket: &str) -> Vouch {
    let key = KeyPair::generate().unwrap();
    Vouch { service: name(service), ticket: ticket.to_owned(), spki: base64::encode(key.public_spki()) }
}

#[test]
fn the_right_proxy_gets_a_voucher_that_control_accepts_and_its_seal_key() {
    let f = fixture(&this_test(), Some(pid()));
    let now = clock::now();
    f.desk.expect(us(), &expect("ledger", "t1", uid()), now).unwrap();
    f.desk.expect(us(), &expect("ledger", "t2", uid()), now).unwrap();
    let request = vouch("ledger", "t1");
    let spki = base64::decode(&request.spki).unwrap();
    let first = f.desk.vouch(us(), request, now).unwrap();
    let checked = voucher::check(&first.voucher, &f.authority.bundles(), &domain(), now).unwrap();
    assert_eq!(checked.service, SpiffeId::of(&domain(), &Role::Service(name("ledger"))));
    assert!(checked.is_for(&spki));
    assert!(!checked.is_for(KeyPair::generate().unwrap().public_spki()), "not for another key");

    let again = f.desk.vouch(us(), vouch("ledger", "t2"), now).unwrap();
    assert_eq!(first.seal_key, again.seal_key, "a restarted proxy opens what the one before sealed");
    assert_ne!(first.voucher, again.voucher);
    assert_eq!(base64::decode(&first.seal_key).unwrap().len(), 32);
}

#[test]
fn a_ticket_counts_once_in_time_for_its_service_and_user() {
    let f = fixture(&this_test(), None);
    let now = clock::now();
    let late = now.plus(JOIN_TOKEN_TTL);
    for (ticket, uid) in [("used", uid()), ("foreign", uid()), ("late", uid()), ("theirs", uid() + 1)] {
        f.desk.expect(us(), &expect("ledger", ticket, uid), now).unwrap();
    }
    f.desk.vouch(us(), vouch("ledger", "used"), now).unwrap();
    for (service, ticket, at, outcome) in [
        ("ledger", "used", now, TicketError::Used),
        ("ledger", "never announced", now, TicketError::Unknown),
        ("ledger", "", now, TicketError::Unknown),
        ("accounts", "foreign", now, TicketError::Foreign),
        ("ledger", "foreign", now, TicketError::Used),
        ("ledger", "late", late, TicketError::Expired),
        ("ledger", "theirs", now, TicketError::Foreign),
    ] {
        let refused = f.desk.vouch(us(), vouch(service, ticket), at);
        match refused {
            Err(DeskError::Ticket(found)) => assert_eq!(found, outcome, "{service} {ticket}"),
            Err(other) => panic!("{service} {ticket}: {other}"),
            Ok(_) => panic!("{service} got a voucher for ticket `{ticket}`"),
        }
    }
}

#[test]
fn another_program_is_refused_and_does_not_use_up_the_ticket() {
    let f = fixture(&this_test(), None);
    let now = clock::now();
    f.desk.expect(us(), &expect("ledger", "t1", uid()), now).unwrap();
    let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let thief = Caller { pid: Some(i32::try_from(other.id()).unwrap()), ..us() };
    let refused = f.desk.vouch(thief, vouch("ledger", "t1"), now);
    assert!(matches!(refused, Err(DeskError::Attest(AttestError::OtherProgram { .. }))));
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(f.desk.vouch(us(), vouch("ledger", "t1"), now).is_ok());
}

#[test]
fn only_the_supervisor_announces() {
    let f = fixture(&this_test(), Some(pid()));
    let now = clock::now();
    for caller in
        [Caller { uid: uid() + 1, ..us() }, Caller { pid: Some(pid() + 1), ..us() }, Caller { pid: None, ..us() }]
    {
        let refused = f.desk.expect(caller, &expect("ledger", "t1", uid()), now);
        assert!(matches!(refused, Err(DeskError::NotTheSupervisor { .. })), "{caller:?}");
    }
    assert!(matches!(f.desk.vouch(us(), vouch("ledger", "t1"), now), Err(DeskError::Ticket(TicketError::Unknown))));
}

#[test]
fn without_an_identity_there_is_no_voucher_and_the_ticket_stays() {
    let f = fixture(&this_test(), None);
    let end = f.desk.health().not_after;
    let before = Timestamp::from_millis(end.as_millis() - 1);
    f.desk.expect(us(), &expect("ledger", "t1", uid()), before).unwrap();
    assert!(matches!(f.desk.vouch(us(), vouch("ledger", "t1"), end), Err(DeskError::NoIdentity { .. })));
    assert!(f.desk.vouch(us(), vouch("ledger", "t1"), before).is_ok());
}

#[test]
fn a_key_that_is_none_is_refused_before_the_ticket_is_used_up() {
    let f = fixture(&this_test(), None);
    let now = clock::now();
    f.desk.expect(us(), &expect("ledger", "t1", uid()), now).unwrap();
    for spki in ["", "%%%", "AAAA", &base64::encode(&[0; 91]), &base64::encode(&[7; 100_000])] {
        let request = Vouch { spki: spki.to_owned(), ..vouch("ledger", "t1") };
        assert!(matches!(f.desk.vouch(us(), request, now), Err(DeskError::Malformed(_))), "{spki:.20}");
    }
    assert!(f.desk.vouch(us(), vouch("ledger", "t1"), now).is_ok());
}

/// The same over the socket, where the kernel says who calls.
#[tokio::test]
async fn the_socket_says_yes_and_no_with_the_right_status() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("node.sock");
    let f = fixture(&this_test(), Some(pid()));
    let stop = CancellationToken::new();
    let listener = local::bind(&socket).unwrap();
    let serving = tokio::spawn(local::serve(listener, router(Arc::new(f.desk)), stop.clone()));

    let health: Health = local::get(&socket, "/v1/health").await.unwrap();
    assert_eq!(health.id, node_id());
    let Done {} = local::post(&socket, "/v1/expect", &expect("ledger", "t1", uid())).await.unwrap();
    let _: Vouched = local::post(&socket, "/v1/vouch", &vouch("ledger", "t1")).await.unwrap();

    let bad_hash = Expect { ticket_sha256: "zz".to_owned(), ..expect("ledger", "t1", uid()) };
    for (path, body, wanted) in [
        ("/v1/vouch", serde_json::to_value(vouch("ledger", "t1")).unwrap(), 403),
        ("/v1/vouch", serde_json::to_value(Vouch { spki: String::new(), ..vouch("ledger", "t1") }).unwrap(), 400),
        ("/v1/vouch", serde_json::json!({ "service": "../etc", "ticket": "t1", "spki": "" }), 422),
        ("/v1/vouch", serde_json::json!({ "service": "ledger" }), 422),
        ("/v1/expect", serde_json::to_value(bad_hash).unwrap(), 400),
        ("/v1/nothing", serde_json::json!({}), 404),
    ] {
        let refused = local::post::<_, serde_json::Value>(&socket, path, &body).await;
        let Err(LocalError::Refused { status, .. }) = refused else { panic!("{path} {body}: {refused:?}") };
        assert_eq!(status, wanted, "{path} {body}");
    }
    stop.cancel();
    serving.await.unwrap();
}
