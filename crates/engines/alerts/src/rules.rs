//! The rules that come with the product.

use bartizan_core::alerts::Rule;
use bartizan_core::fleet::parse_rules;

/// Their text, as it stands in the manual's folder of rules.
pub const BUILT_IN: &str = include_str!("../rules.yaml");

/// The rules that come with the product, by name.
pub fn built_in() -> Vec<Rule> {
    let rules = parse_rules(BUILT_IN, "built in", None).expect("a test reads them");
    rules.into_iter().map(|rule| Rule { place: "built in".to_owned(), ..rule }).collect()
}

/// Those, with the rules of a fleet beside them and in the place of those of the same name.
pub fn in_force(own: &[Rule]) -> Vec<Rule> {
    let mut rules = built_in();
    rules.retain(|rule| own.iter().all(|it| it.name != rule.name));
    rules.extend(own.iter().cloned());
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_has_a_section_in_the_runbooks() {
        let runbooks = include_str!("../../../../docs/manual/runbooks.md");
        let anchors: BTreeSet<String> =
            runbooks.lines().filter_map(|line| Some(line.strip_prefix("## ")?.to_lowercase())).collect();
        let rules = built_in();
        assert!(rules.len() >= 14, "{}", rules.len());
        for rule in rules {
            let anchor = rule.runbook.strip_prefix("docs/manual/runbooks.md#");
            assert!(anchor.is_some_and(|it| anchors.contains(it)), "{}: {}", rule.name, rule.runbook);
        }
    }

    #[test]
    fn a_fleet_can_have_its_own_in_the_place_of_one() {
        let mut own = built_in().remove(0);
        own.owner = "somebody else".into();
        let rules = in_force(std::slice::from_ref(&own));
        assert_eq!(rules.len(), built_in().len());
        assert_eq!(rules.iter().filter(|it| it.name == own.name).collect::<Vec<_>>(), [&own]);
    }
}
