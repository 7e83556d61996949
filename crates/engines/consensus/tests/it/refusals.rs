//! What is not taken, and why.

use bartizan_consensus::limits::{ENTRY_BYTES_MAX, NUMBER_MAX, OPEN_ENTRIES_MAX};
use bartizan_consensus::{Entry, Kept, Member, Members, Message, NotTaken, Position, Replica, Role, Settings};
use proptest::prelude::*;
use std::sync::Arc;

fn members(me: u8, all: &[u8]) -> Result<Members, String> {
    let all: Vec<Member> = all.iter().copied().map(Member).collect();
    Members::new(Member(me), &all).map_err(|error| error.to_string())
}

fn replica(me: u8, all: &[u8]) -> Replica {
    let settings = Settings::new(50, 300, 200).unwrap();
    Replica::new(members(me, all).unwrap(), settings, Kept::default(), 0, 7)
}

#[test]
fn groups_that_decide_badly_are_refused() {
    for all in [&[][..], &[0, 1], &[0, 1, 2, 3], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
        let why = members(0, all).unwrap_err();
        assert_eq!(why, format!("{} members cannot decide well; take 1, 3, 5 or 7", all.len()));
    }
    assert!(members(0, &[0, 1, 1]).unwrap_err().contains("member 1 is listed twice"));
    assert!(members(3, &[0, 1, 2]).unwrap_err().contains("member 3 is not in the list"));
    let majorities = [(1, 1), (3, 2), (5, 3), (7, 4)];
    for (count, majority) in majorities {
        assert_eq!(members(0, &(0..count).collect::<Vec<_>>()).unwrap().majority(), majority);
    }
}

#[test]
fn times_that_do_not_fit_are_refused() {
    assert!(Settings::new(50, 300, 201).unwrap_err().to_string().contains("two thirds"));
    assert!(Settings::new(70, 300, 200).unwrap_err().to_string().contains("three in a lease"));
    assert!(Settings::new(0, 300, 200).is_err());
}

#[test]
fn who_does_not_lead_takes_nothing_and_who_does_takes_no_more_than_it_can_keep() {
    let mut three = replica(0, &[0, 1, 2]);
    assert_eq!(three.propose(1, Arc::from(*b"x")).unwrap_err(), NotTaken::NotLeading { leader: None });
    let append = Message::Append { term: 1, after: Position::default(), entries: vec![], commit: 0, sent_ms: 5 };
    let _ = three.hear(1, 7, Member(2), append);
    assert_eq!(three.propose(1, Arc::from(*b"x")).unwrap_err(), NotTaken::NotLeading { leader: Some(Member(2)) });

    // Of one, which leads as soon as its time has come.
    let mut one = replica(0, &[0]);
    assert_eq!(one.tick(299, 7).send, []);
    let _ = one.tick(600, 7);
    assert_eq!(one.role(), Role::Leader);
    let long: Arc<[u8]> = vec![0; ENTRY_BYTES_MAX + 1].into();
    assert_eq!(one.propose(601, long).unwrap_err(), NotTaken::TooLong { bytes: ENTRY_BYTES_MAX + 1 });
    let (at, out) = one.propose(601, Arc::from(*b"x")).unwrap();
    assert_eq!((at.index, out.commit, out.append.len(), out.first), (2, 2, 1, 2));

    // A leader whose followers are silent.
    let mut three = leading();
    let taken = (0..=OPEN_ENTRIES_MAX).find(|_| three.propose(700, Arc::from(*b"x")) == Err(NotTaken::Full));
    assert_eq!(taken, Some(OPEN_ENTRIES_MAX - 1), "its own first one waits too");
}

/// Member 0 of three, which leads and was answered by nobody since.
fn leading() -> Replica {
    let mut three = replica(0, &[0, 1, 2]);
    let _ = three.tick(600, 7);
    let _ = three.hear(601, 7, Member(1), Message::Would { term: 1, yes: true });
    let _ = three.hear(602, 7, Member(1), Message::Voted { term: 1, yes: true });
    assert_eq!(three.role(), Role::Leader);
    three
}

#[test]
fn strangers_and_numbers_that_cannot_be_are_not_even_answered() {
    let mut three = leading();
    let before = three.term();
    for (from, term) in [(Member(9), 5), (Member(0), 5), (Member(1), NUMBER_MAX + 1), (Member(1), u64::MAX)] {
        let out = three.hear(610, 7, from, Message::Voted { term, yes: false });
        assert!(out.send.is_empty() && out.vote.is_none(), "{from:?} {term}: {out:?}");
    }
    assert_eq!((three.role(), three.term()), (Role::Leader, before));
}

#[test]
fn a_leader_that_nobody_answered_may_not_answer_either() {
    let mut three = leading();
    assert!(!three.may_answer(603), "nobody has its first entry yet");
    let _ = three.hear(604, 7, Member(2), Message::Took { term: 1, upto: 1, fits: true, sent_ms: 602 });
    assert!(three.may_answer(605) && three.may_answer(801));
    assert!(!three.may_answer(802), "its lease is over");
    let _ = three.tick(602 + 599, 7);
    assert_eq!(three.role(), Role::Leader);
    let _ = three.tick(602 + 600, 7);
    assert_eq!(three.role(), Role::Follower(None), "it gives up");
}

fn message() -> impl Strategy<Value = Message> {
    let number = || prop_oneof![0u64..6, any::<u64>()];
    let place = move || (number(), number()).prop_map(|(term, index)| Position { term, index });
    let entries = || proptest::collection::vec((0u64..6, any::<u8>()), 0..4);
    let entry = |(term, byte): (u64, u8)| Entry { term, data: Arc::from([byte]) };
    prop_oneof![
        (number(), place()).prop_map(|(term, last)| Message::AskFirst { term, last }),
        (number(), place()).prop_map(|(term, last)| Message::Ask { term, last }),
        (number(), any::<bool>()).prop_map(|(term, yes)| Message::Would { term, yes }),
        (number(), any::<bool>()).prop_map(|(term, yes)| Message::Voted { term, yes }),
        (number(), place(), entries(), number(), number()).prop_map(move |(term, after, entries, commit, sent_ms)| {
            Message::Append { term, after, entries: entries.into_iter().map(entry).collect(), commit, sent_ms }
        }),
        (number(), place(), number()).prop_map(|(term, at, sent_ms)| Message::Install { term, at, sent_ms }),
        (number(), number(), any::<bool>(), number()).prop_map(|(term, upto, fits, sent_ms)| Message::Took {
            term,
            upto,
            fits,
            sent_ms
        }),
    ]
}

proptest! {
    #[test]
    fn no_messages_make_it_panic_or_go_back(all in proptest::collection::vec((0u8..4, message(), 0u64..400), 0..60)) {
        let (mut it, mut now) = (replica(0, &[0, 1, 2]), 0);
        for (from, message, pause) in all {
            now += pause;
            let (term, commit) = (it.term(), it.commit());
            let _ = it.tick(now, pause);
            let out = it.hear(now, pause, Member(from), message);
            let _ = it.propose(now, Arc::from(*b"x"));
            prop_assert!(it.term() >= term && it.commit() >= commit && out.commit >= commit);
            prop_assert!(it.commit() <= it.log().last().index);
        }
    }
}
