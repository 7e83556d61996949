//! How much of what must not be stored is found, and how much that is found is none: by kind, over `corpus/pii`.

use bartizan_core::redact::{Found, Kind, REDACTED, find_all, redact, redact_all, redact_event};
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

const CASES: &str = include_str!("../../../../../corpus/pii/cases.txt");
const PAGE: &str = "../../../docs/manual/redaction.md";
/// Least share of what was planted that is found whole, for each kind.
const RECALL_MIN: f64 = 0.85;
/// Least share of what is taken out that had to be.
const PRECISION_MIN: f64 = 0.97;

/// What was planted, found whole, taken out, and rightly taken out: counts.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    planted: u32,
    found: u32,
    taken: u32,
    right: u32,
}

impl Score {
    fn recall(&self) -> f64 {
        f64::from(self.found) / f64::from(self.planted)
    }

    fn precision(&self) -> f64 {
        f64::from(self.right) / f64::from(self.taken)
    }
}

fn kind(word: &str) -> Kind {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap_or_else(|| panic!("no kind `{word}`"))
}

/// A line without its marks, and what they marked.
fn read(line: &str) -> (String, Vec<(Kind, Range<usize>)>) {
    let (mut text, mut marks, mut rest) = (String::new(), Vec::new(), line);
    while let Some((before, after)) = rest.split_once('«') {
        let (mark, after) = after.split_once('»').unwrap();
        let (word, value) = mark.split_once(':').unwrap();
        text.push_str(before);
        marks.push((kind(word), text.len()..text.len() + value.len()));
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    (text, marks)
}

fn measured() -> (BTreeMap<Kind, Score>, Vec<String>) {
    let mut scores: BTreeMap<Kind, Score> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in CASES.lines() {
        let (text, marks) = read(line);
        let found = find_all(&text);
        for (kind, mark) in &marks {
            let score = scores.entry(*kind).or_default();
            score.planted += 1;
            if found.iter().any(|it| it.range.start <= mark.start && mark.end <= it.range.end) {
                score.found += 1;
            } else {
                wrong.push(format!("{}: missed in {text:?}", kind.as_str()));
            }
        }
        for Found { kind, range } in found {
            let score = scores.entry(kind).or_default();
            score.taken += 1;
            if marks.iter().any(|(_, mark)| mark.start < range.end && range.start < mark.end) {
                score.right += 1;
            } else {
                wrong.push(format!("{}: {:?} of {text:?} is none", kind.as_str(), &text[range]));
            }
        }
    }
    (scores, wrong)
}

#[test]
fn each_kind_is_found_and_little_else() {
    let (scores, wrong) = measured();
    for kind in Kind::ALL {
        let score = scores.get(&kind).copied().unwrap_or_default();
        assert!(score.planted >= 80, "{}: {score:?} are too few to say anything", kind.as_str());
        assert!(
            score.recall() >= RECALL_MIN && score.precision() >= PRECISION_MIN,
            "{}: {score:?}\n{}",
            kind.as_str(),
            wrong.join("\n")
        );
    }
}

/// The figures of the manual are those of this test; `BARTIZAN_BLESS=1` writes them anew.
#[test]
fn the_manual_says_what_is_measured() {
    let (scores, wrong) = measured();
    let mut table = "| Kind | Texts | Found | Of what is taken out, rightly |\n|---|---|---|---|\n".to_owned();
    for kind in Kind::ALL {
        let score = scores[&kind];
        let (recall, precision) = (score.recall() * 100.0, score.precision() * 100.0);
        let _ = writeln!(table, "| `{}` | {} | {recall:.1} % | {precision:.1} % |", kind.as_str(), score.planted);
    }
    let (begin, end) = ("<!-- measured -->\n", "<!-- end -->");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(begin).unwrap();
    let (said, after) = rest.split_once(end).unwrap();
    if std::env::var_os("BARTIZAN_BLESS").is_some() {
        std::fs::write(&file, format!("{before}{begin}{table}{end}{after}")).unwrap();
        println!("{}", wrong.join("\n"));
        return;
    }
    assert_eq!(said, table, "{}", wrong.join("\n"));
}

#[test]
fn what_looks_like_a_number_of_somebody_and_is_none_stays() {
    for text in [
        "request 4bf92f3577b34da6a3ce929d0e0e4736 took 1234 us",
        "2026-11-28T00:30:12.123+01:00 started",
        "at 1795787009123 from 10.200.30.4:51234",
        "git clone git@git.example.com:team/api.git",
        "https://user@bank.example/x",
        "npm install @ana/kim@1.2.3",
        "GET /img/icon@2x.png",
        "DE89370400440532013001 has a wrong check digit",
        "12345678A is no DNI",
        "000-12-3456 and 900-12-3456 are nobody's",
        "111.111.111-11 is nobody's",
        "hotel: 030 1234567",
        "+0049 and +1 555",
    ] {
        assert!(matches!(redact_all(text), Cow::Borrowed(_)), "{text} became {}", redact_all(text));
    }
}

#[test]
fn personal_data_goes_and_the_text_around_it_stays() {
    for (text, left) in [
        ("mail to ana.garcia@example.org.", "mail to [redacted]."),
        ("/users/ana%40example.org/accounts", "/users/[redacted]/accounts"),
        ("<jürgen@müller.example>", "<[redacted]>"),
        ("call +49 (0)30 1234567, or (212) 555-0123", "call [redacted], or [redacted]"),
        ("IBAN DE89 3704 0044 0532 0130 00 now", "IBAN [redacted] now"),
        ("/iban/gb82west12345698765432/x", "/iban/[redacted]/x"),
        ("ssn 123-45-6789;", "ssn [redacted];"),
        (r#"{"ssn": "123456789", "n": 123456789}"#, r#"{"ssn": "[redacted]", "n": 123456789}"#),
        ("CPF 529.982.247-25", "CPF [redacted]"),
        ("nir 2 55 08 14 168 025 38", "nir [redacted]"),
        ("dni 12345678Z, nie X1234567L", "dni [redacted], nie [redacted]"),
        ("RSSMRA85T10A562S", "[redacted]"),
        ("QQ123456C is an example, AB 12 34 56 C is not", "QQ123456C is an example, [redacted] is not"),
        ("dob=1990-05-01 at 2026-05-01", "dob=[redacted] at 2026-05-01"),
        ("customer.phone: 030 1234567", "customer.phone: [redacted]"),
        ("password=ana@example.org", "password=[redacted]"),
    ] {
        assert_eq!(redact_all(text), left, "{text}");
        assert_eq!(redact_all(left), left, "what is clean stays as it is");
    }
    assert_eq!(redact("ana@example.org"), "ana@example.org", "as the name of a user it is who it was");
}

#[test]
fn users_keep_their_names_and_texts_lose_them() {
    let mut request = crate::samples::request(bartizan_core::Verdict::Allow, "ana@example.org");
    request.user = Some("ana@example.org".into());
    let mut event =
        crate::samples::event(bartizan_core::event::SeenBy::Inbound, bartizan_core::event::What::Request(request));
    redact_event(&mut event);
    let bartizan_core::event::What::Request(it) = &event.what else { panic!("it is what it was") };
    assert_eq!((it.user.as_deref(), &*it.path), (Some("ana@example.org"), "/accounts/[redacted]"));

    let mut told = crate::samples::telemetry(bartizan_core::event::Signal::Log, "wrote to ana@example.org");
    told.attributes =
        [("customer.phone", "030 1234567"), ("dob", "1.5.1990"), ("count", "0301234567"), ("to", "ana@example.org")]
            .map(|(key, value)| (key.into(), value.into()))
            .to_vec();
    let mut event =
        crate::samples::event(bartizan_core::event::SeenBy::Intake, bartizan_core::event::What::Telemetry(told));
    redact_event(&mut event);
    let bartizan_core::event::What::Telemetry(told) = event.what else { panic!("it is what it was") };
    let values: Vec<&str> = told.attributes.iter().map(|(_, value)| &**value).collect();
    assert_eq!(values, [REDACTED, REDACTED, "0301234567", REDACTED]);
    assert!(told.body.contains("wrote to [redacted]"), "{}", told.body);
}

/// What is found also where it stands alone.
static PLANTED: LazyLock<Vec<String>> = LazyLock::new(|| {
    let values = CASES.lines().flat_map(|line| {
        let (text, marks) = read(line);
        marks.into_iter().map(|(_, range)| text[range].to_owned()).collect::<Vec<_>>()
    });
    values.filter(|value| find_all(value).first().is_some_and(|it| it.range == (0..value.len()))).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is planted where, all of it goes, and nothing comes out that was not there.
    #[test]
    fn a_planted_one_never_survives(n: usize, before in "([a-z]{1,8}[ ,/]){0,4}", after in "([ ,][a-z]{1,8}){0,4}") {
        let value = &PLANTED[n % PLANTED.len()];
        let clean = redact_all(&format!("{before} {value} {after}")).into_owned();
        prop_assert!(!clean.contains(value.as_str()), "{} became {}", value, clean);
    }

    #[test]
    fn nothing_comes_out_that_was_not_there(text in "([0-9 +().@%A-Z:=-]|\\PC){0,120}") {
        let clean = redact_all(&text).into_owned();
        prop_assert!(clean.split(REDACTED).all(|kept| text.contains(kept)), "{} became {}", text, clean);
        let found = find_all(&text);
        prop_assert!(found.iter().all(|it| text.get(it.range.clone()).is_some_and(|it| !it.is_empty())));
        prop_assert!(found.windows(2).all(|two| two[0].range.end <= two[1].range.start), "{:?}", found);
    }
}
