//! The payments: a closed or an open loop, and afterwards an answer for each that had none.

use super::dice::Dice;
use super::{Bank, Plan};
use crate::client::{Call, CallError};
use crate::limits::{LOAD_ATTEMPTS_MAX, PAUSE_MAX, PAUSE_MIN, SETTLE_WITHIN};
use crate::words::{Id, Key, Outcome, Transfer};
use hyper::StatusCode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

/// Largest amount of one payment, in cents: small against what an account is opened with, so that few are declined.
const PAYMENT_CENTS_MAX: u64 = 100;

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Driven {
    /// Payments made.
    pub(super) done: u64,
    /// Payments that the bank declined, for lack of money.
    pub(super) declined: u64,
    /// Payments refused at the first attempt with a status that no repetition changes.
    pub(super) refused: u64,
    /// Attempts beyond the first.
    pub(super) retries: u64,
    /// Attempts without a useful answer, by status or kind.
    pub(super) errors: BTreeMap<String, u64>,
    /// Latency of every payment that was made during the run, in microseconds, sorted at the end.
    pub(super) latencies_us: Vec<u32>,
    /// From the first payment to the last answer.
    pub(super) elapsed: Duration,
    /// What each account should have gained, in cents.
    pub(super) gained: BTreeMap<Id, i64>,
    /// Payments without a final answer: they may have been made or not.
    pub(super) unresolved: Vec<Payment>,
}

#[derive(Clone, Debug)]
pub(super) struct Payment {
    key: Key,
    transfer: Transfer,
}

impl Payment {
    /// The payment of this number. Its key belongs to the run, the rest to the seed.
    fn of(number: u64, run: u64, seed: u64, accounts: &[Id]) -> Self {
        let key = Dice::of(run, number).key();
        let mut dice = Dice::of(seed, number);
        let count = accounts.len() as u64;
        let from = dice.below(count);
        let to = (from + 1 + dice.below(count - 1)) % count; // never the same
        let cents = (1 + dice.below(PAYMENT_CENTS_MAX)).try_into().expect("1 to PAYMENT_CENTS_MAX is an amount");
        let account = |at: u64| accounts[at as usize].clone();
        Self { key, transfer: Transfer { from: account(from), to: account(to), cents } }
    }
}

/// What one attempt, or all of them together, came to.
enum Answered {
    Outcome(Outcome),
    Refused,
    Nothing,
}

/// Makes the payments of a plan.
pub(super) async fn drive(bank: &Arc<Bank>, plan: &Plan, accounts: &[Id], run: u64) -> Driven {
    let driver = Arc::new(Driver {
        bank: Arc::clone(bank),
        accounts: accounts.to_vec(),
        run,
        seed: plan.seed,
        driven: Mutex::default(),
    });
    let began = Instant::now();
    match plan.rate {
        None => closed_loop(&driver, plan).await,
        Some(rate) => open_loop(&driver, plan, rate).await,
    }
    let mut driven = std::mem::take(&mut *driver.driven());
    driven.elapsed = began.elapsed();
    driven.latencies_us.sort_unstable();
    driven
}

/// As many workers as asked for, each with one payment at a time.
async fn closed_loop(driver: &Arc<Driver>, plan: &Plan) {
    let until = plan.count.is_none().then(|| Instant::now() + plan.duration);
    let count = plan.count.unwrap_or(u64::MAX);
    let next = Arc::new(AtomicU64::new(0));
    let workers = TaskTracker::new();
    for _ in 0..plan.concurrency {
        let (driver, next) = (Arc::clone(driver), Arc::clone(&next));
        workers.spawn(async move {
            while until.is_none_or(|until| Instant::now() < until) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    break;
                }
                driver.pay(number, Instant::now()).await;
            }
        });
    }
    workers.close();
    workers.wait().await;
}

/// A payment whenever one is due, whatever became of those before.
async fn open_loop(driver: &Arc<Driver>, plan: &Plan, rate: f64) {
    let count = plan.count.unwrap_or((plan.duration.as_secs_f64() * rate) as u64);
    // Unbounded on purpose: a queue that filled up would hold back the payments and hide the wait. `count` bounds it.
    let (sender, mut due) = mpsc::unbounded_channel();
    std::thread::spawn(move || pace(count, rate, &sender));
    let payments = TaskTracker::new();
    while let Some((number, at)) = due.recv().await {
        let driver = Arc::clone(driver);
        payments.spawn(async move { driver.pay(number, at).await });
    }
    payments.close();
    payments.wait().await;
}

