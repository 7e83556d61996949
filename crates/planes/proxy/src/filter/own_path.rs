//! Takes our own cookies off the request, and answers below `/.bartizan/`. At the gateway, where the fleet file says how people log in.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use crate::login::{self, cookies};
use crate::reply::Cookies;
use bartizan_core::login::OWN_PATHS;

pub(super) const IT: Filter = Filter { name: "own_path", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let live = x.live;
    let Some(side) = login::side(live).filter(|_| x.conn.side == Side::Gateway) else { return Ok(()) };
    let came = cookies::take(&mut x.head.fields, side);
    x.cookies = Some(Cookies::default());
    if !x.path().starts_with(OWN_PATHS) {
        x.came = Some(came);
        return Ok(());
    }
    let errand = login::errand(side, live, x.head, x.path(), &came, x.now)?;
    x.errand = Some(Box::new(errand));
    // Stands in for the answer, which takes a while.
    Err(Answer::new(503, "not_ready", "nobody answered"))
}
