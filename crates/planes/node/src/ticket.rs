//! Tickets: announced by their hash, redeemed once, forgotten after a while. No clock in here.

use crate::limits::{TICKET_BYTES_MAX, TICKETS_MAX};
use bartizan_core::limits::JOIN_TOKEN_TTL;
use bartizan_core::{ServiceName, Timestamp};
use bartizan_crypto::hash;
use std::collections::HashMap;

/// Why a ticket was not redeemed. Retrying with the same one cannot help: its holder's parent has to announce another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Nobody announced it, or so long ago that it is forgotten.
    #[error("the ticket is not known; a proxy gets one from the process that starts it")]
    Unknown,
    /// It ran out.
    #[error("the ticket has run out; start the proxy anew")]
    Expired,
    /// It was redeemed before. Worth a look: one of the two is not the proxy.
    #[error("the ticket was used before; start the proxy anew")]
    Used,
    /// It is for another service or another user, and no longer counts for anybody.
    #[error("the ticket is for another service or another user, and is void now")]
    Foreign,
}

/// All of [`TICKETS_MAX`] places are taken by tickets that still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The tickets that are out, by hash: who reads this memory cannot redeem one.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    out: HashMap<[u8; 32], Ticket>,
}

#[derive(Clone, Debug)]
struct Ticket {
    service: ServiceName,
    uid: u32,
    expires: Timestamp,
    used: bool,
}

impl Tickets {
    /// Takes a ticket in; announcing the same hash again changes nothing.
    pub(crate) fn announce(
        &mut self,
        sha256: [u8; 32],
        service: ServiceName,
        uid: u32,
        now: Timestamp,
    ) -> Result<(), Full> {
        if self.out.len() >= TICKETS_MAX {
            self.out.retain(|_, ticket| now < ticket.expires && !ticket.used);
        }
        if self.out.len() >= TICKETS_MAX {
            return Err(Full);
        }
        let ticket = Ticket { service, uid, expires: now.plus(JOIN_TOKEN_TTL), used: false };
        self.out.entry(sha256).or_insert(ticket);
        Ok(())
    }

    /// Redeems a ticket. It counts once, whatever the outcome.
    pub(crate) fn redeem(
        &mut self,
        text: &str,
        service: &ServiceName,
        uid: u32,
        now: Timestamp,
    ) -> Result<(), TicketError> {
        // Used and expired ones are kept as long again, so that the second use of one is seen for what it is.
        self.out.retain(|_, ticket| now < ticket.expires.plus(JOIN_TOKEN_TTL));
        if text.len() > TICKET_BYTES_MAX {
            return Err(TicketError::Unknown);
        }
        // Looked up by hash: how long that takes tells nothing about the tickets that are out.
        let ticket = self.out.get_mut(&hash::sha256(text.as_bytes())).ok_or(TicketError::Unknown)?;
        if std::mem::replace(&mut ticket.used, true) {
            return Err(TicketError::Used);
        }
        if now >= ticket.expires {
            return Err(TicketError::Expired);
        }
        if ticket.service != *service || ticket.uid != uid {
            return Err(TicketError::Foreign);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn with_one() -> Tickets {
        let mut tickets = Tickets::default();
        tickets.announce(hash::sha256(b"t1"), name("ledger"), 1000, NOW).unwrap();
        tickets
    }

    #[test]
    fn counts_once_for_the_one_it_is_for() {
        let ledger = name("ledger");
        for (text, service, uid, after, outcome) in [
            ("t1", &ledger, 1000, 0, Ok(())),
            ("t2", &ledger, 1000, 0, Err(TicketError::Unknown)),
            ("", &ledger, 1000, 0, Err(TicketError::Unknown)),
            ("t1", &name("accounts"), 1000, 0, Err(TicketError::Foreign)),
            ("t1", &ledger, 1001, 0, Err(TicketError::Foreign)),
            ("t1", &ledger, 1000, JOIN_TOKEN_TTL.as_secs(), Err(TicketError::Expired)),
            ("t1", &ledger, 1000, 2 * JOIN_TOKEN_TTL.as_secs(), Err(TicketError::Unknown)),
        ] {
            let now = Timestamp::from_secs(NOW.as_secs() + after);
            let mut tickets = with_one();
            assert_eq!(tickets.redeem(text, service, uid, now), outcome, "{text} {service} {uid} +{after}");
            if outcome != Err(TicketError::Unknown) {
                assert_eq!(tickets.redeem("t1", &ledger, 1000, NOW), Err(TicketError::Used), "after {outcome:?}");
            }
        }
        assert_eq!(with_one().redeem(&"x".repeat(1 << 20), &ledger, 1000, NOW), Err(TicketError::Unknown));
    }

    #[test]
    fn announcing_again_does_not_revive_a_used_ticket() {
        let mut tickets = with_one();
        tickets.redeem("t1", &name("ledger"), 1000, NOW).unwrap();
        tickets.announce(hash::sha256(b"t1"), name("ledger"), 1000, NOW).unwrap();
        assert_eq!(tickets.redeem("t1", &name("ledger"), 1000, NOW), Err(TicketError::Used));
    }

    #[test]
    fn there_is_room_for_so_many_and_old_ones_make_way() {
        let mut tickets = Tickets::default();
        let hash = |i: usize| hash::sha256(&i.to_be_bytes());
        for i in 0..TICKETS_MAX {
            tickets.announce(hash(i), name("ledger"), 1000, NOW).unwrap();
        }
        assert_eq!(tickets.announce(hash(TICKETS_MAX), name("ledger"), 1000, NOW), Err(Full));
        let later = NOW.plus(JOIN_TOKEN_TTL);
        assert_eq!(tickets.announce(hash(TICKETS_MAX), name("ledger"), 1000, later), Ok(()));
    }
}
