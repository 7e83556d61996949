//! The service that keeps the ledger: what was paid, entry by entry. `bank transactions`.
//!
//! | Call | Does |
//! |---|---|
//! | POST /transactions `{from, to, cents}` | enters a payment, under its `idempotency-key` |
//! | GET /transactions/{account} | totals of an account, and its newest entries |
//! | GET /transactions | how many entries there are, and how many notifications have gone out |
//!
//! Notifications follow an entry in their own time: nobody waits for them, none is lost, and one may come twice.

mod ledger;

pub use ledger::{Entered, Entry, Ledger, Record};

use crate::client::{Call, Client};
use crate::complaint::complain;
use crate::journal::{Durability, Journal, JournalError};
use crate::limits::{NOTIFY_WINDOW, PAGE_MAX, PAUSE_MAX, PAUSE_MIN};
use crate::server::{Answer, Request, Service, Trace};
use crate::words::{Id, Transfer};
use hyper::StatusCode;
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The running service.
pub struct Transactions {
    ledger: Mutex<Ledger>,
    journal: Journal,
    notifications: Client,
    entered: Notify,
}

impl Transactions {
    /// Reads the ledger from the folder `data`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(data: &Path, durability: Durability, notifications: Client) -> Result<Arc<Self>, JournalError> {
        let mut ledger = Ledger::default();
        let journal = Journal::open(&data.join("transactions.journal"), durability, |record| ledger.apply(record))?;
        Ok(Arc::new(Self { ledger: Mutex::new(ledger), journal, notifications, entered: Notify::new() }))
    }

    async fn enter(&self, request: &Request) -> Result<Answer, Answer> {
        let id = request.needed_key()?;
        let transfer: Transfer = request.json()?;
        let entry = Entry { id, transfer, trace: Trace::of(request) };
        let entered = self.append(entry);
        // Also where it was there before: that entry may still be on its way to the disk.
        self.journal.flushed().await;
        match entered {
            Entered::Differs => Err(Answer::key_reused(id)),
            Entered::Now | Entered::Before => {
                self.entered.notify_one();
                Ok(Answer::json(StatusCode::CREATED, &json!({ "id": id })))
            }
        }
    }

    fn append(&self, entry: Entry) -> Entered {
        let mut ledger = self.ledger();
        let entered = ledger.judge(&entry);
        if entered == Entered::Now {
            let record = Record::Entry(entry);
            self.journal.append(&record);
            ledger.apply(record);
        }
        entered
    }

    /// Tells notifications about every entry, a window at a time, for ever.
    ///
    /// May be dropped at any time; the next run begins with the window that was not confirmed.
    pub async fn notify_all(self: Arc<Self>) {
        let mut pause = PAUSE_MIN;
        loop {
            let window = self.ledger().unnotified(NOTIFY_WINDOW);
            if window.is_empty() {
                self.entered.notified().await;
                continue;
            }
            // What is not on the disk may be gone after a power cut, and nobody should have been told of it.
            self.journal.flushed().await;
            let told = window.len();
            match self.notify(window).await {
                Ok(()) => {
                    pause = PAUSE_MIN;
                    let record = Record::Notified(told);
                    let mut ledger = self.ledger();
                    self.journal.append(&record);
                    ledger.apply(record);
                }
                Err(why) => {
                    complain(&format!("notifications wait: {why}"));
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn notify(self: &Arc<Self>, window: Vec<Entry>) -> Result<(), String> {
        let mut calls = JoinSet::new();
        for entry in window {
            let this = Arc::clone(self);
            calls.spawn(async move {
                let Entry { id, transfer, trace } = &entry;
                let Transfer { from, to, cents } = transfer;
                let body = json!({ "id": id, "from": from, "to": to, "cents": cents });
                let call = Call::post("/notifications", &body).key(*id).trace(trace);
                let reply = this.notifications.call_twice(&call).await.map_err(|error| error.to_string())?;
                match reply.status {
                    StatusCode::CREATED => Ok(()),
                    status => Err(format!("notifications answered {status}")),
                }
            });
        }
        calls.join_all().await.into_iter().collect()
    }

    async fn of_account(&self, id: &str) -> Result<Answer, Answer> {
        let unknown = |_| Answer::error(StatusCode::NOT_FOUND, "unknown_account", "no account has this id");
        let id = Id::parse(id).map_err(unknown)?;
        let (totals, newest) = self.ledger().of_account(&id, PAGE_MAX);
        self.journal.flushed().await;
        let newest: Vec<_> = newest
            .iter()
            .map(|Entry { id, transfer: t, .. }| json!({ "id": id, "from": t.from, "to": t.to, "cents": t.cents }))
            .collect();
        let body = json!({
            "account": id, "entries": totals.entries, "in_cents": totals.in_cents, "out_cents": totals.out_cents,
            "newest": newest,
        });
        Ok(Answer::json(StatusCode::OK, &body))
    }

    async fn summary(&self) -> Answer {
        let (entries, notified) = self.ledger().counts();
        self.journal.flushed().await;
        Answer::json(StatusCode::OK, &json!({ "entries": entries, "notified": notified }))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Transactions {
    async fn answer(self: Arc<Self>, request: Request) -> Answer {
        let (method, path) = request.route();
        let answered = match (method, &path[..]) {
            ("POST", ["transactions"]) => self.enter(&request).await,
            ("GET", ["transactions"]) => Ok(self.summary().await),
            ("GET", ["transactions", account]) => self.of_account(account).await,
            ("GET", ["health"]) => Ok(Answer::healthy()),
            _ => Err(Answer::no_such_path()),
        };
        answered.unwrap_or_else(|refusal| refusal)
    }
}
