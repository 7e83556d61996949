//! Deadlines for many, kept by one coarse clock for each worker: setting one is writing a number. A timer of the runtime for
//! each wait of each request costs more than the check it guards.

use crate::limits::ALARM_TICK;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Not set.
const OFF: u64 = u64::MAX;

/// Every alarm of one worker.
#[derive(Clone, Debug, Default)]
pub struct Alarms(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Ticks of [`ALARM_TICK`] so far.
    now: Cell<u64>,
    all: RefCell<Slab<Rc<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    at: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// One deadline at a time, at most a tick or two late. It goes with the value.
#[derive(Debug)]
pub struct Alarm {
    alarms: Alarms,
    key: usize,
    entry: Rc<Entry>,
}

impl Alarms {
    /// A new alarm, not set.
    pub fn alarm(&self) -> Alarm {
        let entry = Rc::new(Entry { at: Cell::new(OFF), waker: RefCell::default() });
        let key = self.0.all.borrow_mut().insert(Rc::clone(&entry));
        Alarm { alarms: self.clone(), key, entry }
    }

    /// Called every [`ALARM_TICK`]: wakes who has waited long enough.
    pub fn tick(&self) {
        let now = self.0.now.get() + 1;
        self.0.now.set(now);
        for (_, entry) in self.0.all.borrow().iter().filter(|(_, entry)| entry.at.get() <= now) {
            if let Some(waker) = entry.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }
}

impl Alarm {
    /// Goes off in `after`, instead of at whatever time was set.
    pub fn set(&self, after: Duration) {
        let ticks = after.as_nanos().div_ceil(ALARM_TICK.as_nanos());
        // One more, since the present tick is under way.
        let at = self.alarms.0.now.get().saturating_add(u64::try_from(ticks).unwrap_or(OFF)).saturating_add(1);
        self.entry.at.set(at.min(OFF - 1));
    }

    /// As [`Alarm::set`], where no time is set yet.
    pub fn set_if_off(&self, after: Duration) {
        if self.entry.at.get() == OFF {
            self.set(after);
        }
    }

    /// Does not go off.
    pub fn off(&self) {
        self.entry.at.set(OFF);
    }

    /// Ready once the time is over.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.alarms.0.now.get() >= self.entry.at.get() {
            return Poll::Ready(());
        }
        let mut waker = self.entry.waker.borrow_mut();
        match &mut *waker {
            Some(held) => held.clone_from(cx.waker()), // nothing where it is the same one
            None => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.alarms.0.all.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_off_once_its_time_is_over_and_not_before() {
        let alarms = Alarms::default();
        let (alarm, other) = (alarms.alarm(), alarms.alarm());
        let mut cx = Context::from_waker(Waker::noop());
        alarm.set(ALARM_TICK * 2);
        for _ in 0..2 {
            alarms.tick();
            assert!(alarm.poll(&mut cx).is_pending());
        }
        alarms.tick();
        assert!(alarm.poll(&mut cx).is_ready() && other.poll(&mut cx).is_pending());
        alarm.off();
        assert!(alarm.poll(&mut cx).is_pending());
        drop(alarm);
        assert_eq!(alarms.0.all.borrow().len(), 1);
    }
}
