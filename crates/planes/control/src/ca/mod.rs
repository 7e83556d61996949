//! Where identities come from: the root in its files, an issuing CA in memory, our own identity.
//!
//! The root's key is opened for one signature and dropped. Its file may also be taken away (`root.sealed` elsewhere, only
//! `roots.pem` here): control then writes `issuing.csr` and waits until somebody puts the signed `issuing.pem` beside it.

mod authority;
mod own;
mod passphrase;
mod pem;
mod renew;
mod root; // init and sign: what `bartizan ca` does
mod source;
mod token; // the same with the key on a token // how this process comes to its issuing CA

pub use bartizan_crypto::hsm::Place as TokenPlace;
pub use root::{init, read_passphrase, sign};
pub use token::{init_on_token, is_on_token, sign_on_token};

pub(crate) use authority::Authority;
pub(crate) use own::OwnIdentity;
pub(crate) use renew::keep_renewed;
pub(crate) use root::{make_next, write};
pub(crate) use source::{Source, certificates, roots_text};

use bartizan_crypto::CryptoError;
use bartizan_crypto::error::HsmError;
use bartizan_identity::{BundleError, IssueError, OpenError, Refusal};
use std::path::PathBuf;

/// The sealed root, in the data folder or wherever it is kept offline.
pub const ROOT_SEALED: &str = "root.sealed";
/// Where the key of the root is, in the folder of a root on a PKCS#11 token.
pub const ROOT_TOKEN: &str = "root.token";
/// The root certificates that everybody trusts.
pub const ROOTS_PEM: &str = "roots.pem";
/// The passphrase of the root, where no other file was named.
pub const ROOT_PASSPHRASE: &str = "root.passphrase";
/// The request for an issuing certificate, where the root is offline.
pub const ISSUING_CSR: &str = "issuing.csr";
/// The answer to it.
pub const ISSUING_PEM: &str = "issuing.pem";
/// The sealed root that is to follow, while a rotation is under way.
pub const ROOT_NEXT_SEALED: &str = "root.next.sealed";
/// The sealed root that was replaced last. Nobody trusts it any more; it may be deleted.
pub const ROOT_OLD_SEALED: &str = "root.old.sealed";
/// The certificate of the root that is to follow, where roots are offline: what `bartizan ca init` calls `roots.pem`.
pub const ROOT_NEXT_PEM: &str = "root.next.pem";
/// The request for the issuing certificate that a rotation goes over to, where the root is offline.
pub const ISSUING_NEXT_CSR: &str = "issuing.next.csr";
/// The answer to it.
pub const ISSUING_NEXT_PEM: &str = "issuing.next.pem";

/// Why root or issuing CA cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file cannot be read or written.
    #[error("cannot {what} `{}`: {source}", path.display())]
    File {
        /// Read, write or make.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// There is a root already. Nothing was touched.
    #[error("`{}` exists; everything that trusts it would have to be told of another one, so move it away first", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The passphrase's file is of no use.
    #[error("`{}` holds no passphrase: {why}", path.display())]
    Passphrase {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The sealed root does not open.
    #[error("`{}` cannot be used", path.display())]
    Sealed {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: OpenError,
    },
    /// The root stands for another trust domain.
    #[error("`{}` is the root of `{found}`, this fleet is `{wanted}`; name another data folder", path.display())]
    ForeignRoot {
        /// Which file.
        path: PathBuf,
        /// Its domain.
        found: String,
        /// Ours.
        wanted: String,
    },
    /// The trusted roots cannot be read.
    #[error("`{}` cannot be used", path.display())]
    Roots {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: BundleError,
    },
    /// What we issue does not lead to a root that we tell others to trust.
    #[error("certificates of the issuing CA do not lead to a root in `{}`", path.display())]
    Untrusted {
        /// The file of roots.
        path: PathBuf,
        /// What a peer would say.
        #[source]
        source: Refusal,
    },
    /// There is no certificate of the root that is to follow.
    #[error("`{}` is no certificate of a new root: {why}; make one with `bartizan ca init` and put its `{ROOTS_PEM}` there", path.display())]
    NextRoot {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// What says where the key is cannot be used.
    #[error("`{}` does not say where the root's key is: {why}", path.display())]
    TokenFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The token refused, or is not there.
    #[error(transparent)]
    Token(HsmError),
    /// The certificate request is none.
    #[error("not a certificate request: {why}; hand over the `{ISSUING_CSR}` that control has written")]
    Request {
        /// What is wrong.
        why: String,
    },
    /// Signing failed.
    #[error("could not issue a certificate")]
    Issue(#[from] IssueError),
    /// The crypto library refused.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A fresh identity of ours cannot be used for TLS.
    #[error("our own identity cannot be used")]
    Tls(#[from] bartizan_runtime::tls::TlsError),
}
