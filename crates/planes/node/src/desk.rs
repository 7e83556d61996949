//! Who gets a voucher: the rules, without sockets and clocks.

use crate::api::{Expect, Health, Vouch, Vouched};
use crate::attest::{AttestError, Attestor};
use crate::limits::SPKI_BYTES_MAX;
use crate::own::Own;
use crate::secret::NodeSecret;
use crate::ticket::{Full, TicketError, Tickets};
use arc_swap::ArcSwap;
use bartizan_core::{Role, Secret, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{CryptoError, base64, key, random};
use bartizan_identity::voucher;
use bartizan_runtime::local::Caller;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Why the desk said no.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Only the supervisor announces tickets. The API answers 403.
    #[error("process {pid:?} of user {uid} is not the one that may announce proxies")]
    NotTheSupervisor {
        /// The caller's process.
        pid: Option<i32>,
        /// The caller's user.
        uid: u32,
    },
    /// The caller is not the proxy. The API answers 403.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// The ticket does not count. The API answers 403.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The request makes no sense. The API answers 400.
    #[error("{0}")]
    Malformed(&'static str),
    /// Too many tickets are out. The API answers 429; try again once some have run out.
    #[error("too many tickets are out; try again in some minutes")]
    Full,
    /// Our own identity has run out. The API answers 503; the node is about to end and to be started anew.
    #[error("the node's own identity `{id}` has run out")]
    NoIdentity {
        /// Its name.
        id: SpiffeId,
    },
    /// The proxy binary cannot be read. The API answers 503; what was known of it still counts.
    #[error("the proxy binary cannot be read: {0}")]
    Binary(std::io::Error),
    /// Signing failed, which is our own fault. The API answers 503.
    #[error("the voucher could not be signed: {0}")]
    Signing(CryptoError),
}

/// Takes tickets in and gives vouchers out.
#[derive(Debug)]
pub struct Desk {
    domain: TrustDomain,
    attestor: ArcSwap<Attestor>,
    secret: NodeSecret,
    own: watch::Receiver<Own>,
    /// The user that we run as.
    uid: u32,
    /// The only process that may announce tickets; any of our user where `None`.
    supervisor: Option<i32>,
    tickets: Mutex<Tickets>,
}

impl Desk {
    /// A desk without tickets. `own` is read anew for each voucher.
    pub fn new(
        domain: TrustDomain,
        attestor: Attestor,
        secret: NodeSecret,
        own: watch::Receiver<Own>,
        supervisor: Option<i32>,
    ) -> Self {
        let uid = rustix::process::getuid().as_raw();
        let attestor = ArcSwap::from_pointee(attestor);
        Self { domain, attestor, secret, own, uid, supervisor, tickets: Mutex::default() }
    }

    /// Takes in that a proxy is about to come.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn expect(&self, caller: Caller, request: &Expect, now: Timestamp) -> Result<(), DeskError> {
        self.check_supervisor(caller)?;
        let sha256 = from_hex(&request.ticket_sha256)
            .ok_or(DeskError::Malformed("`ticket_sha256` is not 64 lower-case hex digits"))?;
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.announce(sha256, request.service.clone(), request.uid, now).map_err(|Full| DeskError::Full)
    }

    /// Looks at the proxy binary again: from now on it is the one that lies there now. Blocks for the disk.
    ///
    /// # Errors
    /// [`DeskError`]; what was known of it counts then.
    pub fn look_at_binary(&self, caller: Caller) -> Result<(), DeskError> {
        self.check_supervisor(caller)?;
        let again = self.attestor.load().again().map_err(DeskError::Binary)?;
        self.attestor.store(Arc::new(again));
        Ok(())
    }

    fn check_supervisor(&self, caller: Caller) -> Result<(), DeskError> {
        let is_supervisor = caller.uid == self.uid && self.supervisor.is_none_or(|pid| caller.pid == Some(pid));
        if is_supervisor { Ok(()) } else { Err(DeskError::NotTheSupervisor { pid: caller.pid, uid: caller.uid }) }
    }

    /// Vouches for a proxy: its executable is looked at first, so that another program cannot use up a proxy's ticket.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn vouch(&self, caller: Caller, request: Vouch, now: Timestamp) -> Result<Vouched, DeskError> {
        let Vouch { service, ticket, spki } = request;
        let ticket = Secret::new(ticket);
        self.attestor.load().check_executable(caller)?;
        let spki = base64::decode(&spki).ok().filter(|spki| spki.len() <= SPKI_BYTES_MAX);
        let spki = spki.filter(|spki| key::check_spki(spki).is_ok());
        let spki = spki.ok_or(DeskError::Malformed("`spki` is not a P-256 public key in base64"))?;
        let own = self.own.borrow().clone();
        // Before the ticket is used up: it will be good for the node that comes after us.
        if !own.counts_at(now) {
            return Err(DeskError::NoIdentity { id: own.id().clone() });
        }
        {
            let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
            tickets.redeem(ticket.expose(), &service, caller.uid, now)?;
        }
        let id = SpiffeId::of(&self.domain, &Role::Service(service.clone()));
        let voucher =
            voucher::make(own.key(), own.chain(), &id, &spki, random::bytes(), now).map_err(DeskError::Signing)?;
        Ok(Vouched { voucher, seal_key: base64::encode(self.secret.seal_key(&service).expose()) })
    }

    /// Who we are, and until when.
    pub fn health(&self) -> Health {
        let own = self.own.borrow();
        Health { id: own.id().clone(), not_after: own.not_after() }
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 || !bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_crypto::hash;

    #[test]
    fn reads_hashes_in_the_one_form_we_write() {
        let sha256 = hash::sha256(b"x");
        let text = hash::hex(&sha256);
        assert_eq!(from_hex(&text), Some(sha256));
        for bad in
            ["", &text[1..], &text.to_uppercase(), &format!("{text}00"), &text.replace('0', "g"), &"é".repeat(32)]
        {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }
}
