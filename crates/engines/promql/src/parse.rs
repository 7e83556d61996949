//! From a text to a tree whose parts have the types that they need.

use crate::aggregation::Aggregation;
use crate::error::Error;
use crate::expr::{Aggregate, Binary, BinaryOp, Expr, Group, Matching, Selector};
use crate::functions::{self, Function, Type};
use crate::labels::NAME;
use crate::lex::{Token, words};
use crate::limits::{DEPTH_MAX, MATCHERS_MAX, OPERATORS_MAX, QUERY_BYTES_MAX, SELECTORS_MAX};
use crate::matcher::{Matcher, Op};
use crate::types::complaint;

/// Words of the language that are no operators.
const WORDS: &[&str] =
    &["by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "atan2", "inf", "nan"];

/// Whether a name is a word of the language.
pub(crate) fn is_word(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    WORDS.contains(&lower.as_str())
        || BinaryOp::ALL.iter().any(|it| it.as_str() == lower)
        || Aggregation::ALL.iter().any(|it| it.as_str() == lower)
}

/// Reads a query.
///
/// # Errors
/// With the place, where the text is no PromQL, goes beyond the subset, or is longer or deeper than it may be.
pub fn parse(text: &str) -> Result<Expr, Error> {
    let mut parser = Parser::new(text)?;
    let found = parser.expression(0)?;
    match parser.peek() {
        None => Ok(found),
        Some(_) => Err(parser.unexpected("the end of the query, or an operator")),
    }
}

/// Reads a selector alone, as `match[]` of the API takes it.
///
/// # Errors
/// As [`parse`], and where it is something else than a selector.
pub fn selector(text: &str) -> Result<Vec<Matcher>, Error> {
    match parse(text)? {
        Expr::Selector(it) if it.offset_ms == 0 => Ok(it.matchers),
        _ => Err(Error::text(0, "here stands a selector alone, such as `up{job=\"a\"}`")),
    }
}

struct Parser {
    words: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    depth: usize,
    operators: usize,
    selectors: usize,
}

impl Parser {
    fn new(text: &str) -> Result<Self, Error> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(Error::limit(format!(
                "a query has at most {QUERY_BYTES_MAX} bytes, and this has {}",
                text.len()
            )));
        }
        Ok(Self { words: words(text)?, at: 0, end: text.len(), depth: 0, operators: 0, selectors: 0 })
    }

    fn peek(&self) -> Option<&Token> {
        self.words.get(self.at).map(|(_, token)| token)
    }

    fn place(&self) -> usize {
        self.words.get(self.at).map_or(self.end, |(at, _)| *at)
    }

    fn unexpected(&self, wanted: &str) -> Error {
        let found = match self.peek() {
            None => "the query ends".to_owned(),
            Some(Token::Name(it)) => format!("here stands `{it}`"),
            Some(Token::Sign(it)) => format!("here stands `{it}`"),
            Some(Token::Number(_)) => "here stands a number".to_owned(),
            Some(Token::Span(_)) => "here stands a span of time".to_owned(),
            Some(Token::Text(_)) => "here stands a text".to_owned(),
        };
        Error::text(self.place(), format!("{found}, expected {wanted}"))
    }

    fn is_sign(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(it)) if *it == wanted)
    }

    fn takes(&mut self, wanted: &str) -> bool {
        let found = self.is_sign(wanted);
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, wanted: &str) -> Result<(), Error> {
        if self.takes(wanted) { Ok(()) } else { Err(self.unexpected(&format!("`{wanted}`"))) }
    }

    /// Whether a word of the language stands here, in whatever case.
    fn is_keyword(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(it)) if it.eq_ignore_ascii_case(wanted))
    }

    fn keyword(&mut self, wanted: &str) -> bool {
        let found = self.is_keyword(wanted);
        self.at += usize::from(found);
        found
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= DEPTH_MAX {
            return Err(Error::limit(format!("a query is nested at most {DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Everything whose operators bind at least so tightly.
    fn expression(&mut self, least: u8) -> Result<Expr, Error> {
        self.deeper(|parser| {
            let mut left = parser.operand()?;
            while let Some(op) = parser.operator().filter(|op| op.binds() >= least) {
                // `a + b + c …` makes a tree as deep as it is long.
                parser.operators += 1;
                if parser.operators > OPERATORS_MAX {
                    return Err(Error::limit(format!("a query has at most {OPERATORS_MAX} operators")));
                }
                left = parser.binary(left, op)?;
            }
            if parser.is_keyword("atan2") {
                return Err(Error::outside(parser.place(), "`atan2`"));
            }
            Ok(left)
        })
    }

    fn operator(&self) -> Option<BinaryOp> {
        BinaryOp::ALL.into_iter().find(|op| match self.peek() {
            Some(Token::Sign(it)) => *it == op.as_str(),
            Some(Token::Name(it)) => it.eq_ignore_ascii_case(op.as_str()),
            _ => false,
        })
    }

    fn binary(&mut self, left: Expr, op: BinaryOp) -> Result<Expr, Error> {
        let at = self.place();
        self.at += 1;
        let bool = self.keyword("bool");
        let (matching, asked) = self.matching(op)?;
        // `^` alone begins with its right side: 2 ^ 3 ^ 2 is 2 ^ 9.
        let right = self.expression(op.binds() + u8::from(op != BinaryOp::Power))?;
        if let Some(why) = complaint(op, bool, left.is(), right.is()) {
            return Err(Error::text(at, why));
        }
        if asked && (left.is(), right.is()) != (Type::Vector, Type::Vector) {
            return Err(Error::text(at, "`on` and `ignoring` belong between two vectors"));
        }
        Ok(Expr::Binary(Box::new(Binary { op, bool, matching, left, right })))
    }

    fn matching(&mut self, op: BinaryOp) -> Result<(Matching, bool), Error> {
        let mut matching = Matching::default();
        let at = self.place();
        if self.keyword("on") {
            matching.on = true;
        } else if !self.keyword("ignoring") {
            return Ok((matching, false));
        }
        matching.labels = self.label_names()?;
        matching.group = match (self.keyword("group_left"), self.keyword("group_right")) {
            (true, _) => Group::Left,
            (_, true) => Group::Right,
            _ => return Ok((matching, true)),
        };
        if op.is_set() {
            return Err(Error::text(at, format!("`{}` has no `group_left` and no `group_right`", op.as_str())));
        }
        if self.is_sign("(") {
            matching.include = self.label_names()?;
        }
        if let Some(twice) = matching.include.iter().find(|it| matching.on && matching.labels.contains(it)) {
            return Err(Error::text(at, format!("label `{twice}` stands both in `on` and in the group")));
        }
        Ok((matching, true))
    }

    /// `(a, b)`, also empty, also with a comma at the end.
    fn label_names(&mut self) -> Result<Vec<String>, Error> {
        self.sign("(")?;
        let mut names = Vec::new();
        while !self.takes(")") {
            match self.peek() {
                Some(Token::Name(it)) if !it.contains(':') => names.push(it.clone()),
                _ => return Err(self.unexpected("the name of a label, or `)`")),
            }
            self.at += 1;
            if names.len() > MATCHERS_MAX {
                return Err(Error::limit(format!("at most {MATCHERS_MAX} labels stand in one list")));
            }
            if !self.takes(",") && !self.is_sign(")") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
        Ok(names)
    }

    fn operand(&mut self) -> Result<Expr, Error> {
        let at = self.place();
        for (sign, negative) in [("-", true), ("+", false)] {
            if self.takes(sign) {
                // It binds as `*` does: -2 ^ 2 is -4.
                let of = self.expression(BinaryOp::Power.binds())?;
                if !matches!(of.is(), Type::Scalar | Type::Vector) {
                    return Err(Error::text(at, format!("`{sign}` stands before a number or an instant vector")));
                }
                return Ok(if negative { negated(of) } else { of });
            }
        }
        let grouped = self.is_sign("(");
        let found = self.plain()?;
        self.behind(found, grouped, at)
    }

    fn plain(&mut self) -> Result<Expr, Error> {
        let at = self.place();
        let token = self.peek().cloned();
        match token {
            Some(Token::Number(it)) => {
                self.at += 1;
                Ok(Expr::Number(it))
            }
            Some(Token::Text(it)) => {
                self.at += 1;
                Ok(Expr::Text(it))
            }
            Some(Token::Sign("(")) => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.sign(")")?;
                Ok(inner)
            }
            Some(Token::Sign("{")) => self.selected(None, at),
            Some(Token::Name(name)) => {
                self.at += 1;
                self.named(name, at)
            }
            _ => Err(self.unexpected("a metric, a number, a function or `(`")),
        }
    }

    fn named(&mut self, name: String, at: usize) -> Result<Expr, Error> {
        let aggregation = Aggregation::ALL.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(&name));
        if let Some(how) = aggregation
            && (self.is_sign("(") || self.is_keyword("by") || self.is_keyword("without"))
        {
            return self.aggregate(how, at);
        }
        if self.is_sign("(") {
            if name.eq_ignore_ascii_case("limitk") || name.eq_ignore_ascii_case("limit_ratio") {
                return Err(Error::outside(at, format!("`{name}`")));
            }
            let function = functions::find(&name).ok_or_else(|| match functions::OUTSIDE.contains(&name.as_str()) {
                true => Error::outside(at, format!("function `{name}`")),
                false => Error::text(at, format!("there is no function `{name}`")),
            })?;
            return self.call(function, at);
        }
        if is_word(&name) && aggregation.is_none() {
            self.at -= 1;
            return Err(self.unexpected("a metric, a number, a function or `(`"));
        }
        self.selected(Some(name), at)
    }

    /// What stands between parentheses, separated by commas.
    fn list(&mut self) -> Result<Vec<(usize, Expr)>, Error> {
        self.sign("(")?;
        let mut found = Vec::new();
        if self.takes(")") {
            return Ok(found);
        }
        loop {
            found.push((self.place(), self.expression(0)?));
            if self.takes(")") {
                return Ok(found);
            }
            self.sign(",")?;
        }
    }

    fn call(&mut self, function: &'static Function, at: usize) -> Result<Expr, Error> {
        let given = self.list()?;
        let (most, least) = (function.takes.len(), function.takes.len() - function.optional);
        if given.len() < least || (given.len() > most && !function.repeats) {
            let wanted = if function.repeats { format!("{least} or more") } else { format!("{most}") };
            return Err(Error::text(
                at,
                format!("`{}` takes {wanted} arguments, and here are {}", function.name, given.len()),
            ));
        }
        for (number, (at, it)) in given.iter().enumerate() {
            let Some(wanted) = function.takes.get(number).or(function.takes.last()) else { continue };
            if it.is() != *wanted {
                let (wanted, is) = (wanted.as_str(), it.is().as_str());
                return Err(Error::text(*at, format!("`{}` takes {wanted} here, and this is {is}", function.name)));
            }
        }
        Ok(Expr::Call(function, given.into_iter().map(|(_, it)| it).collect()))
    }

    fn aggregate(&mut self, how: Aggregation, at: usize) -> Result<Expr, Error> {
        let mut grouping = self.grouping()?;
        let mut given = self.list()?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let wanted = 1 + usize::from(how.takes_parameter());
        if given.len() != wanted {
            let name = how.as_str();
            return Err(Error::text(at, format!("`{name}` takes {wanted} arguments, and here are {}", given.len())));
        }
        let Some((place, of)) = given.pop() else { return Err(self.unexpected("an instant vector")) };
        if of.is() != Type::Vector {
            let is = of.is().as_str();
            return Err(Error::text(place, format!("`{}` takes an instant vector, and this is {is}", how.as_str())));
        }
        let parameter = given.pop();
        if let Some((place, it)) = &parameter {
            let wanted = if how == Aggregation::CountValues { Type::Text } else { Type::Scalar };
            if it.is() != wanted {
                let (name, wanted, is) = (how.as_str(), wanted.as_str(), it.is().as_str());
                return Err(Error::text(*place, format!("`{name}` takes {wanted} here, and this is {is}")));
            }
        }
        let (without, labels) = grouping.unwrap_or_default();
        let parameter = parameter.map(|(_, it)| it);
        Ok(Expr::Aggregate(Box::new(Aggregate { how, parameter, of, without, labels })))
    }

    fn grouping(&mut self) -> Result<Option<(bool, Vec<String>)>, Error> {
        if self.keyword("by") {
            Ok(Some((false, self.label_names()?)))
        } else if self.keyword("without") {
            Ok(Some((true, self.label_names()?)))
        } else {
            Ok(None)
        }
    }

    fn selected(&mut self, name: Option<String>, at: usize) -> Result<Expr, Error> {
        let mut matchers = Vec::new();
        if let Some(name) = &name {
            matchers.push(Matcher::new(NAME, Op::Is, name).map_err(|why| Error::text(at, why))?);
        }
        if self.takes("{") {
            while !self.takes("}") {
                let place = self.place();
                let matcher = self.matcher()?;
                if matcher.name == NAME && name.is_some() {
                    return Err(Error::text(place, "the metric's name is said twice"));
                }
                matchers.push(matcher);
                if matchers.len() > MATCHERS_MAX {
                    return Err(Error::limit(format!("a selector has at most {MATCHERS_MAX} conditions")));
                }
                if !self.takes(",") && !self.is_sign("}") {
                    return Err(self.unexpected("`,` or `}`"));
                }
            }
        }
        if matchers.iter().all(|it| it.fits_value("")) {
            return Err(Error::text(at, "a selector needs one condition that the empty text does not fit"));
        }
        if self.selectors == SELECTORS_MAX {
            return Err(Error::limit(format!("a query has at most {SELECTORS_MAX} selectors")));
        }
        self.selectors += 1;
        Ok(Expr::Selector(Selector { id: self.selectors - 1, matchers, offset_ms: 0 }))
    }

    fn matcher(&mut self) -> Result<Matcher, Error> {
        let at = self.place();
        let name = match self.peek() {
            Some(Token::Name(it)) if !it.contains(':') => it.clone(),
            // They are words of numbers elsewhere.
            Some(Token::Number(it)) if it.is_infinite() => "inf".to_owned(),
            Some(Token::Number(it)) if it.is_nan() => "nan".to_owned(),
            Some(Token::Text(_)) => return Err(Error::outside(at, "a name in quotes")),
            _ => return Err(self.unexpected("the name of a label")),
        };
        self.at += 1;
        let op = [Op::Is, Op::IsNot, Op::Fits, Op::FitsNot].into_iter().find(|op| self.is_sign(op.as_str()));
        let op = op.ok_or_else(|| self.unexpected("`=`, `!=`, `=~` or `!~`"))?;
        self.at += 1;
        let Some(Token::Text(value)) = self.peek().cloned() else { return Err(self.unexpected("a text in quotes")) };
        self.at += 1;
        Matcher::new(&name, op, &value).map_err(|why| Error::text(at, why))
    }

    /// `[5m]` and `offset 5m` behind a selector.
    fn behind(&mut self, mut found: Expr, grouped: bool, at: usize) -> Result<Expr, Error> {
        loop {
            if self.is_sign("@") {
                return Err(Error::outside(self.place(), "the modifier `@`"));
            } else if self.is_sign("[") {
                found = self.window(found, grouped)?;
            } else if self.keyword("offset") {
                let negative = self.takes("-");
                let ms = self.span()?;
                let ms = if negative { -ms } else { ms };
                match &mut found {
                    Expr::Selector(it) | Expr::Window(it, _) if it.offset_ms == 0 && !grouped => it.offset_ms = ms,
                    _ => return Err(Error::text(at, "`offset` stands once, behind a selector")),
                }
            } else {
                return Ok(found);
            }
        }
    }

    fn window(&mut self, found: Expr, grouped: bool) -> Result<Expr, Error> {
        let at = self.place();
        self.at += 1;
        let ms = self.span()?;
        if matches!(self.peek(), Some(Token::Name(it)) if it.starts_with(':')) {
            return Err(Error::outside(at, "a subquery"));
        }
        self.sign("]")?;
        if ms == 0 {
            return Err(Error::text(at, "a window is longer than nothing"));
        }
        match found {
            Expr::Selector(it) if it.offset_ms == 0 && !grouped => Ok(Expr::Window(it, ms)),
            _ => Err(Error::text(at, "a window stands behind a selector, before its `offset`")),
        }
    }

    fn span(&mut self) -> Result<i64, Error> {
        match self.peek() {
            Some(Token::Span(ms)) => {
                let ms = *ms;
                self.at += 1;
                Ok(ms)
            }
            _ => Err(self.unexpected("a span of time such as `5m`")),
        }
    }
}

/// Numbers carry their sign themselves.
fn negated(of: Expr) -> Expr {
    match of {
        Expr::Number(it) => Expr::Number(-it),
        of => Expr::Negative(Box::new(of)),
    }
}
