//! Policy files, from text to policies: cut, bounded, parsed, named.

use crate::declared::Links;
use crate::error::{Page, PolicyError};
use crate::from_fleet::OWN_PREFIX;
use crate::lexer::{Kind, Piece, pieces, tokens};
use crate::limits;
use crate::scope::Scope;
use bartizan_core::limits::{POLICIES_MAX, POLICY_FILE_BYTES_MAX};
use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, Policy, PolicyId};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// One policy, as it was written and as Cedar understands it.
pub(crate) struct Written {
    /// Its `@id`, or `file#n`.
    pub(crate) id: Arc<str>,
    /// Its `@reason`.
    pub(crate) reason: Option<Arc<str>>,
    /// Whether it has an `@expected`: that it denies surprises nobody.
    pub(crate) expected: bool,
    /// Its file.
    pub(crate) file: Arc<str>,
    /// Where it stands in the file, in bytes: from its first annotation to its `;`.
    pub(crate) span: Range<usize>,
    pub(crate) policy: Policy,
    pub(crate) scope: Scope,
    /// False only where its outcome cannot depend on method or path.
    pub(crate) may_see_context: bool,
    /// Whether it is tried out: evaluated, and not enforced.
    pub(crate) shadow: bool,
}

impl Written {
    pub(crate) fn is_permit(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }

    /// Whether it was compiled from the fleet file.
    pub(crate) fn is_own(&self) -> bool {
        self.file.starts_with(OWN_PREFIX)
    }

    /// Its text in `files`, which it was read from.
    pub(crate) fn text<'a>(&self, files: &'a BTreeMap<String, String>) -> &'a str {
        files.get(&*self.file).and_then(|text| text.get(self.span.clone())).unwrap_or_default()
    }

    /// Whether it names `context`; unlike [`Written::may_see_context`], not fooled by a comment.
    pub(crate) fn names_context(&self, files: &BTreeMap<String, String>) -> bool {
        tokens(self.text(files)).any(|token| token.kind == Kind::Ident && token.text == "context")
    }

    /// Whether it asks for the user of a call: `context.user`, `context["user"]`, `context has user`.
    pub(crate) fn asks_for_user(&self, files: &BTreeMap<String, String>) -> bool {
        let words: Vec<&str> = tokens(self.text(files)).map(|token| token.text).collect();
        words.windows(3).any(|words| {
            words[0] == "context" && ["has", ".", "["].contains(&words[1]) && words[2].trim_matches('"') == "user"
        })
    }
}

/// What could be read, and what is wrong with the rest.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) policies: Vec<Written>,
    pub(crate) errors: Vec<PolicyError>,
}

/// Reads every file, in the order of their names.
pub(crate) fn read(files: &BTreeMap<String, String>) -> Read {
    let mut read = Read::default();
    let (mut places, mut links) = (HashMap::new(), Links::new());
    for (name, text) in files {
        read_file(name, text, &mut read, &mut places, &mut links);
        if read.errors.len() >= limits::ERRORS_MAX {
            break;
        }
    }
    read
}

fn read_file(name: &str, text: &str, read: &mut Read, places: &mut HashMap<Arc<str>, String>, links: &mut Links) {
    let page = Page::new(name, text);
    if let Err(error) = check_text(&page, text, name.starts_with(OWN_PREFIX)) {
        read.errors.push(error);
        return;
    }
    let file: Arc<str> = name.into();
    for (number, piece) in pieces(text).enumerate() {
        if read.policies.len() >= POLICIES_MAX {
            let help = format!("at most {POLICIES_MAX} are kept in force; one policy can name many services");
            read.errors.push(page.error(piece.at, "too many policies", Some(help)));
            return;
        }
        match read_piece(&page, &file, number, piece, links) {
            Ok(written) => {
                let (line, column) = page.place(written.span.start);
                let place = format!("{name}:{line}:{column}");
                match places.get(&written.id) {
                    Some(first) => read.errors.push(duplicate(&page, &written, first)),
                    None => {
                        places.insert(Arc::clone(&written.id), place);
                        read.policies.push(written);
                    }
                }
            }
            Err(mut errors) => read.errors.append(&mut errors),
        }
        if read.errors.len() >= limits::ERRORS_MAX {
            return;
        }
    }
}

/// What is wrong with a file whatever it says.
fn check_text(page: &Page<'_>, text: &str, own: bool) -> Result<(), PolicyError> {
    if text.len() > POLICY_FILE_BYTES_MAX && !own {
        let help = format!("split it: at most {POLICY_FILE_BYTES_MAX} bytes are read from one file");
        return Err(page.error_as_a_whole(format!("{} bytes long", text.len()), Some(help)));
    }
    // Characters that make a reviewer see another text than Cedar reads (CVE-2021-42574).
    let hides = |c: char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let bad = text.char_indices().find(|(_, c)| hides(*c) || (c.is_control() && !matches!(c, '\n' | '\r' | '\t')));
    match bad {
        None => Ok(()),
        Some((at, c)) => {
            let message = format!("invisible character U+{:04X}", u32::from(c));
            Err(page.error(at, message, Some("remove it: the policy reads otherwise than it looks".to_owned())))
        }
    }
}

