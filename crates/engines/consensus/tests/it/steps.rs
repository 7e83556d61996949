//! Single rules, each where it is easiest to see.

use bartizan_consensus::limits::MESSAGE_ENTRIES_MAX;
use bartizan_consensus::{Entry, Kept, Log, Member, Members, Message, Output, Position, Replica, Role, Settings, Vote};
use std::sync::Arc;

const ALL: [Member; 3] = [Member(0), Member(1), Member(2)];

fn entry(term: u64) -> Entry {
    Entry { term, data: Arc::from(term.to_le_bytes()) }
}

/// Member 0, with entries of these terms.
fn with(term: u64, terms: &[u64]) -> Replica {
    let log = Log::new(Position::default(), terms.iter().copied().map(entry).collect());
    let kept = Kept { vote: Vote { term, member: None }, log, ..Kept::default() };
    Replica::new(Members::new(ALL[0], &ALL).unwrap(), Settings::new(50, 300, 200).unwrap(), kept, 0, 0)
}

fn place(term: u64, index: u64) -> Position {
    Position { term, index }
}

fn append(term: u64, after: Position, terms: &[u64], commit: u64) -> Message {
    Message::Append { term, after, entries: terms.iter().copied().map(entry).collect(), commit, sent_ms: 1 }
}

fn took(out: &Output) -> (u64, bool) {
    match out.send[..] {
        [(_, Message::Took { upto, fits, .. })] => (upto, fits),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_gets_a_vote_while_a_leader_is_heard_or_right_after_a_start() {
    let ask = || Message::Ask { term: 9, last: place(9, 9) };
    let mut it = with(1, &[1]);
    let out = it.hear(299, 0, ALL[1], ask());
    assert_eq!((out.send, out.vote, it.term()), (vec![(ALL[1], Message::Voted { term: 1, yes: false })], None, 1));
    let _ = it.hear(299, 0, ALL[2], append(1, place(1, 1), &[], 0));
    let out = it.hear(598, 0, ALL[1], ask());
    assert_eq!(out.send, [(ALL[1], Message::Voted { term: 1, yes: false })]);
    let first = it.hear(598, 0, ALL[1], Message::AskFirst { term: 9, last: place(9, 9) });
    assert_eq!(first.send, [(ALL[1], Message::Would { term: 1, yes: false })]);
    let out = it.hear(599, 0, ALL[1], ask());
    assert_eq!(out.send, [(ALL[1], Message::Voted { term: 9, yes: true })]);
    assert_eq!(out.vote, Some(Vote { term: 9, member: Some(ALL[1]) }), "kept before it is said");
}

#[test]
fn one_vote_in_a_term_and_none_for_who_knows_less() {
    let mut it = with(3, &[1, 3]);
    for (last, yes) in [(place(1, 9), false), (place(3, 1), false), (place(3, 2), true)] {
        let out = it.hear(400, 0, ALL[1], Message::Ask { term: 4, last });
        assert_eq!(out.send, [(ALL[1], Message::Voted { term: 4, yes })], "{last:?}");
    }
    let out = it.hear(401, 0, ALL[2], Message::Ask { term: 4, last: place(3, 9) });
    assert_eq!(out.send, [(ALL[2], Message::Voted { term: 4, yes: false })], "it went to another");
    let again = it.hear(402, 0, ALL[1], Message::Ask { term: 4, last: place(3, 2) });
    assert_eq!(again.send, [(ALL[1], Message::Voted { term: 4, yes: true })], "an answer may have been lost");
}

#[test]
fn entries_that_do_not_fit_are_refused_with_where_they_may() {
    let mut it = with(5, &[1, 2, 2, 2]);
    assert_eq!(took(&it.hear(1, 0, ALL[1], append(5, place(5, 9), &[5], 0))), (4, false), "a gap");
    assert_eq!(took(&it.hear(1, 0, ALL[1], append(5, place(3, 4), &[5], 0))), (1, false), "all of that term at once");
    let out = it.hear(1, 0, ALL[1], append(5, place(1, 1), &[5, 5], 9));
    assert_eq!((took(&out), out.cut, out.first, out.append.len(), out.commit), ((3, true), Some(2), 2, 2, 3));
    assert_eq!(it.log().last(), place(5, 3), "what was behind is void");
    let out = it.hear(2, 0, ALL[1], append(5, place(1, 1), &[5], 9));
    assert_eq!((took(&out), out.cut, out.append.len()), ((3, true), None, 0), "what came before comes again, late");
    let old = it.hear(3, 0, ALL[2], append(4, place(1, 1), &[4], 9));
    assert_eq!(old.send, [(ALL[2], Message::Took { term: 5, upto: 0, fits: false, sent_ms: 1 })], "another leads now");
}

fn lead(it: &mut Replica) -> Output {
    let _ = it.tick(700, 0);
    let term = it.term() + 1;
    let _ = it.hear(701, 0, ALL[1], Message::Would { term, yes: true });
    let out = it.hear(702, 0, ALL[1], Message::Voted { term, yes: true });
    assert_eq!(it.role(), Role::Leader);
    out
}

/// Figure 8 of the paper: an entry of a leader before must not count by its copies alone.
#[test]
fn what_a_leader_before_added_counts_only_behind_an_entry_of_this_one() {
    let mut it = with(2, &[1, 2]);
    let _ = lead(&mut it);
    let held = |upto| Message::Took { term: 3, upto, fits: true, sent_ms: 702 };
    assert_eq!(it.hear(703, 0, ALL[1], held(2)).commit, 0);
    assert_eq!(it.hear(704, 0, ALL[1], held(3)).commit, 3);
}

#[test]
fn who_is_far_behind_is_sent_the_state_and_then_what_is_new() {
    let mut it = with(2, &[1, 1, 2]);
    let _ = lead(&mut it);
    let _ = it.hear(703, 0, ALL[1], Message::Took { term: 3, upto: 4, fits: true, sent_ms: 702 });
    it.forget(9);
    assert_eq!(it.log().base(), place(3, 4), "nothing is forgotten that does not count");
    let (_, _) = it.propose(704, Arc::from(*b"x")).unwrap();
    let out = it.hear(705, 0, ALL[2], Message::Took { term: 3, upto: 0, fits: false, sent_ms: 702 });
    assert_eq!(out.send, [(ALL[2], Message::Install { term: 3, at: place(3, 4), sent_ms: 705 })]);
    let out = it.hear(706, 0, ALL[2], Message::Took { term: 3, upto: 4, fits: true, sent_ms: 705 });
    let sent = out.send.iter().find_map(|(to, message)| match message {
        Message::Append { after, entries, .. } if *to == ALL[2] => Some((*after, entries.len())),
        _ => None,
    });
    assert_eq!(sent, Some((place(3, 4), 1)), "{out:?}");
    let behind: Vec<_> = it.others(0).iter().map(|it| (it.member, it.behind, it.is_away)).collect();
    assert_eq!(behind, [(ALL[1], 1, false), (ALL[2], 1, false)]);

    let mut fresh = with(0, &[]);
    let out = fresh.hear(1, 0, ALL[1], Message::Install { term: 3, at: place(3, 4), sent_ms: 1 });
    assert_eq!((out.install, out.commit, fresh.log().last()), (Some(place(3, 4)), 4, place(3, 4)));
    let late = fresh.hear(2, 0, ALL[1], Message::Install { term: 3, at: place(3, 2), sent_ms: 1 });
    assert_eq!((late.install, took(&late)), (None, (4, true)));
}

#[test]
fn who_lost_its_disk_votes_for_nobody_until_it_was_told_everything_again() {
    let kept = Kept { disk_was_lost: true, ..Kept::default() };
    let settings = Settings::new(50, 300, 200).unwrap();
    let mut it = Replica::new(Members::new(ALL[0], &ALL).unwrap(), settings, kept, 0, 0);
    let ask = |term| Message::Ask { term, last: place(9, 9) };
    assert_eq!(it.hear(5_000, 0, ALL[1], ask(1)).send, [(ALL[1], Message::Voted { term: 1, yes: false })]);
    assert_eq!((it.tick(9_000, 0), it.role()), (Output::default(), Role::Follower(None)), "and asks for none");
    let _ = it.hear(9_001, 0, ALL[1], append(2, place(0, 0), &[1], 1));
    assert!(!it.is_whole(), "the leader does not know yet what counts");
    let _ = it.hear(9_001, 0, ALL[1], append(2, place(1, 1), &[2], 3));
    assert!(!it.is_whole(), "more counts than it has");
    let _ = it.hear(9_002, 0, ALL[1], append(2, place(2, 2), &[2], 3));
    assert!(it.is_whole());
    let out = it.hear(9_400, 0, ALL[2], ask(4));
    assert_eq!(out.send, [(ALL[2], Message::Voted { term: 4, yes: true })]);

    // A leader who thinks that it knows how far such a one is.
    let mut it = with(2, &[1, 2]);
    let _ = lead(&mut it);
    let _ = it.hear(703, 0, ALL[1], Message::Took { term: 3, upto: 3, fits: true, sent_ms: 702 });
    let out = it.hear(704, 0, ALL[1], Message::Took { term: 3, upto: 0, fits: false, sent_ms: 703 });
    let again = |(to, message): &(Member, Message)| match message {
        Message::Append { after, entries, .. } => *to == ALL[1] && *after == place(0, 0) && entries.len() == 3,
        _ => false,
    };
    assert!(out.send.iter().any(again), "{out:?}");
}

#[test]
fn a_message_has_no_more_than_fits() {
    let log = Log::new(Position::default(), vec![entry(1); 2 * MESSAGE_ENTRIES_MAX]);
    assert_eq!(log.some_from(1).map(|some| some.len()), Some(MESSAGE_ENTRIES_MAX));
    let large = Entry { term: 1, data: vec![0; 700 << 10].into() };
    let log = Log::new(place(1, 5), vec![large; 3]);
    assert_eq!(log.some_from(6).map(|some| some.len()), Some(1));
    assert_eq!(log.some_from(5), None, "it is gone");
    assert_eq!(log.some_from(9), Some(vec![]));
}
