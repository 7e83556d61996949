//! Holds a value against its schema.
//!
//! Two lists grow while it goes on and shrink again where an alternative turns out not to fit: what was looked at (for
//! `unevaluatedProperties`, and to know which members nobody names), and which members nobody named.

use super::fault::{Fault, Miss, Why};
use super::{ArrayRules, NumberRules, ObjectRules, Property, Schema, SchemaId, Schemas, StringRules, Types};
use crate::json::{Decimal, Id, Kind, Tree};
use crate::limits;

/// Marks in the trail that an object's members are named by a schema.
const NAMED: u32 = 1 << 31;

/// Which way a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the service: what is `readOnly` is not for it.
    Request,
    /// From the service: what is `writeOnly` is not for it.
    Response,
}

/// What becomes of members that no schema names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The value is refused.
    Refuse,
    /// They are to be taken out.
    Strip,
    /// They stay, as JSON Schema has it.
    Allow,
}

/// How a value is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which way it goes.
    pub direction: Direction,
    /// What becomes of members that no schema names.
    pub unknown: Unknown,
    /// Whether `format` is checked.
    pub formats: bool,
}

/// A value that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The members to take out, in order; where [`Unknown::Strip`] asks for it.
    pub gone: Vec<Id>,
}

/// Holds the root of `tree` against `schema`.
///
/// # Errors
/// The first [`Fault`] found.
pub fn check(schemas: &Schemas, schema: SchemaId, tree: &Tree<'_>, options: Options) -> Result<Checked, Fault> {
    let lenient = options.unknown == Unknown::Strip;
    let mut run = Run { lenient, steps: limits::STEPS_MAX, ..Run::new(schemas, tree, options) };
    run.value(schema, 0).and_then(|()| run.finish()).map_err(|miss| miss.told(schemas, tree))
}

struct Run<'a, 'b> {
    schemas: &'a Schemas,
    tree: &'a Tree<'b>,
    options: Options,
    /// What may not be there is noted to be taken out, instead of refused.
    lenient: bool,
    steps: u32,
    /// Values that a schema around them has looked at, and objects whose members a schema names.
    trail: Vec<u32>,
    unknown: Vec<(Id, SchemaId)>,
    known: Vec<Id>,
    /// Members that may not be there, whoever names them.
    barred: Vec<(Id, SchemaId, Why)>,
    /// Schemas whose discriminator has chosen already.
    chosen: Vec<(SchemaId, Id)>,
}

/// How long the lists were.
#[derive(Clone, Copy)]
struct Mark {
    trail: usize,
    unknown: usize,
    known: usize,
    barred: usize,
    chosen: usize,
}

type Outcome = Result<(), Miss>;

impl<'a, 'b> Run<'a, 'b> {
    fn new(schemas: &'a Schemas, tree: &'a Tree<'b>, options: Options) -> Self {
        Self {
            schemas,
            tree,
            options,
            lenient: false,
            steps: 0,
            trail: Vec::new(),
            unknown: Vec::new(),
            known: Vec::new(),
            barred: Vec::new(),
            chosen: Vec::new(),
        }
    }

    fn finish(mut self) -> Result<Checked, Miss> {
        if self.options.unknown == Unknown::Allow {
            return Ok(Checked::default());
        }
        // A member counts as known where any schema that fits names it.
        self.known.sort_unstable();
        let known = std::mem::take(&mut self.known);
        let unknown = self.unknown.iter().filter(|(id, _)| known.binary_search(id).is_err());
        let mut gone: Vec<(Id, SchemaId, Why)> = unknown.map(|(id, schema)| (*id, *schema, Why::Unknown)).collect();
        gone.append(&mut self.barred);
        gone.sort_unstable_by_key(|(id, ..)| *id);
        if let (Unknown::Refuse, Some((node, schema, why))) = (self.options.unknown, gone.first()) {
            return Err(Miss { node: *node, schema: *schema, why: *why });
        }
        let mut gone: Vec<Id> = gone.into_iter().map(|(id, ..)| id).collect();
        gone.dedup();
        Ok(Checked { gone })
    }

    fn mark(&self) -> Mark {
        Mark {
            trail: self.trail.len(),
            unknown: self.unknown.len(),
            known: self.known.len(),
            barred: self.barred.len(),
            chosen: self.chosen.len(),
        }
    }