fn duplicate(page: &Page<'_>, written: &Written, first: &str) -> PolicyError {
    let message = format!("a policy at {first} is called `{}` too", written.id);
    page.error(written.span.start, message, Some("give each policy an `@id` of its own".to_owned()))
}

fn read_piece(
    page: &Page<'_>,
    file: &Arc<str>,
    number: usize,
    piece: Piece<'_>,
    links: &mut Links,
) -> Result<Written, Vec<PolicyError>> {
    let span = piece.at..piece.at + piece.text.len();
    let own = file.starts_with(OWN_PREFIX);
    if let Some(policy) = own.then(|| links.read(piece.text)).flatten() {
        let id: Arc<str> = AsRef::<str>::as_ref(policy.id()).into();
        let scope = Scope::of(&policy);
        return Ok(Written {
            id,
            reason: None,
            expected: false,
            file: Arc::clone(file),
            span,
            policy,
            scope,
            may_see_context: false,
            shadow: false,
        });
    }
    check_size(page, piece).map_err(|error| vec![error])?;
    let unnamed = format!("{file}#{number}");
    let policy = Policy::parse(Some(PolicyId::new(&unnamed)), piece.text).map_err(|errors| {
        errors.iter().map(|error| from_cedar(page, piece.at, &DetailedError::from(error), "")).collect::<Vec<_>>()
    })?;
    let annotations =
        Annotations::of(&policy, own).map_err(|(message, help)| vec![page.error(piece.at, message, Some(help))])?;
    let id = annotations.id.unwrap_or_else(|| unnamed.into());
    let policy = policy.new_id(PolicyId::new(&*id));
    Ok(Written {
        reason: annotations.reason,
        expected: annotations.expected,
        shadow: annotations.shadow,
        file: Arc::clone(file),
        span,
        scope: Scope::of(&policy),
        // Looked for in the raw text: no spelling of the variable escapes that, whatever a lexer thinks of it.
        may_see_context: policy.has_non_scope_constraint() && piece.text.contains("context"),
        id,
        policy,
    })
}

fn check_size(page: &Page<'_>, piece: Piece<'_>) -> Result<(), PolicyError> {
    let too = |what: &str, is: usize, most: usize| {
        let help = Some(format!("at most {most} are allowed; split the policy into several"));
        Err(page.error(piece.at, format!("the policy has {is} {what}"), help))
    };
    if piece.text.len() > limits::POLICY_BYTES_MAX {
        return too("bytes", piece.text.len(), limits::POLICY_BYTES_MAX);
    }
    if piece.nesting > limits::NESTING_MAX {
        return too("levels of brackets", piece.nesting, limits::NESTING_MAX);
    }
    if piece.operators > limits::OPERATORS_MAX {
        return too("operators, conditions and brackets", piece.operators, limits::OPERATORS_MAX);
    }
    if let Some(slot) = piece.slot {
        let help = "nothing would ever fill the slot; name the workload or service, or leave the scope open".to_owned();
        return Err(page.error(slot, "policy templates are not supported", Some(help)));
    }
    Ok(())
}

/// Annotations that mean something to us.
pub(crate) const ANNOTATIONS: [&str; 6] = ["id", "reason", "owner", "expected", "declared", MODE];
/// Whether a policy is enforced.
const MODE: &str = "mode";

/// Whether somebody who wrote `@key` perhaps meant the mode.
fn is_near_mode(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["mod", "shadow", "dry"].iter().any(|word| key.starts_with(word))
}

/// What we read from a policy's annotations.
struct Annotations {
    id: Option<Arc<str>>,
    reason: Option<Arc<str>>,
    expected: bool,
    shadow: bool,
}

