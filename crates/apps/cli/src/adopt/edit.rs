//! Sets `mtls` of every service in the text of a fleet file, and touches nothing else: comments and order are somebody's work.

use bartizan_core::edge::Mtls;
use bartizan_core::fleet::{Fleet, parse};

/// The text with `mtls` for every service; strict is said by not saying it.
///
/// # Errors
/// Why it cannot be done; then somebody has to write the lines.
pub(crate) fn set_all(text: &str, mtls: Mtls) -> Result<String, String> {
    let before = parse(text, "the fleet file").map_err(|errors| errors.to_string())?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for name in before.services.keys() {
        set(&mut lines, name.as_str(), mtls)?;
    }
    let mut edited = lines.join("\n");
    if text.ends_with('\n') {
        edited.push('\n');
    }
    let after =
        parse(&edited, "the fleet file").map_err(|errors| format!("the change would break the file: {errors}"))?;
    if after != wanted(before, mtls, &after) {
        return Err(
            "the file is written in a way that is not understood here; say `mtls:` for each service by hand".to_owned()
        );
    }
    Ok(edited)
}

/// The same fleet but for `mtls`, with the warnings of the new text.
fn wanted(before: Fleet, mtls: Mtls, after: &Fleet) -> Fleet {
    let mut wanted = Fleet { warnings: after.warnings.clone(), ..before };
    wanted.services.values_mut().for_each(|service| service.mtls = mtls);
    wanted
}

fn set(lines: &mut Vec<String>, name: &str, mtls: Mtls) -> Result<(), String> {
    let by_hand = || format!("cannot find the lines of `{name}`; say `mtls:` for it by hand");
    let services = lines.iter().position(|line| line.trim_end() == "services:").ok_or_else(by_hand)?;
    let key = format!("{name}:");
    let is_it = |line: &String| line.starts_with(' ') && line.trim_start().starts_with(&key);
    // The first one below `services:` that is no deeper than the others there.
    let depth =
        lines[services + 1..].iter().find(|line| !is_blank(line)).map(|line| indent(line)).ok_or_else(by_hand)?;
    let at = (services + 1..lines.len()).find(|at| is_it(&lines[*at]) && indent(&lines[*at]) == depth);
    let at = at.ok_or_else(by_hand)?;
    if lines[at].contains('{') {
        lines[at] = in_braces(&lines[at], mtls).ok_or_else(by_hand)?;
        return Ok(());
    }
    let end = (at + 1..lines.len()).find(|at| !is_blank(&lines[*at]) && indent(&lines[*at]) <= depth);
    let mut end = end.unwrap_or(lines.len());
    let inner = lines[at + 1..end].iter().find(|line| !is_blank(line)).map(|line| indent(line)).ok_or_else(by_hand)?;
    let is_old = |line: &String| indent(line) == inner && line.trim_start().starts_with("mtls:");
    if let Some(old) = (at + 1..end).find(|at| is_old(&lines[*at])) {
        lines.remove(old);
        end -= 1;
    }
    if mtls == Mtls::Permissive && end > at {
        lines.insert(at + 1, format!("{}mtls: permissive", " ".repeat(inner)));
    }
    Ok(())
}

/// `name: { at: ... }` in one line.
fn in_braces(line: &str, mtls: Mtls) -> Option<String> {
    let (head, body) = line.split_once('{')?;
    let body = body.replace("mtls: permissive, ", "").replace("mtls: strict, ", "");
    let body = body.replace(", mtls: permissive", "").replace(", mtls: strict", "");
    Some(match mtls {
        Mtls::Strict => format!("{head}{{{body}"),
        Mtls::Permissive => format!("{head}{{ mtls: permissive, {}", body.trim_start()),
    })
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# A shop.
fleet: shop
trust_domain: shop.test

services:
  # The front.
  web:
    at: 127.0.0.1:1   # by hand
    protocol: http

    calls: [stock]

  stock: { at: 127.0.0.1:2, protocol: http }
  db:
      protocol: tcp
      mtls: strict
      at: 127.0.0.1:3
gateway:
  listen: 127.0.0.1:8443
  routes:
    - { path: /**, to: web }
";

    #[test]
    fn says_it_for_every_service_and_takes_it_back() {
        let permissive = set_all(FILE, Mtls::Permissive).unwrap();
        let fleet = parse(&permissive, "f").unwrap();
        assert!(fleet.services.values().all(|service| service.mtls == Mtls::Permissive), "{permissive}");
        assert!(permissive.contains("  web:\n    mtls: permissive\n    at: 127.0.0.1:1   # by hand\n"), "{permissive}");
        assert_eq!(set_all(&permissive, Mtls::Permissive).unwrap(), permissive, "twice is once");
        let strict = set_all(&permissive, Mtls::Strict).unwrap();
        assert_eq!(strict, FILE.replace("      mtls: strict\n", ""), "all else as it was");
        assert_eq!(set_all(&strict, Mtls::Strict).unwrap(), strict);
    }

    #[test]
    fn what_is_not_understood_is_left_alone() {
        for (text, why) in [
            (FILE.replace("  web:", "  \"web\":"), "by hand"),
            (FILE.replace("services:\n", "services: # all\n"), "by hand"),
            (FILE.replace("at: 127.0.0.1:2", "at: 1"), "stock"),
        ] {
            let refused = set_all(&text, Mtls::Permissive).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
