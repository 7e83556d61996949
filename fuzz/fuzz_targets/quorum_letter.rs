//! Letters of members to each other: what is read is written as the same letter, and a member hears anything without harm.
#![no_main]

use bartizan_consensus::{Kept, Member, Members, Replica, Settings};
use bartizan_quorum::letters::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let all = [Member(0), Member(1), Member(2)];
    let members = Members::new(all[0], &all).expect("three members");
    let settings = Settings::new(50, 300, 200).expect("times that fit");
    let mut replica = Replica::new(members, settings, Kept::default(), 0, 7);
    for (now, part) in (0u64..).step_by(97).zip(bytes.split(|byte| *byte == 0xff)) {
        let Some(letter) = decode(part) else { continue };
        let frame = encode(&letter).expect("it was read");
        assert_eq!(decode(&frame[4..]).as_ref(), Some(&letter));
        let (term, commit) = (replica.term(), replica.commit());
        let _ = replica.hear(now, now, all[1], letter.message);
        let _ = replica.tick(now, now);
        assert!(replica.term() >= term && replica.commit() >= commit);
        assert!(replica.commit() <= replica.log().last().index);
    }
});
