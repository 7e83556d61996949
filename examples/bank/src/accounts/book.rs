//! Who has how much. Plain values: no file, no clock, no socket.
//!
//! A step is first decided, then written down as one [`Record`], then applied. Replay applies the same records, so a
//! restart ends where the last run did. One record books both sides: there is no half transfer.

use crate::words::{Cents, Id, Key, Outcome, Transfer};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user it belongs to.
    pub owner: Id,
    /// Its balance in cents. Only the bank's own goes below 0.
    pub cents: i64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// An account was opened; its first money came from the bank's own account.
    Opened {
        /// The new account.
        id: Id,
        /// Its owner.
        owner: Id,
        /// What it was opened with.
        cents: Option<Cents>,
        /// Under which key, if the client gave one.
        key: Option<Key>,
    },
    /// A transfer was decided, also if the decision was no.
    Transferred {
        /// Under which key.
        key: Key,
        /// What was asked.
        transfer: Transfer,
        /// What came of it.
        outcome: Outcome,
    },
}

/// The key was used before, for something else. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyReused {
    /// Which.
    pub key: Key,
}

/// All accounts, and every key ever used with what was done under it.
#[derive(Debug)]
pub struct Book {
    accounts: HashMap<Id, Account>,
    keys: HashMap<Key, Record>,
}

impl Default for Book {
    fn default() -> Self {
        let house = Account { owner: Id::house(), cents: 0 };
        Self { accounts: HashMap::from([(Id::house(), house)]), keys: HashMap::new() }
    }
}

impl Book {
    /// The id of a new account and what to record; no record where the key has opened that account before.
    ///
    /// # Errors
    /// [`KeyReused`].
    pub fn open(&self, key: Option<Key>, owner: &Id, cents: Option<Cents>) -> Result<(Id, Option<Record>), KeyReused> {
        if let Some(key) = key
            && let Some(before) = self.keys.get(&key)
        {
            return match before {
                Record::Opened { id, owner: o, cents: c, .. } if o == owner && *c == cents => Ok((id.clone(), None)),
                _ => Err(KeyReused { key }),
            };
        }
        let id = Id::parse(&format!("acc-{:06}", self.accounts.len())).expect("letters, digits and a dash");
        Ok((id.clone(), Some(Record::Opened { id, owner: owner.clone(), cents, key })))
    }

    /// The outcome of a transfer and what to record; no record where the key has had its outcome before.
    ///
    /// # Errors
    /// [`KeyReused`].
    pub fn transfer(&self, key: Key, transfer: &Transfer) -> Result<(Outcome, Option<Record>), KeyReused> {
        match self.keys.get(&key) {
            Some(Record::Transferred { transfer: t, outcome, .. }) if t == transfer => Ok((*outcome, None)),
            Some(_) => Err(KeyReused { key }),
            None => {
                let outcome = self.judge(transfer);
                Ok((outcome, Some(Record::Transferred { key, transfer: transfer.clone(), outcome })))
            }
        }
    }

    fn judge(&self, transfer: &Transfer) -> Outcome {
        let known = |id: &Id| self.accounts.get(id).filter(|_| *id != Id::house());
        let (Some(from), Some(to)) = (known(&transfer.from), known(&transfer.to)) else {
            return Outcome::UnknownAccount;
        };
        if from.cents < transfer.cents.get() {
            return Outcome::InsufficientFunds;
        }
        if to.cents.checked_add(transfer.cents.get()).is_none() {
            return Outcome::OverLimit;
        }
        Outcome::Done
    }

    /// Makes a record true.
    pub fn apply(&mut self, record: Record) {
        match &record {
            Record::Opened { id, owner, cents, .. } => {
                self.accounts.insert(id.clone(), Account { owner: owner.clone(), cents: 0 });
                if let Some(cents) = cents {
                    self.shift(&Id::house(), id, *cents);
                }
            }
            Record::Transferred { transfer, outcome: Outcome::Done, .. } => {
                self.shift(&transfer.from, &transfer.to, transfer.cents);
            }
            Record::Transferred { .. } => {}
        }
        let key = match &record {
            Record::Opened { key, .. } => *key,
            Record::Transferred { key, .. } => Some(*key),
        };
        if let Some(key) = key {
            self.keys.insert(key, record);
        }
    }

    fn shift(&mut self, from: &Id, to: &Id, cents: Cents) {
        for (id, change) in [(from, -cents.get()), (to, cents.get())] {
            self.accounts.get_mut(id).expect("a decided record names accounts that exist").cents += change;
        }
    }

