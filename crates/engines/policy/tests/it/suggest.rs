//! What is suggested after a denial: put in force, it lets that call through and no other one.

use crate::support::{ask, bank, files, name, plain_bank};
use crate::users::with_users;
use bartizan_core::edge::Mtls;
use bartizan_core::fleet::{Call, Fleet};
use bartizan_core::snapshot::Epoch;
use bartizan_policy::{Change, Engine, NoChange, check, from_fleet, suggest};
use std::collections::BTreeMap;

type Files = BTreeMap<String, String>;

fn suggested(fleet: &Fleet, files: &Files, call: &str) -> Result<Vec<Change>, NoChange> {
    ask(call, |ask| suggest(fleet, files, ask, false))
}

fn is_allowed(fleet: &Fleet, files: &Files, call: &str) -> bool {
    let engine = Engine::compile(&from_fleet(fleet, files.clone()), Epoch(1)).unwrap();
    ask(call, |ask| engine.decide(ask).is_allow())
}

/// What somebody does who follows the suggestion: the text takes the place of the policy that begins at that line, stands in a file of its
/// own, or names one more callee.
fn apply(fleet: &mut Fleet, files: &mut Files, changes: &[Change], call: &str) {
    for change in changes {
        match (&change.file, &change.replaces) {
            (Some(file), Some((_, line))) => {
                let text = &files[file];
                let before: usize = text.split_inclusive('\n').take(*line as usize - 1).map(str::len).sum();
                let length = text[before..].find(';').unwrap() + 1;
                let whole = format!("{}{}{}", &text[..before], change.text, &text[before + length..]);
                files.insert(file.clone(), whole);
            }
            (Some(file), None) => drop(files.insert(file.clone(), change.text.clone())),
            (None, _) => {
                let words: Vec<&str> = call.split(' ').collect();
                let to = name(words[2].split('/').next().unwrap());
                assert!(change.text.contains(&format!("  {}:\n", words[0])), "{}", change.text);
                assert!(change.text.contains(&format!("      - {to}\n")), "{}", change.text);
                let calls = &mut fleet.services.get_mut(&name(words[0])).unwrap().calls;
                calls.push(Call { to, via: None, edge: Default::default(), narrow: None });
            }
        }
    }
    check(fleet, files).unwrap();
}

#[test]
fn each_denial_with_a_way_out_is_let_through_by_it_and_its_neighbours_are_not() {
    let night = "@id(\"night\")\nforbid (principal, action, resource in Service::\"accounts\")\nwhen { context.path like \"/night*\" };\n";
    let twice = format!(
        "{night}\n@id(\"writes\")\nforbid (principal == Workload::\"payment\", action == Action::\"write\", resource);\n"
    );
    let tcp = "@id(\"no\")\nforbid (principal, action == Action::\"connect\", resource == Service::\"postgres\");\n";
    for (what, policies, call, still_denied) in [
        (
            "no edge",
            "",
            "users GET accounts /a",
            &["users POST accounts /a", "users GET accounts /b", "users GET payment /a"][..],
        ),
        (
            "no edge, of a route",
            "",
            "users GET accounts/balance /a",
            &["users GET accounts/close /a", "users GET accounts /a"],
        ),
        ("no edge, a connection", "", "payment connect postgres", &["users connect postgres"]),
        (
            "a policy",
            night,
            "payment GET accounts /night",
            &["payment GET accounts /night/2", "payment POST accounts /night"],
        ),
        ("a quoted path", night, "payment GET accounts /night\"\\é", &["payment GET accounts /night"]),
        (
            "two policies",
            &twice,
            "payment POST accounts /night",
            &["payment POST accounts /day", "payment GET accounts /night"],
        ),
        (
            "a policy and no edge",
            night,
            "users GET accounts /night",
            &["users GET accounts /day", "payment GET accounts /night"],
        ),
        ("a connection", tcp, "accounts connect postgres", &[]),
    ] {
        let (mut fleet, mut files) = (plain_bank(), files(policies));
        assert!(!is_allowed(&fleet, &files, call), "{what}");
        let changes = suggested(&fleet, &files, call).unwrap_or_else(|no| panic!("{what}: {no:?}"));
        apply(&mut fleet, &mut files, &changes, call);
        assert!(is_allowed(&fleet, &files, call), "{what}: {changes:#?}");
        for other in still_denied {
            assert!(!is_allowed(&fleet, &files, other), "{what}, {other}: {changes:#?}");
        }
        assert_eq!(suggested(&fleet, &files, call), Err(NoChange::AllowedNow), "{what}");
    }
}

