//! Who has no member's identity is not heard, nor who says what no member says.

use crate::member::{identity, judge};
use crate::processes::Group;
use bartizan_consensus::{Member, Message, Position};
use bartizan_quorum::letters::{Letter, decode, encode};
use bartizan_runtime::tls::{Client, Identity};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const WITHIN: Duration = Duration::from_secs(10);

/// Sends `bytes` to a member after a handshake; true where the connection is still there a moment later.
fn goes_through(group: &Group, to: usize, shown: Option<&Identity>, bytes: &[u8]) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let roots = std::fs::read_to_string(group.dir.path().join("roots.pem")).unwrap();
    runtime.block_on(async {
        let socket = TcpStream::connect(group.members[to]).await.unwrap();
        let client = Client::new(shown, &["bartizan-quorum/1"]).unwrap();
        let Ok(accepted) = client.connect(socket, judge(&roots), WITHIN).await else { return false };
        let mut stream = accepted.stream;
        if stream.write_all(bytes).await.is_err() || stream.flush().await.is_err() {
            return false;
        }
        // Members say nothing on a connection that another one opened.
        let end = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut [0; 16])).await;
        end.is_err()
    })
}

fn hello(group: &str, from: u8, to: u8) -> Vec<u8> {
    let body = postcard::to_stdvec(&(group, Member(from), Member(to))).unwrap();
    [&u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()
}

#[test]
fn strangers_are_not_heard_and_members_go_on() {
    let mut group = Group::started(1 << 20);
    let leader = group.leader(&[0, 1, 2]);
    let (to, from) = (leader, (leader + 1) % 3);
    let (to_number, from_number) = (u8::try_from(to).unwrap(), u8::try_from(from).unwrap());
    let by = |name: &str| identity(group.dir.path(), name);
    let good = hello("test", from_number, to_number);
    // It would end the leader's term.
    let message = Message::Voted { term: 1 << 40, yes: false };
    let letter = encode(&Letter { message, state: [].into() }).unwrap();
    let said = [&good[..], &letter].concat();
    for (who, shown) in [("nobody", None), ("a service", Some(by("service"))), ("another root", Some(by("other")))] {
        assert!(!goes_through(&group, to, shown.as_ref(), &said), "{who}");
    }
    let control = by("control");
    for (what, bytes) in [
        ("another group", hello("other", from_number, to_number)),
        ("meant for another member", hello("test", from_number, from_number)),
        ("from itself", hello("test", to_number, to_number)),
        ("from nobody", hello("test", 7, to_number)),
        ("a hello too long", [&2_000u32.to_le_bytes()[..], &[0; 2_000]].concat()),
        ("no letter", [&good[..], &3u32.to_le_bytes(), &[0xff; 3]].concat()),
        ("a letter too long", [&good[..], &u32::MAX.to_le_bytes(), &[0; 64]].concat()),
    ] {
        assert!(!goes_through(&group, to, Some(&control), &bytes), "{what}");
    }
    assert_eq!(group.leader(&[0, 1, 2]), leader, "nothing of that was heard");
    let who = group.ask(leader, "who").unwrap();
    assert!(!who.contains(&(1u64 << 40).to_string()), "{who}");
    assert!((0..3).all(|me| group.runs(me)));
    assert!(goes_through(&group, to, Some(&control), &good), "a member is, so the refusals above mean something");
}

proptest! {
    #[test]
    fn letters_come_back_as_they_were_and_no_bytes_make_it_panic(
        term in any::<u64>(), index in any::<u64>(), state in proptest::collection::vec(any::<u8>(), 0..60),
        bytes in proptest::collection::vec(any::<u8>(), 0..200)
    ) {
        let message = Message::Install { term, at: Position { term, index }, sent_ms: index };
        let letter = Letter { message, state: Arc::from(state) };
        let frame = encode(&letter).unwrap();
        prop_assert_eq!(decode(&frame[4..]), Some(letter.clone()));
        prop_assert_eq!(decode(&[&frame[4..], &[0]].concat()), None, "something follows");
        let _ = decode(&bytes);
    }
}
