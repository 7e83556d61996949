//! From tokens to a query, as far as it has to be measured: values are read and forgotten but for the sizes of lists.

use super::lexer::{Token, tokens};
use super::{Refusal, refuse};
use crate::limits;
use std::collections::BTreeMap;

/// The arguments that say how many items a list has.
const SIZES: &[&str] = &["first", "last", "limit"];

/// What is asked for.
#[derive(Debug)]
pub(super) enum Selection<'t> {
    Field(Field<'t>),
    /// A fragment by its name.
    Spread(&'t str),
    /// A fragment without a name.
    Inline(Vec<Selection<'t>>),
}

#[derive(Debug)]
pub(super) struct Field<'t> {
    pub(super) name: &'t str,
    pub(super) is_alias: bool,
    /// How many there are of it, as its arguments say.
    pub(super) size: Option<Size<'t>>,
    pub(super) within: Vec<Selection<'t>>,
}

/// The size of a list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size<'t> {
    Count(u64),
    Variable(&'t str),
}

#[derive(Debug)]
pub(super) struct Document<'t> {
    pub(super) operations: Vec<Operation<'t>>,
    pub(super) fragments: BTreeMap<&'t str, Vec<Selection<'t>>>,
}

#[derive(Debug)]
pub(super) struct Operation<'t> {
    /// What variables are where the request says nothing of them.
    pub(super) defaults: BTreeMap<&'t str, u64>,
    pub(super) within: Vec<Selection<'t>>,
}

impl<'t> Document<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, Refusal> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, at: 0 };
        let (mut operations, mut fragments, mut names) = (Vec::new(), BTreeMap::new(), Vec::new());
        while parser.at < tokens.len() {
            if parser.take_name("fragment") {
                let name = parser.name()?;
                if name == "on" || !parser.take_name("on") {
                    return refuse("a fragment without its type");
                }
                parser.name()?;
                parser.directives(0)?;
                if fragments.insert(name, parser.selections(0)?).is_some() {
                    return refuse("two fragments have one name");
                }
            } else {
                let (name, operation) = parser.operation()?;
                if names.contains(&name) || (!names.is_empty() && (name.is_none() || names.contains(&None))) {
                    return refuse("of several operations each needs a name of its own");
                }
                names.push(name);
                operations.push(operation);
            }
        }
        if operations.is_empty() { refuse("the query has no operation") } else { Ok(Self { operations, fragments }) }
    }

    /// Whether it asks what the service can do.
    pub(super) fn asks_for_its_schema(&self) -> bool {
        fn asks(selections: &[Selection<'_>]) -> bool {
            selections.iter().any(|selection| match selection {
                Selection::Field(field) => matches!(field.name, "__schema" | "__type") || asks(&field.within),
                Selection::Inline(within) => asks(within),
                Selection::Spread(_) => false, // looked at as a fragment
            })
        }
        self.operations.iter().any(|it| asks(&it.within)) || self.fragments.values().any(|it| asks(it))
    }
}

struct Parser<'t, 'a> {
    tokens: &'a [Token<'t>],
    at: usize,
}

