//! Certificate requests as PEM: what people copy between machines.

use crate::ca::CaError;
use bartizan_crypto::base64;

const BEGIN: &str = "-----BEGIN CERTIFICATE REQUEST-----";
const END: &str = "-----END CERTIFICATE REQUEST-----";

/// The text of a request (RFC 7468).
pub(crate) fn write(der: &[u8]) -> String {
    let text = base64::encode(der);
    let mut pem = format!("{BEGIN}\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so every byte is a boundary.
        let (line, next) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = next;
    }
    pem + END + "\n"
}

/// The request in `text`, which is PEM or DER itself.
pub(crate) fn read(text: &[u8]) -> Result<Vec<u8>, CaError> {
    if text.first() == Some(&0x30) {
        return Ok(text.to_vec()); // a DER SEQUENCE; what is in it is checked with the rest
    }
    let refuse = |why: &str| CaError::Request { why: why.to_owned() };
    let text = std::str::from_utf8(text).map_err(|_| refuse("it is neither PEM nor DER"))?;
    let (_, rest) = text.split_once(BEGIN).ok_or_else(|| refuse("there is no `BEGIN CERTIFICATE REQUEST` in it"))?;
    let (body, _) = rest.split_once(END).ok_or_else(|| refuse("it was cut short"))?;
    let body: String = body.split_ascii_whitespace().collect();
    base64::decode(&body).map_err(|error| refuse(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for len in [1, 47, 48, 49, 500] {
            let der = vec![0xa5; len];
            let pem = write(&der);
            assert_eq!(read(pem.as_bytes()).unwrap(), der);
            assert_eq!(read(format!("\n  {}", pem.replace('\n', "\r\n")).as_bytes()).unwrap(), der);
            assert!(pem.lines().all(|line| line.len() <= 64));
        }
    }

    #[test]
    fn refuses_what_is_no_request() {
        let pem = write(&[1, 2, 3]);
        for (text, why) in [
            ("", "empty"),
            ("hello", "no PEM"),
            (&pem[..pem.len() - 10], "cut short"),
            (&pem.replace(" REQUEST", ""), "a certificate"),
            (&pem.replace("AQID", "A?ID"), "not base64"),
        ] {
            assert!(read(text.as_bytes()).is_err(), "accepted though {why}");
        }
        assert!(read(&[0xff, 0xfe]).is_err());
    }
}
