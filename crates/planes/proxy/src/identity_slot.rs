//! The proxy's own certificates: asked for with a fresh key each time, checked before they are shown, renewed in time.
//!
//! Keys are made here and leave the process only sealed.

use crate::disk::{Disk, Kept, Slot};
use crate::limits;
use crate::live::{EdgeIdentity, OwnIdentity, Proxy};
use bartizan_core::limits::VOUCHER_TTL;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::key::KeyPair;
use bartizan_crypto::{CertError, CryptoError, cert, csr, random};
use bartizan_identity::{Refusal, VerifiedPeer, expect_peer, is_from_ahead, renew_at, verify_peer};
use bartizan_runtime::clock;
use bartizan_runtime::control_v1::{Hello, Renew, Svid};
use bartizan_runtime::tls::TlsError;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;

/// Why a certificate from control is not taken. The one before stays, and a new one is asked for later.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// Nothing was asked for.
    #[error("a certificate came that nobody asked for")]
    Unasked,
    /// It cannot be read, or is not for the key that it was asked for with.
    #[error("the certificate is not readable")]
    Cert(#[from] CertError),
    /// It is not for the key it was asked for with.
    #[error("the certificate and its key are not a pair")]
    Pair(#[from] TlsError),
    /// Peers would refuse it.
    #[error("the certificate would be refused by peers")]
    Refused(#[from] Refusal),
    /// There are no bundles to check it by.
    #[error("there is no trust bundle to check it by")]
    NoBundles,
}

/// Share of a certificate's life that is left in any case when the next one is asked for: time for many tries.
const LIFE_LEFT_MIN: f64 = 0.25;

/// The first request for an identity, vouched for by the node.
#[derive(Debug)]
struct First {
    key: KeyPair,
    voucher: String,
    until: Instant,
}

#[derive(Debug)]
struct Asked {
    key: KeyPair,
    slot: Slot,
    at: Instant,
}

/// Both slots, and what is asked for.
#[derive(Debug)]
pub struct IdentitySlots {
    proxy: Arc<Proxy>,
    disk: Arc<Disk>,
    seal_key: Secret<[u8; 32]>,
    first: Option<First>,
    asked: VecDeque<Asked>,
    svid_due: Timestamp,
    edge_due: Option<Timestamp>,
    /// When another was asked for last because the clock went back.
    went_back: Option<Instant>,
    /// The directory whose hosts were looked at.
    hosts_of: Option<Epoch>,
}

impl IdentitySlots {
    /// With the node's voucher for `key`, and the key that seals what is kept.
    pub fn new(proxy: Arc<Proxy>, disk: Arc<Disk>, key: KeyPair, voucher: String, seal_key: Secret<[u8; 32]>) -> Self {
        let first = First { key, voucher, until: Instant::now() + VOUCHER_TTL };
        let edge_due = proxy.is_gateway().then(|| Timestamp::from_millis(0));
        Self {
            proxy,
            disk,
            seal_key,
            first: Some(first),
            asked: VecDeque::new(),
            svid_due: Timestamp::from_millis(u64::MAX),
            edge_due,
            went_back: None,
            hosts_of: None,
        }
    }

    /// Takes up what is on disk and still valid. Gives the moment at which the SVID was issued: control was heard then.
    pub fn from_disk(&mut self) -> Option<Timestamp> {
        if self.proxy.is_gateway() {
            self.take_from_disk(Slot::Edge);
        }
        self.take_from_disk(Slot::Svid).then(|| self.proxy.live().identity.as_ref().map(|own| own.not_before))?
    }

    fn take_from_disk(&mut self, slot: Slot) -> bool {
        let kept = match self.disk.identity(slot, self.proxy.name.as_str(), &self.seal_key) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, ?slot, "no certificate from disk");
                return false;
            }
        };
        let taken = self.install(slot, &kept);
        if let Err(error) = &taken {
            tracing::info!(
                error = error as &dyn std::error::Error,
                ?slot,
                "the certificate on disk is of no use any more"
            );
        }
        taken.is_ok()
    }

    /// What to say to control first: the voucher while it counts, else the certificate that is held, else nothing:
    /// then this process has no way to an identity.
    pub fn hello(&self) -> Result<Option<Hello>, CryptoError> {
        if let Some(first) = self.first.as_ref().filter(|first| Instant::now() < first.until) {
            let (voucher, csr) = (first.voucher.clone(), csr::make(&first.key)?);
            return Ok(Some(Hello { voucher, csr, ..Hello::default() }));
        }
        // With one that has not begun control would refuse us until it has: better to start anew, with another ticket.
        let now = clock::now();
        let held = self.proxy.live().identity_at(now).is_some_and(|own| !is_from_ahead(own.not_before, now));
        Ok(held.then(Hello::default))
    }

    /// True where the voucher is still to be used: then no certificate is shown.
    pub fn is_first_contact(&self) -> bool {
        self.first.as_ref().is_some_and(|first| Instant::now() < first.until)
    }

    /// True where there never was an identity and nothing is left to get one with.
    pub fn is_hopeless(&self) -> bool {
        !self.is_first_contact() && self.proxy.live().identity.is_none()
    }

    /// Requests that are due now, each with a fresh key.
    pub fn due(&mut self) -> Vec<Renew> {
        let now = clock::now();
        self.asked.retain(|asked| asked.at.elapsed() < limits::RENEW_ANSWER_TIME);
        if self.lacks_hosts() {
            self.edge_due = Some(now);
        }
        self.replace_from_ahead(now);
        let wanted = [(Slot::Svid, Some(self.svid_due)), (Slot::Edge, self.edge_due)];
        let mut requests = Vec::new();
        for (slot, due) in wanted {
            if due.is_none_or(|due| now < due) || self.asked.iter().any(|asked| asked.slot == slot) {
                continue;
            }
            match self.ask(slot) {
                Ok(request) => requests.push(request),
                Err(error) => tracing::error!(%error, "no certificate can be asked for"),
            }
        }
        requests
    }

    /// A clock that was ahead and went back leaves certificates that no peer believes yet. Paced, since it may be control's clock
    /// that is ahead of ours.
    fn replace_from_ahead(&mut self, now: Timestamp) {
        if self.went_back.is_some_and(|at| at.elapsed() < limits::RENEW_ANSWER_TIME) {
            return;
        }
        let live = self.proxy.live();
        if live.identity.as_ref().is_some_and(|own| is_from_ahead(own.not_before, now)) {
            (self.svid_due, self.went_back) = (now, Some(Instant::now()));
        }
        if live.edge.as_ref().is_some_and(|edge| is_from_ahead(edge.not_before, now)) {
            (self.edge_due, self.went_back) = (Some(now), Some(Instant::now()));
        }
    }

    /// Whether routes are for hosts that the certificate for outside clients does not name. Said once for each directory: one that
    /// control does not put in is not asked for again.
    fn lacks_hosts(&mut self) -> bool {
        let live = self.proxy.live();
        let directory = live.epochs.get(&Kind::Directory).copied();
        let Some(edge) = live.edge.as_ref().filter(|_| directory.is_some() && directory != self.hosts_of) else {
            return false;
        };
        self.hosts_of = directory;
        !live.routes.hosts().is_subset(&edge.hosts)
    }

    fn ask(&mut self, slot: Slot) -> Result<Renew, CryptoError> {
        let key = KeyPair::generate()?;
        let csr = csr::make(&key)?;
        self.asked.push_back(Asked { key, slot, at: Instant::now() });
        Ok(Renew { csr, edge: slot == Slot::Edge })
    }

    /// Takes up a certificate that control issued.
    ///
    /// # Errors
    /// [`SlotError`]; the one before stays.
    pub fn issued(&mut self, svid: Svid) -> Result<(), SlotError> {
        let slot = if svid.edge { Slot::Edge } else { Slot::Svid };
        let asked = self.asked.iter().position(|asked| asked.slot == slot).and_then(|at| self.asked.remove(at));
        let key = match asked {
            Some(asked) => asked.key,
            None if slot == Slot::Svid => self.first.take().ok_or(SlotError::Unasked)?.key,
            None => return Err(SlotError::Unasked),
        };
        let kept = Kept { chain: svid.chain, key };
        self.install(slot, &kept)?;
        // A full disk costs the start without control, not the identity.
        if let Err(error) = self.disk.keep_identity(slot, self.proxy.name.as_str(), &kept, &self.seal_key) {
            tracing::warn!(%error, "the certificate could not be kept on disk");
        }
        Ok(())
    }

    /// Control names a time for the next request, instead of half life; never later than when little life is left.
    pub fn renew_at(&mut self, edge: bool, at: Timestamp) {
        let live = self.proxy.live();
        let life = |from: Timestamp, to: Timestamp| to.minus(to.since(from).mul_f64(LIFE_LEFT_MIN));
        match edge {
            true => {
                let latest = live.edge.as_ref().map(|it| life(it.not_before, it.not_after));
                self.edge_due = latest.map(|latest| at.min(latest)).or(self.edge_due);
            }
            false => {
                let latest = live.identity.as_ref().map(|it| life(it.not_before, it.not_after));
                self.svid_due = latest.map_or(self.svid_due, |latest| at.min(latest));
            }
        }
    }

    /// Control refused a request; it is made again after a pause.
    pub fn refused(&mut self, edge: bool) {
        let slot = if edge { Slot::Edge } else { Slot::Svid };
        let again = clock::now().plus(limits::RENEW_ANSWER_TIME);
        self.asked.retain(|asked| asked.slot != slot);
        match slot {
            Slot::Edge => self.edge_due = Some(again),
            Slot::Svid if self.first.is_some() => self.first = None,
            Slot::Svid => self.svid_due = again,
        }
    }

    /// The stream is gone, and with it what was asked for on it.
    pub fn stream_gone(&mut self) {
        self.asked.clear();
    }

    /// Checks a chain and its key and shows them from now on.
    fn install(&mut self, slot: Slot, kept: &Kept) -> Result<(), SlotError> {
        let leaf = kept.chain.first().ok_or(SlotError::Unasked)?;
        let leaf = cert::read(leaf)?;
        let validity = (leaf.not_before(), leaf.not_after());
        let due = renew_at(validity.0, validity.1, jitter());
        match slot {
            Slot::Svid => {
                let proof = self.check(&kept.chain)?;
                let own = Arc::new(OwnIdentity::new(&kept.chain, &kept.key, validity.0, proof)?);
                self.proxy.change(|live| {
                    live.identity = Some(own);
                    live.generation += 1;
                });
                self.svid_due = due;
            }
            Slot::Edge => {
                let edge = Arc::new(EdgeIdentity::new(&kept.chain, &kept.key, validity)?);
                if clock::now() >= edge.not_after {
                    return Ok(()); // from disk and too old; `edge_due` asks for another at once
                }
                self.proxy.change(|live| live.edge = Some(edge));
                self.edge_due = Some(due);
            }
        }
        Ok(())
    }

    /// As a peer would: better no identity than one that fails everywhere.
    fn check(&self, chain: &[Vec<u8>]) -> Result<VerifiedPeer, SlotError> {
        let live = self.proxy.live();
        let bundles = live.bundles.as_ref().ok_or(SlotError::NoBundles)?;
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        Ok(expect_peer(verify_peer(&chain, bundles, clock::now())?, &self.proxy.id)?)
    }
}

/// From 0 to 1.
pub(crate) fn jitter() -> f64 {
    random::u64() as f64 / u64::MAX as f64
}
