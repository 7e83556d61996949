//! Tasks that answer requests of legs, one after another each.
//!
//! A task for each request would cost an allocation of several kilobytes, its way there by copy, and a slot of the runtime:
//! a tenth of what a request costs in all. One that is free takes the next request where the last one was, and works on it there:
//! a future for each request, handed to the lane, would be copied into it.

use crate::limits::LEG_FREE_LANES_MAX;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio_util::task::TaskTracker;

/// The lanes of a worker that are free.
#[derive(Debug)]
pub struct Lanes<Job> {
    free: RefCell<Vec<Rc<Lane<Job>>>>,
    closed: Cell<bool>,
}

/// One task, as those see it who give it something to do.
#[derive(Debug)]
struct Lane<Job> {
    next: RefCell<Option<Job>>,
    waker: RefCell<Option<Waker>>,
}

impl<Job> Default for Lanes<Job> {
    fn default() -> Self {
        Self { free: RefCell::default(), closed: Cell::default() }
    }
}

impl<Job: 'static> Lanes<Job> {
    /// Does `job` in a lane that is free, or in a new one among `tasks`, which does `work`.
    pub fn begin<Done>(self: &Rc<Self>, tasks: &TaskTracker, job: Job, work: fn(Jobs<Job>) -> Done)
    where
        Done: Future<Output = ()> + 'static,
    {
        let free = self.free.borrow_mut().pop();
        match free {
            Some(lane) => lane.give(job),
            None => {
                let lane = Rc::new(Lane { next: RefCell::new(Some(job)), waker: RefCell::default() });
                drop(tasks.spawn_local(work(Jobs { lanes: Rc::clone(self), lane, at_work: false })));
            }
        }
    }

    /// Ends the free ones; others end with what they do.
    pub fn close(&self) {
        self.closed.set(true);
        self.free.take().iter().for_each(|lane| lane.wake());
    }

    fn is_kept(&self, lane: &Rc<Lane<Job>>) -> bool {
        let mut free = self.free.borrow_mut();
        let kept = !self.closed.get() && free.len() < LEG_FREE_LANES_MAX;
        if kept {
            free.push(Rc::clone(lane));
        }
        kept
    }
}

impl<Job> Lane<Job> {
    fn give(&self, job: Job) {
        *self.next.borrow_mut() = Some(job);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// The next job; `None` where none comes any more.
    fn poll_next(&self, closed: bool, cx: &Context<'_>) -> Poll<Option<Job>> {
        let job = self.next.borrow_mut().take();
        if job.is_some() || closed {
            return Poll::Ready(job);
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// What one lane has to do, one after the other.
#[derive(Debug)]
pub struct Jobs<Job> {
    lanes: Rc<Lanes<Job>>,
    lane: Rc<Lane<Job>>,
    /// It was given one already, and is done with that when it asks for another.
    at_work: bool,
}

impl<Job: 'static> Jobs<Job> {
    /// The next one; `None` where the lane is to end.
    pub async fn next(&mut self) -> Option<Job> {
        if self.at_work && !self.lanes.is_kept(&self.lane) {
            return None;
        }
        self.at_work = true;
        poll_fn(|cx| self.lane.poll_next(self.lanes.closed.get(), cx)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tokio::task::{LocalSet, yield_now};

    struct Work {
        done: Rc<Cell<u32>>,
        until: oneshot::Receiver<()>,
    }

    async fn work(mut jobs: Jobs<Work>) {
        while let Some(job) = jobs.next().await {
            let _ = job.until.await;
            job.done.set(job.done.get() + 1);
        }
    }

    struct Place {
        lanes: Rc<Lanes<Work>>,
        tasks: TaskTracker,
        done: Rc<Cell<u32>>,
    }

    impl Place {
        fn new() -> Self {
            Self { lanes: Rc::default(), tasks: TaskTracker::new(), done: Rc::default() }
        }

        fn begin(&self) -> oneshot::Sender<()> {
            let (end, until) = oneshot::channel();
            self.lanes.begin(&self.tasks, Work { done: Rc::clone(&self.done), until }, work);
            end
        }
    }

    #[tokio::test]
    async fn a_free_lane_is_taken_before_another_one_is_made() {
        let it = Place::new();
        let all = async {
            for n in 1..=5 {
                it.begin().send(()).unwrap();
                while it.done.get() < n {
                    yield_now().await;
                }
                assert_eq!((it.tasks.len(), it.lanes.free.borrow().len()), (1, 1));
            }
            let ends: Vec<_> = (0..LEG_FREE_LANES_MAX + 3).map(|_| it.begin()).collect();
            yield_now().await;
            assert_eq!(it.tasks.len(), LEG_FREE_LANES_MAX + 3, "all at once");
            drop(ends);
            while it.tasks.len() > LEG_FREE_LANES_MAX {
                yield_now().await;
            }
            assert_eq!(it.lanes.free.borrow().len(), LEG_FREE_LANES_MAX, "and no more are kept");
        };
        LocalSet::new().run_until(all).await;
    }

    #[tokio::test]
    async fn when_it_is_closed_the_free_ones_end_and_the_others_finish() {
        let it = Place::new();
        let all = async {
            it.begin().send(()).unwrap();
            while it.done.get() < 1 {
                yield_now().await;
            }
            let (first, second) = (it.begin(), it.begin());
            yield_now().await;
            it.lanes.close();
            let late = it.begin();
            for (end, n) in [(first, 2), (second, 3), (late, 4)] {
                end.send(()).unwrap();
                while it.done.get() < n {
                    yield_now().await;
                }
            }
            it.tasks.close();
            it.tasks.wait().await;
        };
        LocalSet::new().run_until(all).await;
    }
}
