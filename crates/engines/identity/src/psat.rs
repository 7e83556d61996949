//! Kubernetes projected service account tokens: what is asked of the API server (TokenReview, `authentication.k8s.io/v1`), and
//! what its answer says of the node that a token's pod runs on.
//!
//! The token itself is never read: everything that counts is what the API server says about it.

use crate::limits::{REVIEW_BYTES_MAX, SERVICE_ACCOUNT_TOKEN_BYTES_MAX};
use bartizan_core::ServiceName;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Where the API server is asked.
pub const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
/// In what a token says of its bearer: the node of its pod (Kubernetes 1.30 and later say so).
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// The uid of that node, which no later node of the same name has.
const NODE_UID: &str = "authentication.kubernetes.io/node-uid";
/// What user names of service accounts begin with.
const ACCOUNT: &str = "system:serviceaccount:";

/// Why a token makes nobody a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PsatError {
    /// It cannot be a token.
    #[error("that is no service account token")]
    NoToken,
    /// The API server's answer cannot be read.
    #[error("the API server's answer is no TokenReview: {0}")]
    Malformed(String),
    /// The API server does not know the token: altered, expired, or its pod is gone.
    #[error("the API server does not accept the token")]
    Refused,
    /// It is for somebody else.
    #[error("the token is not for audience `{0}`")]
    Audience(String),
    /// Its account is not one whose pods are nodes.
    #[error("`{0}` is no service account of nodes")]
    Account(String),
    /// The API server does not say which node.
    #[error("the token is bound to no node; that takes a token of a pod, and Kubernetes 1.30")]
    NoNode,
    /// The node's name cannot be one of ours.
    #[error("`{0}` cannot be the name of a node here: it takes a DNS label")]
    Name(String),
    /// The token is of a pod on another node.
    #[error("the token is of node `{found}`, asked for was `{wanted}`")]
    OtherName {
        /// Its node.
        found: ServiceName,
        /// The node that was asked for.
        wanted: ServiceName,
    },
}

/// Whose tokens count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whom a token has to be for.
    pub audience: String,
    /// Accounts of nodes, each `NAMESPACE:NAME`.
    pub accounts: Vec<String>,
}

/// A token that the API server found good for a node. [`Rules::check`] is the only constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reviewed {
    /// The node's name.
    pub node: ServiceName,
    /// Its uid.
    pub node_uid: String,
}

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    user: User,
}

#[derive(Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

