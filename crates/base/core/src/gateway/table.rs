//! The index of all routes of a gateway: by host, then by path, then by method and headers.
//!
//! Of all routes that fit a request the most exact one is found: first by its host (one host, then all below one, the longer first,
//! then any), then by its path (see [`PathPattern::rank`]), then by its [`Conditions::rank`]. What is equal in all of that cannot
//! fit the same request; the check of the fleet file sees to it.

use super::{Conditions, HostPattern};
use crate::fleet::GatewayRoute;
use crate::path::{PathPattern, PathRank, Step};
use std::collections::HashMap;
use std::iter;

/// Literal segments below one node that are looked through one by one, a count; more are found by their hash.
const FEW: usize = 8;

/// An index of routes. They are told apart by their place in the list that it was made of.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    exact: HashMap<Box<str>, Trie>,
    below: HashMap<Box<str>, Trie>,
    any: Trie,
    headers: Box<[Box<str>]>,
}

/// What a request says, as far as a route can ask for it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its host, in the form of [`super::normal_host`]; `None` where it is not known.
    pub host: Option<&'a str>,
    /// Its path, which [`crate::path::check`] has accepted and [`crate::path::canonical`] has brought to its form.
    pub path: &'a str,
    /// Its method.
    pub method: &'a str,
}

impl RouteTable {
    /// The index of `routes`.
    pub fn of(routes: &[GatewayRoute]) -> Self {
        let mut it = Self::default();
        for (n, route) in (0..).zip(routes) {
            let trie = match &route.host {
                Some(HostPattern::Exact(host)) => it.exact.entry(host.clone()).or_default(),
                Some(HostPattern::Below(host)) => it.below.entry(host.clone()).or_default(),
                None => &mut it.any,
            };
            trie.insert(&route.path, Entry { route: n, asks: route.conditions() });
        }
        let mut headers: Vec<_> =
            routes.iter().flat_map(|route| &route.match_headers).map(|it| it.name.clone()).collect();
        headers.sort();
        headers.dedup();
        it.headers = headers.into();
        it.tries_mut().for_each(Trie::sort);
        it
    }

    /// Whether some route is for certain hosts alone.
    pub fn asks_host(&self) -> bool {
        !(self.exact.is_empty() && self.below.is_empty())
    }

    /// The headers that routes are chosen by.
    pub fn headers(&self) -> &[Box<str>] {
        &self.headers
    }

    /// The route that a request is for; `values` gives those of a header by its name.
    pub fn find<'t, 'v, V: Iterator<Item = &'v [u8]>>(
        &'t self,
        asked: Asked<'t>,
        mut values: impl FnMut(&'t str) -> V,
    ) -> Option<usize> {
        let mut fits = |entry: &'t Entry| entry.asks.fit(asked.method, &mut values);
        self.tries(asked.host).find_map(|trie| trie.find(asked.path, &mut fits))
    }

    /// Those that are for a host, the most exact first.
    fn tries<'a>(&'a self, host: Option<&'a str>) -> impl Iterator<Item = &'a Trie> {
        let host = host.filter(|_| self.asks_host());
        let exact = host.and_then(|host| self.exact.get(host));
        // The first label is what the star stands for, so what is below something begins after some dot.
        let mut rest = host.filter(|_| !self.below.is_empty());
        let below = iter::from_fn(move || {
            let (label, after) = rest?.split_once('.')?;
            rest = Some(after);
            Some((label, after))
        });
        let below = below.skip_while(|(label, _)| label.is_empty()).filter_map(|(_, after)| self.below.get(after));
        exact.into_iter().chain(below).chain([&self.any])
    }

    fn tries_mut(&mut self) -> impl Iterator<Item = &mut Trie> {
        self.exact.values_mut().chain(self.below.values_mut()).chain([&mut self.any])
    }
}

/// Paths, one segment a step.
#[derive(Clone, Debug)]
struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    literals: Literals,
    /// Where any one segment leads.
    one: Option<u32>,
    /// Routes whose path ends here.
    closed: Vec<Entry>,
    /// Routes for this and everything below.
    open: Vec<Entry>,
}

/// Where literal segments lead.
#[derive(Clone, Debug)]
enum Literals {
    Few(Vec<(Box<str>, u32)>),
    Many(HashMap<Box<str>, u32>),
}

#[derive(Clone, Debug)]
struct Entry {
    route: u32,
    asks: Conditions,
}

