//! Requests that look like attacks by themselves: by the shapes that OWASP's testing guide and the entries of CWE and CAPEC describe.
//!
//! A search, not a parser of their languages: whoever knows it can write around it. It tells somebody, and stops nothing.

use crate::limits::{ATTRIBUTES_KEPT, PROBE_BYTES_MAX, UNESCAPE_MAX};
use bartizan_core::event::{Signal, Telemetry};
use regex::bytes::{Regex, RegexBuilder};
use std::sync::LazyLock;

/// The attribute that says what a request looks like.
pub(crate) const PROBE: &str = "threat.probe";

/// What a request looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probe {
    /// Text that would end a value of SQL and go on (CWE-89), or operators of a document store (CWE-943).
    Sql,
    /// A path that leads out of where it begins, or to a file of the system (CWE-22).
    Traversal,
    /// A command for a shell (CWE-78).
    Command,
    /// An expression that a library looks up or computes (CWE-917, CWE-1336), such as `${jndi:…}`.
    Expression,
    /// An address of the inside, for a service to ask (CWE-918).
    Inside,
    /// A script for somebody else's browser (CWE-79).
    Script,
}

impl Probe {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::Sql, Self::Traversal, Self::Command, Self::Expression, Self::Inside, Self::Script];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sql => "sql_injection",
            Self::Traversal => "path_traversal",
            Self::Command => "command_injection",
            Self::Expression => "expression_injection",
            Self::Inside => "inside_address",
            Self::Script => "script_injection",
        }
    }

    /// In lower case, after unescaping.
    const fn shape(self) -> &'static str {
        match self {
            Self::Sql => concat!(
                r#"['"`)]\s*\)*\s*(?:or|and|\|\||&&)\s*\(*\s*['"]?[\w.]*['"]?\s*(?:=|<|>|like\b|in\b|is\b)"#,
                r"|\b(?:or|and)\s+(\d+)\s*=\s*\d+|\bunion\b[\s/*!()]*(?:all\b[\s/*!()]*)?select\b",
                r"|;\s*(?:drop|delete|insert|update|alter|truncate|shutdown|exec|create)\b",
                r"|\b(?:sleep|benchmark|pg_sleep|extractvalue|updatexml|load_file|xp_cmdshell)\s*\(|\bwaitfor\s+delay\b",
                r#"|\binformation_schema\b|\bpg_catalog\b|['"]\s*;?\s*(?:--|#|/\*)|\border\s+by\s+\d+\s*--"#,
                r"|\[\$(?:ne|gt|gte|lt|lte|regex|where|in|nin|exists)\]|\{\s*.?\$(?:ne|gt|regex|where)\b"
            ),
            Self::Traversal => concat!(
                r"(?:^|[/\\=])\.\.;?[/\\]|\.\.[/\\]\.\.|/etc/(?:passwd|shadow|hosts)|/proc/self/|/windows/(?:win\.ini|system32)",
                r"|\bboot\.ini\b|web-inf/|\x00"
            ),
            Self::Command => concat!(
                r"(?:[;|`\n]|&&|\$\()\s*(?:/\w+)*/?(?:cat|ls|id|whoami|wget|curl|nc|ncat|bash|sh|ping|uname|python\d?|perl|powershell|cmd|nslookup|sleep|echo|rm)\b(?:\s|$|\)|`|;|\||&)",
                r"|\(\)\s*\{\s*:;"
            ),
            Self::Expression => concat!(
                r"\$\{[^}]*(?:jndi|lower:|upper:|env:|sys:|::-|date:)|\$\{\s*\d+\s*[*+]\s*\d+|\{\{\s*[\d'(][^}]*[*+.][^}]*\}\}|#\{[^}]*(?:\d\s*\*\s*\d|exec|runtime)",
                r"|%\{[^}]*(?:@|#)|<%=|\bt\(java\.lang\.|\bclass\.module\.classloader|__proto__|\{\{[^}]*(?:config|self|request|__class__)"
            ),
            Self::Inside => concat!(
                r"(?:=|%3d)\s*(?:(?:https?|ftp|wss?):)?//(?:[^/@&]*@)?(?:localhost|127\.|0\.0\.0\.0|0x7f|2130706433|10\.\d|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|\[:*(?:ffff:)?|metadata\b|[\w.-]+\.(?:internal|local|svc)\b)",
                r"|=\s*(?:gopher|dict|file|ldap|tftp|netdoc|jar):/?/?|169\.254\.169\.254|metadata\.google\.internal|2852039166"
            ),
            Self::Script => {
                r"<\s*/?\s*script|javascript:|\bon(?:error|load|click|mouseover|focus|toggle)\s*=|<\s*(?:svg|iframe|img|object|embed|body)\b[^>]*[\s/]"
            }
        }
    }
}

static SHAPES: LazyLock<Vec<(Probe, Regex)>> = LazyLock::new(|| {
    let compiled = |probe: Probe| {
        let regex = RegexBuilder::new(probe.shape()).unicode(false).build();
        (probe, regex.expect("a test compiles it"))
    };
    Probe::ALL.into_iter().map(compiled).collect()
});

