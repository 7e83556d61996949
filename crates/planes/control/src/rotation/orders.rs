//! When members are asked to renew. Each stream looks for what concerns its own service.

use crate::rotation::facts::edge_member;
use bartizan_core::{Member, ServiceName, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Shared by all streams, replaced as a whole.
pub(crate) type Orders = Arc<OrderBook>;

/// The last order to each member.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderBook {
    by_member: BTreeMap<String, Order>,
    last: u64,
}

/// One order. Told once per stream that is open when it is made; who misses it is asked again.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    number: u64,
    pub(crate) at: Timestamp,
    pub(crate) reason: String,
}

impl OrderBook {
    /// The same, with orders for `slots`.
    pub(crate) fn with(&self, slots: Vec<(String, Timestamp)>, reason: &str) -> Self {
        let mut it = self.clone();
        for (member, at) in slots {
            it.last += 1;
            it.by_member.insert(member, Order { number: it.last, at, reason: reason.to_owned() });
        }
        it
    }

    /// When each member was asked to renew last.
    pub(crate) fn asked(&self, member: &str) -> Option<Timestamp> {
        self.by_member.get(member).map(|order| order.at)
    }

    /// The number of the newest order.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The order to `member`, where it is newer than `seen`.
    pub(crate) fn to(&self, member: &str, seen: u64) -> Option<Order> {
        self.by_member.get(member).filter(|order| order.number > seen).cloned()
    }

    /// Orders to the proxy of `member` that are newer than `seen`; true for those about its certificate for outside clients.
    pub(crate) fn of(&self, member: &Member, seen: u64) -> Vec<(bool, Order)> {
        let edge = (*member.service() == ServiceName::gateway()).then(edge_member);
        let members = [Some((false, member.to_string())), edge.map(|name| (true, name))];
        let orders = members.into_iter().flatten().filter_map(|(edge, name)| Some((edge, self.by_member.get(&name)?)));
        orders.filter(|(_, order)| order.number > seen).map(|(edge, order)| (edge, order.clone())).collect()
    }
}
