//! The count at the end: is every cent where it should be?

use super::drive::Driven;
use super::populate::insist;
use super::{Bank, LoadError, Plan};
use crate::client::Call;
use crate::limits::{PAUSE_MAX, SETTLE_WITHIN};
use crate::words::Id;
use hyper::StatusCode;
use serde::Deserialize;
use std::time::Instant;
use tokio::time::sleep;

#[derive(Deserialize)]
struct Payments {
    open: u64,
}
#[derive(Deserialize)]
struct Totals {
    sum_cents: i128,
}
#[derive(Deserialize)]
struct Balance {
    cents: i64,
}
#[derive(Deserialize)]
struct Ledger {
    in_cents: i64,
    out_cents: i64,
}

/// What one account has, by three books.
#[derive(Debug)]
struct Account {
    id: Id,
    /// At accounts.
    cents: i64,
    /// Gained, by the ledger.
    entered: i64,
    /// Gained, by the answers that we got.
    answered: i64,
}

/// Every way in which money was made or lost; empty where all agrees.
pub(super) async fn check(
    bank: &Bank,
    plan: &Plan,
    accounts: &[Id],
    driven: &Driven,
) -> Result<Vec<String>, LoadError> {
    wait_until_settled(bank).await?;
    let mut books = Vec::new();
    for id in accounts {
        let path = format!("/accounts/{id}/balance");
        let balance: Balance = insist(&bank.accounts, &Call::get(&path), "reading a balance", StatusCode::OK).await?;
        let path = format!("/transactions/{id}");
        let ledger: Ledger =
            insist(&bank.transactions, &Call::get(&path), "reading the ledger", StatusCode::OK).await?;
        books.push(Account {
            id: id.clone(),
            cents: balance.cents,
            entered: ledger.in_cents - ledger.out_cents,
            answered: driven.gained.get(id).copied().unwrap_or(0),
        });
    }
    let totals: Totals = insist(&bank.accounts, &Call::get("/accounts"), "adding up", StatusCode::OK).await?;
    let opening = i64::try_from(plan.opening_cents).unwrap_or(i64::MAX);
    let mut problems = compare(&books, opening, driven.unresolved.is_empty());
    if totals.sum_cents != 0 {
        problems.push(format!("all accounts of the bank together have {} cents, not 0", totals.sum_cents));
    }
    Ok(problems)
}

/// Payments still open at payment are between the books.
async fn wait_until_settled(bank: &Bank) -> Result<(), LoadError> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    loop {
        let payments: Payments = insist(&bank.payment, &Call::get("/payments"), "counting", StatusCode::OK).await?;
        match payments.open {
            0 => return Ok(()),
            open if Instant::now() >= deadline => return Err(LoadError::NotSettled { open }),
            _ => sleep(PAUSE_MAX).await,
        }
    }
}

/// `all_answered`: no payment is left of which we do not know whether it was made.
fn compare(books: &[Account], opening: i64, all_answered: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let sum: i128 = books.iter().map(|account| i128::from(account.cents)).sum();
    let before = i128::from(opening) * books.len() as i128;
    if sum != before {
        problems.push(format!("the accounts had {before} cents together and have {sum}"));
    }
    for Account { id, cents, entered, answered } in books {
        let gained = cents - opening;
        if gained != *entered {
            problems.push(format!("{id} gained {gained} cents, of which the ledger has {entered}"));
        }
        if all_answered && gained != *answered {
            problems.push(format!("{id} gained {gained} cents, where the bank's answers come to {answered}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, cents: i64, entered: i64, answered: i64) -> Account {
        Account { id: Id::parse(name).unwrap(), cents, entered, answered }
    }

    #[test]
    fn every_kind_of_loss_is_seen() {
        let fine = [account("a", 90, -10, -10), account("b", 110, 10, 10)];
        assert_eq!(compare(&fine, 100, true), Vec::<String>::new());

        for (what, second, all_answered, problems) in [
            ("money from nowhere", account("b", 111, 11, 11), true, 1),
            ("half a transfer", account("b", 100, 10, 10), true, 3),
            ("made, but not entered", account("b", 110, 0, 10), true, 1),
            ("made, but not answered", account("b", 110, 10, 0), true, 1),
            ("made, and the answer lost", account("b", 110, 10, 0), false, 0),
        ] {
            let found = compare(&[account("a", 90, -10, -10), second], 100, all_answered);
            assert_eq!(found.len(), problems, "{what}: {found:?}");
        }
    }
}
