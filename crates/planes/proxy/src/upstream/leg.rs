//! Legs to the guards of other services: one for each worker and peer, more only where all are full.

use super::dial::Dialled;
use super::http1::name_host;
use super::{Failure, Outgoing, Pools, Received, Target, Version, is_idempotent};
use crate::answer::UNSENT_HEADER;
use crate::aside::Aside;
use crate::ledger::Registered;
use crate::leg::{self, Exchange, Leg};
use crate::limits;
use crate::live::{ALPN_HTTP1, ALPN_HTTP2, ALPN_LEG};
use crate::message::Body;
use bartizan_runtime::tls::Records;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Open legs by target.
#[derive(Debug, Default)]
pub(super) struct Pool(RefCell<HashMap<Target, Rc<Lane>>>);

#[derive(Debug, Default)]
struct Lane {
    legs: RefCell<Vec<Held>>,
    /// Held while connecting, so that a burst opens one leg and not one each.
    connecting: Mutex<()>,
}

#[derive(Clone, Debug)]
struct Held {
    leg: Leg,
    generation: u64,
    trust: Rc<Registered>,
    used: Rc<Cell<Instant>>,
}

impl Held {
    fn is_good(&self, generation: u64) -> bool {
        self.generation == generation && self.leg.is_good() && self.trust.is_good_for_more()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.legs.borrow().iter().for_each(|held| held.leg.leave());
    }
}

/// What connecting to a peer came to.
enum Connected {
    Leg(Held),
    /// The peer is no guard of ours.
    Http1(Box<Dialled>),
    /// Nor is this one, and its connections are shared.
    Http2,
}

impl Lane {
    fn pick(&self, generation: u64) -> Option<Held> {
        let mut legs = self.legs.borrow_mut();
        legs.retain(|held| {
            let keep = held.is_good(generation);
            if !keep {
                held.leg.leave(); // what is under way on it goes on
            }
            keep
        });
        legs.iter().find(|held| held.leg.has_room()).cloned()
    }
}

impl Pool {
    fn lane(&self, target: &Target) -> Rc<Lane> {
        if let Some(lane) = self.0.borrow().get(target) {
            return Rc::clone(lane);
        }
        Rc::clone(self.0.borrow_mut().entry(target.clone()).or_default())
    }

    pub(super) fn sweep(&self, now: Instant, generation: u64) {
        self.0.borrow_mut().retain(|_, lane| {
            lane.legs.borrow_mut().retain(|held| {
                let in_use = held.leg.streams() > 0 || now < held.used.get() + limits::POOL_PEER_IDLE;
                let keep = in_use && held.is_good(generation);
                if !keep {
                    held.leg.leave();
                }
                keep
            });
            !lane.legs.borrow().is_empty() || Rc::strong_count(lane) > 1
        });
    }

    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

impl Pools {
    /// Sends a request to a peer over a leg, or in `version` where the peer speaks none.
    pub(super) async fn send_leg(
        &self,
        target: &Target,
        version: Version,
        request: &mut Outgoing,
    ) -> Result<Received, Failure> {
        name_host(&mut request.head, target);
        request.head.http2 = version == Version::Http2;
        let generation = self.generation_for(target);
        for last_try in [false, true] {
            let picked = self.0.legs.0.borrow().get(target).and_then(|lane| lane.pick(generation));
            let held = match picked {
                Some(held) => held,
                None if request.head.http2 && self.has_http2(target) => {
                    return Box::pin(self.send_http2(target, request)).await;
                }
                None if !request.head.http2 && self.has_http1(target) => return self.send_http1(target, request).await,
                None => match Box::pin(self.connect_leg(target, version)).await? {
                    Connected::Leg(held) => held,
                    Connected::Http1(dialled) => return self.send_http1_on(target, *dialled, request).await,
                    Connected::Http2 => return Box::pin(self.send_http2(target, request)).await,
                },
            };
            held.used.set(Instant::now());
            let (head, body, interims) = request.hand_over();
            // Kept where it may be sent again.
            let again = body.as_whole();
            let exchange = match Exchange::begin(&held.leg, head, body, interims) {
                Ok(exchange) => exchange,
                Err(unsent) => {
                    request.body = Some(unsent);
                    continue;
                }
            };
            let (sent, taken_back) = answered(&held, exchange).await;
            let again = again.map(Body::whole);
            match sent {
                // Nobody looked at it.
                Err(Failure::Unprocessed) => {
                    request.body = taken_back.or(again);
                    if last_try || request.body.is_none() {
                        return sent;
                    }
                }
                Err(Failure::Broken(_)) if !last_try && again.is_some() && is_idempotent(&request.head.method) => {
                    request.body = again;
                }
                sent => {
                    request.body = taken_back; // its program got nothing
                    return sent;
                }
            }
        }
        Err(Failure::Unprocessed)
    }

