//! Path templates. A literal segment goes before one with parameters, from left to right, as the specification says of whole paths.

use bartizan_core::path::SEGMENTS_MAX;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The parameters of a path by name, as they stand there.
pub(super) type Values<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// Texts and the parameters between them: `{name}.{ext}` is `"", name, ".", ext, ""`.
    Mixed {
        texts: Vec<Box<str>>,
        names: Vec<Box<str>>,
    },
}

#[derive(Debug, Default)]
struct Place {
    literals: BTreeMap<Box<str>, usize>,
    /// In the order in which they are tried: those with more text first.
    mixed: Vec<(Vec<Box<str>>, usize)>,
    /// The operations here; with names for the parameters on the way, in order.
    item: Option<(Vec<usize>, Vec<Box<str>>)>,
}

/// Every template of a document.
#[derive(Debug)]
pub(super) struct Paths {
    places: Vec<Place>,
}

impl Default for Paths {
    fn default() -> Self {
        Self { places: vec![Place::default()] }
    }
}

impl Paths {
    /// Adds a template with its operations.
    ///
    /// # Errors
    /// Why it cannot be one.
    pub(super) fn add(&mut self, template: &str, operations: Vec<usize>) -> Result<(), String> {
        let segments = parse(template)?;
        let names = names_of(&segments);
        let mut at = 0;
        for segment in segments {
            at = self.step(at, segment);
        }
        if self.places[at].item.is_some() {
            return Err("the same path is there already, under other names of its parameters".into());
        }
        self.places[at].item = Some((operations, names));
        Ok(())
    }

    fn step(&mut self, at: usize, segment: Segment) -> usize {
        let next = self.places.len();
        match segment {
            Segment::Literal(text) => {
                if let Some(known) = self.places[at].literals.get(&text) {
                    return *known;
                }
                self.places[at].literals.insert(text, next);
            }
            Segment::Mixed { texts, .. } => {
                if let Some((_, known)) = self.places[at].mixed.iter().find(|(known, _)| *known == texts) {
                    return *known;
                }
                let mixed = &mut self.places[at].mixed;
                mixed.push((texts, next));
                mixed.sort_by_key(|(texts, _)| std::cmp::Reverse(texts.iter().map(|text| text.len()).sum::<usize>()));
            }
        }
        self.places.push(Place::default());
        next
    }

    /// The operations at `path`, and the values of the parameters in it, as they stand there.
    pub(super) fn find<'a>(&'a self, path: &'a str) -> Option<(&'a [usize], Values<'a>)> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').take(SEGMENTS_MAX + 2).collect();
        let mut values = Vec::new();
        let (operations, names) = self.walk(0, &segments, &mut values)?;
        let named = names.iter().map(|name| &**name).zip(values.into_iter().map(Cow::Borrowed));
        Some((operations, named.collect()))
    }

    /// Goes no deeper than the longest template, and to each place at most once for each path through the templates.
    fn walk<'a>(
        &'a self,
        at: usize,
        rest: &[&'a str],
        values: &mut Vec<&'a str>,
    ) -> Option<(&'a [usize], &'a [Box<str>])> {
        let place = &self.places[at];
        let Some((segment, rest)) = rest.split_first() else {
            return place.item.as_ref().map(|(operations, names)| (operations.as_slice(), names.as_slice()));
        };
        if let Some(next) = place.literals.get(*segment)
            && let Some(found) = self.walk(*next, rest, values)
        {
            return Some(found);
        }
        let before = values.len();
        for (texts, next) in &place.mixed {
            if fill(texts, segment, values)
                && let Some(found) = self.walk(*next, rest, values)
            {
                return Some(found);
            }
            values.truncate(before);
        }
        None
    }
}

/// The names of the parameters of a template, in order.
///
/// # Errors
/// Why it is no template.
pub(super) fn names(template: &str) -> Result<Vec<Box<str>>, String> {
    parse(template).map(|segments| names_of(&segments))
}

fn names_of(segments: &[Segment]) -> Vec<Box<str>> {
    let names = segments.iter().flat_map(|segment| match segment {
        Segment::Literal(_) => &[][..],
        Segment::Mixed { names, .. } => names.as_slice(),
    });
    names.cloned().collect()
}

