//! The command line: `--name value` pairs, and names alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) struct Options(BTreeMap<String, String>);

impl Options {
    pub(crate) fn read(args: impl Iterator<Item = String>) -> Self {
        let mut args = args.peekable();
        let mut all = BTreeMap::new();
        while let Some(name) = args.next() {
            let name = name.strip_prefix("--").unwrap_or_else(|| panic!("`{name}` is no option")).to_owned();
            let value = args.next_if(|next| !next.starts_with("--")).unwrap_or_default();
            all.insert(name, value);
        }
        Self(all)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("--{name} is missing"))
    }

    pub(crate) fn number(&self, name: &str) -> usize {
        self.text(name).parse().unwrap_or_else(|_| panic!("--{name}: a number"))
    }

    pub(crate) fn addr(&self, name: &str) -> SocketAddr {
        self.text(name).parse().unwrap_or_else(|_| panic!("--{name}: address and port"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.text(name).into()
    }

    pub(crate) fn seconds(&self) -> Duration {
        Duration::from_secs_f64(self.text("seconds").parse().expect("--seconds: a number"))
    }
}
