//! Why a token's text or its signature is refused.

use super::Alg;

/// Why a token is not read or its signature is not believed. None of it changes with time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// Longer than the named limit; nothing was decoded.
    #[error("{what} of {bytes} bytes is longer than {max}")]
    TooLarge {
        /// What was too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Not three parts with dots between them.
    #[error("not three parts with dots between them")]
    Form,
    /// A part is not strict base64url: another alphabet, padding, space, or bits after the end.
    #[error("the {part} is not base64url: {why}")]
    Base64 {
        /// `header`, `payload` or `signature`.
        part: &'static str,
        /// The library's words.
        why: String,
    },
    /// A part is no JSON object, or has a key twice, or is nested too deep.
    #[error("the {part} is refused: {why}")]
    Json {
        /// `header` or `claims`.
        part: &'static str,
        /// Where it broke.
        why: String,
    },
    /// A member of the header is missing or of another type.
    #[error("`{member}` of the header {why}")]
    Member {
        /// Which.
        member: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// Not signed at all.
    #[error("the token is not signed (`alg` is `none`)")]
    Unsigned,
    /// Signed with a secret, with another algorithm that is not known, or with none that has a name.
    #[error("`alg` is `{0}`, which is none of the signatures with a public key that are known")]
    UnknownAlg(String),
    /// It asks for an extension that has to be understood.
    #[error("the header demands an extension (`{0}`); none is known")]
    Extension(&'static str),
    /// It brings the key to check it with.
    #[error("the header brings a key of its own (`{0}`); keys come from the issuer alone")]
    EmbeddedKey(&'static str),
    /// The key is for another algorithm than the token names.
    #[error("the token says `{token}`, the key is for `{key}`")]
    OtherAlg {
        /// What the header says.
        token: Alg,
        /// What the key is for.
        key: Alg,
    },
    /// The signature does not fit message and key.
    #[error("the signature is wrong")]
    Signature,
}
