//! Reads the tree into raw structs and collects what is wrong on the way, instead of stopping at the first problem.

use super::near;
use super::node::{Entry, Node, Place, Value};
use super::report::{FleetError, FleetErrors, shown, shown_within};
use std::collections::HashMap;

/// Most errors that are kept, a count: more than anybody reads at once. Further ones are counted.
const ERRORS_MAX: usize = 100;
/// Longest problem or way out in bytes: three lines of a terminal hold the longest of our own.
const SENTENCE_BYTES_MAX: usize = 300;
/// Most errors for which a similar name is looked for, a count: each costs a walk over all names.
const SUGGESTIONS_MAX: usize = 20;

/// Proof that an error is in the report. What holds it has nothing more to say, and a fleet cannot come of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported(());

/// A dotted key and where it stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Spot {
    pub(super) place: Place,
    pub(super) key: String,
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) spot: Spot,
}

/// A value, or the proof that it made no sense.
pub(super) type Read<T> = Result<At<T>, Reported>;
/// Keys of the user's own choice with their values, in the order of the file.
pub(super) type Named<T> = Vec<(At<String>, T)>;

/// What one key of a map says.
#[derive(Debug, Default)]
pub(super) enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// It is there and makes no sense, which was reported.
    Bad(Reported),
    /// It is there.
    Is(At<T>),
}

impl<T> Field<T> {
    /// `None` where the key is absent.
    ///
    /// # Errors
    /// Where it is bad.
    pub(super) fn optional(self) -> Result<Option<At<T>>, Reported> {
        match self {
            Self::Absent => Ok(None),
            Self::Bad(reported) => Err(reported),
            Self::Is(at) => Ok(Some(at)),
        }
    }

    /// The value, where there is a good one.
    pub(super) fn get(&self) -> Option<&At<T>> {
        if let Self::Is(at) = self { Some(at) } else { None }
    }
}

