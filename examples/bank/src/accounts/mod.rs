//! The service that holds the money. `bank accounts`.
//!
//! | Call | Does |
//! |---|---|
//! | POST /accounts `{owner, opening_cents}` | opens an account; `owner` has to be known to users |
//! | GET /accounts/{id}, GET /accounts/{id}/balance | |
//! | GET /accounts | number and sum of all accounts; the sum is 0, whatever happened |
//! | POST /accounts/transfers `{from, to, cents}` | moves money, under an `idempotency-key`; meant for payment alone |

mod book;

pub use book::{Account, Book, KeyReused, Record};

use crate::client::{Call, Client};
use crate::journal::{Durability, Journal, JournalError};
use crate::server::{Answer, Request, Service, Trace};
use crate::words::{Cents, Id, Outcome, Transfer};
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The running service.
pub struct Accounts {
    book: Mutex<Book>,
    journal: Journal,
    users: Client,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    owner: Id,
    #[serde(default)]
    opening_cents: Option<Cents>,
}

impl Accounts {
    /// Reads the book from the folder `data`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(data: &Path, durability: Durability, users: Client) -> Result<Self, JournalError> {
        let mut book = Book::default();
        let journal = Journal::open(&data.join("accounts.journal"), durability, |record| book.apply(record))?;
        Ok(Self { book: Mutex::new(book), journal, users })
    }

    async fn open_account(&self, request: &Request) -> Result<Answer, Answer> {
        let opening: Opening = request.json()?;
        let key = request.key()?;
        self.check_owner(&opening.owner, &Trace::of(request)).await?;
        let opened = self.change(|book| book.open(key, &opening.owner, opening.opening_cents));
        self.journal.flushed().await;
        let id = opened.map_err(|reused| Answer::key_reused(reused.key))?;
        let cents = opening.opening_cents.map_or(0, Cents::get);
        Ok(Answer::json(StatusCode::CREATED, &json!({ "id": id, "owner": opening.owner, "opening_cents": cents })))
    }

    async fn check_owner(&self, owner: &Id, trace: &Trace) -> Result<(), Answer> {
        let path = format!("/users/{owner}");
        let unsure = |why: &str| Answer::error(StatusCode::SERVICE_UNAVAILABLE, "users_unavailable", why);
        let reply = self.users.call_twice(&Call::get(&path).trace(trace)).await;
        match reply.map_err(|error| unsure(&error.to_string()))?.status {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => Err(Answer::error(StatusCode::NOT_FOUND, "unknown_user", "nobody has this id")),
            status => Err(unsure(&format!("users answered {status}"))),
        }
    }

    async fn transfer(&self, request: &Request) -> Result<Answer, Answer> {
        let key = request.needed_key()?;
        let transfer: Transfer = request.json()?;
        if transfer.from == transfer.to {
            return Err(Answer::error(StatusCode::BAD_REQUEST, "bad_request", "payer and receiver are the same"));
        }
        let outcome = self.change(|book| book.transfer(key, &transfer));
        self.journal.flushed().await;
        let outcome = outcome.map_err(|reused| Answer::key_reused(reused.key))?;
        Ok(Answer::json(status_of(outcome), &json!({ "outcome": outcome })))
    }

    /// Lets `step` change the book and writes what it did. Whoever answers from it waits for the journal first, also
    /// when nothing was done now: the first request with the key may still be on its way to the disk.
    fn change<T>(
        &self,
        step: impl FnOnce(&mut Book) -> Result<(T, Option<Record>), KeyReused>,
    ) -> Result<T, KeyReused> {
        let mut book = self.book();
        let (result, record) = step(&mut book)?;
        if let Some(record) = record {
            self.journal.append(&record);
            book.apply(record);
        }
        Ok(result)
    }

    async fn read(&self, id: &str) -> Result<(Id, Account), Answer> {
        let unknown = || Answer::error(StatusCode::NOT_FOUND, "unknown_account", "no account has this id");
        let id = Id::parse(id).map_err(|_| unknown())?;
        let account = self.book().account(&id).cloned();
        self.journal.flushed().await;
        Ok((id, account.ok_or_else(unknown)?))
    }

    async fn summary(&self) -> Answer {
        let (accounts, sum_cents) = self.book().totals();
        self.journal.flushed().await;
        Answer::json(StatusCode::OK, &json!({ "accounts": accounts, "sum_cents": sum_cents }))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Accounts {
    async fn answer(self: Arc<Self>, request: Request) -> Answer {
        let (method, path) = request.route();
        let answered = match (method, &path[..]) {
            ("POST", ["accounts"]) => self.open_account(&request).await,
            ("POST", ["accounts", "transfers"]) => self.transfer(&request).await,
            ("GET", ["accounts"]) => Ok(self.summary().await),
            ("GET", ["accounts", id]) => self.read(id).await.map(|(id, account)| {
                let Account { owner, cents } = account;
                Answer::json(StatusCode::OK, &json!({ "id": id, "owner": owner, "cents": cents }))
            }),
            ("GET", ["accounts", id, "balance"]) => self
                .read(id)
                .await
                .map(|(id, account)| Answer::json(StatusCode::OK, &json!({ "id": id, "cents": account.cents }))),
            ("GET", ["health"]) => Ok(Answer::healthy()),
            _ => Err(Answer::no_such_path()),
        };
        answered.unwrap_or_else(|refusal| refusal)
    }
}

/// The status that goes with an outcome, here and at payment.
pub fn status_of(outcome: Outcome) -> StatusCode {
    match outcome {
        Outcome::Done => StatusCode::CREATED,
        Outcome::UnknownAccount => StatusCode::NOT_FOUND,
        Outcome::InsufficientFunds | Outcome::OverLimit => StatusCode::CONFLICT,
    }
}
