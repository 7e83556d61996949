//! Everything of this fleet that runs out.

use crate::app::App;
use crate::ca::ROOT_SEALED;
use crate::limits::JWT_KEY_LEAD;
use crate::node_registry::NodeStanding;
use bartizan_core::Timestamp;
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::rotation::Forecast;
use bartizan_crypto::cert;
use bartizan_identity::expiry::{Kind, Thing, forecast};

/// The forecast of now.
pub(crate) fn of(app: &App, now: Timestamp) -> Forecast {
    let mut things = authorities(app);
    things.extend(foreign(app));
    things.extend(control(app));
    things.extend(
        app.jwt
            .validity()
            .map(|dates| Thing { due: Some(dates.1.minus(JWT_KEY_LEAD)), ..thing(Kind::TokenKey, "control", dates) }),
    );
    things.extend(web(app));
    things.extend(proxies(app));
    things.extend(nodes(app));
    let waiting = app.tokens().waiting(now);
    things.extend(
        waiting.into_iter().enumerate().map(|(n, dates)| thing(Kind::JoinToken, &format!("token {}", n + 1), dates)),
    );
    forecast(&things, now)
}

fn authorities(app: &App) -> Vec<Thing> {
    let authority = app.authority();
    let roots = authority.bundles().roots_of(authority.domain().as_str()).unwrap_or_default();
    let root = |der: &Vec<u8>| {
        let read = cert::read(der).ok()?;
        let name = crate::rotation::shown(der)?.sha256;
        Some(thing(Kind::Root, name.get(..16).unwrap_or_default(), (read.not_before(), read.not_after())))
    };
    let mut things: Vec<Thing> = roots.iter().filter_map(root).collect();
    let mut issuing = thing(Kind::Issuing, "control", authority.validity());
    if !app.options.data.join(ROOT_SEALED).exists() {
        issuing.hindrance = Some("the root is offline, so that somebody has to sign `issuing.csr` then".to_owned());
    }
    things.push(issuing);
    things
}

/// Roots of other trust domains.
fn foreign(app: &App) -> Vec<Thing> {
    let mut things = Vec::new();
    for standing in app.federation.standings(&app.in_force().desired.fleet.federation) {
        let away = standing.failure.map(|why| format!("its bundle endpoint fails: {why}"));
        for der in app.federation.document(&standing.domain).iter().flat_map(|document| &document.roots) {
            let Ok(read) = cert::read(der) else { continue };
            let root = thing(Kind::ForeignRoot, standing.domain.as_str(), (read.not_before(), read.not_after()));
            things.push(Thing { hindrance: away.clone(), ..root });
        }
    }
    things
}

fn control(app: &App) -> [Thing; 2] {
    let own = app.own();
    let dates = (own.svid.not_before, own.svid.not_after);
    [thing(Kind::Control, "control", dates), thing(Kind::SnapshotSigner, "control", dates)]
}

fn proxies(app: &App) -> Vec<Thing> {
    let mut things = Vec::new();
    for standing in app.registry.standings(&app.in_force().desired.fleet) {
        let Some(seen) = standing.seen else { continue };
        let away = (!seen.attached).then(|| "it is not attached".to_owned());
        let name = &*standing.member.to_string();
        // Of an identity that an earlier control issued only the end is known.
        let svid = thing(Kind::Svid, name, (seen.not_after.minus(LEAF_TTL), seen.not_after));
        things.push(Thing { hindrance: away.clone(), ..svid });
        if let Some(edge) = seen.edge {
            let edge = thing(Kind::Edge, name, (edge.not_before, edge.not_after));
            things.push(Thing { hindrance: away, ..edge });
        }
    }
    things
}

fn nodes(app: &App) -> Vec<Thing> {
    let node = |it: NodeStanding| {
        // Its stream began with the identity that it has now; of that, only the end is known.
        let node = thing(Kind::Node, it.name.as_str(), (it.not_after.minus(LEAF_TTL), it.not_after));
        Thing { hindrance: (!it.attached).then(|| "it is not attached".to_owned()), ..node }
    };
    app.nodes.standings().into_iter().map(node).collect()
}

/// Certificates of files that the fleet file names.
fn web(app: &App) -> impl Iterator<Item = Thing> {
    app.web_certificates.all().into_iter().filter_map(|(door, standing)| {
        let hindrance = standing.problem.map(|_| "its files cannot be used".to_owned());
        Some(Thing { hindrance, ..thing(Kind::Web, door.as_str(), standing.validity?) })
    })
}

/// What was to be replaced and is not, apart from identities of guards, of which rules of their own tell.
pub(crate) fn overdue(app: &App, now: Timestamp) -> Vec<String> {
    let late = of(app, now).items.into_iter().filter(|it| it.in_danger && it.what != Kind::Svid.as_str());
    late.map(|it| format!("{} `{}`", it.what, it.name)).collect()
}

fn thing(kind: Kind, name: &str, (not_before, not_after): (Timestamp, Timestamp)) -> Thing {
    Thing { kind, name: name.to_owned(), not_before, not_after, due: None, hindrance: None }
}
