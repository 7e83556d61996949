//! The caller's certificate, as Envoy passes it on: PEM, percent-encoded. Envoy has verified it; here it tells serial number and
//! key, which may stand on the deny list.

use bartizan_core::{SpiffeId, Timestamp};
use bartizan_crypto::{cert, hash};

/// Longest encoded certificate in bytes: four times what ours take.
const ENCODED_BYTES_MAX: usize = 16 << 10;

/// What the deny list may know a certificate by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) serial: String,
    pub(super) key: String,
}

/// Reads the leaf of `id`; `None` where it is not one, is out of date, or names somebody else.
pub(super) fn marks(encoded: &str, id: &SpiffeId, now: Timestamp) -> Option<Marks> {
    let certs = cert::from_pem(&decode(encoded)?).ok()?;
    let leaf = cert::read(certs.first()?).ok()?;
    let is_his = leaf.uris() == [id.as_str()] && leaf.not_before() <= now && now < leaf.not_after();
    is_his.then(|| Marks { serial: leaf.serial_hex().to_owned(), key: hash::hex(&hash::sha256(leaf.spki())) })
}

/// Undoes percent-encoding; `None` where it is none, or too long.
fn decode(encoded: &str) -> Option<String> {
    if encoded.len() > ENCODED_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                after
            }
            (b'%', _) => return None,
            (byte, after) => {
                bytes.push(*byte);
                after
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_certificate_of_the_caller_has_no_marks() {
        let id = SpiffeId::parse("spiffe://bank.test/svc/payment").unwrap();
        for text in
            ["", "%", "%4", "%zz", "-----BEGIN%20CERTIFICATE-----", "%ff%fe", &"a".repeat(ENCODED_BYTES_MAX + 1)]
        {
            assert_eq!(marks(text, &id, Timestamp::from_millis(0)), None, "{:.20}", text);
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in "\\PC{0,200}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decode(&encoded), Some(text));
        }

        #[test]
        fn any_text_is_borne(text in "[%0-9a-fA-F\\PC]{0,200}") {
            let _ = decode(&text);
        }
    }
}