/// What a path with its query, or the name that a client gives itself, looks like.
pub fn probe(path: &str, query: &str, agent: &str) -> Option<Probe> {
    let path = unescaped(path, false);
    // With its sign, so that what begins a value is told from what stands in the middle of one.
    let query = if query.is_empty() { Vec::new() } else { unescaped(&format!("={query}"), true) };
    let of_request = SHAPES.iter().find(|(_, shape)| shape.is_match(&path) || shape.is_match(&query));
    of_request.map(|(probe, _)| *probe).or_else(|| of_agent(agent))
}

/// Agents hold brackets, semicolons and addresses of their own: there only what can be nothing else counts.
fn of_agent(agent: &str) -> Option<Probe> {
    if agent.contains("() {") {
        return Some(Probe::Command);
    }
    let agent = unescaped(agent, false);
    let is_clear = |probe: Probe| matches!(probe, Probe::Expression | Probe::Script);
    SHAPES.iter().find(|(probe, shape)| is_clear(*probe) && shape.is_match(&agent)).map(|(probe, _)| *probe)
}

/// Writes into a record what its request looks like, and takes the query away: it may hold anything, and is not for the store.
pub fn mark(it: &mut Telemetry) {
    it.attributes.retain(|(key, _)| &**key != PROBE);
    if it.signal != Signal::Access {
        return;
    }
    let text = |key: &str| it.attribute(key).unwrap_or_default();
    let found = probe(text("url.path"), text("url.query"), text("user_agent.original"));
    it.attributes.retain(|(key, _)| &**key != "url.query");
    if let Some(found) = found {
        // Where the record is full, room is made: nothing else in it says as much.
        it.attributes.truncate(ATTRIBUTES_KEPT);
        it.attributes.push((PROBE.into(), found.as_str().into()));
        it.security = true;
    }
}

/// Lower case, percent signs undone as often as somebody may have put them there, and `+` as a blank in queries.
fn unescaped(text: &str, is_query: bool) -> Vec<u8> {
    let mut bytes = text.as_bytes()[..text.len().min(PROBE_BYTES_MAX)].to_ascii_lowercase();
    if is_query {
        bytes.iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
    }
    for _ in 0..UNESCAPE_MAX {
        let once = unescaped_once(&bytes);
        if once == bytes {
            break;
        }
        bytes = once.to_ascii_lowercase();
    }
    bytes
}

fn unescaped_once(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?));
        match pair.filter(|_| byte == b'%') {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_like_an_attack_is_told_by_its_kind() {
        for (path, query, expected) in [
            ("/item", "id=1%27%20OR%20%271%27=%271", Probe::Sql),
            ("/item", "id=1+UNION+ALL+SELECT+null,version()", Probe::Sql),
            ("/item", "q=1;DROP+TABLE+users", Probe::Sql),
            ("/item", "user[$ne]=x", Probe::Sql),
            ("/static/..%2f..%2f..%2fetc/passwd", "", Probe::Traversal),
            ("/download", "file=%252e%252e%252f%252e%252e%252fapp.conf", Probe::Traversal),
            ("/ping", "host=1.1.1.1;cat /x", Probe::Command),
            ("/ping", "host=%24(whoami)", Probe::Command),
            ("/a", "x=${jndi:ldap://x/a}", Probe::Expression),
            ("/a", "x=%24%7B%24%7Blower:j%7Dndi:x%7D", Probe::Expression),
            ("/fetch", "url=http://169.254.169.254/latest/meta-data/", Probe::Inside),
            ("/fetch", "url=http%3A%2F%2Flocalhost%3A8080%2Fadmin", Probe::Inside),
            ("/search", "q=%3Cscript%3Ealert(1)%3C/script%3E", Probe::Script),
        ] {
            assert_eq!(probe(path, query, ""), Some(expected), "{path}?{query}");
        }
        assert_eq!(probe("/", "", "${jndi:ldap://x/a}"), Some(Probe::Expression));
    }

    #[test]
    fn what_people_ask_for_is_none() {
        for (path, query) in [
            ("/", ""),
            ("/search", "q=select+a+gift+from+our+union+shop"),
            ("/search", "q=O%27Brien+and+sons"),
            ("/search", "q=rock+%26+roll;+order+by+phone"),
            ("/oauth/callback", "code=ab12&redirect_uri=https%3A%2F%2Fapp.bank.example%2Fback&state=x%3D%3D"),
            ("/files/report..final.pdf", "v=1.2"),
            ("/list", "page=1&id&ls=2"),
        ] {
            assert_eq!(
                probe(path, query, "Mozilla/5.0 (X11; Linux x86_64; rv:1) Gecko; +http://localhost/bot"),
                None,
                "{path}?{query}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_searched_without_panic(path in "\\PC{0,200}", query in "[%0-9a-f+&=]{0,80}") {
            let _ = probe(&path, &query, &path);
        }

        /// Escaping hides nothing.
        #[test]
        fn escaping_hides_nothing(times in 0usize..3) {
            let mut query = "id=1' or '1'='1".to_owned();
            for _ in 0..times {
                query = query.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02x}") }).collect();
            }
            prop_assert_eq!(probe("/", &query, ""), Some(Probe::Sql));
        }
    }
}
