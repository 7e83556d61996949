//! What the node holds now: anchors, entries, identities. Replaced as a whole, so that a reader sees one moment.

use crate::own::Own;
use arc_swap::ArcSwap;
use bartizan_core::snapshot::Epoch;
use bartizan_core::workload::Entry;
use bartizan_core::{ServiceName, TrustDomain};
use bartizan_identity::TrustBundles;
use bartizan_identity::jwt_svid::JwtKeys;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// One moment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) bundles: Arc<TrustBundles>,
    /// Epoch of `bundles`; 0 for those that the node was started with.
    pub(crate) epoch: Epoch,
    pub(crate) jwt_keys: Arc<JwtKeys>,
    /// Where `bundles` and `jwt_keys` come from; `None` for those that the node was started with.
    pub(crate) evidence: Option<Arc<Evidence>>,
    pub(crate) entries: Arc<Vec<Entry>>,
    /// By the entry's name.
    pub(crate) svids: BTreeMap<ServiceName, Arc<WorkloadSvid>>,
}

/// A snapshot as control signed it, and the roots by which it was verified.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) envelope: Vec<u8>,
    pub(crate) anchors: Arc<TrustBundles>,
}

impl View {
    /// Nothing but the anchors of the start.
    pub(crate) fn of(bundles: Arc<TrustBundles>) -> Self {
        Self {
            bundles,
            epoch: Epoch(0),
            jwt_keys: Arc::default(),
            evidence: None,
            entries: Arc::default(),
            svids: BTreeMap::new(),
        }
    }
}

/// An identity for an entry, with the entry as it was then.
#[derive(Debug)]
pub(crate) struct WorkloadSvid {
    pub(crate) entry: Entry,
    pub(crate) own: Own,
}

/// A question to control.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) entry: Entry,
    pub(crate) what: Wanted,
}

/// A certificate chain, leaf first, DER.
pub(crate) type Chain = Vec<Vec<u8>>;
/// What became of a question.
pub(crate) type Answer<T> = Result<T, AskError>;

/// What is asked for, and where the answer goes.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// A certificate chain for the key in a request.
    Svid { csr: Vec<u8>, answer: oneshot::Sender<Answer<Chain>> },
    /// A token.
    Jwt { audiences: Vec<String>, answer: oneshot::Sender<Answer<String>> },
}

/// Why control gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// Not now; ask again later.
    #[error("control cannot be asked now: {0}")]
    Away(String),
    /// No.
    #[error("control refused: {0}")]
    Refused(String),
}

/// Where everybody finds what is held, and asks for what is not.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) domain: TrustDomain,
    view: watch::Sender<Arc<View>>,
    asks: mpsc::Sender<Ask>,
    /// By which control itself is recognised; follows the view.
    trusted: Arc<ArcSwap<TrustBundles>>,
}

impl Hub {
    /// With what is held at the start. Questions come out of the receiver.
    pub(crate) fn new(
        domain: TrustDomain,
        view: View,
        trusted: Arc<ArcSwap<TrustBundles>>,
    ) -> (Arc<Self>, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(crate::limits::ASKS_MAX);
        (Arc::new(Self { domain, view: watch::Sender::new(Arc::new(view)), asks, trusted }), asked)
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    /// Changes what is held, and tells everybody.
    pub(crate) fn change(&self, change: impl FnOnce(&mut View)) {
        self.view.send_modify(|view| {
            change(Arc::make_mut(view));
            self.trusted.store(Arc::clone(&view.bundles));
        });
    }

    /// Asks control; the answer comes to the sender in `ask`. Waits where many questions wait.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<(), AskError> {
        self.asks.send(ask).await.map_err(|_| AskError::Away("the node is stopping".to_owned()))
    }
}
