//! What the engine asks to be kept is what it has, whenever it starts anew.

use bartizan_consensus::{Entry, Log, Member, Members, Message, Output, Position, Replica, Settings, Vote};
use bartizan_replica::{Change, Files, Found, Place};
use proptest::prelude::*;
use std::sync::Arc;

const ALL: [Member; 3] = [Member(0), Member(1), Member(2)];

fn kept(entry: &Entry) -> bartizan_replica::Entry {
    bartizan_replica::Entry { term: entry.term, data: Arc::clone(&entry.data) }
}

fn vote(vote: Vote) -> bartizan_replica::Vote {
    bartizan_replica::Vote { term: vote.term, member: vote.member.map(|it| it.0) }
}

/// What `files` is to keep of a step.
fn keep(files: &mut Files, replica: &Replica, last_vote: &mut Vote, out: &Output) {
    *last_vote = out.vote.unwrap_or(*last_vote);
    if let Some(at) = out.install {
        let place = Place { term: at.term, index: at.index };
        let behind: Vec<_> = (at.index + 1..).map_while(|index| replica.log().get(index)).map(kept).collect();
        return files.put_state(vote(*last_vote), place, b"state", &behind).unwrap();
    }
    let append = out.append.iter().map(kept).collect();
    files.keep(&Change { vote: out.vote.map(vote), cut: out.cut, first: out.first, append }).unwrap();
}

fn same(found: &Found, replica: &Replica, last_vote: Vote) -> bool {
    let Position { term, index } = replica.log().base();
    let entries: Vec<Entry> =
        found.entries.iter().map(|it| Entry { term: it.term, data: Arc::clone(&it.data) }).collect();
    let log = Log::new(Position { term, index }, entries);
    log == *replica.log() && found.base == Place { term, index } && found.vote == vote(last_vote)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn it_is_what_was_kept(steps in proptest::collection::vec((0u8..5, 1u64..6, 0u64..6, 0usize..4, any::<bool>()), 1..24)) {
        let dir = tempfile::tempdir().unwrap();
        let (mut files, _) = Files::open(dir.path(), true).unwrap();
        let settings = Settings::new(50, 300, 200).unwrap();
        let mut replica = Replica::new(Members::new(ALL[0], &ALL).unwrap(), settings, Default::default(), 0, 0);
        let (mut last_vote, mut term, mut now) = (Vote::default(), 1, 0);
        for (what, more, back, count, other) in steps {
            now += 40 * more;
            let last = replica.log().last().index;
            let after = last.saturating_sub(back).max(replica.commit());
            let place = Position { term: replica.log().term(after).unwrap_or(0), index: after };
            let from = if other { ALL[1] } else { ALL[2] };
            let out = match what {
                // Another leader, whose entries may be others.
                0 => { term = replica.term() + more; append(&mut replica, now, from, term, place, count) }
                1 => {
                    let newest = term.max(replica.term());
                    append(&mut replica, now, from, newest, place, count)
                }
                2 => replica.hear(now + 300, 0, from, Message::Ask { term: replica.term() + more, last: Position { term: 99, index: 99 } }),
                3 => replica.tick(now, 0),
                _ => replica.hear(now, 0, from, Message::Install { term: replica.term() + 1, at: Position { term: term.max(1), index: last + more }, sent_ms: 0 }),
            };
            keep(&mut files, &replica, &mut last_vote, &out);
        }
        drop(files);
        let (_, found) = Files::open(dir.path(), true).unwrap();
        prop_assert!(same(&found, &replica, last_vote), "{found:?} is not {replica:?}");
    }
}

fn append(replica: &mut Replica, now: u64, from: Member, term: u64, after: Position, count: usize) -> Output {
    let entry = |n: usize| Entry { term, data: Arc::from(n.to_le_bytes()) };
    let entries = (0..count).map(entry).collect();
    replica.hear(now, 0, from, Message::Append { term, after, entries, commit: after.index, sent_ms: 0 })
}