/// The best so far.
type Best = Option<(PathRank, u32)>;

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Trie {
    fn insert(&mut self, path: &PathPattern, entry: Entry) {
        let mut at = 0;
        for step in path.steps() {
            let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            let node = &mut self.nodes[at as usize];
            let to = match step {
                Step::One => *node.one.get_or_insert(next),
                Step::Literal(text) => node.literals.get_or_insert(text, next),
            };
            if to == next {
                self.nodes.push(Node::default());
            }
            at = to;
        }
        let node = &mut self.nodes[at as usize];
        if path.has_open_end() { node.open.push(entry) } else { node.closed.push(entry) }
    }

    /// The most exact first, and nothing larger than it has to be.
    fn sort(&mut self) {
        for node in &mut self.nodes {
            for entries in [&mut node.open, &mut node.closed] {
                entries.sort_by_key(|entry| std::cmp::Reverse(entry.asks.rank()));
                entries.shrink_to_fit();
            }
        }
        self.nodes.shrink_to_fit();
    }

    fn find<'t>(&'t self, path: &str, fits: &mut impl FnMut(&'t Entry) -> bool) -> Option<usize> {
        let rest = path.strip_prefix('/').unwrap_or(path);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut best = None;
        self.walk(0, (!rest.is_empty()).then_some(rest), PathRank::default(), fits, &mut best);
        best.map(|(_, route)| route as usize)
    }

    /// Looks at `node` and what is below it; `so_far` is the rank of the way to it. As deep as a pattern has segments at most.
    fn walk<'t>(
        &'t self,
        node: u32,
        rest: Option<&str>,
        so_far: PathRank,
        fits: &mut impl FnMut(&'t Entry) -> bool,
        best: &mut Best,
    ) {
        let node = &self.nodes[node as usize];
        let closed = if rest.is_none() { &*node.closed } else { &[] };
        for (entries, rank) in [(closed, so_far.closed()), (&*node.open, so_far)] {
            let is_better = best.is_none_or(|(before, _)| rank > before);
            if let Some(entry) = entries.iter().filter(|_| is_better).find(|entry| fits(entry)) {
                *best = Some((rank, entry.route));
            }
        }
        let Some(rest) = rest else { return };
        let (segment, rest) = rest.split_once('/').map_or((rest, None), |(segment, rest)| (segment, Some(rest)));
        if let Some(next) = node.literals.get(segment) {
            self.walk(next, rest, so_far.literal(), fits, best);
        }
        if let Some(next) = node.one {
            self.walk(next, rest, so_far.one(), fits, best);
        }
    }
}

impl Default for Literals {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Literals {
    fn get(&self, segment: &str) -> Option<u32> {
        match self {
            Self::Few(all) => all.iter().find(|(literal, _)| **literal == *segment).map(|(_, node)| *node),
            Self::Many(all) => all.get(segment).copied(),
        }
    }