impl Annotations {
    /// # Errors
    /// Message and help, where a value cannot be printed in a line or is taken.
    fn of(policy: &Policy, own: bool) -> Result<Self, (String, String)> {
        let id = policy.annotation("id");
        if let Some(id) = id {
            let help = || "such as `@id(\"no-writes-at-night\")`".to_owned();
            if id.is_empty() || id.len() > limits::ID_BYTES_MAX || id.chars().any(|c| c.is_control() || c == '`') {
                let message = format!(
                    "`@id` has to be 1 to {} bytes without control characters or backticks",
                    limits::ID_BYTES_MAX
                );
                return Err((message, help()));
            }
            if id.starts_with(OWN_PREFIX) && !own {
                let message = format!(
                    "`@id(\"{id}\")`: names that begin with `{OWN_PREFIX}` are for policies compiled from the fleet file"
                );
                return Err((message, help()));
            }
        }
        let reason = policy.annotation("reason").filter(|reason| !reason.is_empty());
        if let Some(reason) = reason
            && (reason.len() > limits::REASON_BYTES_MAX || reason.chars().any(char::is_control))
        {
            let message = format!("`@reason` has to be one line of at most {} bytes", limits::REASON_BYTES_MAX);
            return Err((message, "it is shown to the caller; put the rest into a comment".to_owned()));
        }
        let expected = policy.annotation("expected");
        if let Some(why) = expected {
            if policy.effect() == Effect::Permit {
                let message = "`@expected` stands at a `permit`, which denies nothing".to_owned();
                return Err((message, "put it at the `forbid` whose denials surprise nobody, or delete it".to_owned()));
            }
            if why.is_empty() || why.len() > limits::REASON_BYTES_MAX || why.chars().any(char::is_control) {
                let message =
                    format!("`@expected` has to say why, in one line of at most {} bytes", limits::REASON_BYTES_MAX);
                return Err((
                    message,
                    "such as `@expected(\"the shop asks for more than it may, until its release 7\")`".to_owned(),
                ));
            }
        }
        let shadow = Self::is_shadow(policy)?;
        Ok(Self { id: id.map(Arc::from), reason: reason.map(Arc::from), expected: expected.is_some(), shadow })
    }

    /// # Errors
    /// An `@mode` that is not known, or something that was perhaps meant to be one: the policy would be enforced, and whoever
    /// wrote it meant to try it out.
    fn is_shadow(policy: &Policy) -> Result<bool, (String, String)> {
        let help =
            || "write `@mode(\"shadow\")` to try it out, `@mode(\"enforce\")` or nothing to enforce it".to_owned();
        let unknown = |key: &&str| !ANNOTATIONS.contains(key);
        if let Some(key) = policy.annotations().map(|(key, _)| key).filter(unknown).find(|key| is_near_mode(key)) {
            return Err((format!("`@{key}` means nothing here, and the policy would be enforced"), help()));
        }
        match policy.annotation(MODE) {
            None | Some("enforce") => Ok(false),
            Some("shadow") => Ok(true),
            Some(other) => {
                let other = other.escape_debug();
                Err((format!("`@mode(\"{other}\")` is unknown; known are `enforce` and `shadow`"), help()))
            }
        }
    }
}

/// Turns an error of Cedar's, about a text that begins at `base`, into ours; `strip` is cut from its texts.
pub(crate) fn from_cedar(page: &Page<'_>, base: usize, error: &DetailedError, strip: &str) -> PolicyError {
    let label = error.source_locations.first();
    let at = base + label.map_or(0, |label| label.loc.start);
    let stripped = |text: &str| one_line(text.strip_prefix(strip).unwrap_or(text));
    let help = error.help.as_deref().or_else(|| label?.label.as_deref());
    page.error(at, stripped(&error.message), help.map(stripped))
}

/// Messages of Cedar's may quote policies, which may have several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("a.cedar".to_owned(), text.to_owned())])
    }

    fn read_one(text: &str) -> Read {
        read(&one(text))
    }

    #[test]
    fn names_policies_by_annotation_or_place() {
        let text = "permit(principal, action, resource);\n@id(\"night\") @reason(\"closed\")\nforbid(principal, action, resource);\npermit(principal, action, resource);";
        let read = read_one(text);
        assert!(read.errors.is_empty(), "{:?}", read.errors);
        let ids: Vec<_> = read.policies.iter().map(|p| &*p.id).collect();
        assert_eq!(ids, ["a.cedar#0", "night", "a.cedar#2"]);
        assert_eq!(read.policies[1].reason.as_deref(), Some("closed"));
        assert!(read.policies[1].text(&one(text)).starts_with("@id(\"night\")"));
    }

    #[test]
    fn notices_context_and_is_not_fooled_by_comments() {
        for (when, may, names) in [
            ("", false, false),
            ("when { principal.owner == \"x\" }", false, false),
            ("when { context.path like \"/x*\" }", true, true),
            ("unless { { a: context }.a.method == \"GET\" }", true, true),
            ("when { true /* x */ }", false, false),
            ("when { true // context\n }", true, false),
        ] {
            let text = format!("permit(principal, action, resource) {when};");
            let read = read_one(&text);
            let Some(written) = read.policies.first() else {
                assert!(when.contains("/*"), "{when}: {:?}", read.errors);
                continue;
            };
            assert_eq!((written.may_see_context, written.names_context(&one(&text))), (may, names), "{when}");
        }
    }

    #[test]
    fn pieces_are_what_cedar_reads_in_the_whole_file() {
        let text = "// x;\n@a(\"b;\\\"c\") permit(principal, action, resource) when { \"a;//b\" == \"\" };//;\nforbid(principal, action, resource);";
        let whole: cedar_policy::PolicySet = text.parse().unwrap();
        assert_eq!(read_one(text).policies.len(), whole.policies().count());
    }
}
