//! Text that only looks like Cedar: read or refused, never a panic; and what is read decides equally in both ways.

use crate::support::{bank, compile, decide, files, name};
use bartizan_core::Action;
use bartizan_policy::{Ask, check};
use proptest::prelude::*;
use proptest::sample::select;

fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(vec![
            "permit", "forbid", "(principal, action, resource)", "when", "unless", "{", "}", "(", ")", "[", "]", ";", ",", ".", "@", "@id",
            "(\"a\")", "\"b\"", "\"", "\\", "//", "\n", "\r", "principal", "action", "resource", "context", "context.path", "==", "in",
            "is", "like", "has", "if", "then", "else", "!", "-", "1", "+", "*", "&&", "||", "<", "::", "Service", "Service::\"users\"",
            "Workload::\"payment\"", "Action::\"read\"", "true", "false", "?principal", "ä", "\u{0}", "\u{2028}",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

fn mutated() -> impl Strategy<Value = String> {
    let good = "@id(\"x\") forbid (principal == Workload::\"users\", action in Action::\"call\", resource in Service::\"accounts\") // c\nwhen { context.path like \"/a*\" && principal.owner == \"core\" };permit (principal, action, resource);";
    (0..good.len(), 0..12_usize, soup()).prop_map(move |(at, cut, put)| {
        let head: String = good.chars().take(at).collect();
        let tail: String = good.chars().skip(at + cut).collect();
        format!("{head}{put}{tail}")
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![soup(), mutated(), "\\PC{0,200}"]) {
        let errors = match compile(&bank(), &text) {
            Ok(engine) => {
                for caller in ["payment", "users"] {
                    let ask = Ask { user: None, id: None, principal: &name(caller), action: Action::Read, resource: &name("accounts"), route: None, method: "GET", path: "/a" };
                    decide(&engine, &ask);
                }
                return Ok(());
            }
            Err(errors) => errors,
        };
        for error in errors.as_slice() {
            let lines = text.lines().count() as u32 + 1;
            prop_assert!(error.line <= lines, "{} of {} lines", error, lines);
            prop_assert!(!error.message.contains('\n'), "{}", error);
        }
        prop_assert!(check(&bank(), &files(&text)).is_err());
    }
}
