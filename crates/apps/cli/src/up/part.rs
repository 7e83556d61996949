//! The parts that `up` keeps alive.

use bartizan_core::{Member, ServiceName};
use std::fmt;

/// One supervised process. The order is the order of starting; stopping goes its own way (see `stop`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// `bartizan control`.
    Control,
    /// `bartizan control`, as a member of a group.
    ControlMember(u8),
    /// `bartizan node`.
    Node,
    /// The process in the network namespace of a program that is ours.
    Porter(Member),
    /// The proxy of an instance of a service.
    Sidecar(Member),
    /// The program of an instance of a service.
    Program(Member),
    /// The proxy at the edge.
    Gateway,
}

impl Part {
    /// The word for its kind, as events name it.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Control | Self::ControlMember(_) => "control",
            Self::Node => "node",
            Self::Porter(_) => "porter",
            Self::Sidecar(_) => "sidecar",
            Self::Program(_) => "program",
            Self::Gateway => "gateway",
        }
    }

    /// Its place in the order of starting.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::Control | Self::ControlMember(_) => 0,
            Self::Node => 1,
            Self::Porter(_) => 2,
            Self::Sidecar(_) => 3,
            Self::Program(_) => 4,
            Self::Gateway => 5,
        }
    }

    /// The service it belongs to; `None` for control and node.
    pub(crate) fn service(&self) -> Option<ServiceName> {
        match self {
            Self::Control | Self::ControlMember(_) | Self::Node => None,
            Self::Porter(member) | Self::Sidecar(member) | Self::Program(member) => Some(member.service().clone()),
            Self::Gateway => Some(ServiceName::gateway()),
        }
    }

    /// The instance whose guard it is; `None` for everything else.
    pub(crate) fn member(&self) -> Option<Member> {
        match self {
            Self::Sidecar(member) => Some(member.clone()),
            Self::Gateway => Some(Member::new(ServiceName::gateway(), 1)),
            Self::Control | Self::ControlMember(_) | Self::Node | Self::Porter(_) | Self::Program(_) => None,
        }
    }

    /// Name of its log file.
    pub(crate) fn log_name(&self) -> String {
        // A service may be called `control` or even `bartizan`, but none has a dot in its name, and no number is a word.
        match self {
            Self::Control | Self::Node | Self::Gateway => format!("bartizan.{}.log", self.kind()),
            Self::ControlMember(number) => format!("bartizan.control.{number}.log"),
            Self::Porter(name) => format!("{name}.porter.log"),
            Self::Sidecar(name) => format!("{name}.sidecar.log"),
            Self::Program(name) => format!("{name}.log"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control | Self::Node | Self::Gateway => f.write_str(self.kind()),
            Self::ControlMember(number) => write!(f, "control {number}"),
            Self::Porter(name) => write!(f, "porter of {name}"),
            Self::Sidecar(name) => write!(f, "sidecar of {name}"),
            Self::Program(name) => write!(f, "{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn log_names_never_collide() {
        let names = ["control", "node", "gateway", "bartizan", "bartizan-control", "sidecar", "bartizan.2"];
        let services = names.map(|name| Member::parse(name).unwrap());
        let mut parts = vec![Part::Control, Part::ControlMember(1), Part::ControlMember(2), Part::Node, Part::Gateway];
        parts.extend(services.iter().cloned().map(Part::Porter));
        parts.extend(services.iter().cloned().map(Part::Sidecar));
        parts.extend(services.iter().cloned().map(Part::Program));
        let logs: BTreeSet<_> = parts.iter().map(Part::log_name).collect();
        assert_eq!(logs.len(), parts.len());
    }
}
