//! What a browser carries while somebody signs in and allows: the app's request, sealed, so that nothing has to be remembered of strangers.

use super::answer::Refusal;
use super::paths;
use crate::app::App;
use crate::limits::{CARRIED_BYTES_MAX, CARRIED_TTL};
use bartizan_core::Timestamp;
use bartizan_crypto::{base64, seal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    until: Timestamp,
    what: T,
}

/// An address below `path` that carries `what`.
pub(super) fn address<T: Serialize>(
    app: &App,
    path: &'static str,
    what: &T,
    now: Timestamp,
) -> Result<String, Refusal> {
    let sealed = Sealed { until: now.plus(CARRIED_TTL), what };
    let plain = postcard::to_allocvec(&sealed).map_err(|error| Refusal::unable(error.to_string()))?;
    let sealed = seal::seal(&app.authorization.way_key, path.as_bytes(), &plain);
    let address = format!("{path}?{}={}", paths::CARRIED, base64::encode_url(&sealed));
    match address.len() <= CARRIED_BYTES_MAX {
        true => Ok(address),
        false => Err(Refusal::invalid_request("the request is too long; push it", "it does not fit an address")),
    }
}

/// What [`address`] sealed for the same path, within its time.
pub(super) fn read<T: DeserializeOwned>(app: &App, path: &'static str, text: &str, now: Timestamp) -> Option<T> {
    let sealed = base64::decode_url(text).ok().filter(|_| text.len() <= CARRIED_BYTES_MAX)?;
    let plain = seal::open(&app.authorization.way_key, path.as_bytes(), &sealed).ok()?;
    let Sealed { until, what } = postcard::from_bytes(plain.expose()).ok()?;
    (now < until).then_some(what)
}
