//! The routes of the gateway, ready to be found: their index, and what each came to when it was taken up.

use crate::access::Access;
use crate::apis::Apis;
use crate::conn::Caller;
use crate::limiting::{Limits, Rules};
use crate::message::Fields;
use crate::signed::{Held, Senders};
use crate::slowing::Pace;
use bartizan_core::ServiceName;
use bartizan_core::fleet::GatewayRoute;
use bartizan_core::gateway::{AddressTable, Asked, Cors, HeaderRules, Overrule, RouteTable, certified_hosts};
use bartizan_core::snapshot::Directory;
use bartizan_waf::Api;
use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;

/// All routes of a gateway.
#[derive(Debug, Default)]
pub struct Routes {
    table: RouteTable,
    /// By their place in the directory.
    settings: Box<[Settings]>,
    hosts: BTreeSet<Box<str>>,
    access: Option<Access>,
    /// What is changed about answers where there is no route.
    headers: Option<Arc<HeaderRules>>,
    /// Whether some route says which scripts of other sites may read answers.
    shares: bool,
    /// Whether some route lets in for whom the gateway vouches itself.
    vouches: bool,
}

/// What a route came to when it was taken up, so that no request has to look for it.
#[derive(Debug)]
pub struct Settings {
    /// How often it may be used; `None` where nothing is said.
    pub limits: Option<Arc<Rules>>,
    /// How clients that come much more often than usual are slowed down; `None` where they are not.
    pub pace: Option<Arc<Pace>>,
    /// Which scripts of other sites may read answers; `None` where nothing is said.
    pub cors: Option<Arc<Cors>>,
    /// What is changed about headers.
    pub headers: Option<Arc<HeaderRules>>,
    /// From where clients may come.
    pub addresses: Option<AddressTable>,
    /// The document that requests and responses are held against.
    pub api: Option<Arc<Api>>,
    /// Whose signed events it takes.
    pub senders: Box<[Arc<Held>]>,
}

/// A route that was found.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// What the fleet file says.
    pub said: &'a GatewayRoute,
    /// What that came to.
    pub settings: &'a Settings,
}

/// What a request said besides method and path that routes are chosen by. Kept while it is under way, where there is such a route.
#[derive(Clone, Debug, Default)]
pub struct Said {
    host: Option<Box<str>>,
    headers: Vec<(Box<str>, Vec<u8>)>,
}

impl Routes {
    /// The routes of `directory`, whose limits are `limits`, whose documents `apis` and whose senders `senders`.
    pub fn of(directory: &Directory, limits: &Limits, apis: &Apis, senders: &Senders) -> Self {
        let Some(gateway) = &directory.own.gateway else { return Self::default() };
        let routes = &gateway.routes;
        let (cors, headers) = (gateway.cors.clone().map(Arc::new), gateway.headers.clone().map(Arc::new));
        let settings: Box<[_]> = routes
            .iter()
            .map(|route| Settings {
                limits: limits.route(route),
                pace: limits.pace_of(route),
                cors: overruled(&cors, route.cors.as_ref()),
                headers: overruled(&headers, route.headers.as_ref()),
                addresses: route.addresses.as_ref().map(AddressTable::of),
                api: route.api.as_ref().and_then(|check| apis.get(check)).cloned(),
                senders: route
                    .events
                    .iter()
                    .flat_map(|it| &it.from)
                    .filter_map(|it| senders.get(it).cloned())
                    .collect(),
            })
            .collect();
        Self {
            table: RouteTable::of(routes),
            hosts: certified_hosts(routes).into_iter().map(Into::into).collect(),
            access: Access::of(gateway),
            headers,
            vouches: routes.iter().any(|route| route.auth.is_vouched_here()),
            shares: settings.iter().any(|it| it.cors.is_some()),
            settings,
        }
    }

    /// From where clients may come; `None` where from everywhere, and nobody is believed about others.
    pub fn access(&self) -> Option<&Access> {
        self.access.as_ref()
    }

    /// What is changed about answers where there is no route.
    pub fn headers(&self) -> Option<&Arc<HeaderRules>> {
        self.headers.as_ref()
    }

    /// Whether some route says which scripts of other sites may read answers.
    pub fn shares(&self) -> bool {
        self.shares
    }

    /// Whether some route is for certain hosts alone.
    pub fn asks_host(&self) -> bool {
        self.table.asks_host()
    }

    /// Whether some route lets in for whom the gateway vouches itself: programs with a key, senders of events.
    pub fn vouches(&self) -> bool {
        self.vouches
    }

    /// The hosts that the gateway has to show a certificate for.
    pub fn hosts(&self) -> &BTreeSet<Box<str>> {
        &self.hosts
    }

    /// The route for a request. `directory` is the one that these routes were made of.
    pub fn find<'a>(&'a self, directory: &'a Directory, asked: Asked<'_>, fields: &Fields) -> Option<Route<'a>> {
        self.at(directory, self.table.find(asked, |name| fields.all(name))?)
    }

    /// Whether `client` may still use what a request under way came by.
    pub fn is_for(
        &self,
        directory: &Directory,
        (method, path, said): (&str, &str, Option<&Said>),
        client: Option<&ServiceName>,
    ) -> bool {
        let asked = Asked { host: said.and_then(|said| said.host.as_deref()), path, method };
        let headers = said.map_or(&[][..], |said| &said.headers);
        let values = |name: &str| -> Vec<&[u8]> {
            headers.iter().filter(|(n, _)| **n == *name).map(|(_, value)| &**value).collect()
        };
        let found = self.table.find(asked, |name| values(name).into_iter());
        let found = found.and_then(|n| self.at(directory, n));
        found.is_some_and(|route| route.said.is_for(client))
    }

    /// What has to be kept of a request so that its route can be found again; `None` where method and path say it all.
    pub fn said(&self, host: Option<&str>, fields: &Fields) -> Option<Arc<Said>> {
        let names = self.table.headers();
        if names.is_empty() && !self.asks_host() {
            return None;
        }
        let values = names.iter().flat_map(|name| iter::repeat(name).zip(fields.all(name)));
        let headers = values.map(|(name, value)| (name.clone(), value.into())).collect();
        Some(Arc::new(Said { host: host.map(Into::into), headers }))
    }

    fn at<'a>(&'a self, directory: &'a Directory, n: usize) -> Option<Route<'a>> {
        let gateway = directory.own.gateway.as_ref()?;
        Some(Route { said: gateway.routes.get(n)?, settings: self.settings.get(n)? })
    }
}

/// What holds for a route: what it says itself, or what the gateway does.
fn overruled<T: Clone>(all: &Option<Arc<T>>, own: Option<&Overrule<T>>) -> Option<Arc<T>> {
    own.map_or_else(|| all.clone(), |own| own.clone().these().map(Arc::new))
}

impl Route<'_> {
    /// Whether the client is one of those that it is for.
    pub fn is_for(&self, client: Option<&Caller>) -> bool {
        self.said.is_for(client.map(|client| &client.name))
    }
}
