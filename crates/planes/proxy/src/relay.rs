//! Copies bytes both ways until both ends are through; a half that closes is closed on the other side, no more.

mod copy;

use self::copy::Copy;
use crate::limits;
use bartizan_core::event::Ending;
use bartizan_core::limits::DRAIN_TIME;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a relayed connection came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Bytes from caller to service.
    pub bytes_up: u64,
    /// Bytes from service to caller.
    pub bytes_down: u64,
    /// Why it ended early, where it did.
    pub error: Option<&'static str>,
}

/// Which end speaks before the other one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The caller, as in most protocols.
    Caller,
    /// The service, as in SMTP, SSH or MySQL.
    Service,
}

/// How long a relay waits for what.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Silence in both directions.
    idle: Duration,
    /// Between two looks at it.
    look: Duration,
}

const TIMES: Times = Times { idle: limits::RELAY_IDLE_TIME, look: limits::RELAY_LOOK };

/// When a relay ends although both ends go on.
#[derive(Clone, Copy, Debug)]
pub struct Stop<'a> {
    /// Asked for.
    pub stop: &'a CancellationToken,
    /// So long after that, as is said by then.
    pub drain: &'a Drain,
}

/// How long what is under way goes on after a stop: [`DRAIN_TIME`], unless something else is said meanwhile.
#[derive(Debug)]
pub struct Drain(AtomicU32);

impl Default for Drain {
    fn default() -> Self {
        Self(AtomicU32::new(DRAIN_TIME.as_millis() as u32))
    }
}

impl Drain {
    /// From now on so many milliseconds.
    pub fn set(&self, ms: Option<u32>) {
        self.0.store(ms.unwrap_or(DRAIN_TIME.as_millis() as u32), Relaxed);
    }

    /// How long.
    pub fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Relaxed).into())
    }
}

impl Stop<'_> {
    async fn is_over(self) {
        self.stop.cancelled().await;
        tokio::time::sleep(self.drain.get()).await;
    }
}

/// Relays between `caller` and `service`.
///
/// Ends when both directions have ended, when one breaks, after [`limits::RELAY_IDLE_TIME`] of silence, at once when
/// `over` is, or as `stop` says. Dropping the future closes both connections.
pub async fn run<A, B>(caller: A, service: B, stop: Stop<'_>, over: impl Future<Output = Ending>) -> Relayed
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    relay(caller, service, stop, over, TIMES, &|_| {}).await
}

/// As [`run`]; `told` hears once which end spoke first.
pub async fn run_telling<A, B>(
    caller: A,
    service: B,
    stop: Stop<'_>,
    over: impl Future<Output = Ending>,
    told: &dyn Fn(First),
) -> Relayed
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    relay(caller, service, stop, over, TIMES, told).await
}

async fn relay<A, B>(
    caller: A,
    service: B,
    stop: Stop<'_>,
    over: impl Future<Output = Ending>,
    times: Times,
    told: &dyn Fn(First),
) -> Relayed
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let active = Rc::new(Cell::new(Instant::now()));
    let quiet = Rc::clone(&active);
    let (up, down) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let heard = |first| {
        if up.get() == 0 && down.get() == 0 {
            told(first);
        }
    };
    let (by_caller, by_service) = (|| heard(First::Caller), || heard(First::Service));
    let mut caller = Metered { inner: caller, read: Rc::clone(&up), active: Rc::clone(&active), first: &by_caller };
    let mut service = Metered { inner: service, read: Rc::clone(&down), active, first: &by_service };
    let (mut upwards, mut downwards) = (Copy::default(), Copy::default());
    let copy = std::future::poll_fn(|cx| {
        let up = upwards.poll(cx, &mut caller, &mut service)?;
        let down = downwards.poll(cx, &mut service, &mut caller)?;
        if up.is_ready() && down.is_ready() { Poll::Ready(io::Result::Ok(())) } else { Poll::Pending }
    });
    let error = tokio::select! {
        copied = copy => copied.err().map(|_| "broken"),
        () = silence(&quiet, times) => Some("idle"),
        () = stop.is_over() => Some("stopped"),
        ending = over => Some(ending.as_str()),
    };
    Relayed { bytes_up: up.get(), bytes_down: down.get(), error }
}

