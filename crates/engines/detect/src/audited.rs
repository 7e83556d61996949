//! What somebody did at a Kubernetes API server, as far as anybody has to know.

use bartizan_core::alerts::Measure;
use bartizan_core::event::Telemetry;

/// Names of those that belong to the cluster itself.
const OF_CLUSTER: &[&str] =
    &["system:kube-", "system:node:", "system:apiserver", "system:serviceaccount:kube-system:", "system:masters"];
/// Where a stranger may look: whether the server lives.
const OPEN_PATHS: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/openid/", "/.well-known/"];
/// Roles that may do everything, or nearly.
const MIGHTY: &[&str] = &["cluster-admin", "admin", "system:masters", "edit"];

/// One thing that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done<'a> {
    /// Who.
    pub(crate) subject: &'a str,
    /// What it counts as.
    pub(crate) what: Measure,
    /// To what, for people.
    pub(crate) object: &'a str,
    /// The call by which it was done, in the server's own word: the same in each record of it.
    pub(crate) call: &'a str,
}

/// What an audit record counts as; `None` where nobody has to know.
pub(crate) fn done(it: &Telemetry) -> Option<Done<'_>> {
    let text = |key: &str| it.attribute(key).unwrap_or_default();
    let (subject, verb) = (text("user.username"), &*it.name);
    let (resource, sub) = (text("objectRef.resource"), text("objectRef.subresource"));
    let code: u16 = text("http.response.status_code").parse().unwrap_or_default();
    // Of a request that is under way there is a record more once it is done; of an `exec` only that it began may be told, or both.
    let begun = matches!(text("stage"), "RequestReceived");
    let done = |what, object| Some(Done { subject, what, object, call: text("auditID") });
    if subject == "system:anonymous" || text("user.groups.0") == "system:unauthenticated" {
        let path = it.body.rsplit(' ').next().unwrap_or_default();
        let is_open = OPEN_PATHS.iter().any(|open| path.starts_with(open));
        return if begun || is_open {
            None
        } else {
            done(Measure::AnonymousCalls, if resource.is_empty() { path } else { resource })
        };
    }
    if begun || OF_CLUSTER.iter().any(|own| subject.starts_with(own)) {
        return None;
    }
    // Who was refused has neither read nor entered anything.
    if code >= 400 {
        return None;
    }
    let writes = matches!(verb, "create" | "update" | "patch");
    match (resource, sub) {
        ("pods", "exec" | "attach" | "portforward" | "ephemeralcontainers")
            if matches!(verb, "create" | "get" | "patch" | "update") =>
        {
            done(Measure::PodsEntered, text("objectRef.name"))
        }
        ("nodes", "proxy") => done(Measure::PodsEntered, text("objectRef.name")),
        ("clusterrolebindings" | "rolebindings", _) if writes => {
            let role = text("roleRef.name");
            // At the level `Metadata` nobody says which role; of a whole cluster that is enough.
            let unknown = role.is_empty() && resource == "clusterrolebindings";
            (unknown || MIGHTY.contains(&role)).then_some(())?;
            done(Measure::AdminGrants, text("objectRef.name"))
        }
        ("clusterroles" | "roles", _)
            if writes && matches!(verb, "update" | "patch") && text("objectRef.name").contains("admin") =>
        {
            done(Measure::AdminGrants, text("objectRef.name"))
        }
        ("serviceaccounts", "token") if verb == "create" => done(Measure::TokenRequests, text("objectRef.name")),
        ("secrets", "") if matches!(verb, "get" | "list" | "watch") => {
            done(Measure::SecretsRead, text("objectRef.namespace"))
        }
        _ => None,
    }
}
