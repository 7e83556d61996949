//! Rules as files have them, read with what they ask.

use crate::duration;
use crate::functions::Type;
use crate::limits::RULES_EVERY_MS;
use crate::parse::parse;
use crate::rules::{Does, Rule};
use crate::template::Template;
use bartizan_core::fleet::FleetError;
use bartizan_core::prometheus_rules as file;

/// The rules of each group, in order.
///
/// # Errors
/// Everything that cannot be read, with its place.
pub fn compile(groups: &[file::Group]) -> Result<Vec<Vec<Rule>>, Vec<FleetError>> {
    let mut wrong = Vec::new();
    let all = groups.iter().map(|group| {
        let mut reader = Reader { file: &group.file, wrong: &mut wrong };
        reader.interval(group.interval.as_ref());
        group.rules.iter().filter_map(|it| reader.rule(it)).collect()
    });
    let all = all.collect();
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

struct Reader<'a> {
    file: &'a str,
    wrong: &'a mut Vec<FleetError>,
}

impl Reader<'_> {
    fn refuse(&mut self, said: &file::Said, problem: String, way_out: &str) {
        self.wrong.push(FleetError {
            file: self.file.to_owned(),
            line: said.line,
            column: said.column,
            key: said.key.clone(),
            value: None,
            problem,
            way_out: way_out.to_owned(),
        });
    }

    fn span(&mut self, said: Option<&file::Said>) -> Option<i64> {
        let Some(said) = said else { return Some(0) };
        let read = if said.text == "0" { Some(0) } else { duration::read(&said.text) };
        if read.is_none() {
            self.refuse(said, format!("`{:.40}` is no span of time", said.text), "write it as `30s`, `5m` or `1h30m`");
        }
        read
    }

    fn interval(&mut self, said: Option<&file::Said>) {
        let Some(asked) = said else { return };
        if self.span(said).is_some_and(|it| it < RULES_EVERY_MS) {
            let every = duration::write(RULES_EVERY_MS);
            let problem = format!("`{}` is less than the {every} from one measurement to the next", asked.text);
            self.refuse(asked, problem, "leave it out: every group is asked with each measurement");
        }
    }

    fn rule(&mut self, rule: &file::Rule) -> Option<Rule> {
        let expr = match parse(&rule.expr.text) {
            Ok(expr) if matches!(expr.is(), Type::Vector | Type::Scalar) => Some(expr),
            Ok(expr) => {
                let problem = format!("asks for {}", expr.is().as_str());
                self.refuse(&rule.expr, problem, "a rule asks for an instant vector or a number");
                None
            }
            Err(why) => {
                self.refuse(&rule.expr, why.to_string(), "");
                None
            }
        };
        let labels = self.texts(&rule.labels);
        let does = match &rule.does {
            file::Does::Record => Some(Does::Record),
            file::Does::Alert { hold, keep, annotations } => {
                let (hold_ms, keep_ms) = (self.span(hold.as_ref()), self.span(keep.as_ref()));
                let annotations = self.texts(annotations);
                (|| Some(Does::Alert { hold_ms: hold_ms?, keep_ms: keep_ms?, annotations: annotations? }))()
            }
        };
        Some(Rule { name: rule.name.clone(), expr: expr?, does: does?, labels: labels? })
    }

    fn texts(&mut self, all: &[(String, file::Said)]) -> Option<Vec<(String, Template)>> {
        let all: Vec<_> = all
            .iter()
            .map(|(name, said)| match Template::parse(&said.text) {
                Ok(template) => Some((name.clone(), template)),
                Err(why) => {
                    self.refuse(said, why, "");
                    None
                }
            })
            .collect();
        all.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::fleet::parse_prometheus_rules;

    fn wrong(rule: &str) -> String {
        let text = format!("groups:\n  - name: a\n    interval: 15s\n    rules:\n      - {rule}\n");
        let groups = parse_prometheus_rules(&text, "a.yml").unwrap_or_else(|errors| panic!("{errors}"));
        compile(&groups).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn refuses_what_cannot_be_asked_with_its_place() {
        for (rule, expected) in [
            ("{ record: a, expr: \"hour()\" }", "function `hour`: not in the subset"),
            ("{ record: a, expr: \"up[5m]\" }", "a rule asks for an instant vector or a number"),
            ("{ record: a, expr: \"'it'\" }", "a rule asks for an instant vector or a number"),
            ("{ record: a, expr: up, labels: { b: \"{{ query }}\" } }", "only `$labels.NAME`"),
        ] {
            let told = wrong(rule);
            assert!(told.starts_with("a.yml:5:") && told.contains(expected), "{rule}: {told}");
        }
        let alert = "{ alert: A, expr: up, for: soon, labels: { owner: o, severity: page }, annotations: { summary: s, runbook: r } }";
        assert!(wrong(alert).contains("rules[0].for: `soon` is no span of time"), "{}", wrong(alert));
        let text = "groups: [{ name: a, interval: 5s, rules: [] }]";
        let told = compile(&parse_prometheus_rules(text, "a.yml").unwrap()).unwrap_err();
        assert!(told[0].to_string().contains("less than the 15s"), "{told:?}");
    }
}
