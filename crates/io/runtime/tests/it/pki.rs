//! A small certificate authority, and judges that know its certificates by name.

use bartizan_core::event::HandshakeFailure;
use bartizan_crypto::cert;
use bartizan_crypto::forge::{Forged, Recipe};
use bartizan_runtime::clock;
use bartizan_runtime::tls::{Identity, Judge, JudgeError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than any step takes, on a machine however busy.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A leaf for `spiffe://bank.test/svc/<name>`, signed by itself: these tests judge names, not paths.
pub(crate) fn leaf(name: &str) -> Forged {
    Recipe::leaf(&format!("spiffe://bank.test/svc/{name}"), clock::now()).self_signed()
}

pub(crate) fn identity(name: &str) -> Identity {
    let leaf = leaf(name);
    Identity::new(&[leaf.der], &leaf.key).unwrap()
}

/// Says yes to `expected`, with the name it read, and counts how often it was asked.
pub(crate) fn expects(expected: &str) -> (Judge<String>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, expected) = (Arc::clone(&asked), format!("spiffe://bank.test/svc/{expected}"));
    let judge: Judge<String> = Arc::new(move |chain| {
        count.fetch_add(1, Ordering::SeqCst);
        let name = name_in(chain);
        if name == expected {
            Ok(name)
        } else {
            Err(JudgeError { failure: HandshakeFailure::WrongPeer, detail: format!("`{name}` is not `{expected}`") })
        }
    });
    (judge, asked)
}

/// Says yes to everybody.
pub(crate) fn anybody() -> Judge<String> {
    Arc::new(|chain| Ok(name_in(chain)))
}

/// Says no, with the given cause.
pub(crate) fn nobody(failure: HandshakeFailure) -> Judge<String> {
    Arc::new(move |_| Err(JudgeError { failure, detail: "on principle".into() }))
}

fn name_in(chain: &[&[u8]]) -> String {
    cert::read(chain[0]).unwrap().uris()[0].clone()
}
