//! Parameters: where they stand, how their values are written, and whether those are good.

use super::problem::{Part, Problem};
use super::query::{Pair, decode};
use super::value::{Shape, add, parts};
use crate::json::{self, Kind, Tree};
use crate::limits;
use crate::schema::{Direction, Options, SchemaId, Schemas, Types, Unknown, check};
use std::borrow::Cow;

/// A name and its value.
type Member<'r> = (Cow<'r, str>, Cow<'r, str>);

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum In {
    Path,
    Query,
    Header,
    Cookie,
}

/// How its value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `1,2` and `a,1,b,2`, or `a=1,b=2` where it is `true` (path, header).
    Simple(bool),
    /// `p=1,2`, or `p=1&p=2` where it is `true` (query, cookie).
    Form(bool),
    /// `p[a]=1&p[b]=2` (query).
    Deep,
    /// JSON, as a text.
    Json,
}

/// One parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: Box<str>,
    pub(super) place: In,
    pub(super) required: bool,
    pub(super) style: Style,
    pub(super) schema: SchemaId,
    pub(super) shape: Shape,
    pub(super) may_be_empty: bool,
}

impl Parameter {
    fn part(&self) -> Part {
        let name = self.name.clone();
        match self.place {
            In::Path => Part::PathValue(name),
            In::Query => Part::Query(name),
            In::Header => Part::Header(name),
            In::Cookie => Part::Cookie(name),
        }
    }

    fn wrong(&self, why: impl Into<String>) -> Problem {
        Problem::new(400, self.part(), why)
    }

    pub(super) fn missing(&self) -> Result<(), Problem> {
        if self.required { Err(self.wrong("is missing")) } else { Ok(()) }
    }

    /// Judges the one text that it has: in a path, a header or a cookie.
    pub(super) fn check_text(&self, schemas: &Schemas, raw: &str) -> Result<(), Problem> {
        let is_encoded = self.place == In::Path;
        match (self.style, &self.shape) {
            (Style::Json, _) => self.check_json(schemas, raw),
            (_, Shape::One(types)) => {
                let text = if is_encoded { decode(raw, false) } else { Ok(Cow::Borrowed(raw)) };
                let text = text.map_err(|why| self.wrong(why))?;
                self.judge(schemas, *types, |tree, as_text| add(tree, None, text.clone(), *types, as_text))
            }
            (_, Shape::List(types)) => {
                let items = self.parts(raw, is_encoded)?;
                self.judge_list(schemas, *types, &items)
            }
            (Style::Simple(true), Shape::Map(_)) => {
                let parts = self.parts(raw, is_encoded)?;
                let pairs = parts.iter().map(|part| part.split_once('='));
                let pairs: Option<Vec<_>> =
                    pairs.map(|pair| pair.map(|(k, v)| (Cow::Borrowed(k), Cow::Borrowed(v)))).collect();
                self.judge_map(schemas, pairs.ok_or_else(|| self.wrong("has to be `name=value`, with commas between"))?)
            }
            (_, Shape::Map(_)) => self.judge_map(schemas, self.in_turn(self.parts(raw, is_encoded)?)?),
        }
    }

