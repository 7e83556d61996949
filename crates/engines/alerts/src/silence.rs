//! When nobody is told, and of what: maintenance in the fleet file, and silences by command or from an Alertmanager's client.

use crate::limits::{LABEL_BYTES_MAX, MATCHERS_MAX, REGEX_BYTES_MAX, SILENCE_MAX, SILENCES_MAX};
use bartizan_core::Timestamp;
use bartizan_core::alerts::{Alert, Maintenance, Matcher, Urgency, Window};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why there is no silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SilenceError {
    /// It would silence everything, and says so by no condition at all.
    Nothing,
    /// Too many conditions, or too long ones.
    TooMuch,
    /// An expression cannot be read.
    Expression(String),
    /// It ends before it begins, or has ended.
    Over,
    /// It would be too long.
    TooLong,
    /// There are too many.
    Full,
}

impl std::fmt::Display for SilenceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => {
                f.write_str("a silence needs a condition that an empty text does not meet, such as service=\"ledger\"")
            }
            Self::TooMuch => write!(f, "a silence has at most {MATCHERS_MAX} conditions of {LABEL_BYTES_MAX} bytes"),
            Self::Expression(why) => write!(f, "not an expression: {why}"),
            Self::Over => f.write_str("the silence ends before it begins, or has ended"),
            Self::TooLong => write!(f, "a silence lasts {} days at most", SILENCE_MAX.as_secs() / 86_400),
            Self::Full => write!(f, "there are {SILENCES_MAX} silences already; end some"),
        }
    }
}

impl std::error::Error for SilenceError {}

/// Silences, with their expressions compiled.
#[derive(Clone, Debug, Default)]
pub struct Silences {
    by_command: Vec<Compiled>,
    by_file: Vec<Compiled>,
}

/// As they are written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written(Vec<Window>);

#[derive(Clone, Debug)]
struct Compiled {
    window: Window,
    conditions: Vec<(Matcher, Option<Regex>)>,
}

impl Silences {
    /// Adds one, or changes the one of its name.
    ///
    /// # Errors
    /// [`SilenceError`].
    pub fn add(&mut self, window: Window, now: Timestamp) -> Result<(), SilenceError> {
        if window.until <= window.from || window.until <= now {
            return Err(SilenceError::Over);
        }
        if window.until.since(window.from) > SILENCE_MAX {
            return Err(SilenceError::TooLong);
        }
        let compiled = Compiled::new(window)?;
        // One that every alert without labels meets would silence all there is.
        let is_empty = |(matcher, regex): &(Matcher, Option<Regex>)| meets(matcher, regex.as_ref(), "");
        if compiled.conditions.iter().all(is_empty) {
            return Err(SilenceError::Nothing);
        }
        self.tidy(now);
        self.by_command.retain(|it| it.window.id != compiled.window.id);
        if self.by_command.len() >= SILENCES_MAX {
            return Err(SilenceError::Full);
        }
        self.by_command.push(compiled);
        Ok(())
    }

    /// Ends one before its time; `None` where there is none of that name that is not over.
    pub fn end(&mut self, id: &str, now: Timestamp) -> Option<Window> {
        let it = self.by_command.iter_mut().find(|it| it.window.id == id && it.window.until > now)?;
        it.window.until = now;
        Some(it.window.clone())
    }

    /// Takes over what the fleet file says.
    pub fn set_file(&mut self, maintenance: &[Maintenance]) {
        let windows = maintenance.iter().enumerate().map(|(n, it)| {
            let names: Vec<&str> = it.services.iter().map(|name| name.as_str()).collect();
            let matcher = Matcher { name: "service".into(), value: names.join("|"), is_regex: true, is_equal: true };
            Window {
                id: format!("fleet-file-{}", n + 1),
                matchers: if names.is_empty() { Vec::new() } else { vec![matcher] },
                from: it.from,
                until: it.until,
                by: "the fleet file".to_owned(),
                why: it.why.clone(),
                pages_only: true,
                active: false,
            }
        });
        self.by_file = windows.filter_map(|it| Compiled::new(it).ok()).collect();
    }

    /// The silence by which nobody is told of an alert now.
    pub fn of(&self, alert: &Alert, now: Timestamp) -> Option<&Window> {
        let labels = labels(alert);
        let counts = |it: &&Compiled| {
            it.window.from <= now
                && now < it.window.until
                && (!it.window.pages_only || alert.urgency == Urgency::Page)
                && it.conditions.iter().all(|(matcher, regex)| {
                    meets(matcher, regex.as_ref(), labels.get(matcher.name.as_str()).copied().unwrap_or_default())
                })
        };
        self.by_file.iter().chain(&self.by_command).find(counts).map(|it| &it.window)
    }

