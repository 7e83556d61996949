//! By whom a service can be called: a program's guard that has a way to it, or the gateway.

use super::ask::{Ask, NOBODYS_PATH};
use super::call::{Call, Outcome};
use crate::commands::bench::example;
use crate::data_dir::DataDir;
use crate::limits::PRE_PROD_WAYS_MAX;
use bartizan_core::fleet::Fleet;
use bartizan_core::status::Status;
use bartizan_core::{Member, ServiceName};
use bartizan_runtime::tls::WebClient;
use std::net::SocketAddr;

/// One of them.
#[derive(Debug)]
pub(super) struct Way {
    /// Whose identity is shown to the guard.
    pub(super) caller: ServiceName,
    from: Door,
    at: SocketAddr,
    path: String,
}

#[derive(Debug)]
enum Door {
    /// Its guard listens for its program on this machine.
    Here,
    /// The same, in the program's own network.
    Inside(Member),
    Gateway,
}

/// All ways to `service`, the likeliest first: guards of callers take no users.
pub(super) fn to(service: &ServiceName, ask: Option<&Ask>, fleet: &Fleet, status: &Status, data: &DataDir) -> Vec<Way> {
    let path = ask.map_or(NOBODYS_PATH, |ask| &ask.path);
    let guards = status.proxies.iter().filter(|proxy| proxy.attached).filter_map(|proxy| {
        let at = *proxy.places.as_ref()?.outbound.get(service)?;
        let member = proxy.member();
        let from = if data.porter(&member.to_string()).exists() { Door::Inside(member) } else { Door::Here };
        Some(Way { caller: proxy.service.clone(), from, at, path: path.to_owned() })
    });
    guards.chain(by_gateway(service, ask, fleet)).take(PRE_PROD_WAYS_MAX).collect()
}

fn by_gateway(service: &ServiceName, ask: Option<&Ask>, fleet: &Fleet) -> Option<Way> {
    let gateway = fleet.gateway.as_ref()?;
    let method = ask.map_or("GET", |ask| &ask.method);
    let open = gateway.routes.iter().filter(|route| route.from.is_empty() && route.takes_plain(method));
    let bare = ask.map(|ask| ask.path.split_once('?').map_or(&*ask.path, |(bare, _)| bare));
    let route = open
        .filter(|route| bare.is_none_or(|bare| route.path.matches(bare)))
        .reduce(|best, route| if route.path.rank() > best.path.rank() { route } else { best })
        .filter(|route| bare.is_none() || route.to == *service);
    let route = match bare {
        Some(_) => route?,
        None => gateway.routes.iter().find(|it| it.to == *service && it.from.is_empty() && it.takes_plain(method))?,
    };
    let path = ask.map_or_else(|| example(route.path.as_str()), |ask| ask.path.clone());
    let at = crate::up::loopback_of(gateway.listen);
    Some(Way { caller: ServiceName::gateway(), from: Door::Gateway, at, path })
}

impl Way {
    /// Calls, and says what came of it.
    pub(super) async fn call(&self, ask: Option<&Ask>, request: &str, key: &str, data: &DataDir) -> Outcome {
        let call = Call {
            at: self.at,
            method: ask.map_or("GET", |ask| &ask.method).to_owned(),
            path: self.path.clone(),
            body: ask.and_then(|ask| ask.body.clone()),
            request: request.to_owned(),
            key: key.to_owned(),
        };
        match &self.from {
            Door::Here => call.make(None).await,
            Door::Inside(member) => call.make_inside(data, member).await,
            Door::Gateway => match gateway_client(data) {
                Ok(tls) => call.make(Some(&tls)).await,
                Err(why) => Outcome::NotMade(why),
            },
        }
    }

    /// What was asked, for people.
    pub(super) fn told(&self, ask: Option<&Ask>) -> String {
        format!("{} {} by `{}`", ask.map_or("GET", |ask| &ask.method), self.path, self.caller)
    }
}

fn gateway_client(data: &DataDir) -> Result<WebClient, String> {
    let path = data.roots();
    let roots = std::fs::read_to_string(&path);
    let roots = roots.map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    WebClient::new(&roots, bartizan_runtime::https::ALPN).map_err(|error| error.to_string())
}