    fn back(&mut self, mark: Mark) {
        self.trail.truncate(mark.trail);
        self.unknown.truncate(mark.unknown);
        self.known.truncate(mark.known);
        self.barred.truncate(mark.barred);
        self.chosen.truncate(mark.chosen);
    }

    fn spend(&mut self, steps: usize, at: (SchemaId, Id)) -> Outcome {
        self.steps = self.steps.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
        if self.steps == 0 { Err(miss(at, Why::Steps)) } else { Ok(()) }
    }

    /// A value of its own: the whole, a member or an item.
    fn value(&mut self, id: SchemaId, node: Id) -> Outcome {
        let start = self.trail.len();
        self.apply(id, node)?;
        if self.options.unknown != Unknown::Allow && self.tree.node(node).kind == Kind::Object {
            self.note_unknown(id, node, start);
        }
        self.trail.truncate(start);
        Ok(())
    }

    fn note_unknown(&mut self, id: SchemaId, node: Id, start: usize) {
        let trail = &self.trail[start..];
        if !trail.contains(&(node | NAMED)) {
            return; // free, as far as this schema is concerned
        }
        let seen = sorted(trail);
        for (child, _) in self.tree.children(node) {
            match seen.binary_search(&child) {
                Ok(_) => self.known.push(child),
                Err(_) => self.unknown.push((child, id)),
            }
        }
    }

    /// A schema on the value that another one is on already.
    fn apply(&mut self, id: SchemaId, node: Id) -> Outcome {
        self.spend(1, (id, node))?;
        let schemas = self.schemas;
        let schema = schemas.get(id);
        match schema.verdict {
            Some(true) => return Ok(()),
            Some(false) => return Err(miss((id, node), Why::Never)),
            None => {}
        }
        let start = self.trail.len();
        self.own_rules(schema, id, node)?;
        if let Some(other) = schema.reference {
            self.apply(other, node)?;
        }
        for other in &schema.all_of {
            self.apply(*other, node)?;
        }
        if !self.choose(schema, id, node)? {
            self.alternatives(schema, id, node)?;
        }
        self.conditions(schema, id, node)?;
        self.unevaluated(schema, id, node, start)
    }

    /// What a schema says without others.
    fn own_rules(&mut self, schema: &'a Schema, id: SchemaId, node: Id) -> Outcome {
        let (tree, at) = (self.tree, (id, node));
        let value = tree.node(node);
        if schema.types != Types::ANY && !has_type(schema.types, value.kind, &value.text) {
            return Err(miss(at, Why::Type));
        }
        for allowed in &schema.allowed {
            self.spend(allowed.len() / 16, at)?;
            if !allowed.iter().any(|literal| literal.is(tree, node)) {
                return Err(miss(at, Why::Allowed));
            }
        }
        match value.kind {
            Kind::Number => {
                let format = schema.string.as_deref().and_then(|it| it.format).filter(|_| self.options.formats);
                number(schema.number.as_deref(), format, &value.text).map_err(|why| miss(at, why))
            }
            Kind::Text => {
                self.spend(value.text.len() / 256, at)?;
                let rules = schema.string.as_deref();
                rules
                    .map_or(Ok(()), |rules| string(rules, &value.text, self.options.formats))
                    .map_err(|why| miss(at, why))
            }
            Kind::Array => schema.array.as_deref().map_or(Ok(()), |rules| self.array(rules, id, node)),
            Kind::Object => schema.object.as_deref().map_or(Ok(()), |rules| self.object(rules, id, node)),
            Kind::Null | Kind::Bool(_) => Ok(()),
        }
    }

    fn array(&mut self, rules: &'a ArrayRules, id: SchemaId, node: Id) -> Outcome {
        let (tree, at) = (self.tree, (id, node));
        let count = tree.node(node).count;
        if count < rules.min {
            return Err(miss(at, Why::TooFewItems));
        }
        if rules.max.is_some_and(|max| count > max) {
            return Err(miss(at, Why::TooManyItems));
        }
        if rules.unique && count > 1 {
            self.spend(count as usize * (count as usize - 1) / 16, at)?;
            let items: Vec<Id> = tree.children(node).map(|(item, _)| item).collect();
            let has_twin = |(i, one): (usize, &Id)| items[i + 1..].iter().any(|other| tree.same(*one, *other));
            if items.iter().enumerate().any(has_twin) {
                return Err(miss(at, Why::Twins));
            }
        }
        for (index, (item, _)) in tree.children(node).enumerate() {
            if let Some(schema) = rules.first.get(index).copied().or(rules.items) {
                self.value(schema, item)?;
                self.trail.push(item);
            }
        }
        self.contains(rules, id, node)
    }

