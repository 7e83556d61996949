//! The part of a policy before `when`: for whom, for what, on what.

use crate::known::{self, Type};
use bartizan_core::Action;
use cedar_policy::{ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

/// What a scope asks of a principal or a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Nothing.
    Any,
    /// `is T`.
    Is(EntityTypeName),
    /// `== E`.
    Eq(EntityUid),
    /// `in E`: `E` itself or what is in it.
    In(EntityUid),
    /// `is T in E`.
    IsIn(EntityTypeName, EntityUid),
}

impl Side {
    /// Whether `entity`, whose only ancestor is `parent`, passes.
    pub(crate) fn fits(&self, entity: &EntityUid, parent: Option<&EntityUid>) -> bool {
        let inside = |of: &EntityUid| entity == of || parent == Some(of);
        match self {
            Self::Any => true,
            Self::Is(wanted) => entity.type_name() == wanted,
            Self::Eq(wanted) => entity == wanted,
            Self::In(wanted) => inside(wanted),
            Self::IsIn(kind, wanted) => entity.type_name() == kind && inside(wanted),
        }
    }

    /// The entity it names; nothing passes that neither is this entity nor has it as its parent.
    pub(crate) fn anchor(&self) -> Option<&EntityUid> {
        match self {
            Self::Any | Self::Is(_) => None,
            Self::Eq(entity) | Self::In(entity) | Self::IsIn(_, entity) => Some(entity),
        }
    }
}

/// A set of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Actions(u8);

impl Actions {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(0b1111);

    pub(crate) fn of(actions: &[Action]) -> Self {
        Self(actions.iter().fold(0, |bits, action| bits | 1 << *action as u8))
    }
    pub(crate) fn has(self, action: Action) -> bool {
        self.0 & (1 << action as u8) != 0
    }
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    pub(crate) fn is_empty(self) -> bool {
        self == Self::NONE
    }
    pub(crate) fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.has(*action))
    }
}

/// The scope of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) principal: Side,
    pub(crate) actions: Actions,
    /// The actions that were written out, rather than meant by `action` alone or by their group.
    pub(crate) named: Actions,
    pub(crate) resource: Side,
}

impl Scope {
    pub(crate) fn of(policy: &Policy) -> Self {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any => Side::Any,
            PrincipalConstraint::Is(kind) => Side::Is(kind),
            PrincipalConstraint::Eq(entity) => Side::Eq(entity),
            PrincipalConstraint::In(entity) => Side::In(entity),
            PrincipalConstraint::IsIn(kind, entity) => Side::IsIn(kind, entity),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any => Side::Any,
            ResourceConstraint::Is(kind) => Side::Is(kind),
            ResourceConstraint::Eq(entity) => Side::Eq(entity),
            ResourceConstraint::In(entity) => Side::In(entity),
            ResourceConstraint::IsIn(kind, entity) => Side::IsIn(kind, entity),
        };
        let (actions, named) = match policy.action_constraint() {
            ActionConstraint::Any => (Actions::ALL, Actions::NONE),
            // No request is for the group itself, so `==` with it fits nothing.
            ActionConstraint::Eq(entity) => (named(&entity), named(&entity)),
            ActionConstraint::In(entities) => {
                let written = entities.iter().fold(Actions::NONE, |all, entity| all.or(named(entity)));
                let group = entities.iter().any(|entity| is_action(entity, known::CALL));
                (if group { Actions::ALL } else { written }, written)
            }
        };
        Self { principal, actions, named, resource }
    }

    /// Whether a policy of this scope is about such a call at all.
    pub(crate) fn fits(&self, call: &Call<'_>) -> bool {
        self.actions.has(call.action)
            && self.principal.fits(call.principal, None)
            && self.resource.fits(call.resource, call.parent)
    }
}

fn is_action(entity: &EntityUid, id: &str) -> bool {
    entity.id().unescaped() == id && Type::of(entity) == Some(Type::Action)
}

fn named(entity: &EntityUid) -> Actions {
    let found = Action::ALL.into_iter().find(|action| is_action(entity, action.as_str()));
    found.map_or(Actions::NONE, |action| Actions::of(&[action]))
}

/// What scopes see of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) principal: &'a EntityUid,
    pub(crate) action: Action,
    pub(crate) resource: &'a EntityUid,
    /// The service that `resource` is a route of.
    pub(crate) parent: Option<&'a EntityUid>,
}
