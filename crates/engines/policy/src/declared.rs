//! Declared calls as policies: their text, and reading that text back without Cedar's parser.
//!
//! A large fleet has thousands of them, alike but for two names. Reading and validating each as any other policy takes
//! 0.2 ms; as a link of one of three templates, which are read once, less than a tenth of it. Users' policies never become
//! links, and a text that is not exactly what [`permit`] writes goes Cedar's long way.

use crate::from_fleet::CALLS_FILE;
use crate::known::{Type, uid};
use bartizan_core::ServiceName;
use bartizan_core::fleet::Protocol;
use cedar_policy::{Policy, PolicyId, PolicySet, PolicySetError, SlotId, Template};
use std::collections::HashMap;
use std::sync::LazyLock;

/// One protocol for each shape of permit.
const SHAPES: [Protocol; 3] = [Protocol::Http, Protocol::Tcp, Protocol::Auto];

/// Who makes a declared call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Service,
    Workload,
    Foreign,
    /// A caller without mutual TLS, where the callee still takes them.
    Unauthenticated,
}

impl Origin {
    const ALL: [Self; 4] = [Self::Service, Self::Workload, Self::Foreign, Self::Unauthenticated];

    fn kind(self) -> Type {
        if self == Self::Foreign { Type::ForeignWorkload } else { Type::Workload }
    }
}

/// The permit for one declared call, where the callee speaks `protocol`.
pub(crate) fn permit(from: &ServiceName, who: Origin, to: &ServiceName, protocol: Protocol) -> String {
    let declared = match who {
        Origin::Service if *from == ServiceName::gateway() => "gateway.routes".to_owned(),
        Origin::Service => format!("services.{from}.calls"),
        Origin::Workload => format!("workloads.{from}.calls"),
        Origin::Foreign => format!("federation.{from}.calls"),
        Origin::Unauthenticated => format!("services.{to}.mtls"),
    };
    let (action, kind) = (action(protocol), who.kind().as_str());
    format!(
        "@id(\"{CALLS_FILE}/{from}->{to}\")\n@declared(\"{declared}\")\n\
         permit (principal == {kind}::\"{from}\", {action}, resource in Service::\"{to}\");"
    )
}

fn action(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => r#"action == Action::"connect""#,
        Protocol::Http | Protocol::Grpc => r#"action in [Action::"read", Action::"write", Action::"other"]"#,
        Protocol::Auto => r#"action in Action::"call""#,
    }
}

fn template_id(protocol: Protocol) -> PolicyId {
    PolicyId::new(format!("{CALLS_FILE}/{protocol:?}"))
}

static TEMPLATES: LazyLock<PolicySet> = LazyLock::new(|| {
    let mut set = PolicySet::new();
    for protocol in SHAPES {
        let text = format!("permit (principal == ?principal, {}, resource in ?resource);", action(protocol));
        let template = Template::parse(Some(template_id(protocol)), text).expect("the text above is a template");
        set.add_template(template).expect("the shapes have different names");
    }
    set
});

/// Policies of declared calls, by link.
pub(crate) struct Links(PolicySet);

impl Links {
    pub(crate) fn new() -> Self {
        Self(TEMPLATES.clone())
    }

    /// The policy, where `text` is exactly what [`permit`] writes and its name is not taken.
    pub(crate) fn read(&mut self, text: &str) -> Option<Policy> {
        let edge = text.strip_prefix("@id(\"")?.strip_prefix(CALLS_FILE)?.strip_prefix('/')?;
        let (from, to) = edge.split_once('"')?.0.split_once("->")?;
        let (from, to) = (ServiceName::parse(from).ok()?, ServiceName::parse(to).ok()?);
        let forms = Origin::ALL.into_iter().flat_map(|who| SHAPES.map(|protocol| (who, protocol)));
        let (who, protocol) = { forms }.find(|(who, protocol)| permit(&from, *who, &to, *protocol) == text)?;
        let slots = HashMap::from([
            (SlotId::principal(), uid(who.kind(), from.as_str())),
            (SlotId::resource(), uid(Type::Service, to.as_str())),
        ]);
        let id = PolicyId::new(format!("{CALLS_FILE}/{from}->{to}"));
        self.0.link(template_id(protocol), id.clone(), slots).ok()?;
        self.0.policy(&id).cloned()
    }
}

/// A set of the given policies, with the templates that some of them are links of.
///
/// # Errors
/// Where two have one name.
pub(crate) fn set_of<'a>(policies: impl Iterator<Item = &'a Policy>) -> Result<PolicySet, Box<PolicySetError>> {
    let mut set = PolicySet::new();
    for policy in policies {
        let (Some(template), Some(slots)) = (policy.template_id(), policy.template_links()) else {
            set.add(policy.clone())?;
            continue;
        };
        if set.template(template).is_none()
            && let Some(template) = TEMPLATES.template(template)
        {
            set.add_template(template.clone())?;
        }
        set.link(template.clone(), policy.id().clone(), slots)?;
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scope;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    #[test]
    fn a_link_is_the_policy_that_cedar_reads() {
        for protocol in [Protocol::Http, Protocol::Grpc, Protocol::Tcp, Protocol::Auto] {
            for from in [name("payment"), ServiceName::gateway()] {
                for who in Origin::ALL {
                    let text = permit(&from, who, &name("accounts"), protocol);
                    let link = Links::new().read(&text).unwrap();
                    let parsed = Policy::parse(None, &text).unwrap();
                    assert_eq!(Scope::of(&link), Scope::of(&parsed), "{text}");
                    assert_eq!(link.effect(), parsed.effect());
                    assert!(!link.has_non_scope_constraint());
                    assert_eq!(parsed.annotation("id"), Some(link.id().to_string().as_str()));
                }
            }
        }
    }

    #[test]
    fn nothing_else_is_taken_for_a_declared_call() {
        let good = permit(&name("payment"), Origin::Service, &name("accounts"), Protocol::Http);
        assert!(Links::new().read(&good).is_some());
        for bad in [
            good.replace("permit", "forbid"),
            good.replace(");", ") when { true };"),
            good.replace("Workload::\"payment\"", "Workload::\"users\""),
            good.replace("Workload::\"payment\"", "ForeignWorkload::\"payment\""),
            good.replace(" in Service", " == Service"),
            good.replace("@declared", "@reason"),
            good.replace("payment", "Payment"),
            good.replace("fleet:calls/", "fleet:calls"),
            format!("{good} "),
            String::new(),
        ] {
            assert!(Links::new().read(&bad).is_none(), "{bad}");
        }
        let mut links = Links::new();
        assert!(links.read(&good).is_some() && links.read(&good).is_none(), "the second has a taken name");
    }

    #[test]
    fn a_set_holds_links_and_others() {
        let mut links = Links::new();
        let link = links.read(&permit(&name("payment"), Origin::Service, &name("accounts"), Protocol::Http)).unwrap();
        let other = Policy::parse(Some(PolicyId::new("x")), "forbid (principal, action, resource);").unwrap();
        let set = set_of([&link, &other].into_iter()).unwrap();
        assert_eq!((set.num_of_policies(), set.num_of_templates()), (2, 1));
        assert!(set_of([&other, &other].into_iter()).is_err());
    }
}