    fn contains(&mut self, rules: &'a ArrayRules, id: SchemaId, node: Id) -> Outcome {
        let Some(contains) = rules.contains else { return Ok(()) };
        let mut found = 0;
        for (item, _) in self.tree.children(node) {
            if self.fits(contains.schema, item, true)? {
                found += 1;
                self.trail.push(item);
            }
        }
        if found < contains.min {
            return Err(miss((id, node), Why::TooFewMatches));
        }
        if contains.max.is_some_and(|max| found > max) { Err(miss((id, node), Why::TooManyMatches)) } else { Ok(()) }
    }

    fn object(&mut self, rules: &'a ObjectRules, id: SchemaId, node: Id) -> Outcome {
        let (tree, at) = (self.tree, (id, node));
        let count = tree.node(node).count;
        if count < rules.min {
            return Err(miss(at, Why::TooFewMembers));
        }
        if rules.max.is_some_and(|max| count > max) {
            return Err(miss(at, Why::TooManyMembers));
        }
        self.spend((rules.required.len() + rules.dependent_required.len()) * count as usize / 16, at)?;
        for (index, name) in rules.required.iter().enumerate() {
            let other_way = rules.properties.get(name).is_some_and(|property| self.is_barred(*property));
            if !other_way && tree.member(node, name).is_none() {
                return Err(miss(at, Why::Missing(index as u32)));
            }
        }
        self.dependent(rules, id, node)?;
        if rules.names_members {
            self.trail.push(node | NAMED);
        }
        for (member, value) in tree.children(node) {
            let name = value.key.as_deref().unwrap_or_default();
            if let Some(names) = rules.names {
                self.name(names, name, (id, member))?;
            }
            self.member(rules, id, (name, member))?;
        }
        Ok(())
    }

    fn member(&mut self, rules: &'a ObjectRules, id: SchemaId, (name, member): (&str, Id)) -> Outcome {
        let mut is_named = false;
        if let Some(property) = rules.properties.get(name) {
            is_named = true;
            if self.options.unknown != Unknown::Allow && self.is_barred(*property) {
                self.barred.push((member, id, Why::OtherDirection));
            } else {
                self.value(property.schema, member)?;
            }
        }
        for (pattern, schema) in &rules.patterns {
            if pattern.is_match(name) {
                is_named = true;
                self.value(*schema, member)?;
            }
        }
        if let (false, Some(additional)) = (is_named, rules.additional) {
            if self.lenient && self.schemas.get(additional).verdict == Some(false) {
                self.barred.push((member, id, Why::Unknown));
            } else {
                self.beyond(additional, id, member)?;
            }
            is_named = true;
        }
        if is_named {
            self.trail.push(member);
        }
        Ok(())
    }

    /// What nobody names, by the schema for such.
    fn beyond(&mut self, schema: SchemaId, id: SchemaId, node: Id) -> Outcome {
        self.value(schema, node).map_err(|found| match found.why {
            // People look for the member, and not for the `false` that forbids it.
            Why::Never => miss((id, node), Why::Unknown),
            _ => found,
        })
    }

    fn is_barred(&self, property: Property) -> bool {
        match self.options.direction {
            Direction::Request => property.read_only,
            Direction::Response => property.write_only,
        }
    }

    fn dependent(&mut self, rules: &'a ObjectRules, id: SchemaId, node: Id) -> Outcome {
        let tree = self.tree;
        for (rule, (trigger, names)) in rules.dependent_required.iter().enumerate() {
            if tree.member(node, trigger).is_none() {
                continue;
            }
            if let Some(at) = names.iter().position(|name| tree.member(node, name).is_none()) {
                return Err(miss((id, node), Why::Dependent(rule as u32, at as u32)));
            }
        }
        for (trigger, schema) in &rules.dependent_schemas {
            if tree.member(node, trigger).is_some() {
                self.apply(*schema, node)?;
            }
        }
        Ok(())
    }

