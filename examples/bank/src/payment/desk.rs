//! Which payments were asked for and where each stands. No file and no socket; the waiting is a channel.

use crate::limits::OPEN_PAYMENTS_MAX;
use crate::words::{Key, Outcome, Transfer};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tokio::sync::watch;

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// A client asked for a payment.
    Intent {
        /// Under which key.
        key: Key,
        /// What was asked.
        transfer: Transfer,
    },
    /// A payment ended.
    Settled {
        /// Which.
        key: Key,
        /// How.
        outcome: Outcome,
    },
}

/// Where a payment stands.
#[derive(Debug)]
pub enum State {
    /// Somebody drives it on. Dropping the sender without a word tells the waiting that it stays open.
    Open(watch::Sender<Option<Outcome>>),
    /// It has ended.
    Settled(Outcome),
}

/// What became of a wish to pay.
#[derive(Debug)]
pub enum Begun {
    /// It is new: the caller writes the intent down and drives it.
    Now(watch::Receiver<Option<Outcome>>),
    /// It was asked for before; here is, or will be, its outcome.
    Before(watch::Receiver<Option<Outcome>>),
    /// The key stands for another payment.
    KeyReused,
    /// [`OPEN_PAYMENTS_MAX`] are open. Nothing was done.
    Full,
}

/// All payments ever asked for.
#[derive(Debug, Default)]
pub struct Desk {
    payments: HashMap<Key, (Transfer, State)>,
    open: usize,
}

impl Desk {
    /// Begins a payment, or joins the one that the key stands for.
    pub fn begin(&mut self, key: Key, transfer: &Transfer) -> Begun {
        match self.payments.get(&key) {
            Some((before, _)) if before != transfer => Begun::KeyReused,
            Some((_, State::Open(outcome))) => Begun::Before(outcome.subscribe()),
            Some((_, State::Settled(outcome))) => Begun::Before(watch::channel(Some(*outcome)).1),
            None if self.open >= OPEN_PAYMENTS_MAX => Begun::Full,
            None => Begun::Now(self.insert(key, transfer.clone())),
        }
    }

    fn insert(&mut self, key: Key, transfer: Transfer) -> watch::Receiver<Option<Outcome>> {
        let (sender, receiver) = watch::channel(None);
        self.payments.insert(key, (transfer, State::Open(sender)));
        self.open += 1;
        receiver
    }

    /// Ends a payment and tells those who wait for it.
    pub fn settle(&mut self, key: Key, outcome: Outcome) {
        let (_, state) = self.payments.get_mut(&key).expect("only what was begun is settled");
        if let State::Open(sender) = std::mem::replace(state, State::Settled(outcome)) {
            sender.send_replace(Some(outcome));
            self.open -= 1;
        }
    }

    /// Makes a record of an earlier run true.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Intent { key, transfer } => drop(self.insert(key, transfer)),
            Record::Settled { key, outcome } => self.settle(key, outcome),
        }
    }

    /// One payment.
    pub fn payment(&self, key: Key) -> Option<&(Transfer, State)> {
        self.payments.get(&key)
    }

    /// Those that have no outcome yet.
    pub fn open_ones(&self) -> Vec<(Key, Transfer)> {
        let open = self.payments.iter().filter(|(_, (_, state))| matches!(state, State::Open(_)));
        open.map(|(key, (transfer, _))| (*key, transfer.clone())).collect()
    }

    /// How many are open, and how many have ended.
    pub fn totals(&self) -> (usize, usize) {
        (self.open, self.payments.len() - self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Id;

    fn transfer(cents: u64) -> Transfer {
        Transfer { from: Id::parse("a").unwrap(), to: Id::parse("b").unwrap(), cents: cents.try_into().unwrap() }
    }

    #[test]
    fn all_who_ask_under_one_key_get_one_outcome() {
        let (mut desk, key) = (Desk::default(), Key::of(1));
        let Begun::Now(first) = desk.begin(key, &transfer(5)) else { panic!("not new") };
        let Begun::Before(second) = desk.begin(key, &transfer(5)) else { panic!("begun twice") };
        assert!(matches!(desk.begin(key, &transfer(6)), Begun::KeyReused));
        assert_eq!((*first.borrow(), *second.borrow()), (None, None));
        desk.settle(key, Outcome::Done);
        let Begun::Before(third) = desk.begin(key, &transfer(5)) else { panic!("begun again") };
        for outcome in [first, second, third] {
            assert_eq!(*outcome.borrow(), Some(Outcome::Done));
        }
        assert!(matches!(desk.begin(key, &transfer(6)), Begun::KeyReused));
        assert_eq!(desk.totals(), (0, 1));
    }

    #[test]
    fn a_restart_finds_what_was_left_open() {
        let mut desk = Desk::default();
        for key in 1..=3 {
            desk.apply(Record::Intent { key: Key::of(key), transfer: transfer(5) });
        }
        desk.apply(Record::Settled { key: Key::of(2), outcome: Outcome::InsufficientFunds });
        // Settled twice: the first record was written, but the process died before it knew.
        desk.apply(Record::Settled { key: Key::of(2), outcome: Outcome::InsufficientFunds });
        let mut open: Vec<_> = desk.open_ones().into_iter().map(|(key, _)| key.to_string()).collect();
        open.sort();
        assert_eq!(open, [Key::of(1).to_string(), Key::of(3).to_string()]);
        assert_eq!(desk.totals(), (2, 1));
    }

    #[test]
    fn the_number_of_open_payments_is_bounded() {
        let mut desk = Desk::default();
        for key in 0..OPEN_PAYMENTS_MAX as u128 {
            assert!(matches!(desk.begin(Key::of(key), &transfer(5)), Begun::Now(_)));
        }
        let next = Key::of(OPEN_PAYMENTS_MAX as u128);
        assert!(matches!(desk.begin(next, &transfer(5)), Begun::Full));
        assert!(matches!(desk.begin(Key::of(0), &transfer(5)), Begun::Before(_)), "an old one may still ask");
        desk.settle(Key::of(0), Outcome::Done);
        assert!(matches!(desk.begin(next, &transfer(5)), Begun::Now(_)));
    }
}