    /// The parts between commas; headers may have blanks around them, and no percent-encoding.
    fn parts<'r>(&self, raw: &'r str, is_encoded: bool) -> Result<Vec<Cow<'r, str>>, Problem> {
        if is_encoded {
            return parts(raw, false).map_err(|why| self.wrong(why));
        }
        let parts: Vec<Cow<'r, str>> =
            raw.split(',').map(|part| Cow::Borrowed(part.trim_matches([' ', '\t']))).collect();
        let most = limits::PARAMETER_ITEMS_MAX;
        if parts.len() > most { Err(self.wrong(format!("has more than {most} items"))) } else { Ok(parts) }
    }

    /// `a,1,b,2` as pairs.
    fn in_turn<'r>(&self, parts: Vec<Cow<'r, str>>) -> Result<Vec<Member<'r>>, Problem> {
        if parts.len() % 2 == 1 {
            return Err(self.wrong("has to be names and values in turn, with commas between"));
        }
        let mut pairs = Vec::with_capacity(parts.len() / 2);
        let mut parts = parts.into_iter();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            pairs.push((name, value));
        }
        Ok(pairs)
    }

    /// Judges what a query says of it, and marks what it used.
    pub(super) fn check_query(&self, schemas: &Schemas, pairs: &[Pair<'_>], used: &mut [bool]) -> Result<(), Problem> {
        let mut mine = Vec::new();
        for (index, pair) in pairs.iter().enumerate() {
            if let Some(name) = self.name_in(pair).map_err(|why| self.wrong(why))? {
                used[index] = true;
                mine.push((name, pair.raw_value));
            }
        }
        let Some((_, first)) = mine.first() else { return self.missing() };
        let is_one = mine.len() == 1;
        let decoded = |raw: &str| decode(raw, true).map(Cow::into_owned).map_err(|why| self.wrong(why));
        match (self.style, &self.shape) {
            (Style::Form(true), Shape::List(types)) => {
                let items = mine.iter().map(|(_, raw)| decode(raw, true)).collect::<Result<Vec<_>, _>>();
                self.judge_list(schemas, *types, &items.map_err(|why| self.wrong(why))?)
            }
            (Style::Form(true) | Style::Deep, Shape::Map(_)) => {
                let pairs = mine.iter().map(|(name, raw)| Ok((name.clone(), decode(raw, true)?)));
                let pairs = pairs.collect::<Result<Vec<_>, String>>().map_err(|why| self.wrong(why))?;
                self.judge_map(schemas, pairs)
            }
            // Of two values one reader takes the first, another the last.
            _ if !is_one => Err(self.wrong("is there more than once")),
            _ if first.is_empty() && self.may_be_empty => Ok(()),
            (Style::Json, _) => self.check_json(schemas, &decoded(first)?),
            (_, Shape::One(types)) => {
                let text = decoded(first)?;
                self.judge(schemas, *types, |tree, as_text| add(tree, None, Cow::Owned(text.clone()), *types, as_text))
            }
            (_, Shape::List(types)) => {
                let items = parts(first, true).map_err(|why| self.wrong(why))?;
                self.judge_list(schemas, *types, &items)
            }
            (_, Shape::Map(_)) => {
                self.judge_map(schemas, self.in_turn(parts(first, true).map_err(|why| self.wrong(why))?)?)
            }
        }
    }

    /// Where a pair is one of this parameter: the name of the member, or its own.
    fn name_in<'q>(&self, pair: &Pair<'q>) -> Result<Option<Cow<'q, str>>, String> {
        match (self.style, &self.shape) {
            (Style::Deep, _) => {
                let Some(rest) = pair.name.strip_prefix(&*self.name).and_then(|rest| rest.strip_prefix('[')) else {
                    return Ok(None);
                };
                match rest.strip_suffix(']') {
                    Some(name) if !name.contains(['[', ']']) => Ok(Some(Cow::Owned(name.to_owned()))),
                    _ => Err("goes deeper than one member".to_owned()),
                }
            }
            (Style::Form(true), Shape::Map(members)) => {
                Ok(members.contains_key(&*pair.name).then(|| pair.name.clone()))
            }
            _ => Ok((*pair.name == *self.name).then(|| pair.name.clone())),
        }
    }

    fn check_json(&self, schemas: &Schemas, text: &str) -> Result<(), Problem> {
        let tree =
            json::read(text.as_bytes(), &json::Bounds::BODY).map_err(|error| Problem::of_json(self.part(), error))?;
        self.check(schemas, &tree)
    }

    fn judge_list(&self, schemas: &Schemas, types: Types, items: &[Cow<'_, str>]) -> Result<(), Problem> {
        if items.len() > limits::PARAMETER_ITEMS_MAX {
            return Err(self.wrong(format!("has more than {} items", limits::PARAMETER_ITEMS_MAX)));
        }
        self.judge(schemas, types, |tree, as_text| {
            let id = tree.open(None, Kind::Array);
            items.iter().for_each(|item| add(tree, None, item.clone(), types, as_text));
            tree.close(id, items.len() as u32);
        })
    }

    fn judge_map(&self, schemas: &Schemas, pairs: Vec<Member<'_>>) -> Result<(), Problem> {
        let Shape::Map(members) = &self.shape else { return Err(self.wrong("is no map")) };
        let mut names: Vec<&str> = pairs.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(self.wrong("has a member twice"));
        }
        self.judge(schemas, Types::STRING, |tree, as_text| {
            let id = tree.open(None, Kind::Object);
            for (name, value) in &pairs {
                let types = members.get(&**name).copied().unwrap_or(Types::STRING);
                add(tree, Some(name.clone()), value.clone(), types, as_text);
            }
            tree.close(id, pairs.len() as u32);
        })
    }

    /// As numbers first, where they may be; then as texts, where they may be those.
    fn judge<'v>(&self, schemas: &Schemas, types: Types, build: impl Fn(&mut Tree<'v>, bool)) -> Result<(), Problem> {
        let built = |as_text: bool| {
            let mut tree = Tree::default();
            build(&mut tree, as_text);
            tree
        };
        let first = self.check(schemas, &built(false));
        if first.is_ok() || !types.has(Types::STRING) {
            return first;
        }
        self.check(schemas, &built(true)).or(first)
    }

    fn check(&self, schemas: &Schemas, tree: &Tree<'_>) -> Result<(), Problem> {
        let options = Options { direction: Direction::Request, unknown: Unknown::Refuse, formats: true };
        check(schemas, self.schema, tree, options).map(drop).map_err(|fault| Problem::of_fault(self.part(), fault))
    }
}