    /// All of them, also those that are to come, and those that are over for less than a day.
    pub fn list(&self, now: Timestamp) -> Vec<Window> {
        let all = self.by_file.iter().chain(&self.by_command).map(|it| &it.window);
        all.map(|it| Window { active: it.from <= now && now < it.until, ..it.clone() }).collect()
    }

    fn tidy(&mut self, now: Timestamp) {
        self.by_command.retain(|it| now.since(it.window.until).as_secs() < 86_400);
    }

    pub(crate) fn written(&self) -> Written {
        Written(self.by_command.iter().map(|it| it.window.clone()).collect())
    }

    pub(crate) fn read(written: Written) -> Self {
        let by_command = written.0.into_iter().take(SILENCES_MAX).filter_map(|it| Compiled::new(it).ok()).collect();
        Self { by_command, by_file: Vec::new() }
    }
}

impl Compiled {
    fn new(window: Window) -> Result<Self, SilenceError> {
        let long =
            |it: &Matcher| it.name.is_empty() || it.name.len() > LABEL_BYTES_MAX || it.value.len() > LABEL_BYTES_MAX;
        if window.matchers.len() > MATCHERS_MAX || window.matchers.iter().any(long) {
            return Err(SilenceError::TooMuch);
        }
        let conditions = window.matchers.iter().map(|it| Ok((it.clone(), compile(it)?))).collect::<Result<_, _>>()?;
        Ok(Self { window, conditions })
    }
}

fn meets(matcher: &Matcher, regex: Option<&Regex>, value: &str) -> bool {
    let fits = regex.map_or(matcher.value == value, |regex| regex.is_match(value));
    fits == matcher.is_equal
}

/// Whether a value meets a condition; an expression that cannot be read meets nothing.
pub fn fits(matcher: &Matcher, value: &str) -> bool {
    match compile(matcher) {
        Ok(regex) => meets(matcher, regex.as_ref(), value),
        Err(_) => false,
    }
}

/// A condition as people write it: `name="value"`, with `=`, `!=`, `=~` or `!~`; `None` where it is none.
pub fn matcher(text: &str) -> Option<Matcher> {
    let text = text.trim().trim_start_matches('{').trim_end_matches('}');
    let at = text.find(['=', '!'])?;
    let (name, rest) = text.split_at(at);
    let (rest, is_regex, is_equal) =
        [("=~", true, true), ("!~", true, false), ("!=", false, false), ("=", false, true)]
            .into_iter()
            .find_map(|(word, is_regex, is_equal)| Some((rest.strip_prefix(word)?, is_regex, is_equal)))?;
    let value = rest.trim();
    let value = value
        .strip_prefix('"')
        .and_then(|it| it.strip_suffix('"'))
        .map_or_else(|| value.to_owned(), |it| it.replace("\\\"", "\"").replace("\\\\", "\\"));
    (!name.trim().is_empty()).then(|| Matcher { name: name.trim().to_owned(), value, is_regex, is_equal })
}

fn compile(it: &Matcher) -> Result<Option<Regex>, SilenceError> {
    // The whole of it has to fit, as with Prometheus.
    let regex =
        it.is_regex.then(|| RegexBuilder::new(&format!("^(?:{})$", it.value)).size_limit(REGEX_BYTES_MAX).build());
    regex.transpose().map_err(|error| SilenceError::Expression(error.to_string()))
}

/// What an alert can be recognised by.
pub fn labels(alert: &Alert) -> BTreeMap<&str, &str> {
    let mut labels: BTreeMap<&str, &str> =
        alert.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    labels.extend([
        ("alertname", alert.rule.as_str()),
        ("severity", alert.severity.as_str()),
        ("urgency", alert.urgency.as_str()),
        ("owner", alert.owner.as_str()),
        ("place", alert.place.as_str()),
    ]);
    labels.extend(alert.service.as_deref().map(|service| ("service", service)));
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_amtool_writes_them() {
        for (text, name, value, is_regex, is_equal) in [
            ("service=ledger", "service", "ledger", false, true),
            ("service=\"led ger\"", "service", "led ger", false, true),
            ("{service!=\"a\\\"b\"}", "service", "a\"b", false, false),
            ("alertname=~\"Guard.*\"", "alertname", "Guard.*", true, true),
            ("owner !~ x", "owner", "x", true, false),
        ] {
            let it = matcher(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (it.name.as_str(), it.value.as_str(), it.is_regex, it.is_equal),
                (name, value, is_regex, is_equal),
                "{text}"
            );
        }
        for text in ["", "service", "=x", "!", "a!b"] {
            assert_eq!(matcher(text), None, "{text}");
        }
    }
}
