//! Our answers beside those of Prometheus: as they are kept, and as a Prometheus on this machine gives them now.

use crate::corpus::{Answer, BASE_MS, MOMENTS_MS, Query, RANGE, folder, ours, queries, series};
use crate::judge::Prometheus;
use bartizan_promql::{ErrorKind, Range};
use serde_json::{Value as Json, json};

/// Further moments that only a real Prometheus is asked about.
const MORE_MOMENTS_MS: [i64; 1] = [BASE_MS + 45 * 60_000 + 1];
const MORE_RANGE: Range =
    Range { from_ms: BASE_MS + 20 * 60_000 + 3, until_ms: BASE_MS + 40 * 60_000, step_ms: 17_003 };

fn golden() -> Vec<Json> {
    let text = std::fs::read_to_string(folder().join("golden.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is asked about each query.
fn asked() -> impl Iterator<Item = (&'static str, Result<i64, Range>)> {
    ["first", "second"].into_iter().zip(MOMENTS_MS.map(Ok)).chain([("range", Err(RANGE))])
}

#[test]
fn our_answers_are_those_that_prometheus_gave() {
    let (source, golden, queries) = (series(), golden(), queries());
    assert_eq!(golden.len(), queries.len(), "the golden file is of other queries; see SOURCE.md");
    let answered = queries.iter().filter(|it| matches!(it, Query::Answered(_))).count();
    assert!(answered >= 200, "{answered}");
    let (mut wrong, mut compared, mut numbers) = (Vec::new(), 0, 0);
    for (query, kept) in queries.iter().zip(&golden) {
        assert_eq!(kept["query"], query.text());
        for (name, at) in asked() {
            let (ours, theirs) = (ours(query.text(), &source, at), &kept[name]);
            compared += 1;
            let complaint = match (query, ours, theirs.get("error")) {
                (Query::Outside { construct, .. }, Err(why), _) => {
                    let named = why.kind == ErrorKind::Outside && why.message.contains(construct);
                    (!named).then(|| format!("our refusal does not name {construct}: {why}"))
                }
                (_, Err(_), Some(_)) => None,
                (_, Err(why), None) => Some(format!("we refuse: {why}")),
                (_, Ok(ours), Some(why)) => Some(format!("we answer {ours:?}, they refuse: {why}")),
                (_, Ok(ours), None) => {
                    let theirs = Answer::of_prometheus(theirs);
                    if let Answer::Numbers { series, .. } = &theirs {
                        numbers += series.values().map(Vec::len).sum::<usize>();
                    }
                    ours.differs(&theirs)
                }
            };
            wrong.extend(complaint.map(|it| format!("{} ({name}): {it}", query.text())));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(numbers > 10_000, "a golden file with few numbers in it: {numbers}");
}

/// No query of the set is answered with nothing everywhere, but those that ask for nothing.
#[test]
fn the_golden_file_says_something() {
    let queries = queries();
    let mut empty = Vec::new();
    for (query, kept) in queries.iter().zip(golden()) {
        let refused = |name: &str| kept[name].get("error").is_some();
        match query {
            Query::Refused(text) => assert!(refused("first"), "{text} is answered by Prometheus"),
            Query::Outside { query, .. } => assert!(!refused("first"), "{query} is refused by Prometheus"),
            Query::Answered(text) => {
                assert!(!refused("first") && !refused("second"), "{text}: {}", kept["first"]);
                let nothing = |name: &str| kept[name]["result"].as_array().is_some_and(Vec::is_empty);
                if asked().all(|(name, _)| nothing(name)) {
                    empty.push(text.clone());
                }
            }
        }
    }
    assert!(empty.len() < 30, "{empty:#?}");
}

#[test]
fn a_prometheus_on_this_machine_answers_as_the_file_says_and_as_we_do() {
    let (source, queries) = (series(), queries());
    let prometheus = Prometheus::over(&source);
    let fresh: Vec<Json> = queries
        .iter()
        .map(|query| {
            let mut line = json!({ "query": query.text() });
            for (name, at) in asked() {
                line[name] = prometheus.ask(query.text(), at);
            }
            line
        })
        .collect();
    if std::env::var_os("BARTIZAN_BLESS").is_some() {
        let lines: String = fresh.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(folder().join("golden.jsonl"), lines).unwrap();
    }
    let kept = golden();
    assert_eq!(kept.len(), queries.len(), "the golden file is of other queries; see SOURCE.md");
    let mut wrong = Vec::new();
    for ((query, fresh), kept) in queries.iter().zip(&fresh).zip(&kept) {
        for (name, _) in asked() {
            let same = match (fresh[name].get("error"), kept[name].get("error")) {
                (None, None) => {
                    Answer::of_prometheus(&fresh[name]).differs(&Answer::of_prometheus(&kept[name])).is_none()
                }
                (fresh, kept) => fresh.is_some() == kept.is_some(),
            };
            if !same {
                wrong.push(format!("{} ({name}): {} and kept {}", query.text(), fresh[name], kept[name]));
            }
        }
    }
    assert!(wrong.is_empty(), "Prometheus answers otherwise than it did:\n{}", wrong.join("\n"));

    let mut compared = 0;
    for query in queries.iter().filter(|it| matches!(it, Query::Answered(_))) {
        for at in MORE_MOMENTS_MS.into_iter().map(Ok).chain([Err(MORE_RANGE)]) {
            let theirs = prometheus.ask(query.text(), at);
            compared += 1;
            let complaint = match (ours(query.text(), &source, at), theirs.get("error")) {
                (Ok(ours), None) => ours.differs(&Answer::of_prometheus(&theirs)),
                (Err(_), Some(_)) => None,
                (ours, theirs) => Some(format!("{ours:?} and {theirs:?}")),
            };
            wrong.extend(complaint.map(|it| format!("{} ({at:?}): {it}", query.text())));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ from Prometheus:\n{}", wrong.len(), wrong.join("\n"));
}
