//! What survives a restart of the node: its identity, the roots, the entries and the workloads' identities, sealed.
//!
//! The seal holds against whoever reads or changes the file. Inside, the roots are the snapshot as control signed it, and are
//! verified again by the roots that it was verified by the first time. Where the roots that the node is started with are
//! others than then, those count instead: somebody changed what is to be trusted.

mod keep; // when it is written

pub(crate) use keep::keep;

use crate::limits::{CACHE_BYTES_MAX, ENTRIES_MAX};
use crate::own::{Own, OwnError};
use crate::secret::NodeSecret;
use crate::workload::{Evidence, View, WorkloadSvid};
use bartizan_core::limits::CLOCK_SKEW;
use bartizan_core::snapshot::{Bundles, Epoch, Kind, Signed};
use bartizan_core::workload::Entry;
use bartizan_core::{Role, Secret, ServiceName, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{CryptoError, KeyPair, seal};
use bartizan_identity::envelope::{self, EnvelopeError};
use bartizan_identity::jwt_svid::{JwtError, JwtKeys};
use bartizan_identity::{BundleError, Refusal, TrustBundles, expect_peer, verify_peer};
use bartizan_runtime::files;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Only the node's own user may read it.
const FILE_MODE: u32 = 0o600;

/// Why the cache does not serve. The node needs a join token then.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is none yet.
    #[error("there is none")]
    Absent,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// It was changed, or is of another node, another trust domain or another secret; which of them cannot be told.
    #[error(
        "it cannot be opened: it was altered, or sealed under another secret, for another node or another trust domain"
    )]
    Seal(#[from] CryptoError),
    /// What was sealed is not what we seal.
    #[error("its content is of another version")]
    Content,
    /// The clock was set back, so that nothing can be said about what has run out.
    #[error("it was written {} s from now; set the clock", written_at.since(*now).as_secs())]
    Clock {
        /// When it was written.
        written_at: Timestamp,
        /// What the clock shows.
        now: Timestamp,
    },
    /// The snapshot in it does not count by the roots that count now.
    #[error("the roots in it do not count: {0}")]
    Envelope(#[from] EnvelopeError),
    /// The roots in it cannot be used.
    #[error("the roots in it cannot be used: {0}")]
    Bundle(#[from] BundleError),
    /// The JWT keys in it cannot be used.
    #[error("the JWT keys in it cannot be used: {0}")]
    Jwt(#[from] JwtError),
    /// The identity has run out, or the roots of now do not vouch for it.
    #[error("the identity in it does not count: {0}")]
    Identity(#[from] Refusal),
}

/// The cache file of one node.
#[derive(Debug)]
pub(crate) struct Cache {
    path: PathBuf,
    key: Secret<[u8; 32]>,
    name: ServiceName,
    domain: TrustDomain,
    /// SHA-256 of the file of roots that the node was started with.
    given: [u8; 32],
}

/// What a node holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) own: Own,
    pub(crate) view: View,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    written_at_ms: u64,
    given: [u8; 32],
    own: PlainOwn,
    bundles: Option<PlainBundles>,
    /// JSON: entries leave out what is not there, which the form around it cannot.
    entries: Vec<u8>,
    svids: Vec<PlainSvid>,
}

#[derive(Serialize, Deserialize)]
struct PlainOwn {
    chain: Vec<Vec<u8>>,
    pkcs8: Vec<u8>,
    got_at_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct PlainBundles {
    envelope: Vec<u8>,
    /// Roots by which it was verified.
    anchors: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct PlainSvid {
    /// JSON.
    entry: Vec<u8>,
    own: PlainOwn,
}

impl Cache {
    pub(crate) fn new(
        path: PathBuf,
        secret: &NodeSecret,
        name: ServiceName,
        domain: TrustDomain,
        given: [u8; 32],
    ) -> Self {
        Self { path, key: secret.cache_key(), name, domain, given }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// What was held, as far as it still counts. `given` are the roots that the node is started with. Blocks for the disk.
    ///
    /// # Errors
    /// [`CacheError`]; workloads' identities that have run out are no error, they are left out.
    pub(crate) fn open(&self, given: &Arc<TrustBundles>, now: Timestamp) -> Result<Held, CacheError> {
        let sealed = files::read_bounded(&self.path, CACHE_BYTES_MAX).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CacheError::Absent,
            _ => CacheError::Read(error),
        })?;
        let plain = seal::open(&self.key, &self.context(), &sealed)?;
        let plain: Plain = postcard::from_bytes(plain.expose()).map_err(|_| CacheError::Content)?;
        let Plain { written_at_ms, given: given_then, own, bundles, entries, svids } = plain;
        // First, that the keys are wiped whatever else is wrong.
        let own = Taken::of(own);
        let svids: Vec<_> = svids.into_iter().map(|PlainSvid { entry, own }| (entry, Taken::of(own))).collect();

        let written_at = Timestamp::from_millis(written_at_ms);
        if written_at > now.plus(CLOCK_SKEW) {
            return Err(CacheError::Clock { written_at, now });
        }
        let same_roots = given_then == self.given;
        let id = SpiffeId::of(&self.domain, &Role::Node(self.name.clone()));
        if !same_roots {
            own.verify(&id, given, now)?;
        }
        let mut view = self.view(bundles, same_roots, given)?;
        let own = own.check(&id, &view.bundles, now)?;
        let entries: Vec<Entry> = serde_json::from_slice(&entries).map_err(|_| CacheError::Content)?;
        if entries.len() > ENTRIES_MAX {
            return Err(CacheError::Content);
        }
        for (entry, own) in svids {
            let entry: Entry = serde_json::from_slice(&entry).map_err(|_| CacheError::Content)?;
            // One that has run out meanwhile is asked for anew.
            if let Ok(own) = own.check(&entry.id, &view.bundles, now) {
                view.svids.insert(entry.name.clone(), Arc::new(WorkloadSvid { entry, own }));
            }
        }
        view.entries = Arc::new(entries);
        Ok(Held { own, view })
    }

    /// The roots and keys of the snapshot, verified again.
    fn view(
        &self,
        kept: Option<PlainBundles>,
        same_roots: bool,
        given: &Arc<TrustBundles>,
    ) -> Result<View, CacheError> {
        let Some(PlainBundles { envelope, anchors }) = kept else { return Ok(View::of(Arc::clone(given))) };
        let anchors = if same_roots { Arc::new(TrustBundles::of(&self.domain, anchors)?) } else { Arc::clone(given) };
        let signed: Signed<Bundles> = envelope::open(&envelope, Kind::Bundles, &self.domain, &anchors, Epoch(0))?;
        let bundles = Arc::new(TrustBundles::read(&signed.payload)?);
        let jwt_keys = Arc::new(JwtKeys::read(&signed.payload)?);
        let evidence = Some(Arc::new(Evidence { envelope, anchors }));
        Ok(View { epoch: signed.epoch, jwt_keys, evidence, ..View::of(bundles) })
    }

    /// Writes down what is held. Blocks for the disk.
    ///
    /// # Errors
    /// What the kernel says, such as a full disk; the file is then as it was.
    pub(crate) fn store(&self, own: &Own, view: &View, now: Timestamp) -> io::Result<()> {
        let json = |error: serde_json::Error| io::Error::other(error);
        let bundles = view.evidence.as_ref().map(|evidence| PlainBundles {
            envelope: evidence.envelope.clone(),
            anchors: evidence.anchors.roots_of(self.domain.as_str()).unwrap_or_default().to_vec(),
        });
        let svid = |svid: &Arc<WorkloadSvid>| {
            Ok(PlainSvid { entry: serde_json::to_vec(&svid.entry).map_err(json)?, own: plain(&svid.own) })
        };
        let plain = Plain {
            written_at_ms: now.as_millis(),
            given: self.given,
            own: plain(own),
            bundles,
            entries: serde_json::to_vec(&*view.entries).map_err(json)?,
            svids: view.svids.values().map(svid).collect::<io::Result<_>>()?,
        };
        let bytes = postcard::to_stdvec(&plain).map(Secret::new).map_err(io::Error::other);
        wipe(plain);
        let sealed = seal::seal(&self.key, &self.context(), bytes?.expose());
        files::write_atomic(&self.path, &sealed, FILE_MODE)
    }

    /// Bound into the seal: a cache of another node or fleet does not open, though the secret be the same.
    fn context(&self) -> Vec<u8> {
        format!("bartizan node cache v1 {} {}", self.domain, self.name).into_bytes()
    }
}

/// An identity out of the file, its key already where it is wiped.
struct Taken {
    chain: Vec<Vec<u8>>,
    pkcs8: Secret<Vec<u8>>,
    got_at: Timestamp,
}

impl Taken {
    fn of(PlainOwn { chain, pkcs8, got_at_ms }: PlainOwn) -> Self {
        Self { chain, pkcs8: Secret::new(pkcs8), got_at: Timestamp::from_millis(got_at_ms) }
    }

    fn verify(&self, id: &SpiffeId, bundles: &TrustBundles, now: Timestamp) -> Result<(), Refusal> {
        let chain: Vec<&[u8]> = self.chain.iter().map(Vec::as_slice).collect();
        verify_peer(&chain, bundles, now).and_then(|peer| expect_peer(peer, id)).map(drop)
    }

    fn check(self, id: &SpiffeId, bundles: &TrustBundles, now: Timestamp) -> Result<Own, CacheError> {
        let key = KeyPair::from_pkcs8(&self.pkcs8).map_err(|_| CacheError::Content)?;
        match Own::check(key, self.chain, id, bundles, now) {
            Ok(own) => Ok(own.got_at(self.got_at)),
            Err(OwnError::Refused(refusal)) => Err(refusal.into()),
            Err(OwnError::OtherKey) => Err(CacheError::Content),
        }
    }
}

fn plain(own: &Own) -> PlainOwn {
    let pkcs8 = own.key().pkcs8();
    PlainOwn { chain: own.chain().to_vec(), pkcs8: pkcs8.expose().clone(), got_at_ms: own.not_before().as_millis() }
}

fn wipe(plain: Plain) {
    for own in std::iter::once(plain.own).chain(plain.svids.into_iter().map(|svid| svid.own)) {
        drop(Secret::new(own.pkcs8));
    }
}

#[cfg(test)]
mod tests;