/// Collects errors and warnings of one file.
pub(super) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    errors: Vec<FleetError>,
    left_out: usize,
    warnings: Vec<FleetError>,
    suggestions: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, errors: Vec::new(), left_out: 0, warnings: Vec::new(), suggestions: 0 }
    }

    /// Notes that something is missing from, or wrong with, what stands at `spot` as a whole.
    pub(super) fn refuse(&mut self, spot: &Spot, problem: impl Into<String>, way_out: impl Into<String>) -> Reported {
        self.push(spot, None, problem.into(), way_out.into())
    }

    /// Notes that `at` has the wrong value.
    pub(super) fn refuse_value(
        &mut self,
        at: &At<String>,
        problem: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Reported {
        self.push(&at.spot, Some(&at.value), problem.into(), way_out.into())
    }

    fn push(&mut self, spot: &Spot, value: Option<&str>, problem: String, way_out: String) -> Reported {
        if self.errors.len() < ERRORS_MAX {
            let error = self.error(spot, value, problem, way_out);
            self.errors.push(error);
        } else {
            self.left_out += 1;
        }
        Reported(())
    }

    /// Notes something that is no error.
    pub(super) fn warn(&mut self, spot: &Spot, problem: impl Into<String>, way_out: impl Into<String>) {
        let warning = self.error(spot, None, problem.into(), way_out.into());
        self.warnings.push(warning);
    }

    fn error(&self, spot: &Spot, value: Option<&str>, problem: String, way_out: String) -> FleetError {
        FleetError {
            file: self.file.to_owned(),
            line: spot.place.line,
            column: spot.place.column,
            key: shown(&spot.key),
            value: value.map(shown),
            // Both may quote the file.
            problem: shown_within(&problem, SENTENCE_BYTES_MAX),
            way_out: shown_within(&way_out, SENTENCE_BYTES_MAX),
        }
    }

    /// The word most like `word`; `None` also where the file has so many errors that looking is not worth it.
    pub(super) fn nearest<'w>(&mut self, word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
        self.suggestions += 1;
        if self.suggestions <= SUGGESTIONS_MAX { near::nearest(word, words) } else { None }
    }

    /// Everything noted, at the end: the warnings, or the errors where there is one.
    pub(super) fn finish(mut self) -> Result<Vec<FleetError>, FleetErrors> {
        match FleetErrors::of(self.errors, self.left_out) {
            Some(errors) => Err(errors),
            None => {
                self.warnings.sort_by_key(|w| (w.line, w.column));
                Ok(self.warnings)
            }
        }
    }

    /// A text.
    pub(super) fn text(&mut self, node: Node, key: String) -> Read<String> {
        let spot = Spot { place: node.place, key };
        match node.value {
            Value::Text(value) => Ok(At { value, spot }),
            Value::Plain(_) => {
                Err(self.wrong_type(&node, spot, "a text", "put it in quotes where it is meant as text"))
            }
            _ => Err(self.wrong_type(&node, spot, "a text", "")),
        }
    }

    /// A text, or a number or boolean taken as the text that the file writes.
    pub(super) fn scalar(&mut self, node: Node, key: String) -> Read<String> {
        let spot = Spot { place: node.place, key };
        match node.value {
            Value::Text(value) => Ok(At { value, spot }),
            Value::Plain(_) => Ok(At { value: node.source(self.text).to_owned(), spot }),
            _ => Err(self.wrong_type(&node, spot, "a text", "")),
        }
    }

    /// A list, each item read by `read`.
    pub(super) fn list<T>(
        &mut self,
        node: Node,
        key: String,
        mut read: impl FnMut(&mut Self, Node, String) -> T,
    ) -> Read<Vec<T>> {
        let spot = Spot { place: node.place, key };
        let Value::List(items) = node.value else {
            return Err(self.wrong_type(
                &node,
                spot,
                "a list",
                "write it as `[one, two]`, or one item a line behind `-`",
            ));
        };
        let items = items.into_iter().enumerate().map(|(i, item)| {
            let key = format!("{}[{i}]", spot.key);
            read(self, item, key)
        });
        Ok(At { value: items.collect(), spot })
    }

    /// A map with keys of the user's own choice, each value read by `read`, in the order of the file.
    pub(super) fn named<T>(
        &mut self,
        node: Node,
        key: String,
        mut read: impl FnMut(&mut Self, Node, String) -> T,
    ) -> Read<Named<T>> {
        let spot = Spot { place: node.place, key };
        let entries = self.entries(node, &spot)?;
        let entries = entries.into_iter().map(|Entry { key, place, node }| {
            let dotted = dot(&spot.key, &key);
            let name = At { value: key, spot: Spot { place, key: dotted.clone() } };
            (name, read(self, node, dotted))
        });
        Ok(At { value: entries.collect(), spot })
    }

    /// A map whose keys are among `known`; others are reported, and count as the known key that they resemble.
    pub(super) fn fields(
        &mut self,
        node: Node,
        key: String,
        known: &'static [&'static str],
    ) -> Result<Fields<'_, 'a>, Reported> {
        let spot = Spot { place: node.place, key };
        let mut entries = self.entries(node, &spot)?;
        let mut misspelt = Vec::new();
        for Entry { key, place, .. } in entries.extract_if(.., |e| !known.contains(&e.key.as_str())) {
            let meant = self.nearest(&key, known.iter().copied());
            let way_out = did_you_mean(meant, &format!("known here: {}", known.join(", ")));
            let reported = self.refuse(&Spot { place, key: dot(&spot.key, &key) }, "unknown key", way_out);
            misspelt.extend(meant.map(|name| (name.to_owned(), reported)));
        }
        Ok(Fields { report: self, spot, entries, misspelt })
    }

    /// The entries of a map without those whose key came before, which are reported.
    fn entries(&mut self, node: Node, spot: &Spot) -> Result<Vec<Entry>, Reported> {
        let Value::Map(entries) = node.value else {
            return Err(self.wrong_type(&node, spot.clone(), "a map", "write one `key: value` a line, indented"));
        };
        let mut first: HashMap<String, Place> = HashMap::new();
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(place) = first.get(&entry.key) {
                let again = Spot { place: entry.place, key: dot(&spot.key, &entry.key) };
                self.refuse(&again, format!("the key is there already, in line {}", place.line), "keep one of the two");
            } else {
                first.insert(entry.key.clone(), entry.place);
                kept.push(entry);
            }
        }
        Ok(kept)
    }

    fn wrong_type(&mut self, node: &Node, spot: Spot, expected: &str, way_out: &str) -> Reported {
        let way_out = if matches!(node.value, Value::Nothing) { "give it a value, or delete the key" } else { way_out };
        let problem = format!("expected {expected}, found {}", node.kind());
        let value = match &node.value {
            Value::Text(text) => Some(text.as_str()),
            Value::Plain(_) => Some(node.source(self.text)),
            _ => None,
        };
        self.push(&spot, value, problem, way_out.to_owned())
    }
}

/// The keys of one map, taken out one by one.
pub(super) struct Fields<'r, 'a> {
    report: &'r mut Report<'a>,
    /// The map itself.
    pub(super) spot: Spot,
    entries: Vec<Entry>,
    misspelt: Vec<(String, Reported)>,
}

impl<'a> Fields<'_, 'a> {
    /// The value of `name`, read by `read`.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Report<'a>, Node, String) -> Read<T>,
    ) -> Field<T> {
        if let Some(index) = self.entries.iter().position(|e| e.key == name) {
            let node = self.entries.swap_remove(index).node;
            return match read(self.report, node, dot(&self.spot.key, name)) {
                Ok(at) => Field::Is(at),
                Err(reported) => Field::Bad(reported),
            };
        }
        // A misspelt key is one error, not also a missing one.
        self.misspelt
            .iter()
            .find(|(meant, _)| meant == name)
            .map_or(Field::Absent, |(_, reported)| Field::Bad(*reported))
    }

    /// The text at `name`.
    pub(super) fn text(&mut self, name: &'static str) -> Field<String> {
        self.take(name, Report::text)
    }
}

/// `way_out`, with the word that was probably meant before it.
pub(super) fn did_you_mean(word: Option<&str>, way_out: &str) -> String {
    match word {
        Some(word) if way_out.is_empty() => format!("did you mean `{word}`?"),
        Some(word) => format!("did you mean `{word}`? {way_out}"),
        None => way_out.to_owned(),
    }
}

/// The dotted key of `name` inside `key`.
pub(super) fn dot(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}