/// Says when a payment is due. A thread of its own: tokio's timer counts in milliseconds, which is what we measure.
fn pace(count: u64, rate: f64, due: &mpsc::UnboundedSender<(u64, Instant)>) {
    let began = Instant::now();
    for number in 0..count {
        let at = began + Duration::from_secs_f64(number as f64 / rate);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if due.send((number, at)).is_err() {
            return;
        }
    }
}

struct Driver {
    bank: Arc<Bank>,
    accounts: Vec<Id>,
    run: u64,
    seed: u64,
    driven: Mutex<Driven>,
}

impl Driver {
    /// One payment that was due at `due`, with all its attempts.
    async fn pay(&self, number: u64, due: Instant) {
        let payment = Payment::of(number, self.run, self.seed, &self.accounts);
        let mut pause = PAUSE_MIN;
        for attempt in 1..=LOAD_ATTEMPTS_MAX {
            match attempt_once(&self.bank, &payment, &mut self.errors()).await {
                Answered::Outcome(outcome) => {
                    let mut driven = self.driven();
                    driven.count(&payment, outcome);
                    if outcome == Outcome::Done {
                        driven.latencies_us.push(due.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
                    }
                    return;
                }
                // An earlier attempt may have got through before somebody began to refuse: asked again at the end.
                Answered::Refused if attempt == 1 => return self.driven().refused += 1,
                Answered::Refused => break,
                Answered::Nothing if attempt < LOAD_ATTEMPTS_MAX => {
                    self.driven().retries += 1;
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Answered::Nothing => {}
            }
        }
        self.driven().unresolved.push(payment);
    }

    fn errors(&self) -> impl FnMut(String) {
        |error| *self.driven().errors.entry(error).or_default() += 1
    }

    fn driven(&self) -> MutexGuard<'_, Driven> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driven {
    fn count(&mut self, payment: &Payment, outcome: Outcome) {
        if outcome != Outcome::Done {
            self.declined += 1;
            return;
        }
        self.done += 1;
        let Transfer { from, to, cents } = &payment.transfer;
        *self.gained.entry(from.clone()).or_default() -= cents.get();
        *self.gained.entry(to.clone()).or_default() += cents.get();
    }
}

async fn attempt_once(bank: &Bank, payment: &Payment, error: &mut impl FnMut(String)) -> Answered {
    #[derive(Deserialize)]
    struct Paid {
        outcome: Outcome,
    }
    let reply = match bank.payment.call(&Call::post("/payments", &payment.transfer).key(payment.key)).await {
        Ok(reply) => reply,
        Err(CallError::Broken { .. }) => {
            error("connection broken".into());
            return Answered::Nothing;
        }
        Err(CallError::Slow { .. }) => {
            error("no answer in time".into());
            return Answered::Nothing;
        }
    };
    let paid: Result<Paid, _> = serde_json::from_slice(&reply.body);
    if let Ok(Paid { outcome }) = paid {
        return Answered::Outcome(outcome);
    }
    error(format!("status {}", reply.status.as_u16()));
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    if reply.status.is_server_error() || passing.contains(&reply.status) {
        Answered::Nothing
    } else {
        Answered::Refused
    }
}

/// Asks again, with their own keys, about the payments that have no final answer, for up to [`SETTLE_WITHIN`]. Then it
/// is known for all others what every balance has to be. What stays unresolved is reported.
pub(super) async fn settle(bank: &Bank, driven: &mut Driven) {
    let deadline = Instant::now() + SETTLE_WITHIN;
    let mut waiting = std::mem::take(&mut driven.unresolved);
    while let Some(payment) = waiting.pop() {
        let errors = &mut driven.errors;
        match attempt_once(bank, &payment, &mut |error| *errors.entry(error).or_default() += 1).await {
            Answered::Outcome(outcome) => driven.count(&payment, outcome),
            Answered::Refused | Answered::Nothing if Instant::now() < deadline => {
                waiting.push(payment);
                driven.retries += 1;
                sleep(PAUSE_MAX).await;
            }
            Answered::Refused | Answered::Nothing => driven.unresolved.push(payment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_payments_and_a_run_its_own_keys() {
        let accounts: Vec<_> = (0..7).map(|n| Id::parse(&format!("acc-{n}")).unwrap()).collect();
        for number in 0..500 {
            let (one, two) = (Payment::of(number, 1, 9, &accounts), Payment::of(number, 2, 9, &accounts));
            assert_eq!(one.transfer, two.transfer);
            assert_ne!(one.key, two.key);
            assert_ne!(one.transfer.from, one.transfer.to);
        }
        let other = |seed| (0..20).map(|n| Payment::of(n, 1, seed, &accounts).transfer).collect::<Vec<_>>();
        assert_ne!(other(9), other(10));
    }
}
