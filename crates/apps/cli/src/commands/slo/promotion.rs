//! `bartizan slo override`, and how promotion stands, for people.

use crate::args::SloOverrideArgs;
use crate::commands::{place, print, print_json, unanswered};
use crate::failure::Failure;
use crate::render::promotion;
use bartizan_core::objectives::ObjectivesStatus;
use bartizan_core::promotion::Override;
use bartizan_runtime::local;
use serde_json::json;

pub(super) async fn override_for(args: &SloOverrideArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let socket = data.control_socket();
    let done: Result<ObjectivesStatus, _> = if args.end {
        local::post(&socket, "/v1/objectives/override/end", &json!({})).await
    } else {
        let wanted = Override { why: args.why.clone().unwrap_or_default(), for_s: args.time };
        local::post(&socket, "/v1/objectives/override", &wanted).await
    };
    let done = done.map_err(|error| unanswered(&data, &error))?;
    if args.data.json {
        return print_json(&done.promotion);
    }
    print(&done.promotion.as_ref().map_or_else(String::new, promotion))
}
