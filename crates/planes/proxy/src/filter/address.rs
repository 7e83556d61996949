//! Whether the route is for clients at this address. At the gateway.

use super::client::kept_out;
use super::{Exchange, Filter};
use crate::answer::Answer;

pub(super) const IT: Filter = Filter { name: "address", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let table = x.edge_route.and_then(|route| route.settings.addresses.as_ref());
    if table.is_none_or(|table| table.admits(x.address)) { Ok(()) } else { Err(kept_out()) }
}
