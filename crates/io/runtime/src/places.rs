//! Connections of one address among all: one stranger must not keep the others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// How many connections each address has. Cloning shares the counts.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of the connections of an address, until it is dropped.
#[derive(Debug)]
pub struct Place(Places, IpAddr);

impl Places {
    /// One more connection of `ip`; `None` where it has `most` already.
    pub fn take(&self, ip: IpAddr, most: usize) -> Option<Place> {
        let ip = ip.to_canonical();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(ip).or_default();
        (*count < most).then(|| *count += 1)?;
        drop(held);
        Some(Place(self.clone(), ip))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_share_and_no_more() {
        let (places, one, other) = (Places::default(), IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let held: Vec<_> = (0..3).map_while(|_| places.take(one, 2)).collect();
        assert_eq!(held.len(), 2);
        let mapped = IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201]);
        assert!(places.take(mapped, 2).is_none(), "the same address, written as IPv6");
        assert!(places.take(other, 2).is_some());
        drop(held);
        assert!(places.take(one, 2).is_some(), "what ended counts no more");
        assert!(places.0.lock().unwrap().is_empty(), "and nothing is kept of those that are gone");
    }
}
