//! `bartizan reload`.

use super::{place, print, print_json, unanswered};
use crate::args::DataArgs;
use crate::failure::Failure;
use bartizan_core::status::{Programs, Reloaded};
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
    let epoch = |kind| done.epochs.get(kind).map_or(0, |epoch| epoch.0);
    let changed: Vec<_> =
        done.changed.iter().map(|kind| format!("{} (epoch {})", kind.as_str(), epoch(kind))).collect();
    let mut text = String::new();
    if !changed.is_empty() {
        text += &format!("published anew: {}; `bartizan status` shows who enforces it\n", changed.join(", "));
    }
    let Programs { added, removed, started_anew } = &done.programs;
    for (what, names) in [
        ("added, and started now", added),
        ("removed, and stopped once callers know", removed),
        ("started anew, one instance after the other", started_anew),
    ] {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            text += &format!("{what}: {}\n", names.join(", "));
        }
    }
    if text.is_empty() { "nothing changed\n".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::ServiceName;
    use bartizan_core::snapshot::{Epoch, Kind};

    #[test]
    fn says_what_changed() {
        let epochs = [(Kind::Policies, Epoch(4)), (Kind::Directory, Epoch(2))].into();
        let mut done = Reloaded { changed: Vec::new(), programs: Programs::default(), epochs };
        assert_eq!(told(&done), "nothing changed\n");
        done.changed = vec![Kind::Policies];
        assert_eq!(told(&done), "published anew: policies (epoch 4); `bartizan status` shows who enforces it\n");
        done.changed = Vec::new();
        done.programs.added = vec![ServiceName::parse("till").unwrap()];
        done.programs.started_anew = vec![ServiceName::parse("web").unwrap(), ServiceName::parse("stock").unwrap()];
        assert_eq!(
            told(&done),
            "added, and started now: till\nstarted anew, one instance after the other: web, stock\n"
        );
    }
}
