//! The node's secret, from which the key of each service is derived that its proxies seal with.

use bartizan_core::{Secret, ServiceName};
use bartizan_crypto::{random, seal};
use bartizan_runtime::files;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Length of the secret in bytes: that of the keys derived from it.
const BYTES: usize = 32;

/// 32 random bytes that never leave the node.
#[derive(Debug)]
pub struct NodeSecret(Secret<[u8; BYTES]>);

impl NodeSecret {
    /// A new one, for a node that keeps nothing.
    pub fn random() -> Self {
        Self(Secret::new(random::bytes()))
    }

    /// The one in `path`, made (mode 0600) where the file is absent.
    ///
    /// # Errors
    /// What the kernel says; `InvalidData` where the file has another length, `PermissionDenied` where others than its
    /// owner may read it: then it is no secret.
    pub fn in_file(path: &Path) -> io::Result<Self> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = Self::random();
                files::write_atomic(path, made.0.expose(), 0o600)?;
                return Ok(made);
            }
            Err(error) => return Err(error),
            Ok(about) if about.permissions().mode() & 0o077 != 0 => {
                let text = format!(
                    "`{}` can be read by others; `chmod 600` it, or delete it to get a new one",
                    path.display()
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
            }
            Ok(_) => {}
        }
        let bytes = files::read_bounded(path, BYTES)?;
        let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| {
            let text = format!("`{}` does not hold {BYTES} bytes; delete it to get a new one", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        Ok(Self(Secret::new(bytes)))
    }

    /// The key for the proxies of `service`: the same each time, and telling nothing of another service's.
    pub fn seal_key(&self, service: &ServiceName) -> Secret<[u8; 32]> {
        seal::derive(&self.0, format!("bartizan seal key v1 {service}").as_bytes())
    }

    /// The key for the node's own cache.
    pub(crate) fn cache_key(&self) -> Secret<[u8; 32]> {
        seal::derive(&self.0, b"bartizan node cache v1") // no service's: their text begins otherwise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    #[test]
    fn gives_each_service_a_key_of_its_own_that_lasts() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("node.secret");
        let first = NodeSecret::in_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = NodeSecret::in_file(&path).unwrap();
        assert_eq!(first.seal_key(&name("ledger")).expose(), again.seal_key(&name("ledger")).expose());
        assert_ne!(first.seal_key(&name("ledger")).expose(), first.seal_key(&name("accounts")).expose());
        assert_ne!(first.seal_key(&name("ledger")).expose(), NodeSecret::random().seal_key(&name("ledger")).expose());
    }

    #[test]
    fn refuses_a_file_that_is_no_secret() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("node.secret");
        for (bytes, mode, kind) in [
            (vec![7; 31], 0o600, io::ErrorKind::InvalidData),
            (vec![7; 33], 0o600, io::ErrorKind::FileTooLarge),
            (vec![7; 32], 0o640, io::ErrorKind::PermissionDenied),
        ] {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(NodeSecret::in_file(&path).unwrap_err().kind(), kind);
        }
    }
}