impl<'t> Parser<'t, '_> {
    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    fn take(&mut self, token: Token<'_>) -> bool {
        let is_it = self.peek() == Some(token);
        self.at += usize::from(is_it);
        is_it
    }

    fn take_name(&mut self, name: &str) -> bool {
        self.take(Token::Name(name))
    }

    fn expect(&mut self, mark: char) -> Result<(), Refusal> {
        if self.take(Token::Mark(mark)) {
            Ok(())
        } else {
            refuse(format!("the query is not well-formed: `{mark}` is missing"))
        }
    }

    fn name(&mut self) -> Result<&'t str, Refusal> {
        let Some(Token::Name(name)) = self.peek() else {
            return refuse("the query is not well-formed: a name is missing");
        };
        self.at += 1;
        Ok(name)
    }

    fn operation(&mut self) -> Result<(Option<&'t str>, Operation<'t>), Refusal> {
        if self.peek() == Some(Token::Mark('{')) {
            return Ok((None, Operation { defaults: BTreeMap::new(), within: self.selections(0)? }));
        }
        if !["query", "mutation", "subscription"].into_iter().any(|kind| self.take_name(kind)) {
            return refuse("the query is not well-formed: an operation or a fragment is expected");
        }
        let name = if matches!(self.peek(), Some(Token::Name(_))) { Some(self.name()?) } else { None };
        let mut defaults = BTreeMap::new();
        if self.take(Token::Mark('(')) {
            loop {
                self.expect('$')?;
                let variable = self.name()?;
                self.expect(':')?;
                self.type_reference(0)?;
                if self.take(Token::Mark('='))
                    && let Some(Size::Count(count)) = self.value(0)?
                {
                    defaults.insert(variable, count);
                }
                self.directives(0)?;
                if self.take(Token::Mark(')')) {
                    break;
                }
            }
        }
        self.directives(0)?;
        Ok((name, Operation { defaults, within: self.selections(0)? }))
    }

    fn type_reference(&mut self, depth: usize) -> Result<(), Refusal> {
        let depth = deeper(depth)?;
        if self.take(Token::Mark('[')) {
            self.type_reference(depth)?;
            self.expect(']')?;
        } else {
            self.name()?;
        }
        self.take(Token::Mark('!'));
        Ok(())
    }

    fn selections(&mut self, depth: usize) -> Result<Vec<Selection<'t>>, Refusal> {
        let depth = deeper(depth)?;
        self.expect('{')?;
        let mut out = Vec::new();
        while !self.take(Token::Mark('}')) {
            out.push(self.selection(depth)?);
        }
        if out.is_empty() { refuse("the query is not well-formed: nothing between `{` and `}`") } else { Ok(out) }
    }

    fn selection(&mut self, depth: usize) -> Result<Selection<'t>, Refusal> {
        if !self.take(Token::Spread) {
            return self.field(depth).map(Selection::Field);
        }
        match self.peek() {
            Some(Token::Name(name)) if name != "on" => {
                self.at += 1;
                self.directives(depth)?;
                Ok(Selection::Spread(name))
            }
            _ => {
                if self.take_name("on") {
                    self.name()?;
                }
                self.directives(depth)?;
                self.selections(depth).map(Selection::Inline)
            }
        }
    }

    fn field(&mut self, depth: usize) -> Result<Field<'t>, Refusal> {
        let first = self.name()?;
        let is_alias = self.take(Token::Mark(':'));
        let name = if is_alias { self.name()? } else { first };
        let size = self.arguments(depth)?;
        self.directives(depth)?;
        let within = if self.peek() == Some(Token::Mark('{')) { self.selections(depth)? } else { Vec::new() };
        Ok(Field { name, is_alias, size, within })
    }

    /// The size that they give a list, the last one where there are several.
    fn arguments(&mut self, depth: usize) -> Result<Option<Size<'t>>, Refusal> {
        let mut size = None;
        if !self.take(Token::Mark('(')) {
            return Ok(size);
        }
        loop {
            let name = self.name()?;
            self.expect(':')?;
            let value = self.value(depth)?;
            if SIZES.contains(&name) {
                size = value.or(size);
            }
            if self.take(Token::Mark(')')) {
                return Ok(size);
            }
        }
    }

    fn directives(&mut self, depth: usize) -> Result<(), Refusal> {
        while self.take(Token::Mark('@')) {
            self.name()?;
            self.arguments(depth)?;
        }
        Ok(())
    }

    /// A value; what it says where it may be the size of a list.
    fn value(&mut self, depth: usize) -> Result<Option<Size<'t>>, Refusal> {
        let depth = deeper(depth)?;
        let token = self.peek();
        self.at += 1;
        match token {
            Some(Token::Int(number)) => Ok(Some(Size::Count(count(number)))),
            Some(Token::Mark('$')) => self.name().map(|name| Some(Size::Variable(name))),
            Some(Token::Float | Token::Text | Token::Name(_)) => Ok(None),
            Some(Token::Mark('[')) => {
                while !self.take(Token::Mark(']')) {
                    self.value(depth)?;
                }
                Ok(None)
            }
            Some(Token::Mark('{')) => {
                while !self.take(Token::Mark('}')) {
                    self.name()?;
                    self.expect(':')?;
                    self.value(depth)?;
                }
                Ok(None)
            }
            _ => refuse("the query is not well-formed: a value is missing"),
        }
    }
}

fn deeper(depth: usize) -> Result<usize, Refusal> {
    if depth < limits::GRAPHQL_NESTING_MAX { Ok(depth + 1) } else { refuse("the query is nested too deep") }
}

/// A size, none below 1; what is beyond the range is as large as can be.
pub(super) fn count(number: &str) -> u64 {
    if number.starts_with('-') { 1 } else { number.parse().unwrap_or(u64::MAX).max(1) }
}