async fn silence(active: &Cell<Instant>, times: Times) {
    while active.get().elapsed() < times.idle {
        tokio::time::sleep(times.look).await;
    }
}

/// Counts what is read, and notes when.
struct Metered<'a, S> {
    inner: S,
    read: Rc<Cell<u64>>,
    active: Rc<Cell<Instant>>,
    /// Called before the first bytes are counted.
    first: &'a dyn Fn(),
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, out);
        let n = out.filled().len() - before;
        if n > 0 {
            if self.read.get() == 0 {
                (self.first)();
            }
            self.read.set(self.read.get() + n as u64);
            self.active.set(Instant::now());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn a_closed_half_leaves_the_other_open() {
        let ((mut client, near), (far, mut server)) = (duplex(64), duplex(64));
        let stop = CancellationToken::new();
        let talk = async {
            client.write_all(b"question").await.unwrap();
            client.shutdown().await.unwrap();
            let mut heard = String::new();
            server.read_to_string(&mut heard).await.unwrap();
            server.write_all(b"answer after the end").await.unwrap();
            server.shutdown().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            (heard, answer)
        };
        let (relayed, (heard, answer)) = tokio::join!(run(near, far, soon(&stop), pending()), talk);
        assert_eq!((heard.as_str(), answer.as_str()), ("question", "answer after the end"));
        assert_eq!(relayed, Relayed { bytes_up: 8, bytes_down: 20, error: None });
    }

    #[tokio::test]
    async fn whoever_speaks_first_is_told_once() {
        for first in [First::Caller, First::Service] {
            let ((mut client, near), (far, mut server)) = (duplex(64), duplex(64));
            let heard = std::cell::RefCell::new(Vec::new());
            let talk = async {
                let mut byte = [0];
                for turn in [first, First::Service, First::Caller] {
                    let (from, to) = match turn {
                        First::Caller => (&mut client, &mut server),
                        First::Service => (&mut server, &mut client),
                    };
                    from.write_all(b"x").await.unwrap();
                    to.read_exact(&mut byte).await.unwrap();
                }
                drop((client, server));
            };
            let stop = CancellationToken::new();
            let told = |first| heard.borrow_mut().push(first);
            tokio::join!(run_telling(near, far, soon(&stop), pending(), &told), talk);
            assert_eq!(*heard.borrow(), [first]);
        }
    }

    const SHORT: Times = Times { idle: Duration::from_millis(20), look: Duration::from_millis(1) };

    static NO_TIME: Drain = Drain(AtomicU32::new(1));

    fn soon(stop: &CancellationToken) -> Stop<'_> {
        Stop { stop, drain: &NO_TIME }
    }

    #[tokio::test]
    async fn silence_and_a_stop_end_it() {
        let ((_client, near), (far, _server)) = (duplex(64), duplex(64));
        let never = CancellationToken::new();
        assert_eq!(relay(near, far, soon(&never), pending(), SHORT, &|_| {}).await.error, Some("idle"));
        let ((_client, near), (far, _server)) = (duplex(64), duplex(64));
        let stop = CancellationToken::new();
        stop.cancel();
        let times = Times { idle: Duration::from_secs(60), ..SHORT };
        assert_eq!(relay(near, far, soon(&stop), pending(), times, &|_| {}).await.error, Some("stopped"));
        let ((_client, near), (far, _server)) = (duplex(64), duplex(64));
        let over = ready(Ending::Revoked);
        assert_eq!(relay(near, far, soon(&never), over, times, &|_| {}).await.error, Some("revoked"));
    }
}
