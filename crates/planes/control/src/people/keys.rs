//! The key of this server's own: what it seals for itself, and the marks in its forms.

use crate::limits::PEOPLE_KEY_FILE_BYTES_MAX;
use bartizan_core::Secret;
use bartizan_crypto::{base64, random, seal};
use bartizan_runtime::files;
use std::io;
use std::path::Path;

/// The file, in the data folder.
pub(super) const FILE: &str = "people.key";

/// Keys, each for one use.
#[derive(Debug)]
pub(super) struct Keys {
    states: Secret<[u8; 32]>,
    forms: Secret<[u8; 32]>,
    factors: Secret<[u8; 32]>,
}

impl Keys {
    /// Reads the file, or makes one, readable by its owner alone.
    pub(super) fn open(data: &Path) -> io::Result<Self> {
        let path = data.join(FILE);
        if !path.exists() {
            let line = Secret::new(base64::encode_url(&random::bytes::<32>()));
            files::write_atomic(&path, line.expose().as_bytes(), 0o600)?;
        }
        let text = Secret::new(files::read_bounded(&path, PEOPLE_KEY_FILE_BYTES_MAX)?);
        let text = std::str::from_utf8(text.expose()).ok().map(str::trim_ascii);
        let bytes = text.and_then(|text| base64::decode_url(text).ok()).map(Secret::new);
        let root = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.expose().as_slice()).ok()).map(Secret::new);
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "it is no key of ours");
        Ok(Self::of(&root.ok_or_else(malformed)?))
    }

    fn of(root: &Secret<[u8; 32]>) -> Self {
        let of = |use_: &[u8]| seal::derive(root, use_);
        Self { states: of(b"people: states"), forms: of(b"people: forms"), factors: of(b"people: factors") }
    }

    /// Seals a state for `use_`, as text that fits an address or a form.
    pub(super) fn seal(&self, use_: &str, plain: &[u8]) -> String {
        base64::encode_url(&seal::seal(&self.states, use_.as_bytes(), plain))
    }

    /// What [`Self::seal`] was given for the same use; `None` for every other text.
    pub(super) fn open_sealed(&self, use_: &str, text: &str) -> Option<Vec<u8>> {
        let sealed = base64::decode_url(text).ok()?;
        Some(seal::open(&self.states, use_.as_bytes(), &sealed).ok()?.expose().clone())
    }

    /// Seals what somebody and the server share, for the database.
    pub(super) fn seal_factor(&self, person: &str, secret: &[u8]) -> String {
        base64::encode_url(&seal::seal(&self.factors, person.as_bytes(), secret))
    }

    /// What [`Self::seal_factor`] was given for the same person.
    pub(super) fn open_factor(&self, person: &str, text: &str) -> Option<Secret<Vec<u8>>> {
        seal::open(&self.factors, person.as_bytes(), &base64::decode_url(text).ok()?).ok()
    }

    /// What stands in the form at `path` of whoever has that cookie, and in no other.
    pub(super) fn form(&self, path: &str, cookie: &str) -> String {
        base64::encode_url(seal::derive(&self.forms, format!("{path} {cookie}").as_bytes()).expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_for_another_use_or_by_another_key_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        let sealed = keys.seal("way", b"/x");
        assert_eq!(keys.open_sealed("way", &sealed).as_deref(), Some(&b"/x"[..]));
        assert_eq!(Keys::open(dir.path()).unwrap().open_sealed("way", &sealed).as_deref(), Some(&b"/x"[..]));
        assert_eq!(keys.open_sealed("consent", &sealed), None);
        assert_eq!(keys.open_sealed("way", &format!("{sealed}=")), None);
        let factor = keys.seal_factor("ana", b"secret");
        assert_eq!(keys.open_factor("ana", &factor).unwrap().expose(), b"secret");
        assert!(keys.open_factor("bob", &factor).is_none() && keys.open_sealed("ana", &factor).is_none());
        let other = Keys::of(&Secret::new([1; 32]));
        assert_eq!(other.open_sealed("way", &sealed), None);
        assert_ne!(other.form("/a", "c"), keys.form("/a", "c"));
        assert_ne!(keys.form("/b", "c"), keys.form("/a", "c"));
        assert_ne!(keys.form("/a", "d"), keys.form("/a", "c"));
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(dir.path().join(FILE), "short").unwrap();
        assert!(Keys::open(dir.path()).is_err());
    }
}
