//! Refuses a body that announces more than may come. A body without a length is counted while it streams.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::limits;

pub(super) const IT: Filter = Filter { name: "body_limit", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let Some(length) = x.head.fields.get_str("content-length") else { return Ok(()) };
    let length = length.parse::<u64>().ok();
    // gRPC streams may be endless, and say no length.
    if length.is_some_and(|n| n <= limits::BODY_BYTES_MAX) { Ok(()) } else { Err(too_large()) }
}

/// The answer, also for a body that grew too large on the way.
pub fn too_large() -> Answer {
    Answer::new(413, "body_too_large", "the request body is too large").and_close()
}