#[test]
fn a_connection_to_who_speaks_anything_opens_no_request() {
    let (mut fleet, mut files) = (bank(), files(""));
    let call = "users connect legacy";
    let changes = suggested(&fleet, &files, call).unwrap();
    apply(&mut fleet, &mut files, &changes, call);
    assert!(is_allowed(&fleet, &files, call), "{changes:#?}");
    for other in ["users GET legacy /a", "users POST legacy /", "accounts connect legacy"] {
        assert!(!is_allowed(&fleet, &files, other), "{other}: {changes:#?}");
    }
}

#[test]
fn what_stands_under_calls_is_not_written_again() {
    let changes = suggested(&plain_bank(), &files(""), "accounts GET users /a").unwrap();
    assert_eq!(changes[0].text, "services:\n  accounts:\n    calls: # beside what stands there\n      - users\n");
}

#[test]
fn nothing_is_suggested_where_the_record_does_not_say_which_call_it_was() {
    let closed = "@id(\"no\")\nforbid (principal, action, resource in Service::\"accounts\");\n";
    let legacy = closed.replace("accounts", "legacy");
    let of = |length: usize| format!("payment GET accounts /{}", "a".repeat(length - 1));
    for (policies, call, is_known) in [
        (closed, "payment GET accounts /a", true),
        (closed, "payment GET accounts /[redacted]", false),
        (closed, of(1020).as_str(), true),
        (closed, of(1021).as_str(), false),
        (closed, of(1024).as_str(), false),
        ("", "users GET accounts /[redacted]", false),
        // Nobody can look at paths where it is not known whether there are any.
        (legacy.as_str(), "payment GET legacy /a", false),
        ("", "users GET legacy /a", false),
    ] {
        let found = suggested(&bank(), &files(policies), call);
        assert_eq!(found.as_ref().err(), (!is_known).then_some(&NoChange::NoneFound), "{call}: {found:#?}");
    }
}

#[test]
fn where_a_policy_asks_for_the_user_nothing_is_suggested() {
    let admins = "context has user && context.user.roles.contains(\"admin\")";
    let forbid = format!(
        "@id(\"admins\")\nforbid (principal, action, resource in Service::\"accounts\")\nwhen {{ context.path like \"/admin/*\" }}\nunless {{ {admins} }};\n"
    );
    let permit = format!("permit (principal, action, resource in Service::\"accounts\") when {{ {admins} }};\n");
    for (policies, call) in
        [(&forbid, "gateway GET accounts /admin/users"), (&permit, "users GET accounts /admin/users")]
    {
        check(&with_users(), &files(policies)).unwrap();
        assert_eq!(suggested(&with_users(), &files(policies), call), Err(NoChange::AsksForUser), "{call}");
    }
    // What it has nothing to do with is not its business.
    assert!(suggested(&with_users(), &files(&permit), "accounts GET users /a").is_ok());
}

#[test]
fn without_a_certificate_there_is_no_exception() {
    let mut fleet = plain_bank();
    fleet.services.get_mut(&name("accounts")).unwrap().mtls = Mtls::Permissive;
    let forbid = "@id(\"no\")\nforbid (principal, action, resource in Service::\"accounts\");\n";
    let call = "unauthenticated GET accounts /a";
    assert!(is_allowed(&fleet, &files(""), call));
    assert_eq!(suggested(&fleet, &files(forbid), call), Err(NoChange::Unauthenticated));
}

#[test]
fn what_a_policy_permits_and_nobody_declared_is_declared() {
    let (mut fleet, mut files) =
        (plain_bank(), files("permit (principal, action, resource in Service::\"accounts\");\n"));
    let call = "users GET accounts /a";
    assert_eq!(suggested(&fleet, &files, call), Err(NoChange::AllowedNow));
    let undeclared = |fleet: &Fleet, files: &Files| ask(call, |ask| suggest(fleet, files, ask, true));
    let changes = undeclared(&fleet, &files).unwrap();
    assert_eq!(changes[0].file, None);
    apply(&mut fleet, &mut files, &changes, call);
    assert!(is_allowed(&fleet, &files, call) && !is_allowed(&fleet, &files, "users GET accounts /b"), "{changes:#?}");
    assert_eq!(undeclared(&fleet, &files), Err(NoChange::AllowedNow));
}

#[test]
fn where_nothing_is_suggested_it_is_said_why() {
    for (policies, call, why) in [
        ("", "payment GET accounts /a", NoChange::AllowedNow),
        ("", "gateway GET payment /a", NoChange::Gateway),
        ("", "unauthenticated GET accounts /a", NoChange::Unauthenticated),
        ("", "stranger GET accounts /a", NoChange::NotAService),
        ("", "payment GET nowhere /a", NoChange::NotAService),
        ("this is no policy", "users GET accounts /a", NoChange::NoneFound),
    ] {
        let no = suggested(&bank(), &files(policies), call).unwrap_err();
        assert_eq!(no, why, "{call}");
        assert!(!no.instead().is_empty());
    }
}
