//! Why a passkey is not believed.

/// Why an answer of a browser or authenticator is refused. Each is for operators; the person learns that it did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebauthnError {
    /// Longer than anything that is sent.
    #[error("the {0} is too long")]
    TooLong(&'static str),
    /// Not what it should be.
    #[error("the {0} cannot be read")]
    Malformed(&'static str),
    /// It was made for the other of registration and sign-in.
    #[error("it was made for something else")]
    Type,
    /// It answers another question.
    #[error("the challenge is another one")]
    Challenge,
    /// It was made on another site's page.
    #[error("it was made on a page of another origin")]
    Origin,
    /// It was made inside a page of another site.
    #[error("it was made in a frame of another origin")]
    CrossOrigin,
    /// It is for another host.
    #[error("it is for another relying party")]
    RelyingParty,
    /// Nobody touched the authenticator.
    #[error("nobody was there")]
    NotPresent,
    /// The authenticator does not know who was there.
    #[error("the person was not verified")]
    NotVerified,
    /// Flags that contradict each other, or the credential as it was.
    #[error("the flags of the authenticator make no sense")]
    Flags,
    /// Another format than `none`.
    #[error("it brings an attestation, and none was asked for")]
    Attestation,
    /// Neither ES256 nor EdDSA, or no such key.
    #[error("its key is none that is supported")]
    Key,
    /// The signature is another one.
    #[error("the signature does not fit")]
    Signature,
    /// The counter did not grow: somebody may have copied the authenticator.
    #[error("the counter of signatures went back")]
    Counter,
}