    /// The name of a member is a text of its own.
    fn name(&mut self, schema: SchemaId, name: &str, at: (SchemaId, Id)) -> Outcome {
        let tree = Tree::of_text(name);
        let mut run = Run { steps: self.steps, ..Run::new(self.schemas, &tree, self.options) };
        let outcome = run.value(schema, 0);
        self.steps = run.steps;
        outcome.map_err(|_| miss(at, if self.steps == 0 { Why::Steps } else { Why::Name }))
    }

    /// Whether the value fits, without anything noted where it does not; strictly, since what would fit only after something
    /// was taken out does not fit.
    fn fits(&mut self, schema: SchemaId, node: Id, is_own: bool) -> Result<bool, Miss> {
        let mark = self.mark();
        let lenient = std::mem::replace(&mut self.lenient, false);
        let outcome = if is_own { self.value(schema, node) } else { self.apply(schema, node) };
        self.lenient = lenient;
        match outcome {
            Ok(()) => Ok(true),
            Err(found) if matches!(found.why, Why::Steps) => Err(found),
            Err(_) => {
                self.back(mark);
                Ok(false)
            }
        }
    }

    /// Follows a discriminator. False where there is none to follow.
    fn choose(&mut self, schema: &'a Schema, id: SchemaId, node: Id) -> Result<bool, Miss> {
        let tree = self.tree;
        let Some(chooser) = schema.discriminator.as_deref().filter(|_| tree.node(node).kind == Kind::Object) else {
            return Ok(false);
        };
        if self.chosen.contains(&(id, node)) {
            return Ok(true); // the chosen one contains us
        }
        let named =
            tree.member(node, &chooser.property).map(|member| tree.node(member)).filter(|it| it.kind == Kind::Text);
        let chosen = named.and_then(|it| chooser.schemas.get(&*it.text)).ok_or(miss((id, node), Why::Discriminator))?;
        self.chosen.push((id, node));
        self.apply(*chosen, node)?;
        self.chosen.pop();
        Ok(true)
    }

    fn alternatives(&mut self, schema: &'a Schema, id: SchemaId, node: Id) -> Outcome {
        let guarded = schema.discriminator.is_some();
        if guarded {
            if self.chosen.contains(&(id, node)) {
                return Ok(());
            }
            self.chosen.push((id, node));
        }
        if !schema.any_of.is_empty() {
            self.some_of(&schema.any_of, false, (id, node))?;
        }
        if !schema.one_of.is_empty() {
            self.some_of(&schema.one_of, true, (id, node))?;
        }
        if guarded {
            self.chosen.pop();
        }
        Ok(())
    }

    /// Strictly first: which alternative is meant may show in what the others forbid. Where none fits so, and something may be taken
    /// out, those count that fit without it.
    fn some_of(&mut self, all: &'a [SchemaId], only_one: bool, at: (SchemaId, Id)) -> Outcome {
        let lenient = std::mem::replace(&mut self.lenient, false);
        let mut found = self.count_fitting(all, at);
        self.lenient = lenient;
        if lenient && matches!(found, Ok((0, _))) {
            found = self.count_fitting(all, at);
        }
        match found? {
            (0, Some(nearest)) if nearest.node > at.1 => Err(nearest),
            (0, _) => Err(miss(at, Why::NoAlternative)),
            (1, _) => Ok(()),
            (_, _) if only_one => Err(miss(at, Why::SeveralAlternatives)),
            _ => Ok(()),
        }
    }

    /// How many fit, and of those that do not the miss that lies furthest in.
    fn count_fitting(&mut self, all: &[SchemaId], at: (SchemaId, Id)) -> Result<(usize, Option<Miss>), Miss> {
        let (mut count, mut nearest) = (0, None::<Miss>);
        for schema in all {
            let mark = self.mark();
            match self.apply(*schema, at.1) {
                Ok(()) => count += 1,
                Err(found) if matches!(found.why, Why::Steps) => return Err(found),
                Err(found) => {
                    self.back(mark);
                    if nearest.is_none_or(|nearest| found.node > nearest.node) {
                        nearest = Some(found);
                    }
                }
            }
        }
        Ok((count, nearest))
    }