    /// One account, the bank's own too.
    pub fn account(&self, id: &Id) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// How many accounts there are, and the sum of their balances: money in one place is missing in another, so 0.
    pub fn totals(&self) -> (usize, i128) {
        (self.accounts.len(), self.accounts.values().map(|account| i128::from(account.cents)).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> Id {
        Id::parse(text).unwrap()
    }

    fn transfer(from: &str, to: &str, cents: u64) -> Transfer {
        Transfer { from: id(from), to: id(to), cents: cents.try_into().unwrap() }
    }

    fn step(book: &mut Book, key: u128, transfer: &Transfer) -> Result<Outcome, KeyReused> {
        let (outcome, record) = book.transfer(Key::of(key), transfer)?;
        record.into_iter().for_each(|record| book.apply(record));
        Ok(outcome)
    }

    /// `acc-000001` and `acc-000002` with 100 cents each.
    fn two_accounts() -> Book {
        let mut book = Book::default();
        for _ in 0..2 {
            let (_, record) = book.open(None, &id("ada"), Some(100.try_into().unwrap())).unwrap();
            book.apply(record.unwrap());
        }
        book
    }

    fn balances(book: &Book) -> [i64; 2] {
        ["acc-000001", "acc-000002"].map(|name| book.account(&id(name)).unwrap().cents)
    }

    #[test]
    fn a_transfer_books_both_sides_or_none() {
        for (what, asked, outcome, after) in [
            ("all of it", transfer("acc-000001", "acc-000002", 100), Outcome::Done, [0, 200]),
            (
                "one more than there is",
                transfer("acc-000001", "acc-000002", 101),
                Outcome::InsufficientFunds,
                [100, 100],
            ),
            ("from nobody", transfer("acc-9", "acc-000002", 1), Outcome::UnknownAccount, [100, 100]),
            ("to nobody", transfer("acc-000001", "acc-9", 1), Outcome::UnknownAccount, [100, 100]),
            ("from the bank", transfer("bank", "acc-000002", 1), Outcome::UnknownAccount, [100, 100]),
            ("to the bank", transfer("acc-000001", "bank", 1), Outcome::UnknownAccount, [100, 100]),
        ] {
            let mut book = two_accounts();
            assert_eq!(step(&mut book, 1, &asked), Ok(outcome), "{what}");
            assert_eq!(balances(&book), after, "{what}");
            assert_eq!(book.totals(), (3, 0), "{what}");
        }
    }

    #[test]
    fn a_balance_does_not_overflow() {
        let mut book = two_accounts();
        book.accounts.get_mut(&id("acc-000002")).unwrap().cents = i64::MAX - 1;
        assert_eq!(step(&mut book, 1, &transfer("acc-000001", "acc-000002", 2)), Ok(Outcome::OverLimit));
        assert_eq!(step(&mut book, 2, &transfer("acc-000001", "acc-000002", 1)), Ok(Outcome::Done));
    }

    #[test]
    fn a_key_has_one_outcome_for_ever() {
        let mut book = two_accounts();
        let all = transfer("acc-000001", "acc-000002", 100);
        assert_eq!(step(&mut book, 1, &all), Ok(Outcome::Done));
        assert_eq!(step(&mut book, 1, &all), Ok(Outcome::Done), "the same again");
        assert_eq!(balances(&book), [0, 200], "paid twice");

        // A refusal stays one, though there would be money now.
        assert_eq!(step(&mut book, 2, &all), Ok(Outcome::InsufficientFunds));
        assert_eq!(step(&mut book, 3, &transfer("acc-000002", "acc-000001", 200)), Ok(Outcome::Done));
        assert_eq!(step(&mut book, 2, &all), Ok(Outcome::InsufficientFunds));

        for other in [transfer("acc-000001", "acc-000002", 99), transfer("acc-000002", "acc-000001", 100)] {
            assert_eq!(step(&mut book, 1, &other), Err(KeyReused { key: Key::of(1) }));
        }
        assert_eq!(balances(&book), [200, 0]);
    }

    #[test]
    fn an_opening_is_not_repeated_under_its_key() {
        let mut book = Book::default();
        let open = |book: &mut Book, owner: &str, cents: u64| {
            let (id, record) = book.open(Some(Key::of(1)), &id(owner), Some(cents.try_into().unwrap()))?;
            record.into_iter().for_each(|record| book.apply(record));
            Ok(id)
        };
        let first = open(&mut book, "ada", 100);
        assert_eq!(open(&mut book, "ada", 100), first);
        assert_eq!(open(&mut book, "ada", 101), Err(KeyReused { key: Key::of(1) }));
        assert_eq!(open(&mut book, "bob", 100), Err(KeyReused { key: Key::of(1) }));
        assert_eq!(book.totals(), (2, 0));
        assert_eq!(step(&mut book, 1, &transfer("acc-000001", "acc-000002", 1)), Err(KeyReused { key: Key::of(1) }));
    }

    proptest! {
        #[test]
        fn no_money_is_made_or_lost_and_replay_ends_the_same(
            steps in proptest::collection::vec((0..20u128, 0..5usize, 0..5usize, 1..80u64), 0..60)
        ) {
            let names = ["acc-000001", "acc-000002", "acc-000003", "bank", "nobody"];
            let mut book = Book::default();
            let mut journal = Vec::new();
            for _ in 0..3 {
                journal.push(book.open(None, &id("ada"), Some(100.try_into().unwrap())).unwrap().1.unwrap());
                book.apply(journal.last().unwrap().clone());
            }
            for (key, from, to, cents) in steps.into_iter().filter(|(_, from, to, _)| from != to) {
                if let Ok((_, Some(record))) = book.transfer(Key::of(key), &transfer(names[from], names[to], cents)) {
                    journal.push(record.clone());
                    book.apply(record);
                }
                prop_assert_eq!(book.totals(), (4, 0));
                prop_assert!(book.accounts.iter().all(|(id, account)| account.cents >= 0 || *id == Id::house()));
            }
            let mut replayed = Book::default();
            for record in journal {
                let text = serde_json::to_string(&record).unwrap();
                replayed.apply(serde_json::from_str(&text).unwrap());
            }
            prop_assert_eq!(replayed.accounts, book.accounts);
            prop_assert_eq!(replayed.keys, book.keys);
        }
    }
}