    async fn connect_leg(&self, target: &Target, version: Version) -> Result<Connected, Failure> {
        let Target::Peer(id, mesh) = target else { return Err(Failure::NotReady) };
        let lane = self.0.legs.lane(target);
        let _alone = lane.connecting.lock().await;
        if let Some(held) = lane.pick(self.generation_for(target)) {
            return Ok(Connected::Leg(held));
        }
        let is_http2 = version == Version::Http2;
        if is_http2 && self.has_http2(target) {
            return Ok(Connected::Http2);
        }
        let dialled = self.dial_peer(id, *mesh, &[ALPN_LEG, if is_http2 { ALPN_HTTP2 } else { ALPN_HTTP1 }]).await?;
        if !dialled.is_leg {
            if is_http2 {
                return self.keep_http2(target, dialled).await.map(|()| Connected::Http2);
            }
            return Ok(Connected::Http1(Box::new(dialled)));
        }
        let Dialled { stream, trust, generation, .. } = dialled;
        let (leg, trust) = (Leg::new(true), Rc::new(trust));
        let held = Held { leg, generation, trust, used: Rc::new(Cell::new(Instant::now())) };
        self.drive(&held, Records::dialled(stream));
        lane.legs.borrow_mut().push(held.clone());
        Ok(Connected::Leg(held))
    }

    /// Reads and writes on a new leg; the task ends with the connection, at the latest with trust in it.
    fn drive(&self, held: &Held, records: Records) {
        let (leg, trust, quiet) = (held.leg.clone(), Rc::clone(&held.trust), self.0.alarms.alarm());
        tokio::task::spawn_local(async move {
            let mut begin = |_, _| {}; // nobody asks at this end
            let driving = leg::drive(&leg, records, quiet, &mut begin);
            let over = Aside::new(trust.until_over());
            tokio::select! {
                biased;
                ended = driving => if let Err(error) = ended {
                    tracing::debug!(%error, "upstream connection ended");
                },
                () = over => {}
            }
            leg.end();
        });
    }
}

/// The head of the response; and the request's body, where no program saw any of it and it was not at hand from the beginning.
async fn answered(held: &Held, exchange: Exchange) -> (Result<Received, Failure>, Option<Body>) {
    let mut exchange = Box::new(exchange);
    let sent = Instant::now();
    let head = match poll_fn(|cx| exchange.poll_head(cx)).await {
        Ok(head) => head,
        Err(Failure::Unprocessed) => return (Err(Failure::Unprocessed), exchange.take_back()),
        Err(failure) => return (Err(failure), None),
    };
    let received = Instant::now();
    held.used.set(received);
    let mut taken_back = None;
    if head.fields.contains(UNSENT_HEADER) {
        taken_back = exchange.take_back();
    }
    exchange.keep_no_more();
    let body = if exchange.is_over() { Body::default() } else { Body::leg_response(exchange) };
    (Ok(Received { head, body, sent, received, peer: None }), taken_back)
}
