//! How the node proves to control who it is, where it has no identity of control's yet.

use crate::limits::PROOF_FILE_BYTES_MAX;
use bartizan_core::Secret;
use bartizan_crypto::{CertError, CryptoError, KeyPair, cert, key};
use bartizan_runtime::files;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Why a proof cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Others may read what is to be secret.
    #[error("`{}` can be read by others; `chmod 600` it", path.display())]
    Readable {
        /// Which.
        path: PathBuf,
    },
    /// The chain is none.
    #[error("`{}` holds no usable certificates: {source}", path.display())]
    Chain {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: CertError,
    },
    /// The key is none, or of a kind that is not accepted.
    #[error("`{}` holds no usable key: {source}", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: CryptoError,
    },
    /// Key and certificate are of different pairs.
    #[error("the key in `{}` is not that of the first certificate in `{}`", key.display(), cert.display())]
    OtherKey {
        /// The certificates' file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

/// What the node shows.
#[derive(Debug)]
pub enum Proof {
    /// A join token, good once.
    Token(Secret<String>),
    /// The machine's certificate from an outside CA, as often as needed.
    Machine(MachineFiles),
    /// The file into which Kubernetes projects a token for control, read anew each time.
    Kubernetes(PathBuf),
}

impl Proof {
    /// Whether it may be shown again.
    pub(crate) fn lasts(&self) -> bool {
        match self {
            Self::Token(_) => false,
            Self::Machine(_) | Self::Kubernetes(_) => true,
        }
    }
}

/// Where the machine's certificate and key are. Read anew for each proof: whoever looks after the machine replaces them.
#[derive(Clone, Debug)]
pub struct MachineFiles {
    cert: PathBuf,
    key: PathBuf,
}

impl MachineFiles {
    /// Files with a chain (PEM, leaf first) and its key (PEM, P-256), which are read to see whether they can be used.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn new(cert: PathBuf, key: PathBuf) -> Result<Self, ProofError> {
        let files = Self { cert, key };
        files.load()?;
        Ok(files)
    }

    /// Chain and key as they are now. Blocks for the disk.
    pub(crate) fn load(&self) -> Result<(Vec<Vec<u8>>, KeyPair), ProofError> {
        let (cert_path, key_path) = (self.cert.clone(), self.key.clone());
        let text = Secret::new(secret_text(&self.key)?);
        let key = key::from_pem(&text).map_err(|source| ProofError::Key { path: key_path.clone(), source })?;
        let refuse = |source| ProofError::Chain { path: self.cert.clone(), source };
        let chain = cert::from_pem(&read(&self.cert)?).map_err(refuse)?;
        if cert::read(&chain[0]).map_err(refuse)?.spki() != key.public_spki() {
            return Err(ProofError::OtherKey { cert: cert_path, key: key_path });
        }
        Ok((chain, key))
    }
}

/// The token that lies in `path` now. Who may read the file is for the kubelet to say.
///
/// # Errors
/// [`ProofError::File`].
pub(crate) fn kubernetes_token(path: &Path) -> Result<Secret<String>, ProofError> {
    let text = Secret::new(read(path)?);
    Ok(Secret::new(text.expose().trim().to_owned()))
}

/// A file that nobody but its owner may read.
fn secret_text(path: &Path) -> Result<String, ProofError> {
    let about = std::fs::metadata(path).map_err(|source| ProofError::File { path: path.to_owned(), source })?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(ProofError::Readable { path: path.to_owned() });
    }
    read(path)
}

fn read(path: &Path) -> Result<String, ProofError> {
    let refuse = |source| ProofError::File { path: path.to_owned(), source };
    let bytes = files::read_bounded(path, PROOF_FILE_BYTES_MAX).map_err(refuse)?;
    String::from_utf8(bytes).map_err(|_| refuse(io::Error::other("it is not PEM")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_crypto::forge::Recipe;

    #[test]
    fn files_that_cannot_prove_anything_are_named_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        let write = |name: &str, text: &str, mode| {
            std::fs::write(path(name), text).unwrap();
            std::fs::set_permissions(path(name), PermissionsExt::from_mode(mode)).unwrap();
        };
        let machine = Recipe::leaf("", Timestamp::from_secs(1_000_000)).with(|it| it.uris.clear()).self_signed();
        let pem = key::pem(&machine.key);
        write("cert", &cert::pem(&machine.der), 0o644);
        write("key", pem.expose(), 0o600);
        write("open", pem.expose(), 0o640);
        write("other", key::pem(&KeyPair::generate().unwrap()).expose(), 0o600);
        write("junk", "hello", 0o600);
        let new = |cert: &str, key: &str| MachineFiles::new(path(cert), path(key));
        new("cert", "key").unwrap();
        for (cert, key, part) in [
            ("cert", "absent", "absent"),
            ("absent", "key", "absent"),
            ("cert", "open", "can be read by others"),
            ("cert", "other", "is not that of the first certificate"),
            ("cert", "junk", "no usable key"),
            ("cert", "cert", "can be read by others"),
            ("junk", "key", "no usable certificates"),
            ("key", "key", "no usable certificates"),
        ] {
            let refused = new(cert, key).unwrap_err().to_string();
            assert!(refused.contains(part), "{cert} {key}: {refused}");
        }
    }
}
