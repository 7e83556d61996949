//! TLS on the program's behalf: clients that trust the roots of a file, read again when the file changes.

use crate::limits;
use bartizan_core::egress::Refusal;
use bartizan_runtime::files;
use bartizan_runtime::tls::WebClient;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where systems keep the roots of the web.
const SYSTEM: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// What is spoken inside.
const ALPN: &[&str] = &["http/1.1"];

/// Clients by file.
#[derive(Debug, Default)]
pub(super) struct Roots(RefCell<HashMap<PathBuf, (Option<SystemTime>, WebClient)>>);

impl Roots {
    /// A client that trusts the roots in `file`, or the system's.
    ///
    /// # Errors
    /// `Credential` where there are none that can be used: nobody outside could prove who it is.
    pub(super) fn client(&self, file: Option<&str>) -> Result<WebClient, Refusal> {
        let path = match file {
            Some(file) => PathBuf::from(file),
            None => SYSTEM.iter().map(Path::new).find(|path| path.is_file()).ok_or(Refusal::Credential)?.to_owned(),
        };
        let changed = path.metadata().and_then(|about| about.modified()).ok();
        let mut clients = self.0.borrow_mut();
        if let Some((read, client)) = clients.get(&path).filter(|(read, _)| changed.is_some() && *read == changed) {
            let _ = read;
            return Ok(client.clone());
        }
        let client = read(&path).ok_or(Refusal::Credential)?;
        clients.insert(path, (changed, client.clone()));
        Ok(client)
    }
}

/// Reads and parses: some milliseconds for the system's roots, once, on the thread of egress.
fn read(path: &Path) -> Option<WebClient> {
    let bytes = files::read_bounded(path, limits::WEB_ROOTS_BYTES_MAX).ok()?;
    let client = WebClient::new(std::str::from_utf8(&bytes).ok()?, ALPN);
    client.inspect_err(|error| tracing::warn!(%error, path = %path.display(), "no roots of the web")).ok()
}