    fn get_or_insert(&mut self, segment: &str, node: u32) -> u32 {
        if let Some(there) = self.get(segment) {
            return there;
        }
        if let Self::Few(all) = self {
            if all.len() < FEW {
                all.push((segment.into(), node));
                return node;
            }
            *self = Self::Many(std::mem::take(all).into_iter().collect());
        }
        if let Self::Many(all) = self {
            all.insert(segment.into(), node);
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::HeaderMatch;
    use crate::name::ServiceName;
    use proptest::prelude::*;

    fn route(host: &str, path: &str, methods: &[&str], headers: &[(&str, &str)]) -> GatewayRoute {
        let mut route = GatewayRoute::new(PathPattern::parse(path).unwrap(), ServiceName::parse("web").unwrap());
        route.host = (!host.is_empty()).then(|| HostPattern::parse(host).unwrap());
        route.methods = methods.iter().map(|method| (*method).into()).collect();
        route.match_headers = headers.iter().map(|(name, value)| HeaderMatch::parse(name, value).unwrap()).collect();
        route
    }

    fn find(table: &RouteTable, host: &str, path: &str, method: &str, headers: &[(&str, &str)]) -> Option<usize> {
        let asked = Asked { host: (!host.is_empty()).then_some(host), path, method };
        table.find(asked, |name| {
            let values: Vec<_> =
                headers.iter().filter(|(n, _)| *n == name).map(|(_, value)| value.as_bytes()).collect();
            values.into_iter()
        })
    }

    #[test]
    fn the_most_exact_route_wins() {
        let routes = [
            route("", "/**", &[], &[]),
            route("", "/api/**", &[], &[]),
            route("*.bank.example", "/**", &[], &[]),
            route("*.pay.bank.example", "/**", &[], &[]),
            route("api.bank.example", "/api/**", &[], &[]),
            route("api.bank.example", "/api/**", &["GET"], &[]),
            route("api.bank.example", "/api/**", &[], &[("x-version", "2")]),
            route("api.bank.example", "/api/**", &["GET"], &[("x-version", "*")]),
            route("api.bank.example", "/api/**", &["GET"], &[("x-version", "2")]),
            route("api.bank.example", "/api/*/a", &[], &[]),
            route("api.bank.example", "/*/b/a", &[], &[]),
        ];
        let table = RouteTable::of(&routes);
        for (host, path, method, headers, wanted) in [
            ("", "/", "GET", &[][..], Some(0)),
            ("other.example", "/api/x", "GET", &[], Some(1)),
            ("bank.example", "/", "GET", &[], Some(0)),
            ("x.bank.example", "/api/x", "GET", &[], Some(2)),
            ("x.pay.bank.example", "/", "GET", &[], Some(3)),
            ("pay.bank.example", "/", "GET", &[], Some(2)),
            ("api.bank.example", "/other", "GET", &[], Some(2)),
            ("api.bank.example", "/api", "POST", &[], Some(4)),
            ("api.bank.example", "/api/x/", "HEAD", &[], Some(5)),
            ("api.bank.example", "/api/x", "POST", &[("x-version", "2")], Some(6)),
            ("api.bank.example", "/api/x", "GET", &[("x-version", "3")], Some(7)),
            ("api.bank.example", "/api/x", "GET", &[("x-version", "2")], Some(8)),
            ("api.bank.example", "/api/b/a", "GET", &[], Some(9)),
            ("api.bank.example", "/x/b/a", "GET", &[], Some(10)),
        ] {
            assert_eq!(find(&table, host, path, method, headers), wanted, "{method} {host}{path} {headers:?}");
        }
        assert_eq!(find(&RouteTable::of(&routes[1..]), "other.example", "/other", "GET", &[]), None);
        assert_eq!(find(&RouteTable::default(), "a", "/", "GET", &[]), None);
    }

    /// What the index is a faster form of.
    fn slow(routes: &[GatewayRoute], host: &str, path: &str, method: &str) -> Option<usize> {
        let fits = |route: &GatewayRoute| {
            route.host.as_ref().is_none_or(|it| it.matches(host))
                && route.path.matches(path)
                && route.conditions().fit(method, |_| iter::empty())
        };
        let rank = |route: &GatewayRoute| {
            (route.host.as_ref().map(HostPattern::rank), route.path.rank(), route.conditions().rank())
        };
        let fitting = routes.iter().enumerate().filter(|(_, route)| fits(route));
        fitting.reduce(|best, it| if rank(it.1) > rank(best.1) { it } else { best }).map(|(n, _)| n)
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_look_at_every_route_finds(
            routes in prop::collection::vec(
                ("(|a\\.test|\\*\\.test|\\*\\.a\\.test|b\\.test)", "(/([a-c]|\\*)){0,4}(/|/\\*\\*)", 0..4_usize),
                0..40,
            ),
            host in "(|[ab]\\.test|[ab]\\.a\\.test)",
            path in "(/[a-d]){0,5}/?",
        ) {
            let methods = [&[][..], &["GET"], &["POST"], &["GET", "POST"]];
            let routes: Vec<_> = routes.iter().filter_map(|(host, path, n)| {
                let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
                PathPattern::parse(path).ok()?;
                Some(route(host, path, methods[*n], &[]))
            }).collect();
            let table = RouteTable::of(&routes);
            let path = if path.is_empty() { "/" } else { &*path };
            for method in ["GET", "HEAD", "POST", "PUT"] {
                let (fast, slow) = (find(&table, &host, path, method, &[]), slow(&routes, &host, path, method));
                let shown = |n: Option<usize>| n.map(|n| routes[n].to_string());
                // Of equals, which are refused in a fleet file, both find the first.
                prop_assert_eq!(fast, slow, "{:?} {:?}", shown(fast), shown(slow));
            }
        }
    }
}
