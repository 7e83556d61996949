//! A future that hardly ever has anything to say, beside one that is polled for each request.
//!
//! All futures of a task are polled whenever one of them is woken. What ends a connection (a stop, trust that is over) is asked so
//! for each byte that comes, and each answer takes a lock. Here it is asked again only once it itself was woken.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled only when it was woken.
#[derive(Debug)]
pub struct Aside<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    waker: Waker,
    /// Who was told to `bell` last.
    task: Waker,
}

/// Wakes the task, and notes for whom.
#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    task: Mutex<Waker>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the task is woken, which looks at once.
        self.rung.store(true, Ordering::Release);
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

impl<F: Future> Aside<F> {
    /// Polled once at the first occasion, and then when it is woken.
    pub fn new(future: F) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: Mutex::new(Waker::noop().clone()) });
        Self { future: Box::pin(future), waker: Waker::from(Arc::clone(&bell)), bell, task: Waker::noop().clone() }
    }
}

impl<F: Future> Future for Aside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let it = &mut *self;
        // First whom to wake, then whether it rang: whoever rings in between wakes the right one.
        if !it.task.will_wake(cx.waker()) {
            it.task.clone_from(cx.waker());
            it.bell.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(cx.waker());
        }
        if !it.bell.rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        it.bell.rung.store(false, Ordering::Relaxed);
        it.future.as_mut().poll(&mut Context::from_waker(&it.waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;
    use tokio::sync::oneshot;
    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn it_is_asked_again_only_once_it_was_woken() {
        let (stop, asked) = (CancellationToken::new(), Cell::new(0));
        let mut stopped = pin!(stop.cancelled());
        let mut aside = Aside::new(poll_fn(|cx| {
            asked.set(asked.get() + 1);
            stopped.as_mut().poll(cx)
        }));
        for _ in 0..10 {
            tokio::select! { biased; () = &mut aside => panic!("nobody stopped it"), () = tokio::task::yield_now() => {} }
        }
        assert_eq!(asked.get(), 1);
        stop.cancel();
        timeout(Duration::from_secs(10), &mut aside).await.expect("the stop is heard");
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_ring_from_another_thread_is_heard_at_whatever_moment() {
        for _ in 0..2_000 {
            let (ring, rung) = oneshot::channel::<()>();
            let waiting = tokio::spawn(async move {
                let mut aside = Aside::new(rung);
                // Woken for something else besides, as a task that serves a connection is.
                tokio::select! { biased; it = &mut aside => return it.is_ok(), () = tokio::task::yield_now() => {} }
                aside.await.is_ok()
            });
            let ringing = tokio::spawn(async move { ring.send(()) });
            assert_eq!(ringing.await.unwrap(), Ok(()));
            assert!(timeout(Duration::from_secs(10), waiting).await.expect("the ring is heard").unwrap());
        }
    }
}
