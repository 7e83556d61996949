//! The service that carries a payment through to its end. `bank payment`.
//!
//! | Call | Does |
//! |---|---|
//! | POST /payments `{from, to, cents}` | pays, under an `idempotency-key` |
//! | GET /payments/{key} | where that payment stands |
//! | GET /payments | how many are open and settled |
//!
//! A payment is first an intent in the journal, then a transfer at accounts, then an entry at transactions, then
//! settled. Each step may be repeated under the same key without being done twice, so whatever breaks, the payment is
//! driven on until it has its one outcome: by the task that began it, or after a restart by a new one.

mod desk;

pub use desk::{Begun, Desk, Record, State};

use crate::accounts::status_of;
use crate::client::{Call, Client};
use crate::complaint::complain;
use crate::journal::{Durability, Journal, JournalError};
use crate::limits::{ANSWER_WITHIN, PAUSE_MAX, PAUSE_MIN};
use crate::server::{Answer, Request, Service, Trace};
use crate::words::{Key, Outcome, Transfer};
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// The running service.
pub struct Payment {
    desk: Mutex<Desk>,
    journal: Journal,
    accounts: Client,
    transactions: Client,
}

/// What accounts says of a transfer. Only an answer that reads as this ends a payment: a 404 or 409 from anybody in
/// between leaves it open.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transferred {
    outcome: Outcome,
}

impl Payment {
    /// Reads the desk from the folder `data`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(
        data: &Path,
        durability: Durability,
        accounts: Client,
        transactions: Client,
    ) -> Result<Arc<Self>, JournalError> {
        let mut desk = Desk::default();
        let journal = Journal::open(&data.join("payment.journal"), durability, |record| desk.apply(record))?;
        Ok(Arc::new(Self { desk: Mutex::new(desk), journal, accounts, transactions }))
    }

    /// Takes up every payment that the last run left open.
    pub fn resume(self: &Arc<Self>) {
        for (key, transfer) in self.desk().open_ones() {
            // The request is long gone, and its trace with it.
            tokio::spawn(Arc::clone(self).drive(key, transfer, Trace::default()));
        }
    }

    async fn pay(self: &Arc<Self>, request: &Request) -> Result<Answer, Answer> {
        let key = request.needed_key()?;
        let transfer: Transfer = request.json()?;
        if transfer.from == transfer.to {
            return Err(Answer::error(StatusCode::BAD_REQUEST, "bad_request", "payer and receiver are the same"));
        }
        let outcome = match self.begin(key, &transfer) {
            Begun::Now(outcome) => {
                tokio::spawn(Arc::clone(self).drive(key, transfer.clone(), Trace::of(request)));
                outcome
            }
            Begun::Before(outcome) => outcome,
            Begun::KeyReused => return Err(Answer::key_reused(key)),
            Begun::Full => return Err(not_yet("too many payments are open")),
        };
        match wait(outcome).await {
            Some(outcome) => Ok(Answer::json(status_of(outcome), &view(key, &transfer, Some(outcome)))),
            None => Err(not_yet("the payment is still open")),
        }
    }

    fn begin(&self, key: Key, transfer: &Transfer) -> Begun {
        let mut desk = self.desk();
        let begun = desk.begin(key, transfer);
        if let Begun::Now(_) = begun {
            self.journal.append(&Record::Intent { key, transfer: transfer.clone() });
        }
        begun
    }

    /// Ends a payment, however long its neighbours are away.
    ///
    /// Dropping the future leaves the payment open until the next start.
    async fn drive(self: Arc<Self>, key: Key, transfer: Transfer, trace: Trace) {
        // Before the first step: else a power cut could leave money moved and nobody who knows to enter it.
        self.journal.flushed().await;
        let outcome = until_done(|| self.transfer(key, &transfer, &trace)).await;
        if outcome == Outcome::Done {
            until_done(|| self.enter(key, &transfer, &trace)).await;
        }
        // Not waited for: if it is lost, the same steps give the same outcome again.
        let mut desk = self.desk();
        self.journal.append(&Record::Settled { key, outcome });
        desk.settle(key, outcome);
    }

    async fn transfer(&self, key: Key, transfer: &Transfer, trace: &Trace) -> Result<Outcome, String> {
        let call = Call::post("/accounts/transfers", transfer).key(key).trace(trace);
        let reply = self.accounts.call_twice(&call).await.map_err(|error| error.to_string())?;
        let transferred: Result<Transferred, _> = serde_json::from_slice(&reply.body);
        match transferred {
            Ok(Transferred { outcome }) if reply.status == status_of(outcome) => Ok(outcome),
            _ => Err(format!("accounts answered {}", reply.status)),
        }
    }

    async fn enter(&self, key: Key, transfer: &Transfer, trace: &Trace) -> Result<(), String> {
        let call = Call::post("/transactions", transfer).key(key).trace(trace);
        let reply = self.transactions.call_twice(&call).await.map_err(|error| error.to_string())?;
        match reply.status {
            StatusCode::CREATED => Ok(()),
            status => Err(format!("transactions answered {status}")),
        }
    }

    fn status(&self, key: &str) -> Result<Answer, Answer> {
        let unknown = || Answer::error(StatusCode::NOT_FOUND, "unknown_payment", "no payment has this key");
        let key = Key::parse(key).map_err(|_| unknown())?;
        let desk = self.desk();
        let (transfer, state) = desk.payment(key).ok_or_else(unknown)?;
        match state {
            State::Settled(outcome) => Ok(Answer::json(StatusCode::OK, &view(key, transfer, Some(*outcome)))),
            State::Open(_) => Ok(Answer::json(StatusCode::OK, &view(key, transfer, None))),
        }
    }

    fn summary(&self) -> Answer {
        let (open, settled) = self.desk().totals();
        Answer::json(StatusCode::OK, &json!({ "open": open, "settled": settled }))
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Payment {
    async fn answer(self: Arc<Self>, request: Request) -> Answer {
        let (method, path) = request.route();
        let answered = match (method, &path[..]) {
            ("POST", ["payments"]) => self.pay(&request).await,
            ("GET", ["payments"]) => Ok(self.summary()),
            ("GET", ["payments", key]) => self.status(key),
            ("GET", ["health"]) => Ok(Answer::healthy()),
            _ => Err(Answer::no_such_path()),
        };
        answered.unwrap_or_else(|refusal| refusal)
    }
}

/// Repeats `step` until it works. A neighbour that is away comes back; one that refuses is set right by people.
async fn until_done<T, F: Future<Output = Result<T, String>>>(mut step: impl FnMut() -> F) -> T {
    let mut pause = PAUSE_MIN;
    loop {
        match step().await {
            Ok(done) => return done,
            Err(why) => complain(&format!("a payment stays open: {why}")),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn wait(mut outcome: watch::Receiver<Option<Outcome>>) -> Option<Outcome> {
    match timeout(ANSWER_WITHIN, outcome.wait_for(Option::is_some)).await {
        Ok(Ok(outcome)) => *outcome,
        Ok(Err(_)) | Err(_) => None,
    }
}

fn view(key: Key, transfer: &Transfer, outcome: Option<Outcome>) -> serde_json::Value {
    let Transfer { from, to, cents } = transfer;
    json!({ "id": key, "from": from, "to": to, "cents": cents, "outcome": outcome })
}

fn not_yet(why: &str) -> Answer {
    let message = format!("{why}; ask again with the same key");
    Answer::error(StatusCode::SERVICE_UNAVAILABLE, "not_yet", &message)
}