    fn conditions(&mut self, schema: &'a Schema, id: SchemaId, node: Id) -> Outcome {
        if let Some(not) = schema.not {
            let mark = self.mark();
            let fits = self.fits(not, node, false)?;
            self.back(mark);
            if fits {
                return Err(miss((id, node), Why::Not));
            }
        }
        let Some(condition) = schema.condition else { return Ok(()) };
        let next = if self.fits(condition.when, node, false)? { condition.then } else { condition.otherwise };
        next.map_or(Ok(()), |next| self.apply(next, node))
    }

    fn unevaluated(&mut self, schema: &'a Schema, id: SchemaId, node: Id, start: usize) -> Outcome {
        let rule = match self.tree.node(node).kind {
            Kind::Object => schema.unevaluated_members,
            Kind::Array => schema.unevaluated_items,
            _ => None,
        };
        let Some(rule) = rule else { return Ok(()) };
        let seen = sorted(&self.trail[start..]);
        let tree = self.tree;
        for (child, value) in tree.children(node).filter(|(child, _)| seen.binary_search(child).is_err()) {
            if self.lenient && value.key.is_some() && self.schemas.get(rule).verdict == Some(false) {
                self.barred.push((child, id, Why::Unknown));
            } else {
                self.beyond(rule, id, child)?;
            }
            self.trail.push(child);
        }
        Ok(())
    }
}

fn miss((schema, node): (SchemaId, Id), why: Why) -> Miss {
    Miss { node, schema, why }
}

/// The values of a trail, in order.
fn sorted(trail: &[u32]) -> Vec<Id> {
    let mut seen: Vec<Id> = trail.iter().copied().filter(|it| it & NAMED == 0).collect();
    seen.sort_unstable();
    seen
}

fn has_type(types: Types, kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Null => types.has(Types::NULL),
        Kind::Bool(_) => types.has(Types::BOOLEAN),
        Kind::Text => types.has(Types::STRING),
        Kind::Array => types.has(Types::ARRAY),
        Kind::Object => types.has(Types::OBJECT),
        Kind::Number if types.has(Types::NUMBER) => true,
        Kind::Number => types.has(Types::INTEGER) && (is_plain_whole(text) || Decimal::parse(text).is_whole()),
    }
}

/// As nearly all whole numbers are written.
fn is_plain_whole(text: &str) -> bool {
    text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit())
}

fn number(rules: Option<&NumberRules>, format: Option<super::format::Format>, text: &str) -> Result<(), Why> {
    use super::format::Format;
    let range = |low: &str, high: &str| {
        let number = Decimal::parse(text);
        number.is_whole() && Decimal::parse(low) <= number && number <= Decimal::parse(high)
    };
    let fits = match format {
        // As nearly all are written, without a look at the digits.
        Some(Format::Int32) => text.len() < 10 && is_plain_whole(text) || range("-2147483648", "2147483647"),
        Some(Format::Int64) => {
            text.len() < 19 && is_plain_whole(text) || range("-9223372036854775808", "9223372036854775807")
        }
        _ => true,
    };
    if !fits {
        return Err(Why::Format);
    }
    let Some(rules) = rules else { return Ok(()) };
    let number = Decimal::parse(text);
    if rules.minimum.as_ref().is_some_and(|it| number < *it) {
        return Err(Why::Minimum);
    }
    if rules.above.as_ref().is_some_and(|it| number <= *it) {
        return Err(Why::Above);
    }
    if rules.maximum.as_ref().is_some_and(|it| number > *it) {
        return Err(Why::Maximum);
    }
    if rules.below.as_ref().is_some_and(|it| number >= *it) {
        return Err(Why::Below);
    }
    if rules.multiple_of.as_ref().is_some_and(|it| !number.is_multiple_of(it)) { Err(Why::MultipleOf) } else { Ok(()) }
}

fn string(rules: &StringRules, text: &str, formats: bool) -> Result<(), Why> {
    if rules.min > 0 || rules.max.is_some_and(|max| text.len() > max) {
        let characters = text.chars().count();
        if characters < rules.min {
            return Err(Why::TooShort);
        }
        if rules.max.is_some_and(|max| characters > max) {
            return Err(Why::TooLong);
        }
    }
    if rules.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
        return Err(Why::Pattern);
    }
    if formats && rules.format.is_some_and(|format| !format.fits(text)) { Err(Why::Format) } else { Ok(()) }
}
