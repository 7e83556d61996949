//! What a policy in shadow would have decided: class 2004, Detection Finding.

use super::Scene;
use super::record::{DETECTION_FINDING, Record};
use crate::event::Predicted;
use serde_json::json;

impl Scene<'_> {
    pub(super) fn predicted(&self, it: &Predicted) -> Record {
        let Predicted { policy, from, to, action, verdict, calls } = it;
        let text = it.text();
        let title = format!("policy {policy} in shadow");
        let record = Record::new(DETECTION_FINDING, (1, "Create"), text.clone())
            .with("finding_info", json!({ "uid": format!("{policy}/{from}/{to}"), "title": title, "desc": text }))
            .with("count", *calls)
            // Not `policies` and `decision`: those say what was decided.
            .own("policy", &**policy)
            .own("predicted", verdict.as_str())
            .own("from", from.as_str())
            .own("to", to.as_str())
            .own("action", action.as_str())
            .own("calls", *calls);
        Record { stands: Some((1, "New")), ..record }
    }
}