impl Rules {
    /// The question about `token`, JSON.
    ///
    /// # Errors
    /// [`PsatError::NoToken`] where it cannot be one; nobody is asked then.
    pub fn question(&self, token: &str) -> Result<Vec<u8>, PsatError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let parts = || token.split('.');
        let is_jws = parts().count() == 3 && parts().all(|part| !part.is_empty() && part.bytes().all(allowed));
        if token.len() > SERVICE_ACCOUNT_TOKEN_BYTES_MAX || !is_jws {
            return Err(PsatError::NoToken);
        }
        let question = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token, "audiences": [self.audience] },
        });
        Ok(question.to_string().into_bytes())
    }

    /// Checks the API server's answer for a node that wants to be `name`.
    ///
    /// # Errors
    /// [`PsatError`]; what is not said counts as no.
    pub fn check(&self, answer: &[u8], name: &ServiceName) -> Result<Reviewed, PsatError> {
        if answer.len() > REVIEW_BYTES_MAX {
            return Err(PsatError::Malformed(format!("longer than {REVIEW_BYTES_MAX} bytes")));
        }
        let Review { status } =
            serde_json::from_slice(answer).map_err(|error| PsatError::Malformed(error.to_string()))?;
        if !status.authenticated {
            return Err(PsatError::Refused);
        }
        // A server that knows nothing of audiences says yes and names none (TokenReview, `status.audiences`).
        if !status.audiences.contains(&self.audience) {
            return Err(PsatError::Audience(self.audience.clone()));
        }
        let User { username, extra } = status.user;
        let account = username.strip_prefix(ACCOUNT);
        if !account.is_some_and(|account| self.accounts.iter().any(|known| known == account)) {
            return Err(PsatError::Account(username));
        }
        let only = |key: &str| match extra.get(key).map(Vec::as_slice) {
            Some([one]) if !one.is_empty() => Ok(one),
            _ => Err(PsatError::NoNode),
        };
        let (node, node_uid) = (only(NODE_NAME)?, only(NODE_UID)?.clone());
        let node = ServiceName::parse(node).map_err(|_| PsatError::Name(node.clone()))?;
        if node != *name {
            return Err(PsatError::OtherName { found: node, wanted: name.clone() });
        }
        Ok(Reviewed { node, node_uid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn rules() -> Rules {
        Rules { audience: "bartizan".to_owned(), accounts: vec!["bartizan:node".to_owned()] }
    }

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    /// As Kubernetes 1.30 answers, with something changed.
    fn answer(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut answer = json!({
            "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": { "token": "x" },
            "status": {
                "authenticated": true,
                "user": {
                    "username": "system:serviceaccount:bartizan:node", "uid": "1", "groups": ["system:authenticated"],
                    "extra": {
                        "authentication.kubernetes.io/pod-name": ["node-x"],
                        "authentication.kubernetes.io/node-name": ["worker-1"],
                        "authentication.kubernetes.io/node-uid": ["0f3a8b1c"],
                    },
                },
                "audiences": ["bartizan"],
            },
        });
        change(&mut answer["status"]);
        answer.to_string().into_bytes()
    }

    #[test]
    fn what_the_api_server_does_not_say_counts_as_no() {
        let extra = "extra";
        for (change, expected, why) in [
            (
                Box::new(|it: &mut Value| it["authenticated"] = json!(false)) as Box<dyn Fn(&mut Value)>,
                PsatError::Refused,
                "it says no",
            ),
            (Box::new(|it| *it = json!({ "error": "expired" })), PsatError::Refused, "it says nothing"),
            (Box::new(|it| it["audiences"] = json!([])), PsatError::Audience("bartizan".into()), "no audience"),
            (
                Box::new(|it| it["audiences"] = json!(["kube"])),
                PsatError::Audience("bartizan".into()),
                "another audience",
            ),
            (Box::new(|it| it["user"]["username"] = json!("admin")), PsatError::Account("admin".into()), "no account"),
            (
                Box::new(|it| it["user"]["username"] = json!("bartizan:node")),
                PsatError::Account("bartizan:node".into()),
                "a user who is called so",
            ),
            (
                Box::new(|it| it["user"]["username"] = json!("system:serviceaccount:evil:node")),
                PsatError::Account("system:serviceaccount:evil:node".into()),
                "another namespace",
            ),
            (Box::new(move |it| it["user"][extra] = json!({})), PsatError::NoNode, "no node"),
            (Box::new(move |it| it["user"][extra][NODE_UID] = json!([])), PsatError::NoNode, "no uid"),
            (
                Box::new(move |it| it["user"][extra][NODE_NAME] = json!(["worker-1", "worker-2"])),
                PsatError::NoNode,
                "two nodes",
            ),
            (
                Box::new(move |it| it["user"][extra][NODE_NAME] = json!(["a.example"])),
                PsatError::Name("a.example".into()),
                "no label",
            ),
            (
                Box::new(move |it| it["user"][extra][NODE_NAME] = json!(["worker-2"])),
                PsatError::OtherName { found: name("worker-2"), wanted: name("worker-1") },
                "another node",
            ),
        ] {
            assert_eq!(rules().check(&answer(change), &name("worker-1")), Err(expected), "{why}");
        }
        for (bytes, why) in
            [(b"".to_vec(), "empty"), (b"{}".to_vec(), "no status"), (vec![b' '; REVIEW_BYTES_MAX + 1], "too long")]
        {
            assert!(matches!(rules().check(&bytes, &name("worker-1")), Err(PsatError::Malformed(_))), "{why}");
        }
        let good = rules().check(&answer(|_| {}), &name("worker-1")).unwrap();
        assert_eq!((good.node, good.node_uid.as_str()), (name("worker-1"), "0f3a8b1c"));
    }

    #[test]
    fn asks_for_its_audience_and_only_about_what_can_be_a_token() {
        let asked: Value = serde_json::from_slice(&rules().question("a.b-_.c").unwrap()).unwrap();
        assert_eq!((&asked["spec"]["token"], &asked["spec"]["audiences"]), (&json!("a.b-_.c"), &json!(["bartizan"])));
        for token in ["", "a", "a.b", "a..c", "a.b.c.d", "a.b.c\n", "a.b.\"", &"a.b.c".repeat(10_000)] {
            assert_eq!(rules().question(token), Err(PsatError::NoToken), "{token:.20}");
        }
    }

    proptest! {
        #[test]
        fn nobody_becomes_a_node_by_other_bytes(at in any::<prop::sample::Index>(), byte in any::<u8>(), junk in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(rules().check(&junk, &name("worker-1")).is_err());
            let mut altered = answer(|_| {});
            let at = at.index(altered.len());
            altered[at] = byte;
            if let Ok(found) = rules().check(&altered, &name("worker-1")) {
                prop_assert_eq!(found.node, name("worker-1"));
            }
        }
    }
}
