//! The network parts: a leader that its clients reach still, and the others do not, answers nothing and acknowledges nothing.

use crate::processes::Group;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

const ALL: [usize; 3] = [0, 1, 2];

/// The way from one member to another, which can be shut and opened again.
struct Way {
    from: usize,
    to: usize,
    addr: SocketAddr,
    open: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Way {
    fn new(from: usize, to: usize, member: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (open, streams) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let (is_open, held) = (Arc::clone(&open), Arc::clone(&streams));
        thread::spawn(move || {
            for came in listener.incoming().flatten() {
                // Held while it is decided, so that none slips through as it is shut.
                let mut held = held.lock().unwrap();
                let Some(onward) = is_open.load(SeqCst).then(|| TcpStream::connect(member).ok()).flatten() else {
                    continue; // closed as it is dropped
                };
                for (one, other) in [(&came, &onward), (&onward, &came)] {
                    let (one, other) = (one.try_clone().unwrap(), other.try_clone().unwrap());
                    thread::spawn(move || relay(one, other));
                }
                held.extend([came, onward]);
            }
        });
        Self { from, to, addr, open, streams }
    }

    fn set_open(&self, open: bool) {
        let mut streams = self.streams.lock().unwrap();
        self.open.store(open, SeqCst);
        if !open {
            for stream in streams.drain(..) {
                let _ = stream.shutdown(Shutdown::Both); // it may have ended by itself
            }
        }
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both); // it may have ended by itself
    }
}

struct Parted {
    group: Group,
    ways: Vec<Way>,
}

impl Parted {
    fn start() -> Self {
        let mut group = Group::new(1 << 20);
        let pairs = ALL.into_iter().flat_map(|from| ALL.into_iter().map(move |to| (from, to)));
        let ways: Vec<Way> =
            pairs.filter(|(from, to)| from != to).map(|(from, to)| Way::new(from, to, group.members[to])).collect();
        for me in ALL {
            let at = |to: usize| {
                ways.iter().find(|way| (way.from, way.to) == (me, to)).map_or(group.members[me], |way| way.addr)
            };
            let list: Vec<String> = ALL.iter().map(|to| format!("{to}={}", at(*to))).collect();
            group.configure(me, &list.join(","), 1 << 20, true);
        }
        ALL.into_iter().for_each(|me| group.start(me));
        Self { group, ways }
    }

    /// Whether `one` and the others hear each other.
    fn set_open(&self, one: usize, open: bool) {
        self.ways.iter().filter(|way| way.from == one || way.to == one).for_each(|way| way.set_open(open));
    }
}

#[test]
fn an_old_leader_that_only_its_clients_reach_refuses_and_gives_up_what_it_took() {
    let parted = Parted::start();
    let group = &parted.group;
    for round in 0..3 {
        let old = group.leader(&ALL);
        let rest: Vec<usize> = ALL.into_iter().filter(|me| *me != old).collect();
        group.put("key", &format!("before{round}"), &ALL);
        parted.set_open(old, false);
        // It leads still, as far as it knows, and takes this; nobody is to be told that it counts.
        let said = group.ask(old, &format!("put key alone{round}")).unwrap();
        assert!(said == "Unsure" || said.starts_with("NotLeading"), "round {round}: {said}");
        let new = group.leader(&rest);
        group.put("key", &format!("after{round}"), &rest);
        for _ in 0..20 {
            let said = group.ask(old, "get key").unwrap();
            assert!(said.starts_with("NotLeading"), "round {round}: {said} while {new} leads");
            let said = group.ask(old, "put key late").unwrap();
            assert!(said.starts_with("NotLeading") || said == "Unsure", "round {round}: {said} while {new} leads");
        }
        parted.set_open(old, true);
        group.wait("the old one to follow", || group.ask(old, "who").ok().filter(|said| said.contains("Follows(Some")));
        let leader = group.leader(&ALL);
        assert_eq!(group.ask(leader, "get key"), Ok(format!("ok after{round}")), "round {round}");
    }
    // What it took alone is nowhere: it has what the others have.
    let index = group.put("last", "1", &ALL);
    for me in ALL {
        group.wait("all to have the same", || {
            let said = group.ask(me, "who").ok()?;
            let applied: u64 = said.split("applied: ").nth(1)?.split(',').next()?.parse().ok()?;
            (applied >= index).then_some(())
        });
    }
    let leader = group.leader(&ALL);
    assert_eq!(group.ask(leader, "get key"), Ok("ok after2".to_owned()));
}
