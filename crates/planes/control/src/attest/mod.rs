//! How nodes prove who they are, beside the join token: a certificate of an outside CA, or a Kubernetes token.

mod challenge;
mod kubernetes;
mod machine;

pub(crate) use self::kubernetes::kubernetes;
pub(crate) use self::machine::machine;

use self::challenge::Challenges;
use self::kubernetes::Kubernetes;
use crate::error::ControlError;
use crate::limits::{ATTESTATIONS_AT_ONCE, CA_FILE_BYTES_MAX};
use crate::options::{Options, X509Pop};
use crate::stream::Refusal;
use bartizan_core::Timestamp;
use bartizan_crypto::cert;
use bartizan_identity::machine::MachineRoots;
use bartizan_runtime::files;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The ways that are open besides the join token, and what is under way.
#[derive(Debug)]
pub(crate) struct Attestation {
    challenges: Challenges,
    machines: Option<MachineRoots>,
    kubernetes: Option<Kubernetes>,
    slots: Arc<Semaphore>,
}

impl Attestation {
    /// Reads what the options name. Blocks for the disk.
    pub(crate) fn open(options: &Options) -> Result<Self, ControlError> {
        let machines = options.x509pop.as_ref().map(machine_roots).transpose()?;
        let kubernetes = options.psat.as_ref().map(Kubernetes::open).transpose()?;
        let slots = Arc::new(Semaphore::new(ATTESTATIONS_AT_ONCE));
        Ok(Self { challenges: Challenges::new(), machines, kubernetes, slots })
    }

    /// Something to sign.
    pub(crate) fn challenge(&self, now: Timestamp) -> Result<Vec<u8>, Refusal> {
        self.machines()?;
        Ok(self.challenges.make(now))
    }

    fn machines(&self) -> Result<&MachineRoots, Refusal> {
        self.machines
            .as_ref()
            .ok_or_else(|| Refusal::denied("no certificate vouches for nodes here (`--x509pop-roots`)"))
    }

    /// A place for a costly check. Callers are strangers: who comes when all places are taken is sent away.
    fn slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        slot.map_err(|_| Refusal::exhausted(format!("{ATTESTATIONS_AT_ONCE} nodes are being attested already")))
    }
}

fn machine_roots(X509Pop { roots, domain }: &X509Pop) -> Result<MachineRoots, ControlError> {
    let refuse = |why: String| ControlError::NodeRoots { path: roots.clone(), why };
    let ders = read_pem(roots).map_err(refuse)?;
    MachineRoots::new(ders, domain).map_err(|error| refuse(error.to_string()))
}

fn read_pem(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let bytes = files::read_bounded(path, CA_FILE_BYTES_MAX).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not PEM".to_owned())?;
    cert::from_pem(&text).map_err(|error| error.to_string())
}
