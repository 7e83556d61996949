//! Base64, in the two alphabets that are in use here; strict, so that one byte string has one text.

use crate::error::CryptoError;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Standard alphabet, padded.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The inverse of [`encode`].
///
/// # Errors
/// [`CryptoError::Malformed`] for any text that [`encode`] cannot have written.
pub fn decode(text: &str) -> Result<Vec<u8>, CryptoError> {
    STANDARD.decode(text).map_err(malformed)
}

/// Alphabet for URLs and file names, without padding.
pub fn encode_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The inverse of [`encode_url`].
///
/// # Errors
/// [`CryptoError::Malformed`] for any text that [`encode_url`] cannot have written.
pub fn decode_url(text: &str) -> Result<Vec<u8>, CryptoError> {
    URL_SAFE_NO_PAD.decode(text).map_err(malformed)
}

fn malformed(error: base64::DecodeError) -> CryptoError {
    CryptoError::Malformed { what: "base64 text", why: error.to_string().to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_a_second_text_for_the_same_bytes() {
        assert_eq!(decode("YQ==").unwrap(), b"a");
        for (text, why) in [
            ("YQ", "no padding"),
            ("YR==", "bits after the end"),
            ("YQ==\n", "line end"),
            ("Y Q==", "space"),
            ("_-==", "other alphabet"),
        ] {
            assert!(decode(text).is_err(), "accepted {text:?}, though {why}");
        }
        assert!(decode_url("YQ==").is_err(), "padding has no place in the alphabet for URLs");
    }

    proptest! {
        #[test]
        fn what_was_encoded_decodes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes.clone());
            prop_assert_eq!(decode_url(&encode_url(&bytes)).unwrap(), bytes);
        }
    }
}
