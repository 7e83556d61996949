//! The server over streams in memory. The proxy behind it knows nobody yet and answers every request with 503, at once.

use super::*;
use crate::alarm::Alarms;
use crate::balance::guard::Balance;
use crate::conn::{About, Carrier, Side, Slot, Worker};
use crate::ledger::Ledger;
use crate::live::Proxy;
use crate::upstream::Pools;
use crate::users::Memory;
use bartizan_core::{ServiceName, TrustDomain};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;
use tokio_util::task::TaskTracker;

const SHORT: Times = Times {
    head: Duration::from_millis(300),
    idle: Duration::from_millis(300),
    body_stall: Duration::from_millis(300),
    write_stall: Duration::from_millis(300),
    linger: Duration::from_millis(100),
};
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn conn() -> Rc<Conn> {
    let name = ServiceName::parse("web").unwrap();
    let proxy = Arc::new(Proxy::new(name.clone(), TrustDomain::parse("bank.test").unwrap(), 1));
    let (counters, alarms, side) = (proxy.new_counters(), Alarms::default(), Side::Outbound(name));
    let ledger = Ledger::new(Arc::clone(&proxy), Arc::clone(&counters));
    let pools = Pools::new(Arc::clone(&proxy), Arc::clone(&counters), ledger.clone(), alarms.clone());
    let slot = Slot { permit: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(), open: counters.connection() };
    let trust = ledger.register_plain(&side);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let (balance, copies) = (Balance::new(Arc::clone(&counters)), Cell::new(0));
    let (lanes, speaks_first) = <(Rc<_>, _)>::default();
    let users = Memory::new(proxy.domain.clone()).into();
    let worker = Rc::new(Worker {
        proxy,
        counters,
        ledger,
        pools,
        balance,
        users,
        speaks_first,
        copies,
        lanes,
        alarms,
        tasks,
        stop,
    });
    let about = About { worker, remote: "127.0.0.1:1".parse().unwrap(), slot };
    Conn::new(about, side, None, trust, Carrier::Http1)
}

/// Deadlines pass a hundred times faster than they would.
async fn hasten(conn: &Conn) {
    loop {
        tokio::time::sleep(Duration::from_millis(1)).await;
        conn.worker.alarms.tick();
    }
}

/// Serves one end of a pipe that holds `room` bytes while `client` is busy with the other; true where the server ended first.
async fn serving(room: usize, client: impl AsyncFnOnce(DuplexStream)) -> bool {
    let (near, far) = duplex(room);
    let conn = conn();
    let stop = CancellationToken::new();
    LocalSet::new()
        .run_until(async {
            let mut client = pin!(client(near));
            let mut served = false;
            let serve = Box::pin(serve_with(Rc::clone(&conn), Stream::Memory(far), &stop, SHORT));
            tokio::select! {
                () = serve => served = true,
                () = &mut client => {}
                () = hasten(&conn) => {}
            }
            if served {
                client.await;
            }
            served
        })
        .await
}

async fn answer(stream: &mut DuplexStream) -> String {
    let mut bytes = vec![0; 4096];
    let n = stream.read(&mut bytes).await.unwrap();
    String::from_utf8(bytes[..n].to_vec()).unwrap()
}

#[tokio::test]
async fn a_refused_head_is_answered_and_nothing_after_it() {
    let ended = serving(4096, async |mut stream| {
        let smuggled = b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\nGET /two HTTP/1.1\r\nhost: a\r\n\r\n";
        stream.write_all(smuggled).await.unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        assert!(all.starts_with("HTTP/1.1 400") && all.contains("host_duplicate"), "{all}");
        assert!(all.contains("connection: close") && all.matches("HTTP/1.1").count() == 1, "{all}");
    });
    ended.await;
}

#[tokio::test]
async fn a_slow_head_is_refused_though_its_bytes_keep_coming() {
    let ended = serving(4096, async |mut stream| {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx: ").await.unwrap();
        let all = loop {
            tokio::select! {
                all = answer(&mut stream) => break all,
                () = tokio::time::sleep(Duration::from_micros(200)) => {}
            }
            stream.write_all(b"y").await.unwrap();
        };
        assert!(all.starts_with("HTTP/1.1 408") && all.contains("slow_head"), "{all}");
    });
    ended.await;
}

