//! `label_replace` and `label_join`.

use super::distinct;
use crate::error::Error;
use crate::limits::LABEL_BYTES_MAX;
use crate::matcher::whole;
use crate::value::Element;

/// Where the whole of label `from` fits the expression, label `to` becomes what the template says.
pub(super) fn replace(
    of: Vec<Element>,
    to: &str,
    template: &str,
    from: &str,
    pattern: &str,
) -> Result<Vec<Element>, Error> {
    let regex = whole(pattern).map_err(Error::data)?;
    if !is_label(to) {
        return Err(Error::data(format!("`{to}` is no name of a label")));
    }
    let changed = of.into_iter().map(|mut it| {
        if let Some(found) = regex.captures(it.labels.get(from)) {
            let mut value = String::new();
            found.expand(template, &mut value);
            it.labels = it.labels.with(to, &value);
            bounded(&it)?;
        }
        Ok(it)
    });
    distinct(changed.collect::<Result<_, Error>>()?)
}

/// Label `to` becomes the values of others, joined.
pub(super) fn join(of: Vec<Element>, to: &str, between: &str, from: &[String]) -> Result<Vec<Element>, Error> {
    if let Some(wrong) = std::iter::once(to).chain(from.iter().map(String::as_str)).find(|it| !is_label(it)) {
        return Err(Error::data(format!("`{wrong}` is no name of a label")));
    }
    let changed = of.into_iter().map(|mut it| {
        let values: Vec<&str> = from.iter().map(|name| it.labels.get(name)).collect();
        let joined = values.join(between);
        it.labels = it.labels.with(to, &joined);
        bounded(&it)?;
        Ok(it)
    });
    distinct(changed.collect::<Result<_, Error>>()?)
}

fn bounded(it: &Element) -> Result<(), Error> {
    if it.labels.bytes() > LABEL_BYTES_MAX {
        return Err(Error::limit(format!("the labels of a series get longer than {LABEL_BYTES_MAX} bytes")));
    }
    Ok(())
}

pub(super) fn is_label(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
