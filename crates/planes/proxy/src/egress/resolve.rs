//! From names to addresses, by the resolver of the host.

use crate::limits;
use bartizan_core::egress::HostName;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// How names are looked up.
#[derive(Clone, Debug, Default)]
pub enum Resolver {
    /// As every program of this host does: its files, then its DNS.
    #[default]
    Host,
    /// From a table, for tests: addresses that change are what rebinding is made of.
    Table(Table),
}

/// Addresses by name, shared with whoever changes them.
#[derive(Clone, Debug, Default)]
pub struct Table(Arc<Mutex<HashMap<String, Vec<IpAddr>>>>);

impl Table {
    /// From here on, `name` has these addresses.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().filter_map(|text| text.parse().ok()).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), addresses);
    }
}

impl Resolver {
    /// The addresses of a name, in the order in which to try them; none where it has none, or nobody answered in time.
    pub async fn addresses(&self, host: &HostName) -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> = match self {
            Self::Table(table) => {
                table.0.lock().unwrap_or_else(PoisonError::into_inner).get(host.as_str()).cloned().unwrap_or_default()
            }
            Self::Host => {
                // With a dot at its end no search domain of the host is put behind it; files of names have none there.
                let names = [format!("{host}."), host.to_string()];
                let look = async {
                    for name in &names {
                        if let Ok(found) = tokio::net::lookup_host((name.as_str(), 0)).await {
                            return found.map(|at| at.ip().to_canonical()).collect();
                        }
                    }
                    Vec::new()
                };
                tokio::time::timeout(limits::EGRESS_LOOKUP_TIME, look).await.unwrap_or_default()
            }
        };
        let mut seen = Vec::with_capacity(addresses.len());
        addresses.retain(|address| {
            !seen.contains(address) && seen.len() < limits::EGRESS_ADDRESSES_MAX && {
                seen.push(*address);
                true
            }
        });
        addresses
    }
}
