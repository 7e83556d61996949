//! How deep, how broad and how dear a query is, with its fragments where they are used.

use super::parser::{Document, Operation, Selection, Size, count};
use super::{Refusal, refuse};
use crate::json::{Id, Kind, Tree};
use bartizan_core::api::GraphqlLimits;
use std::collections::BTreeMap;

/// How much a query is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Fields within fields, a count.
    pub depth: u64,
    /// Fields under another name, a count.
    pub aliases: u64,
    /// Fields, each times the sizes of the lists around it.
    pub cost: u64,
}

impl Measure {
    /// Both, one beside the other.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            aliases: self.aliases.saturating_add(other.aliases),
            cost: self.cost.saturating_add(other.cost),
        }
    }

    /// # Errors
    /// What is more than a route allows.
    pub(super) fn within(self, limits: &GraphqlLimits) -> Result<(), Refusal> {
        let GraphqlLimits { depth, aliases, cost, .. } = limits;
        for (what, found, most) in
            [("deep", self.depth, depth), ("aliases", self.aliases, aliases), ("dear", self.cost, cost)]
        {
            if found > u64::from(*most) {
                return refuse(match what {
                    "deep" => format!("the query is {found} fields deep, and may be {most}"),
                    "aliases" => format!("the query has {found} aliases, and may have {most}"),
                    _ => format!("the query costs {found}, and may cost {most}"),
                });
            }
        }
        Ok(())
    }
}

/// Of several operations, the largest in each way: which one is run, the service decides.
pub(super) fn of(document: &Document<'_>, variables: Option<(&Tree<'_>, Id)>) -> Result<Measure, Refusal> {
    let mut all = Measure::default();
    for operation in &document.operations {
        let mut run = Run { document, operation, variables, done: BTreeMap::new(), open: Vec::new(), level: 0 };
        let one = run.selections(&operation.within)?;
        all = Measure {
            depth: all.depth.max(one.depth),
            aliases: all.aliases.max(one.aliases),
            cost: all.cost.max(one.cost),
        };
    }
    Ok(all)
}

struct Run<'t, 'a> {
    document: &'a Document<'t>,
    operation: &'a Operation<'t>,
    variables: Option<(&'a Tree<'a>, Id)>,
    /// Fragments that were measured.
    done: BTreeMap<&'t str, Measure>,
    /// Those within which we are.
    open: Vec<&'t str>,
    /// How deep we are, fragments among it: the stack is finite.
    level: usize,
}

impl<'t, 'a> Run<'t, 'a> {
    fn selections(&mut self, selections: &'a [Selection<'t>]) -> Result<Measure, Refusal> {
        if self.level >= 2 * crate::limits::GRAPHQL_NESTING_MAX {
            return refuse("the query is nested too deep, with its fragments");
        }
        self.level += 1;
        let sum =
            selections.iter().try_fold(Measure::default(), |all, selection| Ok(all.and(self.selection(selection)?)));
        self.level -= 1;
        sum
    }

    fn selection(&mut self, selection: &'a Selection<'t>) -> Result<Measure, Refusal> {
        match selection {
            Selection::Inline(within) => self.selections(within),
            Selection::Spread(name) => self.fragment(name),
            Selection::Field(field) => {
                let within = self.selections(&field.within)?;
                let times = field.size.map_or(1, |size| self.size(size));
                Ok(Measure {
                    depth: within.depth.saturating_add(1),
                    aliases: within.aliases.saturating_add(field.is_alias.into()),
                    cost: within.cost.saturating_mul(times).saturating_add(1),
                })
            }
        }
    }

    /// Measured once, however often it is used: fragments of fragments would double at each step.
    fn fragment(&mut self, name: &'t str) -> Result<Measure, Refusal> {
        if let Some(known) = self.done.get(name) {
            return Ok(*known);
        }
        if self.open.contains(&name) {
            return refuse("a fragment leads back to itself");
        }
        let Some(within) = self.document.fragments.get(name) else {
            return refuse("a fragment is used that is not there");
        };
        self.open.push(name);
        let measure = self.selections(within)?;
        self.open.pop();
        self.done.insert(name, measure);
        Ok(measure)
    }

    fn size(&self, size: Size<'t>) -> u64 {
        let name = match size {
            Size::Count(count) => return count,
            Size::Variable(name) => name,
        };
        let said = self.variables.and_then(|(tree, id)| {
            let node = tree.node(tree.member(id, name)?);
            // What is no whole number is no size either, and the service will say so.
            (node.kind == Kind::Number).then(|| count(&node.text))
        });
        said.or_else(|| self.operation.defaults.get(name).copied()).unwrap_or(1)
    }
}
