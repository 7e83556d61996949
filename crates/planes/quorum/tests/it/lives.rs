//! Processes are killed and stopped in the middle of writes, lose their disks, and are left alone.

use crate::processes::Group;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

const LOG_BYTES: u64 = 1 << 20;
const ALL: [usize; 3] = [0, 1, 2];
/// Leaders that are killed one after the other.
const KILLS: u64 = 4;
/// Writes that were acknowledged between two of them.
const WRITES: u64 = 25;

fn others(than: usize) -> Vec<usize> {
    ALL.into_iter().filter(|me| *me != than).collect()
}

/// Every member says that it has made as many changes, and the leader knows each of `keys`.
fn all_have(group: &Group, upto: u64, keys: impl Iterator<Item = (String, String)>) {
    let leader = group.leader(&ALL);
    for (key, value) in keys {
        assert_eq!(group.ask(leader, &format!("get {key}")), Ok(format!("ok {value}")), "{key}");
    }
    for me in ALL {
        group.wait("a member to have all", || {
            let said = group.ask(me, "who").ok()?;
            let applied: u64 = said.split("applied: ").nth(1)?.split(',').next()?.parse().ok()?;
            (applied >= upto).then_some(())
        });
    }
}

#[test]
fn leaders_are_killed_in_the_middle_of_writes_and_nothing_that_was_acknowledged_is_lost() {
    let group = Mutex::new(Group::started(LOG_BYTES));
    group.lock().unwrap().leader(&ALL);
    // By its own view of who is there, since the test holds the group while it kills.
    let view = group.lock().unwrap().view();
    let (written, over, highest) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            while !over.load(SeqCst) {
                let next = written.load(SeqCst) + 1;
                let index = view.put(&format!("k{next}"), &format!("v{next}"), &ALL);
                assert!(index > highest.load(SeqCst), "numbers only grow: {index} after {highest:?}");
                highest.store(index, SeqCst);
                written.store(next, SeqCst);
            }
        });
        for _ in 0..KILLS {
            let upto = written.load(SeqCst) + WRITES;
            let mut group = group.lock().unwrap();
            group.wait("writes to go on", || (written.load(SeqCst) >= upto || writing.is_finished()).then_some(()));
            assert!(!writing.is_finished(), "the writer ended");
            let leader = group.leader(&ALL);
            group.kill(leader);
            let new = group.leader(&others(leader));
            assert_ne!(new, leader);
            group.start(leader);
        }
        over.store(true, SeqCst);
        writing.join().unwrap();
    });
    let group = group.into_inner().unwrap();
    let keys = (1..=written.load(SeqCst)).map(|n| (format!("k{n}"), format!("v{n}")));
    all_have(&group, highest.load(SeqCst), keys);
}

#[test]
fn a_leader_that_stood_still_and_goes_on_answers_nothing_that_is_old() {
    let group = Group::started(LOG_BYTES);
    let old = group.leader(&ALL);
    group.put("key", "before", &ALL);
    for round in 0..3 {
        // It believes that it leads whenever it goes on.
        let old = if round == 0 { old } else { group.leader(&ALL) };
        group.signal(old, "-STOP");
        let rest = others(old);
        group.leader(&rest);
        group.put("key", &format!("after{round}"), &rest);
        group.signal(old, "-CONT");
        // As often as there is time before it hears of the other.
        for _ in 0..20 {
            let said = group.ask(old, "get key").unwrap();
            let fine = said.starts_with("NotLeading") || said == format!("ok after{round}");
            assert!(fine, "round {round}: {said}");
        }
    }
}

#[test]
fn a_leader_that_is_left_alone_refuses_and_comes_back_with_one_of_the_others() {
    let mut group = Group::started(LOG_BYTES);
    let leader = group.leader(&ALL);
    group.put("key", "value", &ALL);
    let rest = others(leader);
    rest.iter().for_each(|me| group.kill(*me));
    let said = group.ask(leader, "put key alone").unwrap();
    assert!(said == "Unsure" || said.starts_with("NotLeading"), "it acknowledges nothing: {said}");
    group.wait("it to answer no questions", || {
        group.ask(leader, "get key").is_ok_and(|said| said.starts_with("NotLeading")).then_some(())
    });
    assert!(group.ask(leader, "put key later").unwrap().starts_with("NotLeading"));
    group.start(rest[0]);
    let two = [leader, rest[0]];
    let index = group.put("more", "1", &two);
    assert!(index > 2);
    let now = group.leader(&two);
    let kept = group.ask(now, "get key").unwrap();
    assert!(kept == "ok value" || kept == "ok alone", "what was not acknowledged may count, nothing else: {kept}");
}

#[test]
fn a_member_without_a_disk_gets_the_state_of_the_others_and_one_with_half_an_end_what_it_lacks() {
    // So small that the state is written down again and again.
    let mut group = Group::started(4 << 10);
    let leader = group.leader(&ALL);
    let behind = others(leader)[0];
    group.kill(behind);
    group.lose_disk(behind);
    let rest = others(behind);
    let text = "x".repeat(200);
    let mut last = 0;
    for n in 0..60 {
        last = group.put(&format!("k{n}"), &format!("{text}{n}"), &rest);
    }
    group.start(behind);
    let keys = || (0..60).map(|n| (format!("k{n}"), format!("{text}{n}")));
    all_have(&group, last, keys());
    // It is whole again, which its folder remembers, and has to carry a majority now.
    group.wait("it to be whole", || (!group.folder(behind).join("lost").exists()).then_some(()));
    group.kill(behind);
    group.start(behind);
    let other = *rest.iter().find(|me| **me != leader).unwrap();
    group.kill(other);
    let last = group.put("last", "1", &[behind, leader]);
    group.kill(behind);
    let log = group.folder(behind).join("log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes.extend_from_slice(&[9, 0, 0]);
    std::fs::write(&log, bytes).unwrap();
    group.start(behind);
    group.start(other);
    all_have(&group, last, keys().chain([("last".to_owned(), "1".to_owned())]));
}
