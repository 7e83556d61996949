//! The documents that requests and responses are held against, compiled once for each.

use bartizan_core::api::ApiCheck;
use bartizan_core::snapshot::Directory;
use bartizan_waf::{Api, ApiErrors};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Document and base.
type Key = (String, Option<String>);

/// Those of a directory.
#[derive(Debug, Default)]
pub struct Apis {
    all: BTreeMap<Key, (Arc<str>, Arc<Api>)>,
}

impl Apis {
    /// Those that `directory` names; what `held` has already is not compiled again.
    ///
    /// # Errors
    /// Where one does not compile. Control compiled it before, so this is another version of it.
    pub fn of(directory: &Directory, held: &Self) -> Result<Self, ApiErrors> {
        let mut all = BTreeMap::new();
        let routes = directory.own.gateway.iter().flat_map(|gateway| &gateway.routes);
        let own = directory.own.inbound.iter().filter_map(|inbound| inbound.api.as_ref());
        for check in routes.filter_map(|route| route.api.as_ref()).chain(own) {
            let key = key(check);
            if all.contains_key(&key) {
                continue;
            }
            let known = held.all.get(&key).filter(|(text, _)| *text == check.text).map(|(_, api)| Arc::clone(api));
            let api = match known {
                Some(api) => api,
                None => Arc::new(Api::compile(&check.text, &check.document, check.base.as_deref())?),
            };
            all.insert(key, (Arc::clone(&check.text), api));
        }
        Ok(Self { all })
    }

    /// The one that `check` names.
    pub fn get(&self, check: &ApiCheck) -> Option<&Arc<Api>> {
        self.all.get(&key(check)).map(|(_, api)| api)
    }
}

fn key(check: &ApiCheck) -> Key {
    (check.document.clone(), check.base.clone())
}
