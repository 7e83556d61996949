//! Heads of requests: everything that can be judged before the content is read.

use super::body::Body;
use super::media::{Content, choose};
use super::parameter::{In, Style};
use super::problem::{Part, Problem};
use super::query::pairs;
use super::{Api, Match};
use crate::schema::Unknown;

/// What a request says before its content.
#[derive(Clone, Copy, Debug)]
pub struct Head<'r> {
    /// What stands behind the `?`; `None` where there is no `?`.
    pub query: Option<&'r str>,
    /// Every header, names in lower case.
    pub headers: &'r [(&'r str, &'r str)],
    /// Whether content comes, or may come.
    pub has_content: bool,
}

/// A head that is good.
#[derive(Clone, Debug)]
pub struct Passed {
    /// The query without what the document does not name; where something is taken out of it.
    pub query: Option<String>,
    /// What the content has to be.
    pub body: Body,
}

impl Api {
    /// Judges the head of a request for `found`.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn check_head(&self, found: &Match<'_>, head: Head<'_>, unknown: Unknown) -> Result<Passed, Problem> {
        let mut query = None;
        self.check_values(found, head)?;
        if let Some(text) = head.query {
            query = self.check_query(found, text, unknown)?;
        } else {
            let missing = found.operation.parameters.iter().filter(|it| it.place == In::Query);
            missing.into_iter().try_for_each(|parameter| parameter.missing())?;
        }
        Ok(Passed { query, body: self.expected(found, head)? })
    }

    /// What stands in the path, in headers and in cookies.
    fn check_values(&self, found: &Match<'_>, head: Head<'_>) -> Result<(), Problem> {
        let schemas = self.schemas();
        for parameter in &found.operation.parameters {
            let value = match parameter.place {
                In::Query => continue,
                In::Path => {
                    found.values.iter().find_map(|(name, value)| (**name == *parameter.name).then(|| value.to_string()))
                }
                In::Header => one(head.headers, &parameter.name, parameter.style != Style::Json)
                    .map_err(|why| Problem::new(400, Part::Header(parameter.name.clone()), why))?,
                In::Cookie => cookie(head.headers, &parameter.name)
                    .map_err(|why| Problem::new(400, Part::Cookie(parameter.name.clone()), why))?,
            };
            match value {
                Some(value) => parameter.check_text(schemas, &value)?,
                None => parameter.missing()?,
            }
        }
        Ok(())
    }

    fn check_query(&self, found: &Match<'_>, text: &str, unknown: Unknown) -> Result<Option<String>, Problem> {
        let pairs = pairs(text).map_err(|why| Problem::new(400, Part::Query(Box::default()), why))?;
        let mut used = vec![false; pairs.len()];
        for parameter in found.operation.parameters.iter().filter(|it| it.place == In::Query) {
            parameter.check_query(self.schemas(), &pairs, &mut used)?;
        }
        for (pair, used) in pairs.iter().zip(&mut used) {
            *used = *used || self.query_keys.iter().any(|key| **key == *pair.name);
        }
        let stranger = pairs.iter().zip(&used).find(|(_, used)| !**used);
        match (unknown, stranger) {
            (Unknown::Refuse, Some((pair, _))) => {
                let name: String = pair.name.chars().filter(|c| !c.is_control()).take(60).collect();
                Err(Problem::new(400, Part::Query(name.into()), "is not a parameter that is known here"))
            }
            (Unknown::Strip, Some(_)) => {
                let kept = pairs.iter().zip(&used).filter(|(_, used)| **used).map(|(pair, _)| pair.raw);
                Ok(Some(kept.collect::<Vec<_>>().join("&")))
            }
            _ => Ok(None),
        }
    }

    /// What the content has to be, by the head.
    fn expected(&self, found: &Match<'_>, head: Head<'_>) -> Result<Body, Problem> {
        let Some(body) = &found.operation.body else {
            let why = "none is expected here";
            return if head.has_content { Err(Problem::new(400, Part::Body, why)) } else { Ok(Body::none()) };
        };
        if !head.has_content {
            let why = "is missing";
            return if body.required { Err(Problem::new(400, Part::Body, why)) } else { Ok(Body::none()) };
        }
        let wrong = |why: String| Problem::new(415, Part::ContentType, why);
        let said = one(head.headers, "content-type", false).map_err(|why| wrong(why.to_owned()))?;
        let said = said.ok_or_else(|| wrong("is missing".into()))?;
        let content = Content::parse(&said).ok_or_else(|| wrong("is none".into()))?;
        let rule = choose(&body.media, &content)
            .ok_or_else(|| wrong(format!("{content} is none of those that are taken here")))?;
        if !content.is_utf8() && !matches!(rule, super::Rule::Opaque) {
            return Err(wrong("another character set than UTF-8".into()));
        }
        Ok(Body::expected(rule.clone(), body.required))
    }
}

/// The value of a header, which stands there once; or more often, where lists may be told apart.
fn one(headers: &[(&str, &str)], name: &str, is_list: bool) -> Result<Option<String>, &'static str> {
    let mut values = headers.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
    let Some(first) = values.next() else { return Ok(None) };
    let more: Vec<&str> = values.collect();
    match (more.is_empty(), is_list) {
        (true, _) => Ok(Some(first.to_owned())),
        (false, true) => Ok(Some(std::iter::once(first).chain(more).collect::<Vec<_>>().join(","))),
        (false, false) => Err("is there more than once"),
    }
}

fn cookie(headers: &[(&str, &str)], name: &str) -> Result<Option<String>, &'static str> {
    let all = headers.iter().filter(|(it, _)| *it == "cookie").flat_map(|(_, value)| value.split(';'));
    let mut values =
        all.filter_map(|pair| pair.trim().split_once('=')).filter(|(it, _)| *it == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|it| it.trim_matches('"').to_owned())),
        (_, Some(_)) => Err("is there more than once"),
    }
}