fn parse(template: &str) -> Result<Vec<Segment>, String> {
    let rest = template.strip_prefix('/').ok_or("a path begins with `/`")?;
    if let Some(c) = template.chars().find(|c| matches!(c, '?' | '#') || c.is_control()) {
        return Err(format!("`{c}` is no part of a path"));
    }
    let segments: Vec<Segment> = rest.split('/').map(segment).collect::<Result<_, _>>()?;
    if segments.len() > SEGMENTS_MAX {
        return Err(format!("more than {SEGMENTS_MAX} segments"));
    }
    let mut names = names_of(&segments);
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("the parameter `{}` is there twice", pair[0])),
        None => Ok(segments),
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    if !text.contains(['{', '}']) {
        // As requests are compared.
        return Ok(Segment::Literal(bartizan_core::path::canonical(text).into()));
    }
    let (mut texts, mut names, mut rest) = (Vec::new(), Vec::<Box<str>>::new(), text);
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}').ok_or("a `{` without its `}`")?;
        if name.is_empty() || name.contains('{') || before.contains('}') {
            return Err("braces hold the name of one parameter".into());
        }
        if !names.is_empty() && before.is_empty() {
            return Err("two parameters with nothing between them".into());
        }
        texts.push(before.into());
        names.push(name.into());
        rest = after;
    }
    if rest.contains('}') {
        return Err("a `}` without its `{`".into());
    }
    texts.push(rest.into());
    Ok(Segment::Mixed { texts, names })
}

/// Takes the values out of a segment: each as short as may be, none empty.
fn fill<'a>(texts: &[Box<str>], segment: &'a str, values: &mut Vec<&'a str>) -> bool {
    let Some((first, more)) = texts.split_first() else { return false };
    let Some(mut rest) = segment.strip_prefix(&**first) else { return false };
    for (index, text) in more.iter().enumerate() {
        let is_last = index + 1 == more.len();
        let end = match (is_last, text.is_empty()) {
            (_, true) => Some(rest.len()),
            (true, false) => rest.strip_suffix(&**text).map(str::len),
            (false, false) => rest.get(1..).and_then(|behind| behind.find(&**text)).map(|at| at + 1),
        };
        let Some(end) = end.filter(|&end| end > 0) else { return false };
        values.push(&rest[..end]);
        rest = &rest[(end + text.len()).min(rest.len())..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(templates: &[&str]) -> Paths {
        let mut paths = Paths::default();
        for (i, template) in templates.iter().enumerate() {
            paths.add(template, vec![i]).unwrap();
        }
        paths
    }

    #[test]
    fn refuses_what_is_no_template_or_is_there_already() {
        for bad in ["a", "/{", "/}", "/{}", "/{a}{b}", "/{a}/{a}", "/a?b", "/{a{b}}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let mut paths = of(&["/a/{x}"]);
        assert!(paths.add("/a/{y}", vec![1]).is_err());
        assert!(paths.add("/a/{y}/b", vec![1]).is_ok());
    }

    #[test]
    fn literals_go_before_parameters() {
        let paths = of(&[
            "/{any}",
            "/pets",
            "/pets/{id}",
            "/pets/mine",
            "/{kind}/mine",
            "/f/{name}.{ext}",
            "/u/{id}:stop",
            "/u/{id}",
        ]);
        for (path, expected, values) in [
            ("/pets", Some(1), &[][..]),
            ("/dogs", Some(0), &["dogs"]),
            ("/pets/mine", Some(3), &[]),
            ("/pets/7", Some(2), &["7"]),
            ("/dogs/mine", Some(4), &["dogs"]),
            ("/f/a.tar.gz", Some(5), &["a", "tar.gz"]),
            ("/u/9:stop", Some(6), &["9"]),
            ("/u/9", Some(7), &["9"]),
            ("/u/:stop", Some(7), &[":stop"]),
            ("/pets/", None, &[]),
            ("/pets/7/x", None, &[]),
            ("/f/.gz", None, &[]),
            ("/", None, &[]),
        ] {
            let found = paths.find(path);
            assert_eq!(found.as_ref().map(|(at, _)| at[0]), expected, "{path}");
            let found: Vec<String> =
                found.into_iter().flat_map(|(_, it)| it).map(|(_, value)| value.into_owned()).collect();
            assert_eq!(found, values, "{path}");
        }
    }
}
