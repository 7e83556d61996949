//! What control is started with.

use crate::ledger::Bounds;
use crate::settled::Leading;
use bartizan_core::fleet::Fleet;
use bartizan_core::retention::{LedgerKept, Retention};
use std::path::{Path, PathBuf};

/// Where control finds everything. [`Options::new`] chooses the defaults of `bartizan control`.
#[derive(Clone, Debug)]
pub struct Options {
    /// The fleet file.
    pub fleet: PathBuf,
    /// The plan: where everything listens, JSON of [`bartizan_core::plan::Plan`].
    pub plan: PathBuf,
    /// The data folder. It holds `root.sealed`, `roots.pem`, `bartizan.db` and `control.sock`.
    pub data: PathBuf,
    /// File whose first line is the passphrase of the root. Where `None`, `root.passphrase` in the data folder is, and is
    /// made at the first start: as safe as that folder.
    pub root_passphrase_file: Option<PathBuf>,
    /// Bytes that events may take on disk where the fleet file does not say; `None` for all there are.
    pub events_bytes_max: Option<u64>,
    /// Host names under which clients reach the gateway, beside `localhost` and the address it listens on.
    pub edge_names: Vec<String>,
    /// Whose certificates vouch for nodes; nobody's where `None`.
    pub x509pop: Option<X509Pop>,
    /// Which Kubernetes vouches for nodes; none where `None`.
    pub psat: Option<Psat>,
    /// Whether to go on when standard input ends; [`crate::serve`] never looks at it.
    pub keep_running: bool,
    /// What comes with leading a group; `None` for a control that is alone.
    pub leading: Option<Leading>,
}

/// An outside CA that knows the machines.
#[derive(Clone, Debug)]
pub struct X509Pop {
    /// Its root certificates, PEM; read at the start.
    pub roots: PathBuf,
    /// The DNS domain of the machines: `edge-3.nodes.bank.example` is node `edge-3` where this is `nodes.bank.example`.
    pub domain: String,
}

/// A Kubernetes cluster whose pods are nodes.
#[derive(Clone, Debug)]
pub struct Psat {
    /// Its API server, such as `https://kubernetes.default.svc`.
    pub api: String,
    /// Root certificates of that server, PEM; read at the start.
    pub ca: PathBuf,
    /// File with our own token for it, which may create TokenReviews.
    pub token: PathBuf,
    /// Whom the nodes' tokens have to be for.
    pub audience: String,
    /// Service accounts of nodes, each `NAMESPACE:NAME`.
    pub accounts: Vec<String>,
}

impl Options {
    /// How long events are kept, and how many: as the fleet file says, else as control was started.
    pub(crate) fn retention(&self, fleet: &Fleet) -> Retention {
        Retention { bytes_max: fleet.events.bytes_max.or(self.events_bytes_max), ..fleet.events }
    }

    /// How much of the ledger stays in the data folder, as the fleet file says.
    pub(crate) fn ledger_bounds(&self, fleet: &Fleet) -> Option<Bounds> {
        let LedgerKept { bytes_max, archive } = fleet.ledger.as_ref()?;
        let archive = self.fleet.parent().unwrap_or(Path::new("")).join(archive);
        Some(Bounds { bytes_max: *bytes_max, archive })
    }

    /// Defaults for everything that need not be said.
    pub fn new(fleet: PathBuf, plan: PathBuf, data: PathBuf) -> Self {
        Self {
            fleet,
            plan,
            data,
            root_passphrase_file: None,
            events_bytes_max: None,
            edge_names: Vec::new(),
            x509pop: None,
            psat: None,
            keep_running: false,
            leading: None,
        }
    }
}