#[tokio::test]
async fn a_head_that_stops_is_refused_as_slow() {
    let ended = serving(4096, async |mut stream| {
        stream.write_all(b"GET / HT").await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 408"));
    });
    ended.await;
}

#[tokio::test]
async fn idleness_ends_the_connection_without_a_word() {
    let ended = serving(4096, async |mut stream| {
        stream.write_all(GET).await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 503"));
        assert_eq!(answer(&mut stream).await, "");
    });
    assert!(ended.await);
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_the_connection() {
    let ended = serving(16, async |mut stream| {
        stream.write_all(&GET[..16]).await.unwrap();
        stream.write_all(&GET[16..]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    assert!(tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap());
}

#[tokio::test]
async fn a_head_is_judged_once_it_is_whole_and_requests_are_answered_in_order() {
    serving(4096, async |mut stream| {
        stream.write_all(&GET[..GET.len() - 1]).await.unwrap();
        tokio::select! {
            biased;
            _ = answer(&mut stream) => panic!("an answer to half a request"),
            () = tokio::task::yield_now() => {}
        }
        stream.write_all(&[&GET[GET.len() - 1..], GET, b"GET /end HTTP/1.0\r\n\r\n"].concat()).await.unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        assert_eq!(all.matches("HTTP/1.1 503").count(), 3, "{all}");
    })
    .await;
}

#[tokio::test]
async fn after_an_answer_that_came_before_the_body_nothing_is_read_as_a_request() {
    serving(4096, async |mut stream| {
        stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\nabc").await.unwrap();
        let first = answer(&mut stream).await;
        assert!(first.starts_with("HTTP/1.1 503") && first.contains("connection: close"), "{first}");
        stream.write_all(GET).await.unwrap(); // the client's body, to whoever counts
        assert_eq!(answer(&mut stream).await, "");
    })
    .await;
}

/// The body of the one request that `bytes` hold, read to its end or trouble; and what the client got meanwhile.
async fn body_of(bytes: &[u8]) -> (Result<Vec<u8>, Trouble>, Option<Rule>, String) {
    let (mut near, far) = duplex(4096);
    let conn = conn();
    let shared = Rc::new(Shared::new(Stream::Memory(far), &conn, SHORT));
    near.write_all(bytes).await.unwrap();
    let (closing, mut content) = (Cell::new(false), Vec::new());
    let read = async {
        let Arrived::Request(_, announced) = poll_fn(|cx| shared.poll_request(cx, &closing)).await else {
            panic!("no request")
        };
        let mut body = shared.body(announced);
        loop {
            match poll_fn(|cx| body.poll_chunk(cx)).await {
                Some(Ok(Chunk::Data(data))) => content.extend_from_slice(&data),
                Some(Err(trouble)) => return Err(trouble),
                Some(Ok(Chunk::Trailers(_))) | None => return Ok(()),
            }
        }
    };
    let read = tokio::select! {
        read = read => read,
        () = hasten(&conn) => unreachable!(),
    };
    let broken = shared.broken.get();
    drop(shared);
    let mut heard = String::new();
    near.read_to_string(&mut heard).await.unwrap();
    (read.map(|()| content), broken, heard)
}

#[tokio::test]
async fn a_body_that_stops_or_breaks_a_rule_is_trouble() {
    let stops = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc";
    assert_eq!(body_of(stops).await, (Err(Trouble::Broken), Some(Rule::SlowBody), String::new()));
    let breaks = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\nabc";
    assert_eq!(body_of(breaks).await, (Err(Trouble::Broken), Some(Rule::BareLf), String::new()));
    let forbidden = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nhost: b\r\n\r\n";
    assert_eq!(body_of(forbidden).await, (Err(Trouble::Broken), Some(Rule::TrailerForbidden), String::new()));
}

#[tokio::test]
async fn a_body_comes_without_its_framing() {
    let whole = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    assert_eq!(body_of(whole).await, (Ok(b"abc".to_vec()), None, String::new()));
    let chunked =
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nx: 1\r\n\r\n";
    assert_eq!(body_of(chunked).await, (Ok(b"abcd".to_vec()), None, String::new()));
}

#[tokio::test]
async fn who_waits_to_be_told_is_told_once_the_body_is_wanted() {
    let waits = b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
    let (read, _, heard) = body_of(waits).await;
    assert_eq!((read, heard.as_str()), (Err(Trouble::Broken), "HTTP/1.1 100 Continue\r\n\r\n"));
}
