//! Takes headers out of requests and puts others in, as the route says. At the gateway.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::reply::edit;

pub(super) const IT: Filter = Filter { name: "headers", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    if let Some(rules) = x.edge_route.and_then(|route| route.settings.headers.as_ref()) {
        edit(&rules.request, &mut x.head.fields);
    }
    Ok(())
}
