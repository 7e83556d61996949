//! `bartizan reload`.

use super::{place, print, print_json, unanswered};
use crate::args::DataArgs;
use crate::failure::Failure;
use bartizan_core::status::Reloaded;
use bartizan_runtime::local;
use serde_json::json;

/// Has control read fleet file and policies anew, and prints what changed.
pub(crate) async fn run(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let done: Reloaded = local::post(&data.control_socket(), "/v1/reload", &json!({}))
        .await
        .map_err(|error| unanswered(&data, &error))?;
    if args.json { print_json(&done) } else { print(&told(&done)) }
}

fn told(done: &Reloaded) -> String {
    if done.changed.is_empty() {
        return "nothing changed\n".to_owned();
    }
    let epoch = |kind| done.epochs.get(kind).map_or(0, |epoch| epoch.0);
    let changed: Vec<_> =
        done.changed.iter().map(|kind| format!("{} (epoch {})", kind.as_str(), epoch(kind))).collect();
    format!("published anew: {}; `bartizan status` shows who enforces it\n", changed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::snapshot::{Epoch, Kind};

    #[test]
    fn says_what_changed() {
        let mut done =
            Reloaded { changed: Vec::new(), epochs: [(Kind::Policies, Epoch(4)), (Kind::Directory, Epoch(2))].into() };
        assert_eq!(told(&done), "nothing changed\n");
        done.changed = vec![Kind::Policies];
        assert_eq!(told(&done), "published anew: policies (epoch 4); `bartizan status` shows who enforces it\n");
    }
}
